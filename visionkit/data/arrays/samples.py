"""Labelled signals and volumes in memory: from files to training and validation arrays of one shape."""

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

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
)
from visionkit.data.arrays.folders import Source
from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError, Index, SkippedFiles, natural_order
from visionkit.data.splits import hold_out


class Sample(NamedTuple):
    """One signal or volume: where it is from, its class, its split, and its values ``(spatial..., channels)``, float32."""

    name: str
    label: str
    split: str
    values: np.ndarray


def read_samples(source: Source, skipped: SkippedFiles, *, size: int, patches: int, seed: int) -> list[Sample]:
    """Read all that ``find_arrays`` found; what is broken is named in ``skipped``.

    Args:
        source: what to read.
        skipped: takes files, and lines of tables, that cannot be used.
        size: side in voxels of the cubes that are cut from segmentations.
        patches: how many of each label are cut from each of their volumes.
        seed: draws where, and which volumes are held out where they have no split of their own.
    """
    splits = source.splits
    if source.layout == "segmentations" and "val" not in splits:  # whole volumes, since cubes of one of them are alike
        pairs = splits[next(iter(splits))]
        whole = Index(("",), tuple(str(image) for image, _ in pairs), np.zeros(len(pairs), np.int32))
        held_out = set(hold_out(whole, seed)[1].paths)
        splits = {
            "train": tuple(pair for pair in pairs if str(pair[0]) not in held_out),
            "val": tuple(pair for pair in pairs if str(pair[0]) in held_out),
        }
    samples = []
    files = [(split, *pair) for split, pairs in splits.items() for pair in pairs]
    for split, path, label in tqdm(files, f"reading {source.kind}s", unit=" files", leave=False):
        try:
            if source.layout == "tables":
                samples += [Sample(*row, split, values) for *row, values in _rows(path, skipped)]
            elif source.layout == "classes":
                samples.append(Sample(str(path), label, split, read_array(path, source.kind)))
            else:
                samples += [Sample(*cube, split, values) for *cube, values in _cubes(path, label, size, patches, seed)]
        except ArrayError as error:
            skipped.add(str(path), str(error))
    return samples


