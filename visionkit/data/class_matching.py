"""The classes of a data set and those of a model: matched by their names, and the data set in the numbers of the model."""

import difflib
import itertools
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from visionkit.data.index import IGNORE, Annotation, DataError, Index, MaskCode, counted
from visionkit.printable import some

NAMED = 10  # classes that a message names
NAMED_FILES = 3


class ClassMatch(NamedTuple):
    """The classes of a data set, by those of a model.

    Attributes:
        labels: the classes of the model.
        names: the classes of the data set.
        numbers: int ``(len(names),)``, the number of each name among the labels; -1 where the model does not know it.
        notes: sentences on names that differ in case, and on classes that only one of the two has.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    numbers: np.ndarray
    notes: tuple[str, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """The classes of the data set that the model does not know."""
        return tuple(name for name, number in zip(self.names, self.numbers, strict=True) if number < 0)

    @property
    def shared(self) -> tuple[str, ...]:
        """The classes of the model that the data set has, too, in the order of the model."""
        return tuple(label for number, label in enumerate(self.labels) if number in self.numbers)

    @property
    def table(self) -> np.ndarray:
        """For masks, uint8 ``(256,)``: the number of the model's class for each class of the data; ``IGNORE`` elsewhere."""
        table = np.full(256, IGNORE, np.uint8)
        table[: len(self.numbers)] = np.where(self.numbers >= 0, self.numbers, IGNORE)
        return table

    def left_out(self, count: int, one: str, several: str = "") -> tuple[str, ...]:
        """A note on what is left out since the model does not know its class; none where nothing is.

        Args:
            count: how many.
            one: what one of them is.
            several: its plural, see ``counted``.
        """
        lost = f"left out: {counted(count, one, several)} of {some(self.unknown, NAMED)}, which the model does not know"
        return (lost,) if count else ()

    def to(self, labels: Sequence[str]) -> "ClassMatch":
        """The same match with some of the model's labels, in another order: those of ``shared``, or all."""
        places = {label: place for place, label in enumerate(labels)}
        numbers = [places.get(self.labels[number], -1) if number >= 0 else -1 for number in self.numbers.tolist()]
        return self._replace(labels=tuple(labels), numbers=np.array(numbers, int))


def match_classes(names: Iterable[str], labels: Iterable[str], *, data: str, model: str, needed: str = "") -> ClassMatch:
    """Match classes by their names, without blanks around them and in NFC; a difference in case alone is matched and noted.

    Args:
        names: the classes of the data set.
        labels: the classes of the model.
        data: the data set, for messages.
        model: the model, for messages.
        needed: a class of both that alone is not enough, such as the background.

    Raises:
        DataError: no class is shared; the message names both, and the nearest.
    """
    names, labels = tuple(names), tuple(labels)
    exact = {_plain(label): number for number, label in enumerate(labels)}
    folded: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        folded.setdefault(_plain(label).casefold(), []).append(number)
    numbers, notes = [], []
    for name in names:
        number = exact.get(_plain(name), -1)
        alike = folded.get(_plain(name).casefold(), [])
        if number < 0 and len(alike) == 1:
            number = alike[0]
            notes.append(f"{name!r} of the data is taken for {labels[number]!r} of the model: they differ in case alone")
        numbers.append(number)
    match = ClassMatch(labels, names, np.array(numbers, int), tuple(notes))
    useful = [label for label in match.shared if label != needed]
    if not useful and (not match.shared or len(labels) > 1):
        raise DataError(
            f"{data} has the classes {some(names, NAMED) or '(none)'}; {model} knows {some(labels, NAMED) or '(none)'}: no "
            f"class{f' but {needed}' if match.shared else ''} is shared.{_nearest(names, labels, needed)}"
        )
    absent = [label for label in labels if label not in match.shared]
    if absent:
        notes.append(f"the data has nothing of {some(absent, NAMED)}, which the model knows, too")
    return match._replace(notes=tuple(notes))


