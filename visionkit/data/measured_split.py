"""Which part of a data set a finished model is measured on."""

from collections.abc import Callable, Mapping, Sized
from typing import Any

from visionkit.data.index import DataError, counted
from visionkit.data.split_names import WHOLE, word_of
from visionkit.errors import did_you_mean

AUTO = "auto"


def measured_splits(
    splits: Mapping[str, Sized], wanted: str, data: str, *, can_measure: Callable[[Any], bool] = lambda part: True
) -> tuple[str, ...]:
    """The names of the splits that are measured, one or all of them.

    Args:
        splits: the parts of the data set by name; ``WHOLE`` for data without splits.
        wanted: a name, ``WHOLE`` for all, or "auto": the test split if the data has one, else its validation split, else all.
            Nothing is held out of data without splits, since the model is finished.
        data: the data set, for messages.
        can_measure: whether a part says what is to be predicted.

    Raises:
        DataError: there is no such split, or nothing in it can be measured.
    """
    usable = [name for name, part in splits.items() if len(part) and can_measure(part)]
    if wanted not in (AUTO, WHOLE) and wanted not in splits:
        known = [name for name in splits if name != WHOLE]
        has = f"it has {', '.join(known)}, and all" if known else "it has no splits; leave --split out, or name all"
        raise DataError(f"--split {wanted}: {data} has no such split; {has}.{did_you_mean(wanted, known)}")
    if wanted == AUTO:
        chosen = next(((name,) for name in ("test", "val") if name in usable), tuple(usable))
    else:
        chosen = tuple(name for name in usable if wanted in (name, WHOLE))
    if not chosen:
        part = data if wanted in (AUTO, WHOLE) else f"the split {wanted} of {data}"
        raise DataError(f"{part} has nothing to measure: expected images with what is to be predicted of them.")
    return chosen


def name_of(chosen: tuple[str, ...]) -> str:
    """The name of what is measured: of a split, or ``WHOLE``."""
    return chosen[0] if len(chosen) == 1 else WHOLE


def measured_sentence(
    splits: Mapping[str, Sized],
    chosen: tuple[str, ...],
    data: str,
    *,
    read_as: str,
    count: int,
    noun: str = "image",
    of: str = "",
) -> str:
    """How the data was understood, and what is measured, in a sentence.

    Args:
        splits: the parts of the data set.
        chosen: the names of those that are measured.
        data: the data set.
        read_as: the layout that was recognized; or "".
        count: how many images are measured.
        noun: what they are.
        of: what they show, such as "3 classes".
    """
    others = [name for name in splits if name not in chosen and len(splits[name])]
    counts = counted(count, noun) + (f" of {of}" if of else "")
    understood = f"{data} is read as {read_as}" if read_as else data
    if chosen == (WHOLE,):
        return f"{understood}; it has no splits, so all of it is measured: {counts}."
    measured = f"the {word_of(chosen[0])} split is" if len(chosen) == 1 else f"all splits ({', '.join(chosen)}) are"
    left = f"; not measured: {', '.join(others)}" if others else ""
    return f"{understood}; {measured} measured: {counts}{left}."
