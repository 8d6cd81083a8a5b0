"""The splits of a data set: what readers return, by whatever names, and what recipes need: training and validation."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from visionkit.data.boxes import crowds
from visionkit.data.images.stacks import PAGE
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Index, Objects, Problem

TRAIN_NAMES = ("train", "training", "train_set", "training_set", "trainset")
VAL_NAMES = ("val", "valid", "validation", "dev", "eval", "val_set", "validation_set", "valset")
TEST_NAMES = ("test", "testing", "test_set", "testset")
WHOLE = "all"  # the name of the one split of a data set that has none
VAL_SHARE = 0.2  # held out where the data has no validation split of its own


@dataclass(frozen=True)
class DataSet:
    """What a reader found. All splits share their class names.

    Attributes:
        splits: index by name: "train", "val", "test"; ``WHOLE`` where the data set is not split; else its own names.
        notes: sentences on what a reader should know.
        problems: what could not be used, or was left out.
    """

    splits: dict[str, Index]
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return sum(map(len, self.splits.values()))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names by label."""
        return next(iter(self.splits.values())).class_names


def split_name(name: str) -> str:
    """One of train, val and test, for the names that people give them ("Training", "valid", "val2017"); else the name."""
    plain = re.sub(r"[-_ ]?(19|20)\d\d$", "", name.strip().lower())
    for canonical, names in (("train", TRAIN_NAMES), ("val", VAL_NAMES), ("test", TEST_NAMES)):
        if plain in names:
            return canonical
    return name


def as_one(found: DataSet) -> Index:
    """All splits of annotated images as one index, in which the attribute "split" of each image says where it belongs."""
    named = [(name, index) for name, index in found.splits.items()]
    annotations = [replace(a, attributes=a.attributes | {"split": name}) for name, index in named for a in index.annotations]
    return replace(
        named[0][1],
        paths=tuple(path for _, index in named for path in index.paths),
        labels=np.concatenate([index.labels for _, index in named]),
        infos=tuple(info for _, index in named for info in index.infos),
        annotations=tuple(annotations),
    )


def parted(index: Index) -> dict[str, Index]:
    """The inverse of ``as_one``: splits by the attribute "split"; ``WHOLE`` where not every image has one."""
    names = [annotation.attributes.get("split") for annotation in index.annotations]
    if not names or not all(isinstance(name, str) for name in names):
        return {WHOLE: index}
    splits = {name: index.take(i for i, its in enumerate(names) if its == name) for name in dict.fromkeys(names)}
    return {
        name: replace(
            part,
            annotations=tuple(
                replace(a, attributes={key: value for key, value in a.attributes.items() if key != "split"})
                for a in part.annotations
            ),
        )
        for name, part in splits.items()
    }


def train_and_val(found: DataSet, *, seed: int) -> "Splits":
    """Training and validation of a data set; where it has no validation split, ``VAL_SHARE`` of it is drawn with the seed.

    A split named "test" serves as validation where there is no other.

    Raises:
        DataError: no training images.
    """
    names = list(found.splits)
    train_name = next((name for name in ("train", WHOLE, "trainval") if name in names), names[0] if len(names) == 1 else None)
    if train_name is None or len(found.splits[train_name]) == 0:
        raise DataError(f"No training images: found {', '.join(names) or 'no splits'}; expected a split named train.")
    val_name = next((name for name in ("val", "test") if name in names and len(found.splits[name])), None)
    unused = [name for name in names if name not in (train_name, val_name)]
    notes = found.notes + ((f"not used: {', '.join(unused)}",) if unused else ())
    train = found.splits[train_name]
    if val_name is not None:
        return Splits(train, found.splits[val_name], notes, found.problems)
    if len(train) > 1 and all(PAGE in path for path in train.paths):
        train, val = _last_pages(train)
        notes += (
            f"no validation split found: the last {VAL_SHARE:.0%} of each stack held out; pages beside each other are alike",
        )
        return Splits(train, val, notes, found.problems)
    of_each = " of each class" if (train.labels >= 0).all() else ""
    train, val = hold_out(train, seed)
    notes += (f"no validation split found: {VAL_SHARE:.0%}{of_each} held out, drawn with seed {seed}",)
    return Splits(train, val, notes, found.problems)


