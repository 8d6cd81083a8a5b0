"""The splits of a data set: those that readers return, under any names, and the training and validation that recipes need."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.boxes import crowds
from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.meaning import BINARY_NAMES
from visionkit.data.images.masks.names import NamedClasses
from visionkit.data.images.masks.read import packed_colors
from visionkit.data.images.stacks import PAGE
from visionkit.data.index import NO_OBJECTS, Annotation, DataError, Index, MaskCode, Objects, Problem, Skipped, SkippedFiles
from visionkit.data.split_names import (
    VAL_SHARE,
    WHOLE,
    empty_splits,
    place_of,
    split_of_path,
    split_order,
    training_split,
)


@dataclass(frozen=True)
class DataSet:
    """A data set as a reader returns it. All splits share their class names.

    Attributes:
        splits: index by split: "train", "val", "test"; ``WHOLE`` if the data set is not split; else its own names.
        notes: sentences on how the data was understood.
        problems: what could not be used or was left out.
        format: the layout or format that was recognised, as a phrase: "YOLO (data.yaml)", "class folders".
        annotation_files: the files that labels, boxes or names were read from; ``sources.read`` reports others like them.
        left_out: the images of the folder that are in no split, as a phrase: "4 in test1/"; "" if there are none.
    """

    splits: dict[str, Index]
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    format: str = ""
    annotation_files: frozenset[str] = frozenset()
    left_out: str = ""

    def __len__(self) -> int:
        return sum(map(len, self.splits.values()))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class names by label."""
        return next(iter(self.splits.values())).class_names


def as_one(data_set: DataSet) -> Index:
    """All splits of annotated images as one index, in which the attribute "split" of each image names its split."""
    named = list(data_set.splits.items())
    annotations = [replace(a, attributes=a.attributes | {"split": name}) for name, index in named for a in index.annotations]
    return replace(
        named[0][1],
        paths=tuple(path for _, index in named for path in index.paths),
        labels=np.concatenate([index.labels for _, index in named]),
        infos=tuple(info for _, index in named for info in index.infos),
        annotations=tuple(annotations),
    )


def parted(index: Index) -> dict[str, Index]:
    """The inverse of ``as_one``: splits by the attribute "split"; ``WHOLE`` if not every image has one."""
    names = [annotation.attributes.get("split") for annotation in index.annotations]
    if not names or not all(isinstance(name, str) for name in names):
        return {WHOLE: index}
    splits = {split: index.take(i for i, name in enumerate(names) if name == split) for split in dict.fromkeys(names)}
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


def parted_by_folders(data_set: DataSet) -> DataSet:
    """The data set with the splits that its images' folders are named after, where its annotations name none.

    Only folders below the one that all images have in common count. Where some images lie in no folder of a split, all stay
    one set, which is a problem.
    """
    if list(data_set.splits) != [WHOLE]:
        return data_set
    index = data_set.splits[WHOLE]
    root = place_of(index, "")
    names = [split_of_path(path, Path(root)) for path in index.paths]
    splits = sorted(set(names) - {WHOLE}, key=split_order)
    if len(splits) < 2:
        return data_set
    if WHOLE in names:
        detail = (
            f"{names.count(WHOLE):,} of {len(names):,} images lie in no folder of a split, the others in those of "
            f"{', '.join(splits)}: all are read as one set; expected all images in folders of splits, or a column of splits"
        )
        return replace(data_set, problems=(*data_set.problems, Problem("unclear layout", root, detail)))
    parts = {split: index.take(i for i, name in enumerate(names) if name == split) for split in splits}
    note = f"the splits are those of the folders of images: {', '.join(splits)}"
    return replace(data_set, splits=parts, notes=(*data_set.notes, note))


def train_and_val(data_set: DataSet, *, seed: int) -> "Splits":
    """The training and validation split of a data set; if it has no validation split, ``VAL_SHARE`` of it is drawn.

    A split named "test" serves as validation if there is no other.

    Raises:
        DataError: there are no training images.
    """
    names, train_name = list(data_set.splits), training_split(data_set.splits)
    if train_name is None or len(data_set.splits[train_name]) == 0:
        raise DataError(f"No training images: found {', '.join(names) or 'no splits'}; expected a split named train.")
    val_name = next((name for name in ("val", "test") if name in names and len(data_set.splits[name])), None)
    unused = [name for name in names if name not in (train_name, val_name) and len(data_set.splits[name])]
    left_out = f"; images in no split: {data_set.left_out}" if data_set.left_out else ""
    notes = (f"the data set is read as {data_set.format}{left_out}",) if data_set.format else ()
    notes += data_set.notes + ((f"not used: {', '.join(unused)}",) if unused else ())
    data_set = replace(data_set, problems=data_set.problems + empty_splits(data_set.splits))
    train = data_set.splits[train_name]
    if val_name is not None:
        notes += ("test serves as validation: there is no val with images",) if val_name == "test" else ()
        return Splits(train, data_set.splits[val_name], notes, data_set.problems)
    if len(train) > 1 and all(PAGE in path for path in train.paths):
        train, val = _last_pages(train)
        notes += (
            f"no validation split found: the last {VAL_SHARE:.0%} of each stack is held out, because adjacent pages look alike",
        )
        return Splits(train, val, notes, data_set.problems)
    per_class = " of each class" if train.label_sets is not None or (train.labels >= 0).all() else ""
    train, val = hold_out(train, seed)
    notes += (f"no validation split found: {VAL_SHARE:.0%}{per_class} is held out, drawn with seed {seed}",)
    return Splits(train, val, notes, data_set.problems)


