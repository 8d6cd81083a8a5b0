"""What the splits of a data set cannot measure, and what cannot be learnt, because images, objects or classes are missing."""

from collections.abc import Mapping

import numpy as np

from visionkit.data.boxes import cleaned, crowds
from visionkit.data.index import Index, Problem, counted
from visionkit.data.split_names import MEASURING, empty_splits, place_of, training_split, word_of
from visionkit.printable import some

KIND = "unmeasurable split"
NUM_NAMES = 10  # classes in a sentence


def unmeasurable(
    splits: Mapping[str, Index], counts: Mapping[str, np.ndarray] | None = None, *, people: bool = False
) -> tuple[Problem, ...]:
    """What is missing in validation and test, so that it cannot be measured, or in training, so that it cannot be learnt.

    Args:
        splits: index by split, such as "train" and "val"; splits of other names are not looked at.
        counts: how much there is of each class by split, int ``(num_classes,)``, such as pixels of masks. Default: the labels
            or the objects that can be measured are counted; masks are not.
        people: whether the classes are people, who are others in validation than in training.
    """
    problems = list(empty_splits(splits))
    train = training_split(splits)
    known = {name: counts[name] if counts else class_counts(index) for name, index in splits.items() if len(index)}
    for name in MEASURING:
        if known.get(name) is None:
            continue
        index, count = splits[name], known[name]
        problem = Problem(KIND, place_of(index, name), "")
        if people:
            problems += [problem._replace(detail=each) for each in _without_pairs(name, count)]
        elif not count.sum():
            if index.has_objects or (known.get(train) is not None and known[train].any()):
                problems.append(problem._replace(detail=_without_labels(index, name)))
        elif known.get(train) is not None:
            other = next((known[other] for other in MEASURING if other != name and known.get(other) is not None), 0 * count)
            problems += [problem._replace(detail=each) for each in _one_sided(index, name, known[train], count, other)]
    return tuple(problems)


def class_counts(index: Index) -> np.ndarray | None:
    """How many images, or objects that can be measured, there are of each class, int ``(num_classes,)``; None for masks."""
    if index.has_masks:
        return None
    if not index.has_objects:
        return index.counts()
    counts = np.zeros(len(index.class_names), int)
    for annotation in index.annotations:
        if annotation.objects is not None and len(annotation.objects):
            objects = cleaned(annotation.objects.take(np.flatnonzero(~crowds(annotation.objects))))
            counts += np.bincount(objects.classes, minlength=len(counts))[: len(counts)]
    return counts


def _without_labels(index: Index, name: str) -> str:
    what = "labelled pixels" if index.has_masks else "boxes" if index.has_objects else "labels"
    no_threshold = ", and the threshold stays at its default" if index.has_objects else ""
    sentence = f"the {word_of(name)} images have no {what}: nothing can be measured{no_threshold}"
    return f"{sentence}; move some annotated images there"


def _without_pairs(name: str, count: np.ndarray) -> list[str]:
    num_people = int((count > 0).sum())
    if num_people < 2:
        people = counted(num_people, "person", "people")
        return [f"the {word_of(name)} images show {people}: no pair of different people can be measured"]
    return [f"nobody has two {word_of(name)} images: no pair of the same person can be measured"] if count.max() < 2 else []


def _one_sided(index: Index, name: str, in_train: np.ndarray, count: np.ndarray, in_other: np.ndarray) -> list[str]:
    """Sentences on the classes that only training, or training and the other of val and test, or only this split has."""

    def listed(rows: np.ndarray) -> str:
        names = [index.class_names[row] for row in np.flatnonzero(rows)]
        return some(names, NUM_NAMES)

    sentences, word = [], word_of(name)
    lacking = (in_train > 0) & (count == 0)
    if (only_train := lacking & (in_other == 0)).any():
        sentences.append(f"no {word} images of {listed(only_train)}: only training has some, so the result is not measured")
    if (elsewhere := lacking & (in_other > 0)).any():
        other = word_of(next(each for each in MEASURING if each != name))
        sentences.append(
            f"no {word} images of {listed(elsewhere)}: training and {other} have some, so {word} does not measure the result"
        )
    if (only_here := (in_train == 0) & (count > 0)).any():
        sentences.append(f"no training images of {listed(only_here)}, which {word} has: it cannot be learnt")
    return sentences
