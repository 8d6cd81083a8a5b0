"""The decision what the values of masks mean, as the rules make it and as an index keeps it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from visionkit.data.images.masks.channels import GREY, Found
from visionkit.data.images.masks.histograms import Histogram
from visionkit.data.images.masks.read import MAX_CLASSES
from visionkit.data.index import IGNORE, DataError, MaskCode, Problem

BINARY_NAMES = ("background", "foreground")


class MaskClasses(NamedTuple):
    """The result of ``masks.code.find_classes``: as in an ``Index``, with sentences on how it was decided, and problems."""

    names: tuple[str, ...]
    code: MaskCode
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


class Meaning(NamedTuple):
    """What the values in one channel mean.

    Attributes:
        names: class names.
        classes: value -> position in the names, or ``IGNORE``.
        nearest, rest: as in ``MaskCode``.
        notes: sentences on the decision.
        details: what may be wrong with it.
    """

    names: tuple[str, ...]
    classes: dict[int, int]
    nearest: bool = False
    rest: int = IGNORE
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def also_ignoring(self, values: Sequence[int]) -> "Meaning":
        """The meaning with some further values that are ignored."""
        return self._replace(classes=self.classes | dict.fromkeys(values, IGNORE))

    def to_classes(self, found: Found, total: Histogram) -> MaskClasses:
        """The result for the masks that were found, with the values of all of them in ``total``.

        Raises:
            DataError: there are more classes than a mask can hold.
        """
        if len(self.names) > MAX_CLASSES:
            raise DataError(f"The masks have {len(self.names)} classes; expected at most {MAX_CLASSES}.")
        factor = GREY if found.are_levels else 1
        code = MaskCode(
            np.array(list(self.classes), np.int64) * factor,
            np.array(list(self.classes.values()), np.uint8),
            found.channel,
            self.nearest,
            self.rest,
        )
        in_color = found.channel == "color" and not found.are_levels
        present = set(total.values.tolist())
        ignored = [value for value, place in self.classes.items() if place == IGNORE and value in present]
        pixels = int(total.counts[np.isin(total.values, ignored)].sum())
        notes = found.notes + self.notes
        if pixels:
            shown = listed([f"#{value:06x}" if in_color else value for value in sorted(ignored)])
            share = pixels / total.counts.sum()
            notes += (f"pixels of the mask value {shown} are ignored: {pixels:,} of all pixels ({share:.1%})",)
        problems = tuple(Problem("mask values", found.files[0].path, detail) for detail in self.details)
        return MaskClasses(self.names, code, notes, found.problems + problems)


def listed(values: Sequence[int | str]) -> str:
    """The first values of a list, for a sentence; whole numbers that follow each other are shortened to "0 to 20"."""
    if len(values) > 3 and not isinstance(values[0], str) and values[-1] - values[0] == len(values) - 1:
        return f"{values[0]} to {values[-1]}"
    if len(values) > 12:
        return ", ".join(map(str, values[:12])) + ", ..."
    *first, last = map(str, values)
    return f"{', '.join(first)} and {last}" if first else last
