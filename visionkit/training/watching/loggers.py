"""Programs that show the metrics of many runs beside each other: TensorBoard, MLflow, and Weights & Biases."""

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import visionkit
from visionkit.errors import UserError
from visionkit.training import runtime
from visionkit.training.run_folder import ABOUT, RunFolder

LoggerName = Literal["tensorboard", "mlflow", "wandb"]
TITLES = {"tensorboard": "TensorBoard", "mlflow": "MLflow", "wandb": "Weights & Biases"}
PACKAGES = ("mlflow", "wandb")  # that must be installed; TensorBoard's files are written by TensorFlow
LOGS = "logs"  # in the folder of a run: the files for TensorBoard
LONGEST_VALUE = 500  # characters of an option, of which MLflow has a limit


class Logger(Protocol):
    """Takes the metrics of one run. A step is the number of an epoch, counted through all phases from 1."""

    def options(self, options: dict[str, str], phase: str = "") -> None:
        """Take the options, or the facts of a phase."""

    def epoch(self, step: int, measured: dict[str, float]) -> None:
        """Take what was measured in an epoch."""

    def end(self, metrics: dict[str, float], step: int) -> None:
        """Take the metrics of the exported model."""

    def close(self, *, is_finished: bool) -> None:
        """Say that the run has ended, or was interrupted."""


