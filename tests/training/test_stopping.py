"""Signals and disks that end a run: what is kept is said, and how to go on."""

import errno
import gc
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.training import stopping
from visionkit.training.config import RunConfig
from visionkit.training.recipe import command_line, run_recipe
from visionkit.training.run_folder import RunFolder
from visionkit.training.stopping import Stopped, in_words, refused_write, stopped_by_signals


def test_without_a_signal_nothing_happens_and_handlers_are_as_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with stopped_by_signals():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_the_first_signal_raises_and_the_second_ends_at_once(name, status):
    number = getattr(signal, name)
    with pytest.raises(Stopped) as stopped, stopped_by_signals():
        try:
            os.kill(os.getpid(), number)
        finally:
            assert all(signal.getsignal(getattr(signal, each)) is signal.SIG_DFL for each in stopping.SIGNALS)
    assert stopped.value.status == status and isinstance(stopped.value, KeyboardInterrupt)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
@pytest.mark.parametrize("place", ["collector", "finalizer", "library"])
def test_a_stop_that_is_dropped_comes_again(place, capsys):
    class Dropping:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGTERM)

    def callback(phase, info):
        gc.callbacks.remove(callback)
        os.kill(os.getpid(), signal.SIGTERM)

    def drop():
        if place == "collector":
            gc.callbacks.append(callback)
            gc.collect()
        elif place == "finalizer":
            Dropping()
        else:
            with suppress(BaseException):
                os.kill(os.getpid(), signal.SIGTERM)

    before, reached = [signal.getsignal(signal.SIGALRM), sys.unraisablehook], []
    with pytest.raises(Stopped) as stopped, stopped_by_signals():
        drop()
        reached.append("here")
        for _ in range(6000):
            time.sleep(0.01)
        reached.append("the end")
    assert stopped.value.status == 143 and reached == ["here"]
    assert [signal.getsignal(signal.SIGALRM), sys.unraisablehook] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0) and capsys.readouterr().err == ""


def test_a_stop_that_is_dropped_shortly_before_the_end_is_raised_there():
    with pytest.raises(Stopped) as stopped, stopped_by_signals(), suppress(BaseException):
        os.kill(os.getpid(), signal.SIGINT)
    assert stopped.value.status == 130


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no timers")
def test_what_is_done_because_of_a_stop_is_not_stopped_again(monkeypatch):
    monkeypatch.setattr(stopping, "AGAIN", 0.001)
    rounds = []
    with pytest.raises(SystemExit) as ended, stopped_by_signals():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            try:
                raise ValueError("while the report is written")
            except ValueError:
                for number in range(50):
                    time.sleep(0.001)
                    rounds.append(number)
            sys.exit(130)
    assert ended.value.code == 130 and len(rounds) == 50


def test_what_nohup_ignores_is_still_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_has_no_signals():
    entered = []

    def work():
        with stopped_by_signals():
            entered.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [before]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.npz"), "a.npz: No space left on device"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded"),
        (OSError(errno.EROFS, "Read-only file system", "a"), "a: Read-only file system"),
        (RuntimeError("; No space left on device [Op:SaveV2]"), "No space left on device"),
        (
            OSError("Can't write data (errno = 28, error message = 'No space left on device', buf = 0x1)"),
            "No space left on device",
        ),
        (UserError("model: No space left on device; nothing was written."), "No space left on device"),
        (UserError("a.jpg: Permission denied"), None),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a"), None),
        (ValueError("shapes"), None),
    ],
    ids=str,
)
def test_what_the_system_said_is_found_in_errors_of_any_kind(error, expected):
    assert refused_write(error, [Path()]) == expected


def test_a_full_disk_is_said_with_its_file_and_what_helps(tmp_path, monkeypatch):
    monkeypatch.setenv("VISIONKIT_CACHE", str(tmp_path / "cache"))
    full = partial(OSError, errno.ENOSPC, "No space left on device")
    assert in_words(full()) == "No space left on device"  # of standard output
    assert in_words(full(str(tmp_path / "a"))).startswith(f"{tmp_path / 'a'}: No space left on device; free some, or")
    said = f"free some in the cache, {tmp_path / 'cache'}, or set VISIONKIT_CACHE to another folder"
    assert in_words(full(str(tmp_path / "cache" / "a"))).endswith(said)
    assert (
        in_words(OSError(errno.EFBIG, "has 9 bytes, and at most 3 are read", "a")) == "a: has 9 bytes, and at most 3 are read"
    )


def test_a_disk_that_is_full_during_a_run_says_what_is_kept_and_how_to_go_on(tmp_path, monkeypatch):
    def work(run, config):
        run.save_checkpoint("head", 3, {"a": np.zeros(3)}, [])
        monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device")))
        run.save_checkpoint("head", 4, {"a": np.ones(3)}, [])

    out = tmp_path / "run"
    with pytest.raises(UserError) as refused:
        run_recipe(RunConfig(out=out), work, name="example", smoke={})
    kept = "No space left on device; the state after epoch 3 of 'head' is kept; free some and go on with --resume "
    assert str(refused.value) == f"{out / 'digests.json'}: {kept}{out}"
    monkeypatch.undo()
    assert not list(out.glob("*unfinished*")) and not list(out.glob(".*unfinished"))
    (array,) = files_of(out)
    np.testing.assert_array_equal(array, np.zeros(3))


def files_of(out: Path) -> list[np.ndarray]:
    with np.load(out / "checkpoint.npz") as stored:
        return [stored["a"]]


def test_weights_that_cannot_be_written_leave_nothing(tmp_path):
    run = RunFolder.start(tmp_path / "run", {})

    def save(path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        run.save_weights("head", save)
    assert not run.has_weights("head") and not list(run.path.glob("*.h5"))


def test_weights_for_which_there_is_no_space_are_not_begun(tmp_path, monkeypatch):
    """HDF5 would end the process with a segmentation fault."""
    run, called = RunFolder.start(tmp_path / "run", {}), []

    def full(descriptor, offset, length):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        run.save_weights("head", called.append, 10**6)
    assert called == [] and not list(run.path.glob("*.h5"))


def test_a_file_that_the_system_cuts_ends_in_one_line_and_status_2(tmp_path, monkeypatch, capsys):
    def work(run, config):
        run.save_checkpoint("head", 1, {"a": np.zeros(10)}, [])
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
        try:
            run.save_checkpoint("head", 2, {"a": np.zeros(100_000)}, [])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    out = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["example", "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        command_line(lambda config: run_recipe(config, work, name="example", smoke={}), RunConfig, "")
    errors = capsys.readouterr().err
    line = errors.splitlines()[-1]
    assert ended.value.code == 2 and line.startswith("error: ") and "Traceback" not in errors
    assert "File too large; the state after epoch 1 of 'head' is kept" in line and f"--resume {out}" in line
    assert [path.name for path in out.iterdir() if "unfinished" in path.name] == []


def test_a_file_outside_of_the_run_was_to_be_read(tmp_path):
    error = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "data" / "a.csv"))
    assert refused_write(error, [tmp_path / "run"]) is None
    assert refused_write(error, [tmp_path]) == f"{tmp_path / 'data' / 'a.csv'}: Permission denied"
