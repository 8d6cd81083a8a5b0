"""What shows how a training goes on: a line for each epoch, a bar on a terminal, the page, and loggers."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tqdm import tqdm

from visionkit.printable import duration, number
from visionkit.progress import bar
from visionkit.training.run_folder import RunFolder
from visionkit.training.watching import about
from visionkit.training.watching.loggers import LoggerName, Loggers
from visionkit.viz.report import Report, Status, measure_panels

PAGE_EVERY, PAGE_SHARE = 5.0, 0.03  # seconds between two pages; the share of the time that writing them may take
RELOAD = 10  # seconds after which a page loads itself again


class Watch:
    """The epochs of a run, as people see them.

    Args:
        run: takes the lines and the page.
        title: of the page; None for no page.
        resume: the command that continues the run.
        loggers: take the metrics of each epoch.
    """

    def __init__(self, run: RunFolder, *, title: str | None = None, resume: str = "", loggers: Loggers | None = None):
        self._run, self._title, self._resume, self._loggers = run, title, resume, loggers
        self._phase, self._epochs, self._is_last, self._names = "", 0, True, 1
        self._taken: list[float] = []  # seconds of each epoch of this phase
        self._history: list[dict] = []
        self._written_at, self._cost, self._is_written = 0.0, 0.0, False

    def begin(self, name: str, facts: dict[str, Any], history: list[dict], first_epoch: int, *, names: list[str]) -> None:
        """A phase begins, or goes on.

        Args:
            name: of the phase.
            facts: what the report says of it; the number of its epochs among them.
            history: rows of all epochs so far; the caller appends to it.
            first_epoch: number of its epochs that are finished already.
            names: of all phases of the run.
        """
        self._phase, self._epochs, self._history, self._taken = name, facts["epochs"], history, []
        self._is_last, self._names = name == names[-1], len(names)
        about.keep_phase(self._run, name, facts)
        if self._loggers is not None and not first_epoch:
            if not history:
                self._loggers.options(about.options_of(self._run))
            self._loggers.options({fact: about.plain(value) for fact, value in facts.items() if value is not None}, name)
        if first_epoch < self._epochs:
            self.write_page(self._running(first_epoch), reload=True)

    @contextmanager
    def epoch(self, number_before: int, steps: int) -> Iterator[tqdm]:
        """An epoch runs; yields its bar.

        Args:
            number_before: number of epochs of the phase before it.
            steps: batches of the epoch.
        """
        began = time.monotonic()
        with bar(total=steps, description=f"{self._named()}epoch {number_before + 1}/{self._epochs}") as progress:
            yield progress
        self._taken.append(time.monotonic() - began)

    def ended(self) -> None:
        """The last epoch of the history has ended, and its state is kept."""
        row = self._history[-1]
        self._run.say(self._line(row))
        if self._loggers is not None:
            self._loggers.epoch(len(self._history), _measured(row))
        is_due = len(self._taken) == 1 or time.monotonic() - self._written_at >= max(PAGE_EVERY, self._cost / PAGE_SHARE)
        if is_due and row["epoch"] < self._epochs:  # the last one is followed by another page
            self.write_page(self._running(row["epoch"]), reload=True)

    def log_steps(self, name: str, rows: list[dict]) -> None:
        """Give the loggers what was measured in steps that are no epochs, under a name of its own."""
        if self._loggers is not None:
            for step, row in enumerate(rows, start=1):
                self._loggers.epoch(step, {f"{name}/{measure}": value for measure, value in _measured(row).items()})

    def measuring(self) -> None:
        """All phases are trained."""
        self.write_page("Training has ended; the model is being exported and measured.", reload=True)

    def stopped(self, why: str) -> None:
        """The run ends before it is finished; a page that was written says so.

        Args:
            why: such as "It was interrupted".
        """
        if self._is_written:
            epoch = f"epoch {self._history[-1]['epoch']} of '{self._history[-1]['phase']}'" if self._history else "no epoch"
            with suppress(OSError):  # a full disk, say, which may be why
                self.write_page(f"This run is unfinished. {why}. Its last state is that after {epoch}.", reload=False)
        self.close(is_finished=False)

    def finished(self, metrics: dict[str, float | None]) -> None:
        """The run has its results."""
        if self._loggers is not None:
            if not self._history:
                self._loggers.options(about.options_of(self._run))
            self._loggers.end(metrics, max(1, len(self._history)))
        self.close(is_finished=True)

    def close(self, *, is_finished: bool) -> None:
        """Close the loggers."""
        if self._loggers is not None:
            self._loggers.close(is_finished=is_finished)

    def write_page(self, sentence: str, *, reload: bool) -> None:
        """Write ``report.html`` as far as there is anything to report."""
        if self._title is None:
            return
        began = time.monotonic()
        page = Report(self._title, None, {}, self._history, (), curves=measure_panels(self._history))
        status = Status(sentence, time.strftime("%Y-%m-%d %H:%M:%S"), self._resume, RELOAD if reload else None)
        write_report(self._run, page, {}, status)
        self._written_at, self._is_written = time.monotonic(), True
        self._cost = self._written_at - began

    def _named(self) -> str:
        return f"{self._phase}  " if self._names > 1 else ""

    def _running(self, epoch: int) -> str:
        phase = f" of '{self._phase}'" if self._names > 1 else ""
        return f"Training is running: epoch {epoch + 1} of {self._epochs}{phase}."

    def _line(self, row: dict[str, Any]) -> str:
        """The line of an epoch."""
        values = _measured(row)
        order = sorted(values, key=lambda name: (name.startswith("val_"), name.removeprefix("val_") != "loss"))
        shown = [f"{name.replace('_', ' ')} {number(values[name])}" for name in order]
        typical = self._taken[1:] or self._taken  # the first one compiles
        rest = (self._epochs - row["epoch"]) * sum(typical) / len(typical)
        of_phase = "" if self._is_last else f" of '{self._phase}'"
        left = f", about {duration(rest, rough=True)} left{of_phase}" if rest >= 1 else ""
        return "  ".join([f"{self._named()}epoch {row['epoch']}/{self._epochs}", *shown, f"{duration(self._taken[-1])}{left}"])


def open_watch(run: RunFolder, log: Sequence[LoggerName], *, command: str, resume: str, is_resumed: bool = False) -> Watch:
    """The watch of a run that begins or goes on; ``about.json`` and ``log.txt`` say so.

    Args:
        run: the run of a recipe.
        log: names of the loggers.
        command: the command line.
        resume: the one that continues the run.
        is_resumed: whether the run goes on, if need be without a logger.

    Raises:
        UserError: a logger of a new run cannot be started.
    """
    about.begin(run, command)
    run.log(f"{time.strftime(about.DATE)}  {command or run.path}")
    if run.read_config().get("smoke"):
        run.note(about.MEANINGLESS)
    loggers = Loggers(log, run, is_resumed=is_resumed) if log else None
    return Watch(run, title=f"Training: {run.path.name}", resume=resume, loggers=loggers)


def write_report(run: RunFolder, report: Any, metrics: dict[str, float | None], status: Status | None = None) -> None:
    """Write ``report.html`` of a run.

    Args:
        run: its notes, options and phases are shown.
        report: the page, a ``viz.report.Report``.
        metrics: name -> number.
        status: of a run that is not finished.
    """
    report.write(
        run.path / "report.html",
        notes=run.notes,
        metrics=metrics,
        config=about.options_of(run),
        facts=about.facts_of(run),
        phases=about.phases_of(run),
        status=status,
        warning=about.MEANINGLESS if run.read_config().get("smoke") else None,
    )


def _measured(row: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in ("phase", "epoch", "seconds") and value is not None}
