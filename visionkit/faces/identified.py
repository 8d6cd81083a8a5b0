"""Results of identifying faces, and the names of the faces of one image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Match(NamedTuple):
    """A person, and the Euclidean distance to the nearest of its templates; lower is more similar."""

    name: str
    distance: float


class Identified(NamedTuple):
    """Result of identifying a face.

    Attributes:
        name: a person within the threshold, the nearest one unless another face of the image has that name; None if the face is
            not recognized.
        nearest: the nearest people, recognized or not, nearest first; empty for an empty gallery.
    """

    name: str | None
    nearest: tuple[Match, ...]

    @property
    def distance(self) -> float | None:
        """Distance to the named person, else to the nearest one; None for an empty gallery."""
        named = [match.distance for match in self.nearest if match.name == self.name]
        return named[0] if named else self.nearest[0].distance if self.nearest else None

    def shortened(self, k: int) -> "Identified":
        """The same with the ``k`` nearest people, and as many more as it takes to keep the named one."""
        names = [match.name for match in self.nearest]
        return self._replace(nearest=self.nearest[: max(k, names.index(self.name) + 1 if self.name in names else 0)])


def named_once(faces: Sequence[Identified], thresholds: Sequence[float]) -> list[Identified]:
    """Name the faces of one image jointly: two faces on one image are never the same person.

    Of all ways to give faces the names of different people within the threshold, the one counts in which the distances fall
    below the threshold the most, in sum. A face whose only person is nearer to another face is not recognized.

    Args:
        faces: results for all faces of an image, each with as many of its nearest people as the image has faces, if there are.
        thresholds: for each face, the distance up to which it is recognized.
    """
    from scipy.optimize import linear_sum_assignment  # takes a second; not every use of a gallery needs it

    pairs = list(zip(faces, thresholds, strict=True))
    matches = [[match for match in face.nearest if match.distance <= threshold] for face, threshold in pairs]
    people = {name: column for column, name in enumerate(dict.fromkeys(match.name for row in matches for match in row))}
    gains = np.zeros((len(faces), len(people)))
    for row, found in enumerate(matches):
        for match in found:  # there is a gain at the threshold itself, too, even at 0
            gains[row, people[match.name]] = thresholds[row] - match.distance + 1e-9
    names: list[str | None] = [None] * len(faces)
    order = list(people)
    for row, column in zip(*linear_sum_assignment(gains, maximize=True), strict=True):
        if gains[row, column] > 0:
            names[row] = order[column]
    return [face._replace(name=name) for face, name in zip(faces, names, strict=True)]
