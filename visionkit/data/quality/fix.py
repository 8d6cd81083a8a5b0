"""A cleaned copy of a data set's index: what is wrong is left out or repaired. Images are neither changed nor copied.

labels    train.csv, val.csv: lines "path,label"                       read by ``class_folders``
          or index.csv: columns image, label, split                    read by ``table``
boxes     instances.json: COCO, with the paths of the images           read by ``coco``
          or index.csv: columns image, split, and one of 0 and 1 a class, for several labels an image
masks     index.csv: columns image, mask, split; and the class names   read by ``table``
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from visionkit.data.boxes import box_problems, cleaned
from visionkit.data.formats.annotation_files import unfinished_folder
from visionkit.data.images.masks.names import OTHER
from visionkit.data.images.masks.read import colors_of
from visionkit.data.index import IGNORE, Annotation, DataError, Index, Problem
from visionkit.data.quality.check import Checked, duplicate_findings
from visionkit.data.quality.findings import Opened, declared_turned, label_of, samples, values_to_ignore
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet

SAME_ASPECT = 0.01  # relative difference of aspect ratios up to which an image was only resized after it was annotated


@dataclass(frozen=True)
class Fixed:
    """The result of ``write_fixed``.

    Attributes:
        data: the data set that was written.
        left_out: the problem of each sample that was left out.
        num_clipped: number of boxes that were clipped to their images.
        num_dropped: number of boxes that were left out: empty, inverted, without a class, or wholly outside.
        num_resized: number of annotations whose declared size was replaced by that of the image.
    """

    data: DataSet
    left_out: tuple[Problem, ...]
    num_clipped: int
    num_dropped: int
    num_resized: int


def check_folder(folder: Path) -> None:
    """Check that a cleaned index can be written to ``folder``.

    Raises:
        DataError: it exists and is not an empty folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: it exists already; expected a new or an empty folder for the cleaned index.")


def write_fixed(checked: Checked, folder: str | Path) -> Fixed:
    """Write the cleaned index; the folder gets its name only when all files are written.

    Raises:
        DataError: the folder is not empty, no sample is left, or the samples have neither labels nor boxes nor masks.
        OSError: a file cannot be written.
    """
    folder = Path(folder).absolute()
    check_folder(folder)
    fixed = without_problems(checked.data, checked.opened)
    with unfinished_folder(folder) as unfinished:
        _write(fixed.data, unfinished)
    return fixed


def without_problems(data: DataSet, opened: Opened) -> Fixed:
    """The data set without what is wrong with it, as far as the files show that.

    One of several images that look alike is kept: the one in test rather than validation rather than training, and the first
    of a split. An image that loses its last object is left out, since it would teach that it shows none.

    Raises:
        DataError: no sample is left.
    """
    unsound = dict(_unsound(data, opened))
    sound = _without(data, unsound)
    findings, redundant = duplicate_findings(sound, opened)
    copies = {
        (finding.split, finding.position): Problem(finding.kind, finding.path, finding.detail)
        for finding in findings
        if (finding.split, finding.position) in redundant
    }
    unique = _without(sound, copies)
    if len(unique) == 0:
        raise DataError(f"None of the {len(data)} samples is sound; no cleaned index was written.")
    counts: Counter[str] = Counter()
    splits = {name: _repaired(index, opened, counts) for name, index in unique.splits.items()}
    left_out = (*unsound.values(), *copies.values())
    return Fixed(DataSet(splits, data.notes), left_out, counts["clipped"], counts["dropped"], counts["resized"])


def _unsound(data: DataSet, opened: Opened) -> Iterator[tuple[tuple[str, int], Problem]]:
    """Samples that cannot be used, by split and position, with the problem."""
    ignored = values_to_ignore(opened)
    for split, index, position in samples(data):
        path = index.paths[position]
        annotation = index.annotations[position] if index.annotations else Annotation()
        image, mask = opened.sound_image(path), opened.sound_mask(annotation.mask)
        if image is None:
            yield (split, position), Problem("broken image", path, opened.images[path])
        elif annotation.mask is not None and mask is None:
            yield (split, position), Problem("broken image", path, f"its mask: {opened.masks[annotation.mask]}")
        elif mask is not None and (mask.height, mask.width) != (image.height, image.width):
            yield (split, position), Problem("wrong size", path, "the mask has another size")
        elif mask is not None and not mask.nameless.keys() <= ignored.keys():
            yield (split, position), Problem("unknown label", path, "the mask has values without a class")
        elif annotation.objects is not None and len(cleaned(annotation.objects)) == 0 < len(annotation.objects):
            kinds = [kind for _, kind in box_problems(annotation.objects.boxes)] or ["unknown label"]
            yield (split, position), Problem(kinds[0], path, "none of its objects is sound")
        elif not all(map(_is_listable, (path, annotation.mask, label_of(index, position)))) and not index.has_objects:
            yield (split, position), Problem("bad annotation", path, "a list cannot hold one of its names; rename it")
        elif annotation.size is not None and not _fits(annotation.size, (image.height, image.width)):
            turned = ", the one before its EXIF rotation" if declared_turned(index, position, image) else ""
            yield (split, position), Problem("wrong size", path, f"it was annotated at another aspect ratio{turned}")


