"""The options of recipes that train a network over a base, and the phases that follow from them."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import keras

from visionkit.errors import UserError
from visionkit.models.endpoints import strides_of
from visionkit.training import freezing
from visionkit.training.fit import Phase
from visionkit.training.freezing import NONE, Freeze, Part
from visionkit.training.rates.stages import stage_shares
from visionkit.training.run_folder import RunFolder


@dataclass(frozen=True)
class FineTuningOptions:
    """Options of the command line; ``TrainConfig`` has them, together with those of ``RunConfig``."""

    freeze: Freeze | None = None
    """The layers of the pretrained base that keep their weights: base (all of it), a stride (those up to that feature map), or
    none. Default: 4 in detection, base in localization, none in the others; in transfer learning --unfreeze says it."""
    unfreeze: tuple[str, ...] = ()
    """Freeze less later: 5:16 10:none freezes up to stride 16 from epoch 5 on, and nothing from 10 on; gradual unfreezes
    stage by stage from the deepest, in equal parts of the epochs, and begins with all of the base frozen."""
    base_rate: float | None = None
    """The learning rate of the pretrained base, relative to the head's. Default: 0.1 in detection, 1 in the others."""
    stage_decay: float = 1.0
    """The learning rate of each stage of the base, relative to the stage after it. 1: all alike."""
    patience: int | None = None
    """A phase ends when so many validations brought no improvement, and its best weights are kept. Default: all epochs."""
    learning_rate: float | Literal["auto"] | None = None
    """The peak learning rate; auto tries about 100 steps with rising rates first. Default: the recipe's own."""

    FROZEN: ClassVar[Freeze] = NONE  # the recipe's default of freeze
    BASE_RATE: ClassVar[float] = 1.0  # the recipe's default of base_rate
    FINE_TUNING_LEAST: ClassVar[dict[str, float]] = {
        "base_rate": 0.001,
        "stage_decay": 0.001,
        "patience": 1,
        "learning_rate": 0,
    }

    def check_options(self) -> None:
        """See ``RunConfig.check_options``."""
        super().check_options()
        freezing.check_schedule(self.schedule, self.freeze or self.FROZEN)

    @property
    def schedule(self) -> tuple[str, ...]:
        """The words of ``unfreeze`` that say what is frozen later; a recipe may know others."""
        return self.unfreeze

    def why_not_longer(self) -> str | None:
        """See ``RunConfig.why_not_longer``."""
        return "the parts of --unfreeze depend on the number of epochs" if self.schedule else super().why_not_longer()


def check_base(config: FineTuningOptions, reason: str | None) -> None:
    """Refuse options for a pretrained base where there is none. A run that is resumed has its own base, whatever the default.

    Args:
        config: the options.
        reason: why there is no pretrained base, in words; None if there is one.

    Raises:
        UserError: such an option was given.
    """
    given = {"freeze": config.freeze, "unfreeze": " ".join(config.schedule), "base-rate": config.base_rate}
    given |= {"stage-decay": config.stage_decay}
    first = next((name for name, value in given.items() if value not in (None, "", 1.0)), None)
    if reason is not None and first is not None and config.resume is None:
        raise UserError(f"--{first} {given[first]}: {reason}; leave the option out.")


def parts_of(config: FineTuningOptions, base: keras.Model | None, epochs: int, *, name: str = "train") -> list[Part]:
    """The parts of a training by what is frozen.

    Args:
        config: the options.
        base: the pretrained base; None where all of the network is trained.
        epochs: of all parts together.
        name: of the first part's phase.
    """
    if base is None:
        return [Part(name, NONE, 0, epochs)]
    begins_with_base = config.schedule == (freezing.GRADUAL,)
    freeze = config.freeze or (freezing.BASE if begins_with_base else config.FROZEN)
    return freezing.parts_of(name, freeze, config.schedule, epochs, strides_of(base))


def phases_of(
    run: RunFolder, config: FineTuningOptions, base: keras.Model | None, parts: list[Part], make: Callable[[], Phase]
) -> dict[str, Callable[[], Phase]]:
    """The phases of a training: name -> a function that freezes what its part says, and sets up the phase.

    Args:
        run: takes a note on each part, if there are several.
        config: the options.
        base: the pretrained base; None where all of the network is trained.
        parts: see ``parts_of``.
        make: sets up the training of all epochs. It is called for each part: a trainer lists its variables once.
    """

    def begin(part: Part) -> Phase:
        if base is not None:
            num_trained = freezing.freeze_base(base, part.freeze)
            if len(parts) > 1:
                epochs = f"in epochs {part.first + 1} to {part.first + part.epochs}"
                run.note(f"'{part.name}': {num_trained:,} parameters of the base are trained, {epochs}.")
        return tuned(freezing.part_of(make(), part), config, base)

    return {part.name: lambda part=part: begin(part) for part in parts}


def tuned(phase: Phase, config: FineTuningOptions, base: keras.Model | None) -> Phase:
    """The phase, with the learning rates of the base's stages and early stopping as the options say."""
    base_rate = config.BASE_RATE if config.base_rate is None else config.base_rate
    shares = None if base is None else stage_shares(base, config.stage_decay, base_rate)
    return dataclasses.replace(phase, rate_shares=shares, patience=config.patience)
