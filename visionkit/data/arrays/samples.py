"""Labelled signals and volumes in memory: from files to training and validation arrays of one shape."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from visionkit.data.arrays.files import (
    ArrayError,
    Fit,
    Kind,
    cells_of,
    checked,
    cube_around,
    fitted,
    is_header,
    is_number,
    read_array,
    read_labelled,
    with_equal_channels,
)
from visionkit.data.arrays.folders import Pairs, Source
from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError, Index, Problem, Skipped, SkippedFiles, clean_name, natural_order
from visionkit.data.splits import hold_out
from visionkit.progress import bar


class Sample(NamedTuple):
    """One signal or volume.

    Attributes:
        name: its file, and its place in the file where that holds several.
        label: the name of its class.
        split: "train", "val" or ``WHOLE``.
        values: float32 ``(spatial..., channels)``.
    """

    name: str
    label: str
    split: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class SampleSet:
    """Labelled signals or volumes, whose shapes may differ.

    Attributes:
        kind: "signal" or "volume".
        fit: how arrays are brought to one shape.
        samples: the arrays and their labels.
        notes: sentences on how they were read.
        skipped: files, and lines of tables, that cannot be used.
    """

    kind: Kind
    fit: Fit
    samples: list[Sample] = field(repr=False)
    notes: tuple[str, ...] = ()
    skipped: SkippedFiles = field(default_factory=SkippedFiles, repr=False)


def read_samples(source: Source, *, size: int, patches: int, seed: int) -> SampleSet:
    """Read all that ``find_arrays`` found.

    Args:
        source: what to read.
        size: side in voxels of the cubes that are cut from segmentations.
        patches: number of cubes of each label that are cut from each volume.
        seed: draws where cubes are cut, and which volumes are held out if they have no split of their own.
    """
    splits, notes, skipped = source.splits, source.notes, SkippedFiles()
    if source.layout == "segmentations":
        cubes = f"cubes of {size} voxels a side, {patches} of each label from each volume, labelled by their middle voxels"
        held_out = () if "val" in splits else ("whole volumes are held out for validation, by seed",)
        splits, notes = splits if "val" in splits else _hold_out_volumes(splits, seed), (cubes, *held_out, *notes)
    samples = []
    files = [(split, *pair) for split, pairs in splits.items() for pair in pairs]
    for split, path, label in bar(files, f"reading {source.kind}s", unit=" files"):
        try:
            if source.layout == "tables":
                samples += [Sample(*row, split, values) for *row, values in _rows(path, skipped)]
            elif source.layout == "classes":
                samples.append(Sample(str(path), label, split, read_array(path, source.kind)))
            else:
                samples += [Sample(*cube, split, values) for *cube, values in _cubes(path, label, size, patches, seed)]
        except ArrayError as error:
            skipped.add(str(path), str(error))
    strange = sorted({clean_name(sample.label) for sample in samples if clean_name(sample.label) != sample.label})
    if strange:
        samples = [sample._replace(label=clean_name(sample.label)) for sample in samples]
        notes = (*notes, f"names of classes hold what files cannot, and are written {', '.join(strange[:3])}")
    fit = "resample" if source.kind == "signal" else "crop" if source.layout == "segmentations" else "resize"
    return SampleSet(source.kind, fit, samples, notes, skipped)


def _hold_out_volumes(splits: Pairs, seed: int) -> Pairs:
    """Training and validation from the only split; whole volumes are held out, since cubes of one volume are alike."""
    pairs = splits[next(iter(splits))]
    whole = Index(("",), tuple(str(image) for image, _ in pairs), np.zeros(len(pairs), np.int32))
    held_out = set(hold_out(whole, seed)[1].paths)
    return {
        "train": tuple(pair for pair in pairs if str(pair[0]) not in held_out),
        "val": tuple(pair for pair in pairs if str(pair[0]) in held_out),
    }


def _rows(path: Path, skipped: SkippedFiles) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, class and signal of each line of a table; NaN at the end of a line is padding and is removed."""
    try:
        text = read_text(path)
    except OSError as error:
        raise ArrayError(error.strerror or str(error)) from error
    lines = [(number, cells) for number, line in enumerate(text.splitlines(), start=1) if (cells := cells_of(line))]
    if lines and _names_columns(lines[0][1], lines[1:]):
        lines = lines[1:]
    if not any(len(cells) > 1 and is_number(cells[1]) for _, cells in lines):
        raise ArrayError("no signals in it; expected the class, then the samples, in each line")
    for number, (label, *cells) in lines:
        name = f"{path}:{number}"
        try:
            values = np.array(cells, float)
            values = values[: np.flatnonzero(~np.isnan(values))[-1] + 1] if not np.isnan(values).all() else values[:0]
            yield name, f"{float(label):g}" if is_number(label) else label, checked(values, "signal")
        except (ValueError, ArrayError) as error:
            skipped.add(name, str(error))


