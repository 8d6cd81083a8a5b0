"""One trial of a search: a recipe in a process of its own, which is followed and, where it is not worth its time, stopped."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from filelock import FileLock, Timeout

from visionkit.errors import UserError
from visionkit.files import open_file, read_file
from visionkit.training import history
from visionkit.training.search.space import Space

POLL = 0.2  # seconds between two looks at the history
PATIENCE = 60.0  # seconds in which a process that was asked to end has to
LAST = 2**16  # bytes at the end of what a process printed, in which its error is


class Outcome(NamedTuple):
    """How a trial ended.

    Attributes:
        state: finished, pruned (stopped, since others were better by then), failed, or interrupted (to be run again).
        value: of the metric; that of the last epoch if it was pruned.
        metric: its name.
        epochs: how many were trained, over all phases.
        seconds: how long it took, as the run counts them.
        error: why it failed.
    """

    state: Literal["finished", "pruned", "failed", "interrupted"]
    value: float | None = None
    metric: str = ""
    epochs: int = 0
    seconds: float = 0.0
    error: str = ""


def begin(command: Sequence[str], log: Path, folder: Path, environment: dict[str, str]) -> subprocess.Popen:
    """Start a trial, whose standard input ends when this process does. Ctrl-C reaches this process alone.

    Args:
        command: the program and its arguments.
        log: takes what it prints.
        folder: the working directory.
        environment: its environment.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=folder, env=environment, start_new_session=True
        )


def end(process: subprocess.Popen) -> None:
    """Ask a process to end, wait until it has, and make it end if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    process.stdin.close()


def wait_until_free(run: Path) -> None:
    """Wait for a trial that its search has left behind, and that is about to end.

    Raises:
        UserError: it does not end.
    """
    if not (run / ".lock").exists():
        return
    try:
        with FileLock(run / ".lock").acquire(timeout=PATIENCE):
            return
    except Timeout:
        raise UserError(f"{run}: another process is writing this run; wait for it, or end it.") from None


def follow(
    trial: Any,
    run: Path,
    process: subprocess.Popen,
    space: Space,
    *,
    log: Path,
    log_before: int = 0,
    deadline: float | None = None,
    shows: Callable[[int, str, float], None] | None = None,
) -> Outcome:
    """Report the epochs of a trial to Optuna as they end, and stop the trial when Optuna's pruner says so.

    What is pruned depends on the epochs alone, not on when they are looked at.

    Args:
        trial: Optuna's.
        run: the folder of its run.
        process: the trial; it has ended when this function returns.
        space: names the metrics.
        log: what the process printed.
        log_before: the bytes of the log before the process began.
        deadline: when the trial is interrupted, as ``time.monotonic`` counts.
        shows: is called after each epoch with the number of epochs, the metric and its value.
    """
    began, rows = time.monotonic(), []
    known = dict(trial.study.trials[trial.number].intermediate_values)
    while True:
        status = process.poll()  # before the history is read: nothing comes after it
        before, rows = len(rows), read_history(run)
        for epochs, row in enumerate(rows[before:], start=before + 1):
            metric = next((name for name in space.metrics if f"val_{name}" in row), None)
            if metric is None:
                continue
            value = row[f"val_{metric}"]
            if epochs not in known:
                trial.report(value, epochs)
            if shows is not None:
                shows(epochs, metric, value)
            is_last = not any(epoch > epochs for epoch in known)
            if is_last and not _is_shared(row, trial, space) and trial.should_prune():
                end(process)
                return Outcome("pruned", value, metric, epochs, row.get("seconds", 0.0))
        if status is not None:
            process.stdin.close()
            why = partial(reason, status, log, log_before)
            return _ended(status, run, why, space, epochs=len(rows), seconds=time.monotonic() - began)
        if deadline is not None and time.monotonic() >= deadline:
            end(process)
            return Outcome("interrupted", epochs=len(rows))
        time.sleep(POLL)


def _is_shared(row: dict[str, Any], trial: Any, space: Space) -> bool:
    """Whether an epoch is of the phase that all trials share; those that have no other are pruned in it."""
    return row["phase"] == space.shared and trial.params.get("unfreeze") != space.shared


def _ended(status: int, run: Path, why: Callable[[], str], space: Space, **measured: Any) -> Outcome:
    """The outcome of a process that has ended by itself."""
    metrics = _read_metrics(run)
    if status != 0 or metrics is None:
        return Outcome("failed", error=why(), **measured)
    metric = next((name for name in space.metrics if metrics.get(name) is not None), None)
    measured["seconds"] = metrics.get("seconds") or measured["seconds"]
    if metric is None:
        return Outcome("failed", error=f"{' or '.join(space.metrics)} could not be measured", **measured)
    return Outcome("finished", float(metrics[metric]), metric, **measured)


def _read_metrics(run: Path) -> dict[str, float | None] | None:
    try:
        return json.loads(read_file(run / "metrics.json")) or None
    except (OSError, ValueError):
        return None


def read_history(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's ``history.csv``, with numbers where there are; none where there is no such file yet."""
    try:
        return history.from_csv(read_file(run / "history.csv"))
    except history.UNREADABLE:
        return []


def reason(status: int, log: Path, before: int = 0) -> str:
    """Why a process failed, in a line: its last error, or its last line, or the signal that ended it.

    Args:
        status: of the process.
        log: what it printed.
        before: the bytes of the log that are of others before it.
    """
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return f"it was ended by {name}" + (", maybe since memory was short" if name == "SIGKILL" else "")
    lines = _printed(log, before).replace("\r", "\n").splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    errors = [line for line in lines if line.startswith(("error: ", "visionkit: "))]
    last = (errors or lines or [f"exit status {status}"])[-1]
    return last.removeprefix("error: ").removeprefix("visionkit: ")


def _printed(log: Path, before: int) -> str:
    """The end of what a process printed."""
    if not log.is_file():
        return ""
    with open_file(log) as file:
        file.seek(max(before, file.seek(0, os.SEEK_END) - LAST))
        return file.read().decode(errors="replace")