def _rows(path: Path, skipped: SkippedFiles) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, class and signal of each line of a table; NaN at the end of a line fills it up, and does not count."""
    try:
        text = read_text(path)
    except OSError as error:
        raise ArrayError(error.strerror or str(error)) from error
    lines = [(number, cells) for number, line in enumerate(text.splitlines(), start=1) if (cells := cells_of(line))]
    if lines and _is_heading(lines[0][1], lines[1:]):
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


def _is_heading(first: list[str], others: list[tuple[int, list[str]]]) -> bool:
    """Whether the first line names columns: no number after the class; or 0, 1, 2, ... under a word that is no class."""
    if is_header(first[1:]):
        return True
    return not is_number(first[0]) and bool(others) and all(first[0] != cells[0] for _, cells in others)


def _cubes(image: Path, labels: str, size: int, patches: int, seed: int) -> Iterator[tuple[str, str, np.ndarray]]:
    """Cubes of a volume, as many around voxels of each label; those of label 0 from the box around all others."""
    volume, truth = read_labelled(image, labels)
    near = np.ones(truth.shape, bool)
    if (truth != 0).any():
        near[:] = False
        places = np.argwhere(truth != 0)
        near[
            tuple(slice(max(0, a - size // 4), b + size // 4 + 1) for a, b in zip(places.min(0), places.max(0), strict=True))
        ] = True
    for value in np.unique(truth):
        centers = np.argwhere((truth == value) & near)
        rng = np.random.default_rng([seed, zlib.crc32(image.name.encode(errors="surrogateescape")), int(abs(value))])
        for place in sorted(rng.choice(len(centers), min(patches, len(centers)), replace=False)):
            at = centers[place].tolist()
            yield f"{image}:{','.join(map(str, at))}", f"{value:g}", cube_around(volume, at, [size] * 3)


@dataclass(frozen=True, eq=False)
class ArraySplits:
    """Training and validation signals or volumes of one shape.

    Attributes:
        kind: "signal" or "volume".
        fit: how an array of another shape is brought to this one.
        train, val: names as paths, and labels.
        train_values, val_values: float32 ``(N, spatial..., channels)``.
        notes: sentences on what a reader should know of them.
    """

    kind: Kind
    fit: Fit
    train: Index
    val: Index
    train_values: np.ndarray
    val_values: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """``(spatial..., channels)``."""
        return self.train_values.shape[1:]

    def to_plain(self) -> dict[str, Any]:
        """What a run keeps to, for a JSON file: names by split, classes and shape."""
        names = {"train": self.train.paths, "val": self.val.paths}
        return names | {"class_names": self.train.class_names, "shape": self.shape, "fit": self.fit}


def split_samples(samples: list[Sample], kind: Kind, fit: Fit, skipped: SkippedFiles, *, size: int, seed: int) -> ArraySplits:
    """Training and validation arrays; a fifth of each class is held out where the samples have no split of their own.

    Args:
        samples: as read.
        kind: of all of them.
        fit: signals are brought to the median length of those for training, volumes to ``size``.
        skipped: takes samples with other channels than most.
        size: side in voxels of a volume.
        seed: draws what is held out.

    Raises:
        DataError: fewer than two classes, or nothing to train on or to validate with.
    """
    notes = []
    if samples:
        channels = Counter(sample.values.shape[-1] for sample in samples).most_common(1)[0][0]
        for sample in samples:
            if sample.values.shape[-1] != channels:
                skipped.add(sample.name, f"{sample.values.shape[-1]} channels; most have {channels}")
        samples = [sample for sample in samples if sample.values.shape[-1] == channels]
    class_names = tuple(sorted({sample.label for sample in samples if sample.split != "val"}, key=natural_order))
    if len(class_names) < 2:
        found = f"only one class to train, {class_names[0]!r}" if class_names else f"no {kind} to train on"
        first = "; ".join(f"{file.path}: {file.reason}" for file in skipped.list()[:1])
        raise DataError(f"{found}; expected at least two classes{f' (skipped: {first})' if first else ''}.")
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
        notes.append(f"only one or two {kind}s of {', '.join(few)}: too few to learn them, or to say whether they were learnt")
    absent = [name for name, count in zip(class_names, val.counts(), strict=True) if count == 0]
    if absent:
        notes.append(f"no validation {kind} of {', '.join(absent)}")
    by_name = {sample.name: sample.values for sample in samples}
    sides = {by_name[name].shape[:-1] for name in train.paths + val.paths}
    shape = (size,) * 3 if kind == "volume" else (int(np.median([len(by_name[name]) for name in train.paths])),)
    if sides != {shape}:
        smallest, largest = ("x".join(map(str, side)) for side in (min(sides), max(sides)))
        verb = {"resample": "resampled", "resize": "resized", "crop": "cut"}[fit]
        notes.append(f"{kind}s of {smallest} to {largest} values are {verb} to {'x'.join(map(str, shape))}")
    splits = _stacked(kind, fit, train, val, by_name, (*shape, channels))
    return replace(splits, notes=tuple(notes))


def kept_splits(samples: list[Sample], kind: Kind, plan: dict[str, Any]) -> ArraySplits:
    """The splits of an earlier run, from what it kept by ``ArraySplits.to_plain``; what has vanished since is left out.

    Raises:
        DataError: nothing is left.
    """
    class_names, shape = tuple(plan["class_names"]), tuple(plan["shape"])
    by_name = {s.name: s for s in samples if s.label in class_names and s.values.shape[-1] == shape[-1]}
    train, val = (_index((by_name[name] for name in plan[split] if name in by_name), class_names) for split in ("train", "val"))
    if len(train) == 0 or len(val) == 0:
        raise DataError("Of the data that this run began with nothing is left to go on with; start a new run.")
    return _stacked(kind, plan["fit"], train, val, {name: sample.values for name, sample in by_name.items()}, shape)


def _index(samples: Iterable[Sample], class_names: tuple[str, ...]) -> Index:
    samples = list(samples)
    labels = np.array([class_names.index(sample.label) for sample in samples], np.int32)
    return Index(class_names, tuple(sample.name for sample in samples), labels)


def _stacked(
    kind: Kind, fit: Fit, train: Index, val: Index, by_name: dict[str, np.ndarray], shape: tuple[int, ...]
) -> ArraySplits:
    values = (np.stack([fitted(by_name[name], shape, fit) for name in index.paths]) for index in (train, val))
    return ArraySplits(kind, fit, train, val, *values)