def _fits(declared: tuple[int, int], real: tuple[int, int]) -> bool:
    """Whether relative boxes are still right: the image was resized, but neither rotated nor cropped."""
    return abs(declared[0] * real[1] / (declared[1] * real[0]) - 1) <= SAME_ASPECT


def _is_listable(name: str | None) -> bool:
    """Whether a name can stand in a line of text: no line breaks, no blanks at its ends, valid UTF-8."""
    if name is None:
        return True
    return (
        len(name.splitlines()) == 1
        and name == name.strip()
        and not any("\ud800" <= character <= "\udfff" for character in name)
    )


def _without(data: DataSet, left_out: dict[tuple[str, int], Problem]) -> DataSet:
    splits = {
        name: index.take([position for position in range(len(index)) if (name, position) not in left_out])
        for name, index in data.splits.items()
    }
    return replace(data, splits=splits)


def _repaired(index: Index, opened: Opened, counts: Counter[str]) -> Index:
    """An index with absolute paths, real sizes and valid boxes."""
    annotations = []
    for path, annotation in zip(index.paths, index.annotations, strict=False):
        image = opened.sound_image(path)
        size = (image.height, image.width)
        counts["resized"] += annotation.size not in (None, size)
        objects = annotation.objects
        if objects is not None:
            objects = cleaned(objects)
            counts["dropped"] += len(annotation.objects) - len(objects)
            counts["clipped"] += _num_outside(annotation.objects.boxes) if objects is not annotation.objects else 0
        annotations.append(replace(annotation, objects=objects, size=size))
    return replace(index, paths=tuple(str(Path(path).absolute()) for path in index.paths), annotations=tuple(annotations))


def _num_outside(boxes: np.ndarray) -> int:
    return int(((boxes < 0) | (boxes > 1)).any(axis=1).sum())


def _write(data: DataSet, folder: Path) -> None:
    if any(index.has_masks for index in data.splits.values()):
        _write_masks(data, folder)
    elif any(index.has_objects for index in data.splits.values()):
        from visionkit.data.formats.writers.coco import write_coco

        write_coco(data, folder / "instances.json")
    elif any(index.label_sets is not None for index in data.splits.values()):
        _write_label_sets(data, folder)
    elif data.class_names:
        _write_labels(data, folder)
    else:
        raise DataError("The images have neither labels nor boxes nor masks, so there is no index to write.")


def _write_labels(data: DataSet, folder: Path) -> None:
    """Write lists, or one table if lists cannot express it: other splits, or classes that only validation has."""
    labels = {split: set(index.labels.tolist()) for split, index in data.splits.items()}
    if labels.keys() == {WHOLE} or (
        labels.keys() <= {"train", "val"} and labels.get("val", set()) <= labels.get("train", set())
    ):
        for split, index in data.splits.items():
            rows = [(path, label_of(index, position)) for position, path in enumerate(index.paths)]
            _write_table(folder / f"{'train' if split == WHOLE else split}.csv", rows)
        return
    rows = [(index.paths[position], label_of(index, position), split) for split, index, position in samples(data)]
    _write_table(folder / "index.csv", [("image", "label", "split"), *rows])


def _write_label_sets(data: DataSet, folder: Path) -> None:
    """Write a table with a column of 0 and 1 for each class."""
    rows = [
        (index.paths[position], split, *index.label_sets[position].astype(int).tolist())
        for split, index, position in samples(data)
    ]
    _write_table(folder / "index.csv", [("image", "split", *data.class_names), *rows])


def _write_masks(data: DataSet, folder: Path) -> None:
    rows = [("image", "mask", "split")]
    for split, index, position in samples(data):
        mask = index.annotations[position].mask
        if mask is not None:
            rows.append((index.paths[position], str(Path(mask).absolute()), split))
    _write_table(folder / "index.csv", rows)
    file, lines = _class_lines(next(iter(data.splits.values())))
    (folder / file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _class_lines(index: Index) -> tuple[str, list[str]]:
    """A file of names and its lines, which give the values in masks the meaning that they have in ``index``."""
    names = dict(enumerate(index.class_names)) | {IGNORE: "ignore"}
    code = index.mask_code
    if code is None:
        return "classes.txt", [f"{value}: {name}" for value, name in names.items()]
    named = [names[label] for label in code.classes.tolist()]
    if code.channel == "color":
        colors = colors_of(code.values).tolist()
        return "label_colors.txt", [f"{r} {g} {b} {name}" for (r, g, b), name in zip(colors, named, strict=True)]
    lines = [f"{value}: {name}" for value, name in zip(code.values.tolist(), named, strict=True)]
    return "classes.txt", lines + ([f"{OTHER}: {names[code.rest]}"] if code.rest != IGNORE else [])


def _write_table(file: Path, rows: list[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    file.write_text(text.getvalue(), encoding="utf-8")
