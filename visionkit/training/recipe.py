"""What all recipes share: their options, the run with its plan and results, and the errors on bad input."""

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import keras
import tyro

import visionkit
from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA, update_json
from visionkit.training.fit import Phase, load_weights, train_in_order
from visionkit.training.run_folder import RunFolder

RENAMED_OPTIONS = {"thaw": "unfreeze", "pictures": "images"}  # in config.json of runs that were begun under the old names
LARGEST_SEED = 2**32 - 1

Plan = TypeVar("Plan")  # a frozen dataclass of what JSON can hold


@dataclass(frozen=True)
class RunConfig:
    """The options that every recipe has; each field is an option of the command line."""

    data: str | None = None
    """The data set. Default: built-in data."""
    allow_outside: bool = False
    """Also read images outside of the data set's folder that its lists or annotations name."""
    out: Path | None = None
    """Folder of this run. Default: runs/<recipe>-<time>."""
    seed: int = 0
    """Makes order, augmentation and initial weights reproducible."""
    resume: Path | None = None
    """Continue the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run to check that everything works."""

    LEAST: ClassVar[dict[str, float]] = {}  # the smallest value of each option that has one

    def check_options(self) -> None:
        """Check the numbers that the command line gave.

        Raises:
            UserError: one is out of range.
        """
        for name, least in ({"seed": 0} | self.LEAST).items():
            check_option(name, getattr(self, name), least)
        check_option("seed", self.seed, 0, LARGEST_SEED)

    def checked(self) -> "RunConfig":
        """The configuration with absolute paths. Recipes extend it: misspelt names and unreadable data are reported here,
        before a folder is made.

        Raises:
            UserError: a file or a name does not exist.
        """
        return dataclasses.replace(self, data=whole_path(self.data))


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """The options of recipes that train a network on images."""

    base: str | None = None
    """Backbone: a network that `visionkit models` lists."""
    weights: str = "imagenet"
    """Its weights: imagenet, none, or the path of a .weights.h5, .keras, .safetensors or PyTorch file."""
    size: int | None = None
    """Side of the network's input in pixels. Default: chosen by the size of the images."""
    epochs: int | None = None
    """Default: chosen by the number of images."""
    batch_size: int = 8
    """Images per step."""
    learning_rate: float | None = None
    """The peak learning rate. Default: the recipe's own."""
    augment: Literal["light", "medium", "strong"] = "medium"
    """How strongly training images are augmented."""
    flip: bool = True
    """Whether a mirrored image shows the same."""
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    """Where decoded training images are kept from epoch to epoch."""
    half_precision: bool = False
    """Export 16-bit weights, at half the size."""

    LEAST: ClassVar[dict[str, float]] = {"size": 32, "epochs": 1, "batch_size": 1, "learning_rate": 0}

    def checked(self) -> "TrainConfig":
        """See ``RunConfig.checked``."""
        return dataclasses.replace(super().checked(), weights=weights_path(self.weights))

    @property
    def pretrained_weights(self) -> str | None:
        """``weights`` as builders take them: None for "none"."""
        return None if self.weights == "none" else self.weights


Config = TypeVar("Config", bound=RunConfig)


class Report(Protocol):
    """The part of a report that ``Run.finish`` needs; ``visionkit.viz.report.Report`` is one."""

    def write(self, path: Path, *, notes: list[str], metrics: dict[str, float], config: dict[str, Any]) -> Path:
        """Write the page."""


class Run(RunFolder):
    """One run of a recipe: its folder, notes, plan, training and results.

    Attributes:
        recipe: the name of the recipe.
    """

    recipe = ""

    @property
    def config(self) -> dict[str, Any]:
        """The options in force, from ``config.json``."""
        return self.read_json("config.json")

    @property
    def made_by(self) -> str:
        """The program that made the bundle, for its metadata."""
        return f"visionkit {visionkit.__version__}, recipes/{self.recipe}.py"

    @property
    def model(self) -> Path:
        """Where the bundle is exported to."""
        return self.path / "model"

    def plan(self, kind: type[Plan], decide: Callable[[], Plan]) -> Plan:
        """Return the plan of the run, which is decided once, at the start, and kept when the run is resumed.

        Args:
            kind: a dataclass of values that JSON can hold.
            decide: makes the plan, and notes each choice with its reason; it is not called when ``plan.json`` has the values.
        """
        stored = self.read_json("plan.json") or {}
        names = [field.name for field in dataclasses.fields(kind)]
        if all(name in stored for name in names):
            return kind(**{name: stored[name] for name in names})
        plan = decide()
        self.write_json("plan.json", (self.read_json("plan.json") or {}) | dataclasses.asdict(plan))
        return plan

    def train(self, phases: dict[str, Callable[[], Phase]], whole: keras.Model) -> list[dict]:
        """Train the phases in order, continue where an interrupted run stopped, and leave the last weights in ``whole``.

        Returns:
            the history; see ``fit.train_in_order``.
        """
        history = train_in_order(self, phases, whole)
        load_weights(whole, self.weights_file(list(phases)[-1]))
        return history

    def finish(
        self, bundle: Path, metrics: dict[str, float], report: Report, *, bundle_metrics: dict[str, float] | None = None
    ) -> None:
        """Add the metrics to the bundle, write ``report.html``, and last ``metrics.json``, which marks the run as finished.

        Args:
            bundle: the exported model.
            metrics: name -> number, for ``metrics.json``; the seconds that the run took are added. A value that is not finite
                was not measured, and becomes null.
            report: the page.
            bundle_metrics: the metrics for the bundle's metadata. Default: all metrics.
        """
        metrics = _measured(metrics) | {"seconds": round(self.seconds(), 1)}
        update_json(bundle / BUNDLE_METADATA, metrics=metrics if bundle_metrics is None else _measured(bundle_metrics))
        config = {name: value for name, value in self.config.items() if name != "resume"}
        report.write(self.path / "report.html", notes=self.notes, metrics=metrics, config=config)
        self.write_json("metrics.json", metrics)


