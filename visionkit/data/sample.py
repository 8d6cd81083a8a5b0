"""Words that all of data/ shares: the index, the skipped file.

An **index** lists the samples of a split before any picture is opened: the path of each, where it came from, and its label,
a position in the class names. Pipelines make batches of it; see ``pipeline.batches`` for their keys.
"""

import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from visionkit.errors import UserError


class Skipped(NamedTuple):
    """A file that could not be used, and why."""

    path: str
    reason: str


class DataError(UserError):
    """A data set that cannot be used."""


@dataclass(frozen=True)
class Index:
    """One split of a data set.

    Attributes:
        class_names: names by label.
        paths: one file a sample.
        labels: int32 ``(N,)``.
        facts: what ``scan`` found out about each file; empty before.
    """

    class_names: tuple[str, ...]
    paths: tuple[str, ...]
    labels: np.ndarray
    facts: tuple = ()

    def __len__(self) -> int:
        return len(self.paths)

    def take(self, positions: Iterable[int]) -> "Index":
        """The samples at ``positions``, in that order."""
        positions = list(positions)
        facts = tuple(self.facts[i] for i in positions) if self.facts else ()
        labels = self.labels[np.asarray(positions, dtype=int)]
        return replace(self, paths=tuple(self.paths[i] for i in positions), labels=labels, facts=facts)

    def without_classes(self, names: Collection[str]) -> "Index":
        """The samples of the other classes, which are numbered anew."""
        kept = [label for label, name in enumerate(self.class_names) if name not in names]
        part = self.take(np.flatnonzero(np.isin(self.labels, kept)))
        labels = np.searchsorted(kept, part.labels).astype(np.int32)
        return replace(part, class_names=tuple(self.class_names[label] for label in kept), labels=labels)

    def counts(self) -> np.ndarray:
        """Number of samples of each class, int ``(num_classes,)``."""
        return np.bincount(self.labels, minlength=len(self.class_names))


class SkippedFiles:
    """Collects skipped files from any thread; each is kept once."""

    def __init__(self, skipped: Iterable[Skipped] = ()):
        self._lock = threading.Lock()
        self._reasons = dict(skipped)

    def add(self, path: str, reason: str) -> None:
        """Note that ``path`` was left out because of ``reason``."""
        with self._lock:
            self._reasons.setdefault(path, reason)

    def __len__(self) -> int:
        return len(self._reasons)

    def list(self) -> list[Skipped]:
        """All of them, by path."""
        with self._lock:
            return [Skipped(*item) for item in sorted(self._reasons.items())]


def class_weights(index: Index) -> dict[int, float]:
    """Weights that let every class count alike: ``N / (num_classes * count)``, as scikit-learn's "balanced".

    Returns:
        label -> weight; classes without samples are left out.
    """
    counts = index.counts()
    present = counts > 0
    return {int(k): float(len(index) / (present.sum() * counts[k])) for k in np.flatnonzero(present)}