def _last_pages(index: Index) -> tuple[Index, Index]:
    """The first and the last pages of each stack; drawn ones would have neighbors in training that look the same."""
    stacks: dict[str, list[int]] = {}
    for place, path in enumerate(index.paths):
        stacks.setdefault(path.rpartition(PAGE)[0], []).append(place)
    held_out = {place for places in stacks.values() for place in places[len(places) - max(1, round(VAL_SHARE * len(places))) :]}
    return index.take(sorted(set(range(len(index))) - held_out)), index.take(sorted(held_out))


def hold_out(index: Index, seed: int) -> tuple[Index, Index]:
    """Draw ``VAL_SHARE`` of each class (of all, where samples have no label): at least one sample where there are two."""
    drawn: list[int] = []
    for label in np.unique(index.labels):
        members = np.flatnonzero(index.labels == label)
        order = np.random.default_rng([seed, len(members)]).permutation(len(members))
        drawn += members[order[: min(max(1, round(VAL_SHARE * len(members))), len(members) - 1)]].tolist()
    return index.take(sorted(set(range(len(index))) - set(drawn))), index.take(sorted(drawn))


@dataclass(frozen=True)
class Splits:
    """What a recipe works with: a training and a validation index.

    Attributes:
        notes: sentences on what a reader should know of them.
        problems: what the reader could not use.
    """

    train: Index
    val: Index
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def map(self, function: Callable[[Index, str], Index]) -> "Splits":
        """The splits after ``function(index, "training")`` and ``function(index, "validation")``."""
        return replace(self, train=function(self.train, "training"), val=function(self.val, "validation"))

    def without_classes(self, names: Iterable[str], note: str) -> "Splits":
        """The splits without some classes, and with a note on it."""
        gone = set(names)
        splits = self.map(lambda index, _: index.without_classes(gone))
        return replace(splits, notes=(*self.notes, note))

    def to_plain(self) -> dict[str, Any]:
        """Paths, labels, boxes and masks for a JSON file; what ``scan`` found out is not kept."""
        plain = {name: _plain_index(index) for name, index in (("train", self.train), ("val", self.val))}
        colors = {} if self.train.mask_colors is None else {"mask_colors": self.train.mask_colors.tolist()}
        return plain | {"class_names": self.train.class_names, "notes": self.notes} | colors

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Splits":
        """The inverse of ``to_plain``."""
        names = tuple(plain["class_names"])
        colors = np.array(plain["mask_colors"], np.uint8) if "mask_colors" in plain else None
        train, val = (replace(_index_of(names, plain[name]), mask_colors=colors) for name in ("train", "val"))
        return cls(train, val, tuple(plain["notes"]))


def _plain_index(index: Index) -> dict[str, Any]:
    plain: dict[str, Any] = {"paths": index.paths, "labels": index.labels.tolist()}
    if index.has_objects:
        objects = [annotation.objects or NO_OBJECTS for annotation in index.annotations]
        plain["boxes"] = [each.boxes.tolist() for each in objects]
        plain["classes"] = [each.classes.tolist() for each in objects]
        plain["crowds"] = [np.flatnonzero(crowds(each)).tolist() for each in objects]
    if index.has_masks:
        plain["masks"] = [annotation.mask for annotation in index.annotations]
    return plain


def _index_of(class_names: tuple[str, ...], plain: dict[str, Any]) -> Index:
    index = Index(class_names, tuple(plain["paths"]), np.array(plain["labels"], np.int32))
    if "masks" in plain:
        return replace(index, annotations=tuple(Annotation(mask=mask) for mask in plain["masks"]))
    if "boxes" not in plain:
        return index
    annotations = []
    for boxes, classes, crowd in zip(plain["boxes"], plain["classes"], plain["crowds"], strict=True):
        attributes = tuple({"iscrowd": int(row in crowd)} for row in range(len(classes))) if crowd else ()
        boxes, classes = np.array(boxes, float).reshape(-1, 4), np.array(classes, np.int32)
        annotations.append(Annotation(Objects(boxes, classes, attributes=attributes)))
    return replace(index, annotations=tuple(annotations))