def _last_pages(index: Index) -> tuple[Index, Index]:
    """The first and the last pages of each stack: pages drawn at random would have look-alike neighbors in training."""
    stacks: dict[str, list[int]] = {}
    for place, path in enumerate(index.paths):
        stacks.setdefault(path.rpartition(PAGE)[0], []).append(place)
    held_out = {place for places in stacks.values() for place in places[len(places) - max(1, round(VAL_SHARE * len(places))) :]}
    return index.take(sorted(set(range(len(index))) - held_out)), index.take(sorted(held_out))


def hold_out(index: Index, seed: int) -> tuple[Index, Index]:
    """Draw ``VAL_SHARE`` of each class, or of all samples if they have no label; at least one of a class that has two."""
    if index.label_sets is not None:
        is_drawn = draw_from_sets(index.label_sets, seed)
        return index.take(np.flatnonzero(~is_drawn)), index.take(np.flatnonzero(is_drawn))
    drawn: list[int] = []
    for label in np.unique(index.labels):
        members = np.flatnonzero(index.labels == label)
        order = np.random.default_rng([seed, len(members)]).permutation(len(members))
        drawn += members[order[: min(max(1, round(VAL_SHARE * len(members))), len(members) - 1)]].tolist()
    return index.take(sorted(set(range(len(index))) - set(drawn))), index.take(sorted(drawn))


def draw_from_sets(label_sets: np.ndarray, seed: int) -> np.ndarray:
    """Draw about ``VAL_SHARE`` of the samples of each class, and of those without a class, bool ``(N,)``.

    The rarest class is drawn from first, and each sample goes where its class is needed most (iterative stratification,
    Sechidis et al. 2011, https://doi.org/10.1007/978-3-642-23808-6_10). A class of two samples or more is then on both sides,
    unless that takes another class away from one; a class of a single sample is not drawn.

    Args:
        label_sets: bool ``(N, num_classes)``.
        seed: decides between equally good samples.
    """
    counts = label_sets.sum(axis=0)
    share = np.clip(np.round(VAL_SHARE * counts), counts >= 2, np.maximum(counts - 1, 0))
    needed = np.stack([counts - share, share])  # in training and in validation
    order = np.random.default_rng([seed, *label_sets.shape]).permutation(len(label_sets))
    is_open, is_drawn, remaining = np.ones(len(order), bool), np.zeros(len(order), bool), counts.copy()
    while (remaining > 0).any():
        label = int(np.where(remaining > 0, remaining, len(order) + 1).argmin())
        for row in order[(is_open & label_sets[:, label])[order]]:
            side = int(needed[1, label] > 0 and needed[1, label] * counts[label] >= needed[0, label] * share[label])
            is_drawn[row], is_open[row] = side, False
            needed[side] -= label_sets[row]
            remaining -= label_sets[row]
    plain = order[is_open[order]]
    is_drawn[plain[: round(VAL_SHARE * len(plain))]] = True
    _bring_to_both_sides(label_sets, is_drawn, order)
    return is_drawn


def _bring_to_both_sides(label_sets: np.ndarray, is_drawn: np.ndarray, order: np.ndarray) -> None:
    """Move samples of classes that are on one side alone, where no other class loses its last sample on that side."""
    for label in np.argsort(label_sets.sum(axis=0), kind="stable"):
        rows = order[label_sets[order, label]]
        sides = is_drawn[rows]
        if len(rows) == 0 or (len(rows) > 1 and sides.any() and not sides.all()) or (len(rows) == 1 and not sides.any()):
            continue
        left = label_sets[is_drawn == sides[0]].sum(axis=0)
        others = np.arange(label_sets.shape[1]) != label
        movable = [row for row in rows if (left[label_sets[row] & others] > 1).all()]
        if movable:
            is_drawn[movable[0]] = not sides[0]