def relabelled(index: Index, match: ClassMatch) -> tuple[Index, tuple[str, ...]]:
    """An index in the classes of a model, and notes on what is left out since the model does not know its class.

    Images of unknown classes are left out; of images with several labels or with boxes, these alone; pixels are ignored.

    Args:
        index: its class names are those of the match.
        match: of these names.
    """
    notes, table = [], match.numbers
    if index.has_masks:
        index = replace(index, mask_code=_recoded(index.mask_code, match))
    if index.has_objects:
        annotations = tuple(_with_known_objects(each, table) for each in index.annotations)
        notes += match.left_out(_count_boxes(index.annotations) - _count_boxes(annotations), "box", "boxes")
        index = replace(index, annotations=annotations, class_attributes=())
    elif index.label_sets is not None:
        sets = np.zeros((len(index), len(match.labels)), bool)
        for place in np.flatnonzero(table >= 0).tolist():
            sets[:, table[place]] |= index.label_sets[:, place]
        notes += match.left_out(int(index.label_sets[:, table < 0].sum()), "label", "labels")
        index = replace(index, label_sets=sets)
    elif not index.has_masks:
        labels = np.where(index.labels >= 0, table[index.labels], -1)
        known = np.flatnonzero(labels >= 0)
        notes += match.left_out(len(index) - len(known), "image", "images")
        index = replace(index.take(known), labels=labels[known].astype(np.int32))
    return replace(index, class_names=match.labels), tuple(notes)


def joined(indexes: Sequence[Index]) -> tuple[Index, tuple[str, ...]]:
    """Splits of one data set as one index; a file that is in several of them counts once, where it comes first.

    Returns:
        the index, and a note on the files that the splits label or annotate in different ways, if there are any.
    """
    first = indexes[0]
    if len(indexes) == 1:
        return first, ()
    whole = replace(
        first,
        paths=tuple(itertools.chain.from_iterable(each.paths for each in indexes)),
        labels=np.concatenate([each.labels for each in indexes]),
        infos=(),
        annotations=tuple(
            itertools.chain.from_iterable(each.annotations or (Annotation(),) * len(each) for each in indexes)
            if any(each.annotations for each in indexes)
            else ()
        ),
        label_sets=None if first.label_sets is None else np.concatenate([each.label_sets for each in indexes]),
    )
    for each in indexes[1:]:
        for file in each.skipped.list():
            whole.skipped.add(*file)
    places = {path: place for place, path in reversed(list(enumerate(whole.paths)))}
    if len(places) == len(whole):
        return whole, ()
    again = [(place, places[path]) for place, path in enumerate(whole.paths) if places[path] != place]
    unlike = list(dict.fromkeys(whole.paths[place] for place, before in again if not _are_alike(whole, place, before)))
    notes = ()
    if unlike:
        files = f"{counted(len(unlike), 'image')} of several splits"
        has, counts = ("has", "counts") if len(unlike) == 1 else ("have", "count")
        told = some(unlike, NAMED_FILES)
        notes = (f"{files} {has} another label or annotation in each, and {counts} as in the first: {told}",)
    return whole.take(sorted(places.values())), notes


def _are_alike(index: Index, one: int, other: int) -> bool:
    """Whether two samples of an index have the same label, or the same annotation."""
    if index.labels[one] != index.labels[other]:
        return False
    if index.label_sets is not None and (index.label_sets[one] != index.label_sets[other]).any():
        return False
    if not index.annotations:
        return True
    first, second = index.annotations[one], index.annotations[other]
    if first.mask != second.mask or (first.objects is None) != (second.objects is None):
        return False
    return first.objects is None or all(
        np.array_equal(getattr(first.objects, name), getattr(second.objects, name)) for name in ("boxes", "classes")
    )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def _nearest(names: Sequence[str], labels: Sequence[str], needed: str) -> str:
    """A sentence on the two names that are most alike; "" where there are none."""
    pairs = [(name, label) for name in names for label in labels if needed not in (name, label) or not needed]
    if not pairs:
        return ""
    name, label = max(pairs, key=lambda pair: difflib.SequenceMatcher(None, *map(str.casefold, pair)).ratio())
    return f" The nearest are {name!r} and {label!r}: rename the classes of the data, or choose another model."


def _recoded(code: MaskCode | None, match: ClassMatch) -> MaskCode:
    """A mask code whose classes are those of the model; unknown ones are ignored."""
    if code is None:
        code = MaskCode(np.arange(len(match.names)), np.arange(len(match.names), dtype=np.uint8))
    return replace(code, classes=match.table[code.classes], rest=int(match.table[code.rest]))


def _with_known_objects(annotation: Annotation, table: np.ndarray) -> Annotation:
    if annotation.objects is None:
        return annotation
    classes = annotation.objects.classes
    numbers = np.where(classes >= 0, table[classes], -1) if len(table) else np.full(len(classes), -1)
    known = np.flatnonzero(numbers >= 0)
    return replace(annotation, objects=replace(annotation.objects.take(known), classes=numbers[known].astype(np.int32)))


def _count_boxes(annotations: Sequence[Annotation]) -> int:
    return sum(len(each.objects) for each in annotations if each.objects is not None)