def _names_columns(first: list[str], others: list[tuple[int, list[str]]]) -> bool:
    """Whether the first line names columns: it has no number after the class, or it begins with a word that is no class."""
    if is_header(first[1:]):
        return True
    return not is_number(first[0]) and bool(others) and all(first[0] != cells[0] for _, cells in others)


def _cubes(image: Path, labels: str, size: int, patches: int, seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Cubes around voxels of each label, equally many of each; those of label 0 lie in the box around all other labels."""
    volume, truth = read_labelled(image, labels)
    near = np.ones(truth.shape, bool)
    if (truth != 0).any():
        near[:] = False
        places, margin = np.argwhere(truth != 0), size // 4
        corners = zip(places.min(axis=0), places.max(axis=0), strict=True)
        near[tuple(slice(max(0, first - margin), last + margin + 1) for first, last in corners)] = True
    for value in np.unique(truth):
        centers = np.argwhere((truth == value) & near)
        rng = np.random.default_rng([seed, zlib.crc32(image.name.encode(errors="surrogateescape")), int(abs(value))])
        for row in sorted(rng.choice(len(centers), min(patches, len(centers)), replace=False)):
            center = centers[row].tolist()
            yield f"{image}:{','.join(map(str, center))}", f"{value:g}", cube_around(volume, center, [size] * 3)


@dataclass(frozen=True, eq=False)
class ArraySplits:
    """Training and validation signals or volumes of one shape.

    Attributes:
        kind: "signal" or "volume".
        fit: how an array of another shape is brought to this one.
        train, val: names as paths, and labels.
        train_values, val_values: float32 ``(N, spatial..., channels)``.
        notes: sentences on what a reader should know of them.
        skipped: files, and lines of tables, that could not be used, by path.
    """

    problems: ClassVar[tuple[Problem, ...]] = ()  # as ``Splits`` has them; a sample with a problem is skipped

    kind: Kind
    fit: Fit
    train: Index
    val: Index
    train_values: np.ndarray = field(repr=False)
    val_values: np.ndarray = field(repr=False)
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """``(spatial..., channels)``."""
        return self.train_values.shape[1:]

    def to_plain(self) -> dict[str, Any]:
        """What a run stores to be resumed, for a JSON file: names by split, classes and shape."""
        names = {"train": self.train.paths, "val": self.val.paths}
        return names | {"class_names": self.train.class_names, "shape": self.shape, "fit": self.fit}


def split_samples(data: SampleSet, *, size: int, seed: int) -> ArraySplits:
    """Training and validation arrays of one shape; a fifth of each class is held out if the samples are not split.

    Signals are brought to the median length of the training signals, volumes to ``size``.

    Args:
        data: the samples; those that have other channels than most are added to ``data.skipped``.
        size: side of a volume in voxels.
        seed: draws what is held out.

    Raises:
        DataError: fewer than two classes, or nothing to train on or to validate with.
    """
    kind, notes = data.kind, list(data.notes)
    samples = with_equal_channels(data.samples, data.skipped)
    class_names = tuple(sorted({sample.label for sample in samples if sample.split != "val"}, key=natural_order))
    if len(class_names) < 2:
        reason = f"only one class to train, {class_names[0]!r}" if class_names else f"no {kind} to train on"
        raise DataError(f"{reason}; expected at least two classes{data.skipped.first('skipped: ')}.")
    unknown = sorted({sample.label for sample in samples} - set(class_names))
    if unknown:
        notes.append(f"validation has classes that training lacks, left out: {', '.join(unknown)}")
        samples = [sample for sample in samples if sample.label in class_names]
    whole = _index(samples, class_names)
    if any(sample.split == "val" for sample in samples):
        train, val = (whole.take(i for i, s in enumerate(samples) if (s.split == "val") == is_val) for is_val in (False, True))
    else:
        train, val = hold_out(whole, seed)
        notes.append(f"no validation split found: a fifth of each class held out, drawn with seed {seed}")
    if len(val) == 0:
        raise DataError(
            f"Nothing to validate with: {len(train)} {kind}s of {len(class_names)} classes; expected two of a class."
        )
    few = [name for name, count in zip(class_names, whole.counts(), strict=True) if count <= 2]
    if few:
        notes.append(f"only one or two {kind}s of {', '.join(few)}: too few to learn them, or to measure that they were learnt")
    absent = [name for name, count in zip(class_names, val.counts(), strict=True) if count == 0]
    if absent:
        notes.append(f"no validation {kind} of {', '.join(absent)}")
    by_name = {sample.name: sample.values for sample in samples}
    sides = {by_name[name].shape[:-1] for name in train.paths + val.paths}
    shape = (size,) * 3 if kind == "volume" else (int(np.median([len(by_name[name]) for name in train.paths])),)
    if sides != {shape}:
        smallest, largest = ("x".join(map(str, side)) for side in (min(sides), max(sides)))
        verb = {"resample": "resampled", "resize": "resized", "crop": "cropped"}[data.fit]
        notes.append(f"{kind}s of {smallest} to {largest} values are {verb} to {'x'.join(map(str, shape))}")
    channels = samples[0].values.shape[-1]
    return _fitted_splits(replace(data, samples=samples, notes=tuple(notes)), train, val, (*shape, channels), data.fit)


def restore_splits(data: SampleSet, plan: dict[str, Any]) -> ArraySplits:
    """The splits of an earlier run, as ``ArraySplits.to_plain`` stored them; samples that have vanished since are left out.

    Raises:
        DataError: nothing is left.
    """
    class_names, shape = tuple(plan["class_names"]), tuple(plan["shape"])
    samples = [s for s in data.samples if s.label in class_names and s.values.shape[-1] == shape[-1]]
    by_name = {sample.name: sample for sample in samples}
    train, val = (_index((by_name[name] for name in plan[split] if name in by_name), class_names) for split in ("train", "val"))
    if len(train) == 0 or len(val) == 0:
        raise DataError("Nothing is left of the data that this run was begun with; start a new run.")
    return _fitted_splits(replace(data, samples=samples), train, val, shape, plan["fit"])


def _index(samples: Iterable[Sample], class_names: tuple[str, ...]) -> Index:
    samples = list(samples)
    labels = np.array([class_names.index(sample.label) for sample in samples], np.int32)
    return Index(class_names, tuple(sample.name for sample in samples), labels)


def _fitted_splits(data: SampleSet, train: Index, val: Index, shape: tuple[int, ...], fit: Fit) -> ArraySplits:
    by_name = {sample.name: sample.values for sample in data.samples}
    values = (np.stack([fitted(by_name[name], shape, fit) for name in index.paths]) for index in (train, val))
    return ArraySplits(data.kind, fit, train, val, *values, data.notes, tuple(data.skipped.list()))
