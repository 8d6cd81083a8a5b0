"""Volumes with a label for every voxel: from files to training and validation volumes in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from visionkit.data.arrays.files import ArrayError, has_suffix, read_labelled, with_equal_channels
from visionkit.data.arrays.folders import Source, find_arrays
from visionkit.data.images.masks.names import find_names
from visionkit.data.index import IGNORE, DataError, Index, Problem, Skipped, SkippedFiles, clean_name
from visionkit.data.split_names import VAL_SHARE, WHOLE
from visionkit.data.splits import hold_out
from visionkit.progress import bar

BACKGROUND = "background"
EXPECTED = (
    "Expected images/ and labels/ (or masks/; or imagesTr/ and labelsTr/) of volumes with equal names (.nii, .nii.gz, .npy, "
    ".tif stacks), maybe in train/ and val/; a label is a whole number, 0 is the background."
)


class Volume(NamedTuple):
    """One volume: its name, its values, and the class of every voxel.

    Attributes:
        name: the file of the values, or a name of its own.
        values: float32 ``(depth, height, width, channels)``, in any unit.
        labels: uint8 ``(depth, height, width)``, positions in the class names; ``IGNORE`` where a voxel has no class.
    """

    name: str
    values: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class VolumeSplits:
    """Training and validation volumes, whose sides may differ; their channels do not.

    Attributes:
        class_names: names by label; the first is the background.
        train, val: at least one volume each.
        notes: sentences on what a reader should know of them.
        skipped: the files that could not be used, by path.
    """

    problems: ClassVar[tuple[Problem, ...]] = ()  # as ``Splits`` has them; a volume with a problem is skipped

    class_names: tuple[str, ...]
    train: tuple[Volume, ...] = field(repr=False)
    val: tuple[Volume, ...] = field(repr=False)
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """What a run stores to be resumed, for a JSON file: names by split, and classes."""
        names = {"train": [volume.name for volume in self.train], "val": [volume.name for volume in self.val]}
        return names | {"class_names": list(self.class_names)}

    def keep_to(self, plan: dict[str, Any]) -> "VolumeSplits":
        """The splits of an earlier run, as ``to_plain`` stored them.

        Volumes that have vanished since or are new are left out; labels of new classes are ignored.

        Raises:
            DataError: nothing is left to train on, or to validate with.
        """
        class_names = tuple(plan["class_names"])
        table = np.full(256, IGNORE, np.uint8)
        for label, name in enumerate(self.class_names):
            table[label] = class_names.index(name) if name in class_names else IGNORE
        by_name = {volume.name: volume for volume in self.train + self.val}
        train, val = ([by_name[name] for name in plan[split] if name in by_name] for split in ("train", "val"))
        if not train or not val:
            raise DataError("Nothing is left of the volumes that this run was begun with; start a new run.")
        train, val = (tuple(v._replace(labels=table[v.labels]) for v in volumes) for volumes in (train, val))
        return VolumeSplits(class_names, train, val, self.notes, self.skipped)


class VolumeSets(NamedTuple):
    """Volumes of all splits, by the names of the splits; see ``VolumeSplits`` for the rest."""

    class_names: tuple[str, ...]
    splits: dict[str, tuple[Volume, ...]]
    notes: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def has_volumes(data: str | Path) -> bool:
    """Whether a folder certainly holds labelled volumes; TIFF stacks may also be separate images."""
    if not Path(data).is_dir():
        return False
    try:
        source = find_arrays(data)
    except DataError:
        return False
    files = [image for pairs in source.splits.values() for image, _ in pairs]
    return source.layout == "segmentations" and any(has_suffix(file, (".nii", ".nii.gz", ".npy")) for file in files)


def read_volumes(data: str | Path, *, seed: int) -> VolumeSplits:
    """Read volumes with labels; NIfTI files are reoriented to right, front, top, both values and labels.

    Class names come from ``classes.txt`` beside the folders or the labels; without it, classes are named by their values.

    Args:
        data: a folder with ``images/`` and ``labels/``, maybe in ``train/`` and ``val/``; see ``folders.py``.
        seed: draws the ``VAL_SHARE`` of the volumes that is held out if they have no split of their own.

    Raises:
        DataError: there is nothing to train on or to validate with, or no voxel has a label.
    """
    source, by_split, class_names, notes, skipped = _read_sets(data, find_arrays(data))
    train, val, held_out = _split(by_split, seed)
    if not train or not val:
        raise DataError(f"--data {data}: {len(train)} volumes to train on, {len(val)} to validate with. {EXPECTED}")
    for name, part in (("training", train), ("validation", val)):
        counts = np.sum([np.bincount(volume.labels.ravel(), minlength=256) for volume in part], axis=0)
        absent = [class_name for class_name, count in zip(class_names, counts, strict=False) if count == 0]
        notes += [f"no {name} voxel of {', '.join(absent)}"] if absent else []
    return VolumeSplits(class_names, tuple(train), tuple(val), (*source.notes, *held_out, *notes), skipped)


def read_volume_sets(data: str | Path) -> VolumeSets:
    """Read volumes with labels in all splits, to measure on them; see ``read_volumes``.

    Raises:
        DataError: no volume can be used, or no voxel has a label.
    """
    source, by_split, class_names, notes, skipped = _read_sets(data, find_arrays(data, all_splits=True))
    splits = {split: tuple(volumes) for split, volumes in by_split.items()}
    return VolumeSets(class_names, splits, (*source.notes, *notes), skipped)


def _read_sets(
    data: str | Path, source: Source
) -> tuple[Source, dict[str, list[Volume]], tuple[str, ...], list[str], tuple[Skipped, ...]]:
    """The volumes by split, the class names, notes, and skipped files."""
    if source.layout != "segmentations":
        raise DataError(f"--data {data}: {source.kind}s without a label for every voxel. {EXPECTED}")
    skipped, by_split = SkippedFiles(), {split: [] for split in source.splits}
    files = [(split, *pair) for split, pairs in source.splits.items() for pair in pairs]
    for split, image, labels in bar(files, "reading volumes", unit=" files"):
        try:
            by_split[split].append(Volume(str(image), *read_labelled(image, labels)))  # labels as in the file
        except ArrayError as error:
            skipped.add(str(image), str(error))
    volumes = with_equal_channels([volume for part in by_split.values() for volume in part], skipped)
    names = {volume.name for volume in volumes}
    by_split = {split: [volume for volume in part if volume.name in names] for split, part in by_split.items()}
    if not volumes:
        raise DataError(f"--data {data}: no volume that can be used{skipped.first()}. {EXPECTED}")
    values, class_names, notes = _classes([np.unique(volume.labels) for volume in volumes], _names(Path(data), source))
    class_names = tuple(map(clean_name, class_names))
    by_split = {
        split: [volume._replace(labels=_positions(volume.labels, values)) for volume in part]
        for split, part in by_split.items()
    }
    return source, by_split, class_names, notes, tuple(skipped.list())


def standardized(values: np.ndarray) -> np.ndarray:
    """Each channel of one whole volume with mean 0 and deviation 1, as networks see it in training and in prediction.

    Args:
        values: ``(depth, height, width, channels)``, in any unit.

    Returns:
        float32; zeros for a channel that is constant.
    """
    mean, deviation = statistics(values)
    return ((values - mean) / deviation).astype(np.float32)


def statistics(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each channel of a volume, float64 ``(channels,)``; the deviation of a constant is infinite."""
    axes = tuple(range(values.ndim - 1))
    mean, deviation = values.mean(axes, dtype=np.float64), values.std(axes, dtype=np.float64)
    rounding = np.finfo(np.float32).eps * np.abs(mean)
    return mean, np.where(deviation > rounding, deviation, np.inf)