@dataclass(frozen=True)
class Splits:
    """The training and the validation index of a recipe.

    Attributes:
        notes: sentences on how the data was understood.
        problems: what the reader could not use.
    """

    train: Index
    val: Index
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __iter__(self) -> Iterator[Index]:
        return iter((self.train, self.val))

    @property
    def skipped(self) -> list[Skipped]:
        """The files of both splits that could not be used, by path."""
        return SkippedFiles([*self.train.skipped.list(), *self.val.skipped.list()]).list()

    def map(self, function: Callable[[Index, str], Index]) -> "Splits":
        """The splits after ``function(index, "training")`` and ``function(index, "validation")``."""
        return replace(self, train=function(self.train, "training"), val=function(self.val, "validation"))

    def without_classes(self, names: Iterable[str], note: str) -> "Splits":
        """The splits without some classes, and with a note about that."""
        removed = set(names)
        splits = self.map(lambda index, _: index.without_classes(removed))
        return replace(splits, notes=(*self.notes, note))

    def to_plain(self) -> dict[str, Any]:
        """Paths, labels, boxes and masks for a JSON file; the results of ``scan`` are not kept."""
        plain = {name: _plain_index(index) for name, index in (("train", self.train), ("val", self.val))}
        code = self.train.mask_code
        coded = {"mask_code": None if code is None else code.to_plain()} if self.train.has_masks else {}
        return plain | {"class_names": self.train.class_names, "notes": self.notes} | coded

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Splits":
        """The inverse of ``to_plain``."""
        names = tuple(plain["class_names"])
        code = _mask_code(names, plain)
        train, val = (replace(_index_of(names, plain[name]), mask_code=code) for name in ("train", "val"))
        return cls(train, val, tuple(plain["notes"]))


def _mask_code(names: tuple[str, ...], plain: dict[str, Any]) -> MaskCode | None:
    if "mask_code" in plain:
        return None if plain["mask_code"] is None else MaskCode.from_plain(plain["mask_code"])
    # Older runs stored colors, and left it to each mask whether 1 or 255 is its foreground.
    colors = plain.get("mask_colors")
    if colors is not None and colors != [[0, 0, 0], [255, 255, 255]]:
        return MaskCode(
            packed_colors(np.array(colors, np.uint8)).astype(np.int64), np.arange(len(colors), dtype=np.uint8), "color"
        )
    masks = [mask for name in ("train", "val") for mask in plain[name].get("masks", ())]
    if not masks or (colors is None and names != BINARY_NAMES):
        return None
    return find_classes(masks, NamedClasses(names)).code


def _plain_index(index: Index) -> dict[str, Any]:
    plain: dict[str, Any] = {"paths": index.paths, "labels": index.labels.tolist()}
    if index.has_objects:
        objects = [annotation.objects or NO_OBJECTS for annotation in index.annotations]
        plain["boxes"] = [each.boxes.tolist() for each in objects]
        plain["classes"] = [each.classes.tolist() for each in objects]
        plain["sizes"] = [None if each.measured else each.size for each in index.annotations]
        plain["crowds"] = [np.flatnonzero(crowds(each)).tolist() for each in objects]
    if index.label_sets is not None:
        plain["label_sets"] = [np.flatnonzero(row).tolist() for row in index.label_sets]
    if index.has_masks:
        plain["masks"] = [annotation.mask for annotation in index.annotations]
    return plain


def _index_of(class_names: tuple[str, ...], plain: dict[str, Any]) -> Index:
    index = Index(class_names, tuple(plain["paths"]), np.array(plain["labels"], np.int32))
    if "label_sets" in plain:
        label_sets = np.zeros((len(index), len(class_names)), bool)
        for row, labels in enumerate(plain["label_sets"]):
            label_sets[row, labels] = True
        return replace(index, label_sets=label_sets)
    if "masks" in plain:
        return replace(index, annotations=tuple(Annotation(mask=mask) for mask in plain["masks"]))
    if "boxes" not in plain:
        return index
    annotations = []
    sizes = plain.get("sizes") or [None] * len(index)  # plans of earlier versions have none
    for boxes, classes, crowd, size in zip(plain["boxes"], plain["classes"], plain["crowds"], sizes, strict=True):
        attributes = tuple({"iscrowd": int(row in crowd)} for row in range(len(classes))) if crowd else ()
        boxes, classes = np.array(boxes, float).reshape(-1, 4), np.array(classes, np.int32)
        objects = Objects(boxes, classes, attributes=attributes)
        annotations.append(Annotation(objects, size=None if size is None else tuple(size)))
    return replace(index, annotations=tuple(annotations))
