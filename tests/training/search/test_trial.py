"""One trial: what is read of it, and why it failed."""

import os
import subprocess
import sys

import pytest
from filelock import FileLock

from visionkit.errors import UserError
from visionkit.training.search import trial as trials


def test_a_run_without_a_history_has_no_rows(tmp_path):
    assert trials.read_history(tmp_path) == []
    (tmp_path / "history.csv").write_bytes(b"\xff\xfe")
    assert trials.read_history(tmp_path) == []


def test_rows_have_numbers_where_there_are(tmp_path):
    (tmp_path / "history.csv").write_text("phase,epoch,val_map\nhead,1,\nhead,2,0.5\n")
    assert trials.read_history(tmp_path) == [{"phase": "head", "epoch": 1}, {"phase": "head", "epoch": 2, "val_map": 0.5}]


@pytest.mark.parametrize(
    ("status", "printed", "expected"),
    [
        (1, "", "exit status 1"),
        (2, "10%\r20%\rerror: --size 7: expected at least 32.\nmore\n", "--size 7: expected at least 32."),
        (1, "Traceback\n  File\nKeyError: 'x'\n", "KeyError: 'x'"),
        (-9, "error: other", "it was ended by SIGKILL, maybe since memory was short"),
        (-15, "", "it was ended by SIGTERM"),
        (-250, "", "it was ended by signal 250"),
    ],
)
def test_the_reason_of_a_failure_is_a_line(tmp_path, status, printed, expected):
    log = tmp_path / "trial.log"
    assert trials.reason(3, log) == "exit status 3"
    log.write_text(printed)
    assert trials.reason(status, log) == expected
    log.write_text(f"error: of a process before it\n{printed}")
    assert trials.reason(status, log, len("error: of a process before it\n")) == expected


def test_a_run_that_nobody_writes_is_free_and_another_is_waited_for(tmp_path, monkeypatch):
    trials.wait_until_free(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(trials, "PATIENCE", 0.1)
    with FileLock(tmp_path / ".lock"), pytest.raises(UserError, match="another process is writing this run"):
        trials.wait_until_free(tmp_path)
    trials.wait_until_free(tmp_path)


def test_a_process_that_does_not_end_when_asked_is_made_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "PATIENCE", 0.1)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    process = trials.begin([sys.executable, "-S", "-c", code], tmp_path / "log", tmp_path, dict(os.environ))
    while not (tmp_path / "log").read_text():
        pass
    trials.end(process)
    assert process.returncode == -9
    trials.end(process)


def test_a_trial_ends_when_the_process_that_began_it_does():
    """Its standard input then ends, also after kill -9."""
    code = "import sys, threading, time; from visionkit.cli import trial; trial._end_with_input(0)"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(60) == -15