def _names(data: Path, source: Source) -> tuple[str, ...] | None:
    """Class names from a file beside the folders of images and labels, or beside the labels; None if there is no such file."""
    labels = [Path(pairs[0][1]).parent for pairs in source.splits.values() if pairs]
    folders = dict.fromkeys([data, *(folder.parent for folder in labels), *labels])
    named = find_names(folder for folder in folders if folder.is_dir())
    if named is None or named.values is None:
        return named.names if named else None
    return tuple(name for _, name in sorted(zip(named.values, named.names, strict=True)))  # lines "1 left", in any order


def _classes(labels: Sequence[np.ndarray], names: tuple[str, ...] | None) -> tuple[np.ndarray, tuple[str, ...], list[str]]:
    """The value and the name of each class, in order, and notes.

    Args:
        labels: the distinct label values of each volume.
        names: class names from a file, if there is one.
    """
    present = {int(value) for values in labels for value in values}
    notes = []
    if negative := sorted(value for value in present if value < 0):
        notes.append(f"labels below 0 are ignored: {_listed(negative)}")
    if present - {0, IGNORE}:  # otherwise 255 is the foreground of a black and white mask
        present -= {IGNORE}
    values = sorted({0} | {value for value in present if value > 0})
    if len(values) < 2:
        raise DataError(f"No voxel has a label but 0. {EXPECTED}")
    if names is None:
        names = (BACKGROUND, *map(str, values[1:]))
        if values != list(range(len(values))):
            notes.append(f"classes are named by their labels in the files: {_listed(values)}")
    elif values[-1] < len(names):
        values = list(range(len(names)))
    elif len(names) == len(values) - 1 and names[0].lower() != BACKGROUND:
        names = (BACKGROUND, *names)
    elif len(names) != len(values):
        notes.append(f"labels without a name are ignored: {_listed([value for value in values if value >= len(names)])}")
        values = list(range(len(names)))
    if len(values) > IGNORE:
        raise DataError(f"{len(values)} classes of voxels; expected at most {IGNORE}.")
    return np.array(values), names, notes


def _listed(values: Collection[int]) -> str:
    return ", ".join(map(str, list(values)[:12])) + (", ..." if len(values) > 12 else "")


def _positions(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The position of each label in ``values``, which ascend; ``IGNORE`` where a label is not among them."""
    places = np.searchsorted(values, labels).clip(max=len(values) - 1)
    return np.where(values[places] == labels, places, IGNORE).astype(np.uint8)


def _split(by_split: dict[str, list[Volume]], seed: int) -> tuple[list[Volume], list[Volume], list[str]]:
    """Training and validation volumes, and a note where the latter are held out."""
    train, val = by_split.get("train", by_split.get(WHOLE, [])), by_split.get("val", [])
    if val:
        return train, val, []
    whole = Index(("",), tuple(volume.name for volume in train), np.zeros(len(train), np.int32))
    held_out = set(hold_out(whole, seed)[1].paths)
    note = f"no validation split found: {VAL_SHARE:.0%} of the volumes held out, drawn with seed {seed}"
    return [v for v in train if v.name not in held_out], [v for v in train if v.name in held_out], [note]