def run_recipe(config: Config, work: Callable[[Run, Config], None], *, name: str, smoke: dict[str, Any]) -> Run:
    """Open the run of a recipe and do its work, unless it is finished already.

    Args:
        config: as the command line gave it.
        work: takes the run and the configuration in force, and writes ``metrics.json``, ``report.html`` and ``model/``.
        name: name of the recipe.
        smoke: values that ``--smoke`` sets where the command line did not.
    """
    run, config = open_run(config, name=name, smoke=smoke)
    run.recipe = name
    if run.read_json("metrics.json") is not None:
        print(f"{run.path} was finished already.")
    else:
        try:
            work(run, config)
        except KeyboardInterrupt:
            print(f"\nInterrupted. Continue with: python {sys.argv[0]} --resume {run.path}", file=sys.stderr)
            sys.exit(130)
    announce(run, run.read_json("metrics.json"))
    return run


def open_run(config: Config, *, name: str, smoke: dict[str, Any]) -> tuple[Run, Config]:
    """Start a run folder, or open the one to resume and take its configuration."""
    if config.resume is not None:
        run = Run.resume(config.resume)
        return run, type(config)(**_from_plain(config, run.config))
    config.check_options()
    if config.smoke:
        requested = {field.name for field in dataclasses.fields(config) if getattr(config, field.name) != field.default}
        config = dataclasses.replace(config, **{name: value for name, value in smoke.items() if name not in requested})
    out = config.out or unused(Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    config = dataclasses.replace(config, out=out.expanduser().resolve()).checked()
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(config).items()}
    return Run.start(config.out, plain), config


def unused(path: Path) -> Path:
    """The path, with a number after it if it exists already."""
    return next(p for p in (path, *(Path(f"{path}-{number}") for number in range(2, 1000))) if not p.exists())


def _measured(metrics: dict[str, float | None]) -> dict[str, float | None]:
    """The metrics as JSON can hold them: None where nothing was measured."""
    return {name: None if value is None or not math.isfinite(value) else value for name, value in metrics.items()}


def announce(run: Run, metrics: dict[str, float | None]) -> None:
    """Print the last lines of a run."""
    first = next(iter(metrics))
    value = "not measured" if metrics[first] is None else f"{metrics[first]:.4f}"
    print(f"{first.replace('_', ' ')} {value} in {metrics['seconds']:.0f} seconds")
    print(f"report   {run.path / 'report.html'}")
    print(f"model    {run.path / 'model'}")


def command_line(main: Callable[[Config], Run], config: type[Config], description: str) -> None:
    """Run a recipe from the command line: an error of the user ends in one line and status 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        main(tyro.cli(config, description=description)).release()
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def check_option(name: str, value: float | None, least: float, most: float = math.inf) -> None:
    """Check the number of an option; None stands for the default.

    Raises:
        UserError: the number lies below ``least`` or above ``most``, or is not finite.
    """
    if value is None or (math.isfinite(value) and least <= value <= most):
        return
    expected = f"at least {least}, and finite" if not math.isfinite(value) else f"at least {least}"
    expected = f"at most {most}" if most < value < math.inf else expected
    raise UserError(f"--{name.replace('_', '-')} {value}: expected {expected}.")


def whole_path(data: str | None) -> str | None:
    """The absolute path of a data set or a file; tfds:NAME stays as it is."""
    if data is None or data.startswith("tfds:"):
        return data
    return str(Path(data).expanduser().resolve())


def weights_path(weights: str) -> str:
    """The absolute path of a file of weights; the name of known weights stays as it is."""
    return weights if weights in ("imagenet", "none", "hed") else whole_path(weights)


def _from_plain(config: RunConfig, stored: dict[str, Any]) -> dict[str, Any]:
    """The values of ``config.json`` with the types of the configuration: paths, and tuples where JSON has lists."""
    fields = {field.name: field for field in dataclasses.fields(config)}
    stored = {name if name in fields else RENAMED_OPTIONS.get(name, name): value for name, value in stored.items()}
    unknown = sorted(stored.keys() - fields.keys())
    if unknown:
        raise UserError(
            f"The run has the option --{unknown[0].replace('_', '-')}, which this recipe does not have: resume it with the "
            "recipe that began it."
        )
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}
    paths = {name for name, field in fields.items() if field.type in (Path, Path | None)}
    return values | {name: Path(values[name]) for name in paths if values.get(name) is not None}
