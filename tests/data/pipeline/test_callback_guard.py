"""A program that ends while batches are still being made does not hang."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import write_classes
from visionkit.data.pipeline.callback_guard import PythonCalls, python_calls

PROGRAM = """
import sys
import numpy as np
import albumentations as A
from visionkit.data.augmentation import presets
from visionkit.data.sources import read_classified
from visionkit.data.pipeline.batches import TrainingPipeline, evaluation_batches
from visionkit.data.images.scan import scan

folder, how = sys.argv[1:]
index = scan(read_classified(folder).train).take([*range(12)] * 100)
number = 0


def fail_later(image, **_):
    global number
    number += 1
    if how == "worker" and number > 100:
        raise ZeroDivisionError("in the middle of the work")
    return image


own = presets.from_compose(A.Compose([A.Lambda(image=fail_later, name="later", p=1.0), A.HorizontalFlip(p=0.5)]))
# The images are large, and are still being made at the end.
dataset = evaluation_batches(index, 224, 32) if how == "consumer" else TrainingPipeline(index, 224, 32, own).epoch(0)
iterator = iter(dataset)
for step, batch in enumerate(iterator):
    print("step", step, flush=True)
    if how == "consumer" and step == 2:
        raise KeyError("in the consumer")
    if how == "interrupt" and step == 2:
        raise KeyboardInterrupt
"""


HOW_IT_ENDS = {
    "worker": "augmentation 'own' failed: in the middle of the work",
    "consumer": "KeyError: 'in the consumer'",
    "interrupt": "KeyboardInterrupt",
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("how", HOW_IT_ENDS)
def test_a_program_that_fails_in_the_middle_of_an_epoch_ends(how, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    images = write_classes(tmp_path / "images", {"blue": 8, "red": 8})
    command = [sys.executable, str(script), str(images), how]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode != 0 and HOW_IT_ENDS[how] in ended.stderr
    assert "step 0" in ended.stdout and "step 30" not in ended.stdout


def test_without_running_calls_closing_does_not_wait():
    PythonCalls().close()


def test_calls_pass_their_arguments_results_and_errors_on():
    calls = PythonCalls()
    assert calls.guard(divmod)(7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        calls.guard(divmod)(7, 0)
    calls.close()  # the one that failed is not waited for


def test_after_the_end_new_calls_are_refused():
    calls, made = PythonCalls(), []
    guarded = calls.guard(made.append)
    guarded(1)
    calls.close()
    with pytest.raises(RuntimeError, match="the program is ending"):
        guarded(2)
    assert made == [1]
    calls.close()  # a second time does no harm


def test_the_end_waits_for_calls_that_are_under_way(monkeypatch):
    monkeypatch.setattr("visionkit.data.pipeline.callback_guard.SETTLE", 0)
    calls, begun, may_end, ended = PythonCalls(), threading.Barrier(4), threading.Event(), []

    def call(number):
        begun.wait()
        may_end.wait()
        ended.append(number)

    with ThreadPoolExecutor(4) as pool:
        for number in range(3):
            pool.submit(calls.guard(call), number)
        begun.wait()
        closing = pool.submit(lambda: (calls.close(), len(ended))[1])
        with pytest.raises(TimeoutError):
            closing.result(timeout=0.1)
        assert not ended
        may_end.set()
        assert closing.result() == 3


def test_a_process_has_one_count():
    assert python_calls() is python_calls()
