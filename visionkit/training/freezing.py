"""How much of a base is frozen, and from which epoch on less: one vocabulary for all recipes.

Gradual unfreezing: Universal Language Model Fine-tuning for Text Classification, Howard and Ruder 2018,
https://arxiv.org/abs/1801.06146, section 3.3.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.models import endpoints
from visionkit.training.fit import Phase

Freeze = Literal["base", "2", "4", "8", "16", "32", "none"]
BASE, NONE = "base", "none"
GRADUAL = "gradual"
LEVELS = (BASE, "32", "16", "8", "4", "2", NONE)  # from all of the base to nothing
STEP = re.compile(r"(\d+):(base|32|16|8|4|2|none)")
IN_WORDS = f"--unfreeze takes {GRADUAL}, or EPOCH:LAYERS such as 5:16 10:none"


class Part(NamedTuple):
    """Epochs in which the same layers are frozen.

    Attributes:
        name: of its phase.
        freeze: what is frozen, see ``freeze_base``.
        first: the epochs before it.
        epochs: how many.
    """

    name: str
    freeze: Freeze
    first: int
    epochs: int


def check_schedule(unfreeze: Sequence[str], freeze: Freeze | None = None) -> None:
    """Check what can be checked of ``--unfreeze`` before the number of epochs is known.

    Args:
        unfreeze: see ``parts_of``.
        freeze: what is frozen at first; None for the recipe's default.

    Raises:
        UserError: a word is no step, or a step freezes as much as the one before it, or more, or comes before it.
    """
    if tuple(unfreeze) in ((), (GRADUAL,)):
        return
    before, epoch_before = freeze, 1
    for word in unfreeze:
        if not STEP.fullmatch(word):
            raise UserError(f"--unfreeze {' '.join(unfreeze)}: {word!r} is not understood; {IN_WORDS}.")
        epoch, layers = _step(word)
        if epoch <= epoch_before:
            expected = "a later epoch than before" if epoch_before > 1 else "an epoch from 2 on; --freeze says how it begins"
            raise UserError(f"--unfreeze {' '.join(unfreeze)}: {word} begins in epoch {epoch}; expected {expected}.")
        if before is not None and LEVELS.index(layers) <= LEVELS.index(before):
            raise UserError(
                f"--unfreeze {' '.join(unfreeze)}: {word} comes after {before!r} and freezes as much or more; expected less, "
                f"in the order {' '.join(LEVELS)}."
            )
        before, epoch_before = layers, epoch


def parts_of(name: str, freeze: Freeze, unfreeze: Sequence[str], epochs: int, strides: Sequence[int]) -> list[Part]:
    """Divide a training into parts by what is frozen.

    Args:
        name: of the first part's phase; the others have ``_`` and what they freeze after it.
        freeze: what is frozen at first.
        unfreeze: words such as "5:16": from epoch 5 on, counted from 1, the layers up to stride 16 are frozen; or "gradual":
            stage by stage, from the deepest, in equal parts of the epochs; or nothing.
        epochs: of all parts together.
        strides: those of the base's feature maps, rising.

    Raises:
        UserError: see ``check_schedule``; or the epochs are too few, or the base has no feature map of a stride.
    """
    check_schedule(unfreeze, freeze)
    if tuple(unfreeze) == (GRADUAL,) and freeze == NONE:
        raise UserError(f"--unfreeze {GRADUAL}: with --freeze {NONE} nothing is frozen that could be unfrozen; leave one out.")
    levels = [BASE, *(str(stride) for stride in reversed(strides[:-1])), NONE]
    given = "--unfreeze " + " ".join(unfreeze)
    if tuple(unfreeze) == (GRADUAL,):
        kept = [level for level in levels if LEVELS.index(level) >= LEVELS.index(freeze)]
        kept = kept if kept[0] == freeze else [freeze, *kept]
        if len(kept) > epochs:
            raise UserError(f"{given}: {len(kept)} parts ({' '.join(kept)}) and {epochs} epochs; expected an epoch for each.")
        starts = [number * epochs // len(kept) for number in range(len(kept))]
    else:
        steps = [_step(word) for word in unfreeze]
        starts, kept = [0, *(epoch - 1 for epoch, _ in steps)], [freeze, *(layers for _, layers in steps)]
        if starts[-1] >= epochs:
            raise UserError(f"{given}: the last part begins in epoch {starts[-1] + 1}, and there are {epochs} epochs.")
    for layers in kept:
        if layers not in (BASE, NONE) and int(layers) not in strides:
            known = " ".join([BASE, *map(str, strides), NONE])
            raise UserError(f"--freeze or --unfreeze {layers}: the base has no feature map of that stride, only {known}.")
    names = [name, *(f"{name}_{layers}" for layers in kept[1:])]
    ends = [*starts[1:], epochs]
    return [Part(*part, end - part[-1]) for *part, end in zip(names, kept, starts, ends, strict=True)]


def freeze_base(base: keras.Model, freeze: Freeze) -> int:
    """Freeze layers of a base, and unfreeze its others. What contains the base is compiled anew afterwards.

    Args:
        base: a backbone; models that contain it share its layers.
        freeze: "base" freezes all of it, a stride the layers up to that feature map, "none" nothing.

    Returns:
        the number of parameters of the base that are trained now.

    Raises:
        UserError: the base has no feature map at the stride.
    """
    if freeze == BASE:
        for layer in base.layers:
            layer.trainable = False
        return 0
    trained = endpoints.freeze(base, None if freeze == NONE else int(freeze))
    return sum(math.prod(weight.shape) for layer in trained for weight in layer.trainable_weights)


def part_of(phase: Phase, part: Part) -> Phase:
    """The epochs of a whole training that belong to a part.

    Each part has a warm-up and a cosine of its own, as fastai calls ``fit_one_cycle`` after each unfreezing: layers that were
    just unfrozen have no statistics in the optimizer yet, and would begin in the middle of the cosine.
    """

    def batches(epoch: int, all_batches: Callable = phase.batches) -> object:
        return all_batches(part.first + epoch)

    return replace(phase, name=part.name, epochs=part.epochs, batches=batches)


def _step(word: str) -> tuple[int, Freeze]:
    epoch, layers = STEP.fullmatch(word).groups()
    return int(epoch), layers
