"""The options of recipes, as the command line and ``config.json`` have them."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

import tyro

from visionkit.command_line import flag_of
from visionkit.errors import UserError
from visionkit.training.fine_tuning import FineTuningOptions
from visionkit.training.options import OWN, check_option, checked_weights, fits, plain_type, whole_path
from visionkit.training.start_model import StartModel, start_model
from visionkit.training.watching.loggers import LoggerName, check_installed

LARGEST_SEED = 2**32 - 1


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
    from_model: Annotated[Path | None, tyro.conf.arg(name="from")] = None
    """Train on from a finished model: a run, its model/ or a saved model. Its classes may be the same, or others."""
    resume: Path | None = None
    """Continue the interrupted run in this folder, with its own options."""
    smoke: bool = False
    """A small, quick run to check that everything works."""
    log: tuple[LoggerName, ...] = ()
    """Also log the metrics for other programs: tensorboard (RUN/logs), mlflow, wandb (Weights & Biases)."""

    LEAST: ClassVar[dict[str, float]] = {}  # the smallest value of each option that has one
    MOST: ClassVar[dict[str, float]] = {"size": 4096, "batch_size": 2**16, "epochs": 10**6, "base_rate": 1, "stage_decay": 1}
    named: ClassVar[frozenset[str]] = frozenset()  # the options that a command line names, which it sets on its configuration
    program: ClassVar[str] = "visionkit train"  # how the recipe was called: it sets this, too
    command: ClassVar[str] = ""  # the whole command line: it sets this, too
    SHAPING: ClassVar[tuple[str, ...]] = ()  # the options that shape the network: --from has them from the finished model

    def why_not_longer(self) -> str | None:
        """Why a run with these options cannot be resumed with more epochs; None if it can."""
        return None

    def check_options(self) -> None:
        """Check the numbers that the command line gave.

        Raises:
            UserError: one is out of range.
        """
        for name, least in ({"seed": 0} | self.LEAST).items():
            check_option(name, getattr(self, name), least, self.MOST.get(name, math.inf))
        check_option("seed", self.seed, 0, LARGEST_SEED)
        if self.resume is None:  # a run goes on without a logger that is missing
            check_installed(self.log)

    def checked(self) -> "RunConfig":
        """The configuration with absolute paths. Recipes extend it: misspelt names and unreadable data are reported here,
        before a folder is made.

        Raises:
            UserError: a file or a name does not exist.
        """
        return dataclasses.replace(self, data=whole_path(self.data))


@dataclass(frozen=True)
class TrainConfig(FineTuningOptions, RunConfig):
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
    augment: Literal["light", "medium", "strong"] = "medium"
    """How strongly training images are augmented."""
    flip: bool = True
    """Whether a mirrored image shows the same."""
    cache: Literal["auto", "memory", "disk", "none"] = "auto"
    """Where decoded training images are kept from epoch to epoch."""
    half_precision: bool = False
    """Export 16-bit weights, at half the size."""

    LEAST: ClassVar[dict[str, float]] = {"size": 32, "epochs": 1, "batch_size": 1} | FineTuningOptions.FINE_TUNING_LEAST

    def checked(self) -> "TrainConfig":
        """See ``RunConfig.checked``."""
        return dataclasses.replace(super().checked(), weights=checked_weights(self.backbone, self.weights))

    def why_random(self) -> str | None:
        """Why the base has random weights, in words; None where they are pretrained."""
        return "the base has random weights (--weights none)" if not self.pretrained and self.from_model is None else None

    @property
    def backbone(self) -> str | None:
        """The network of the catalogue that ``weights`` are for; None where there is none."""
        return None if self.base in (None, "none") else self.base

    @property
    def pretrained(self) -> bool:
        """Whether the base has weights that were trained: its BatchNorm then stays in inference mode."""
        return self.weights != "none"

    @property
    def pretrained_weights(self) -> str | None:
        """``weights`` as builders take them: None for "none", and where ``--from`` gives them later."""
        return None if self.weights in ("none", OWN) else self.weights


Config = TypeVar("Config", bound=RunConfig)


def requested(config: RunConfig) -> set[str]:
    """The options that were given: those that the command line named, and those that differ from their defaults."""
    different = {field.name for field in dataclasses.fields(config) if getattr(config, field.name) != field.default}
    return different | config.named


def start_of(config: RunConfig, recipe: str) -> StartModel | None:
    """The model that ``--from`` names, with its network, so that damaged files are said before data are read; or None.

    Raises:
        UserError: see ``start_model`` and ``StartModel.network``.
    """
    if config.from_model is None:
        return None
    start = start_model(config.from_model, recipe)
    start.network  # noqa: B018 - reads the files
    return start


def with_start_model(config: Config, start: StartModel | None) -> Config:
    """The configuration with the options of the model that ``--from`` names, which shape its network; see ``start_of``.

    Raises:
        UserError: an option contradicts them.
    """
    if start is None:
        if getattr(config, "weights", None) == OWN:
            raise UserError(f"--weights {OWN}: expected imagenet, none, or a file; --from MODEL takes those of a model.")
        return config
    given, options = requested(config), dict(start.options)
    if "weights" in given:
        raise UserError("--weights and --from both name the weights to begin with: leave one of them out.")
    if hasattr(config, "weights") and hasattr(config, "pretrained"):
        options["weights"] = OWN
    kinds = {field.name: plain_type(field.type) for field in dataclasses.fields(config)}
    known = {name: value for name, value in options.items() if name in kinds}
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    for name in config.SHAPING:
        if name in given and name in options and getattr(config, name) != options[name]:
            raise UserError(
                f"{flag_of(name)} {getattr(config, name)}: the model of --from has {options[name]}; leave the option out."
            )
    for name, value in options.items():
        if not fits(value, kinds[name]):
            raise UserError(f"--from {start.folder}: its bundle.json is damaged: the option {name} is {value!r:.60}.")
    preferred = {name for name in options if getattr(config, name) is None}
    used = {name: value for name, value in options.items() if name in {*config.SHAPING, "weights", *preferred}}
    started = dataclasses.replace(config, from_model=start.folder, **used)
    started.check_options()
    return started