class TensorBoard:
    """Event files in ``RUN/logs/``: ``train`` and ``validation``, whose curves TensorBoard draws together."""

    def __init__(self, run: RunFolder):
        self._folder, self._writers = run.path / LOGS, {}

    def options(self, options: dict[str, str], phase: str = "") -> None:
        """See ``Logger``."""
        rows = "\n".join(f"| {name} | {_cell(value)} |" for name, value in options.items())
        self._writer("train").text(f"options/{phase}" if phase else "options", f"| option | value |\n| --- | --- |\n{rows}", 0)

    def epoch(self, step: int, measured: dict[str, float]) -> None:
        """See ``Logger``."""
        for name, value in measured.items():
            self._writer("validation" if name.startswith("val_") else "train").scalar(name.removeprefix("val_"), value, step)

    def end(self, metrics: dict[str, float], step: int) -> None:
        """See ``Logger``."""
        for name, value in metrics.items():
            self._writer("validation").scalar(f"end/{name}", value, step)

    def close(self, *, is_finished: bool) -> None:
        """See ``Logger``."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, name: str) -> runtime.EventWriter:
        if name not in self._writers:
            self._writers[name] = runtime.EventWriter(self._folder / name)
        return self._writers[name]


class MLflow:
    """A run of MLflow, in the experiment and on the server that its environment variables name."""

    def __init__(self, run: RunFolder):
        import mlflow

        self._mlflow = mlflow
        known = _known(run, "mlflow")
        active = mlflow.start_run(run_id=known) if known else mlflow.start_run(run_name=run.path.name)
        _keep(run, "mlflow", active.info.run_id)
        if not known:
            mlflow.set_tag("visionkit", visionkit.__version__)

    def options(self, options: dict[str, str], phase: str = "") -> None:
        """See ``Logger``."""
        self._mlflow.log_params({name: value[:LONGEST_VALUE] for name, value in _prefixed(options, phase).items()})

    def epoch(self, step: int, measured: dict[str, float]) -> None:
        """See ``Logger``."""
        self._mlflow.log_metrics(measured, step=step)

    def end(self, metrics: dict[str, float], step: int) -> None:
        """See ``Logger``."""
        self._mlflow.log_metrics({f"end/{name}": value for name, value in metrics.items()}, step=step)

    def close(self, *, is_finished: bool) -> None:
        """See ``Logger``."""
        self._mlflow.end_run("FINISHED" if is_finished else "KILLED")


class WeightsAndBiases:
    """A run of Weights & Biases, in the project that ``WANDB_PROJECT`` names, else in "visionkit"."""

    def __init__(self, run: RunFolder):
        import wandb

        known = _known(run, "wandb")
        project = os.environ.get("WANDB_PROJECT", "visionkit")
        self._run = wandb.init(project=project, name=run.path.name, id=known, resume="allow", dir=str(run.path))
        _keep(run, "wandb", self._run.id)

    def options(self, options: dict[str, str], phase: str = "") -> None:
        """See ``Logger``."""
        self._run.config.update(_prefixed(options, phase), allow_val_change=True)

    def epoch(self, step: int, measured: dict[str, float]) -> None:
        """See ``Logger``."""
        self._run.log(measured, step=step)

    def end(self, metrics: dict[str, float], step: int) -> None:
        """See ``Logger``."""
        self._run.summary.update({f"end/{name}": value for name, value in metrics.items()})

    def close(self, *, is_finished: bool) -> None:
        """See ``Logger``."""
        self._run.finish(exit_code=0 if is_finished else 1)


KINDS: dict[str, Callable[[RunFolder], Logger]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}


class Loggers:
    """The loggers of a run. One that fails during the run is left out from then on, since training matters more.

    Args:
        names: names of the loggers, from ``--log``.
        run: the run, which takes a note about each.
        is_resumed: whether the run was begun before: it then goes on without a logger that cannot be started, maybe on another
            machine, and a note says so.

    Raises:
        UserError: one of a new run is not installed, or cannot be started.
    """

    def __init__(self, names: Sequence[LoggerName], run: RunFolder, *, is_resumed: bool = False):
        if not is_resumed:
            check_installed(names)
        self._run, self._open = run, {}
        for name in dict.fromkeys(names):
            try:
                self._open[name] = KINDS[name](run)
            except Exception as error:  # the packages' errors have no common type
                if is_resumed:
                    run.note(f"The run goes on without {TITLES[name]}, which cannot be started here: {_first_line(error)}.")
                    continue
                self.close(is_finished=False)
                raise UserError(
                    f"--log {name}: {TITLES[name]} cannot be started: {_first_line(error)}. Log in or set its environment "
                    f"variables, or leave --log {name} out."
                ) from error
        if "tensorboard" in self._open:
            run.note(f"Metrics for TensorBoard: tensorboard --logdir {run.path / LOGS} (pip install tensorboard).")

    def options(self, options: dict[str, str], phase: str = "") -> None:
        """See ``Logger``."""
        self._each(lambda logger: logger.options(options, phase))

    def epoch(self, step: int, measured: dict[str, float]) -> None:
        """See ``Logger``."""
        self._each(lambda logger: logger.epoch(step, measured))

    def end(self, metrics: dict[str, float | None], step: int) -> None:
        """See ``Logger``; what was not measured is left out."""
        known = {name: float(value) for name, value in metrics.items() if value is not None}
        self._each(lambda logger: logger.end(known, step))

    def close(self, *, is_finished: bool) -> None:
        """See ``Logger``."""
        self._each(lambda logger: logger.close(is_finished=is_finished))
        self._open = {}

    def _each(self, call: Callable[[Logger], None]) -> None:
        for name, logger in list(self._open.items()):
            try:
                call(logger)
            except Exception as error:
                del self._open[name]
                self._run.note(f"{TITLES[name]} is not written any more: {_first_line(error)}.")


def check_installed(names: Sequence[str]) -> None:
    """Check that the packages of loggers are installed.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if name in PACKAGES and importlib.util.find_spec(name) is None:
            raise UserError(f"--log {name}: {TITLES[name]} is not installed. Install it: pip install {name}")


def _known(run: RunFolder, name: str) -> str | None:
    """The name by which a logger knows a run that is resumed."""
    found = (run.read_json(ABOUT) or {}).get("loggers")
    return found.get(name) if isinstance(found, dict) else None


def _keep(run: RunFolder, name: str, value: str) -> None:
    about = run.read_json(ABOUT) or {}
    run.write_json(ABOUT, about | {"loggers": (about.get("loggers") or {}) | {name: value}})


def _prefixed(options: dict[str, str], phase: str) -> dict[str, str]:
    return {f"{phase}/{name}" if phase else name: value for name, value in options.items()}


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].removesuffix(".")
