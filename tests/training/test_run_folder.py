"""A new run replaces nothing that no run wrote."""

import time

import numpy as np
import pytest

from visionkit.training.run_folder import RunFolder, RunFolderError


@pytest.mark.parametrize("name", ["log.txt", "history.csv", "report.html", "data.json", "after_me.weights.h5"])
def test_files_of_somebody_else_are_not_deleted(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunFolderError, match=f"{name} exists already, and no run wrote it"):
        RunFolder.start(tmp_path, {})
    assert (tmp_path / name).read_text() == "mine" and not (tmp_path / "config.json").exists()


def test_what_a_run_left_that_failed_early_is_deleted(tmp_path):
    RunFolder.start(tmp_path, {"a": 1}).release()
    for name in ("log.txt", "after_head.weights.h5"):
        (tmp_path / name).write_text("left")
    RunFolder.start(tmp_path, {"a": 2}).release()
    assert not (tmp_path / "after_head.weights.h5").exists() and not (tmp_path / "log.txt").exists()


def test_reading_the_checkpoint_again_does_not_count_the_time_twice(tmp_path, monkeypatch):
    now = time.monotonic()
    run = RunFolder.start(tmp_path, {})
    monkeypatch.setattr(time, "monotonic", lambda: now + 100)
    run.save_checkpoint("head", 1, {"a": np.zeros(1)}, [])
    run.load_checkpoint()
    assert run.seconds() == pytest.approx(100, abs=1)
