"""The choice of a few readable samples of a data set, as different as possible. The other files stay unopened."""

from dataclasses import replace

import numpy as np

from visionkit.data.images.scan import inspect
from visionkit.data.index import DataError, Index
from visionkit.data.pipeline.reading import UNREADABLE
from visionkit.data.pipeline.samples import evaluation_sample
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet

MOST_BROKEN = 500  # unreadable images after which the search ends: it shall be a glance, and not a check of all files
SMALL = 32  # side in pixels of the image that is made to test a sample


def training_split(data: DataSet) -> Index:
    """The split that is augmented in training; if it has no images, the first split that has some.

    Raises:
        DataError: no split has images.
    """
    names = [name for name in ("train", WHOLE, *data.splits) if len(data.splits.get(name, ()))]
    if not names:
        raise DataError("No images in this data set; visionkit check says what was found instead.")
    return data.splits[names[0]]


def choose(index: Index, number: int, *, seed: int) -> Index:
    """Choose readable samples, spread over the classes.

    Args:
        index: the index of a reader.
        number: number of samples; if there are fewer, all are taken.
        seed: seed of the choice.

    Returns:
        a scanned index of the samples.

    Raises:
        DataError: no sample can be used.
    """
    chosen, infos = [], []
    for position in spread(index, seed):
        if len(chosen) == number or len(index.skipped) == MOST_BROKEN:
            break
        alone = index.take([position])
        try:
            info = inspect(alone.paths[0])
        except ValueError as error:  # an ImageError, or a name that no file can have
            index.skipped.add(alone.paths[0], str(error))
            continue
        try:
            evaluation_sample(replace(alone, infos=(info,)), SMALL, 0)
        except UNREADABLE as error:
            index.skipped.add(alone.paths[0], str(error))
            continue
        chosen.append(position)
        infos.append(info)
    if not chosen:
        first = "; ".join(": ".join(one) for one in index.skipped.list()[:1])
        raise DataError(f"None of the {len(index.skipped)} images that were tried can be used; the first: {first}")
    return replace(index.take(chosen), infos=tuple(infos))


def spread(index: Index, seed: int) -> np.ndarray:
    """All positions of an index, in an order in which classes take turns: int ``(N,)``.

    An image of many objects counts for the class that the fewest images show; images that show none come last.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(index))
    classes = _classes(index)[order]
    turns = np.zeros(len(index), int)
    for number in np.unique(classes):
        members = np.flatnonzero(classes == number)
        turns[members] = np.arange(len(members))
    first = rng.permutation(len(index.class_names) + 1)  # the last one is for images without a class
    return order[np.lexsort([first[classes], turns, classes < 0])]


def _classes(index: Index) -> np.ndarray:
    """The class for which each sample counts, int ``(N,)``; -1 where it has none."""
    classes = index.labels.astype(int)
    present = [
        () if one.objects is None else np.unique(one.objects.classes[one.objects.classes >= 0]) for one in index.annotations
    ]
    counts = np.bincount(np.concatenate([np.zeros(0, int), *present]).astype(int), minlength=len(index.class_names))
    for position, numbers in enumerate(present):
        if len(numbers):
            classes[position] = numbers[counts[numbers].argmin()]
    return classes
