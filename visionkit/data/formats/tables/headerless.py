"""The meaning of the columns of a table without a header, by what they hold."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from visionkit.data.formats.tables.columns import (
    EXPECTED,
    IMAGE,
    IMAGE_IF_FOUND,
    LABEL,
    Columns,
    UnclearError,
    Understood,
    find_columns,
    plain,
)
from visionkit.data.formats.tables.values import (
    MOST,
    NUMBER,
    Find,
    are_corners,
    are_files,
    divider_of,
    find_images,
    is_image,
    value_of,
)
from visionkit.data.images.decode import ImageError, read_size
from visionkit.data.split_names import SPLITS, split_name

NAMES = frozenset((*IMAGE, *IMAGE_IF_FOUND, *LABEL))
MEASURED = 5  # images whose sizes are compared with two columns
Measured = list[tuple[list[str], tuple[int, int]]]  # rows of images, with the height and width of these
NO_SPLIT = ("unassigned", "unlabeled", "")  # values of a column of splits


def without_header(file: Path, rows: Sequence[Sequence[str]], find: Find) -> Understood | None:
    """The meaning of a table whose first row names an image, as the others do; None if the first row is a header.

    Raises:
        UnclearError: there is no header, and what the columns hold is not clear without one.
    """
    width = len(rows[0])
    rows = [list(row) for row in rows if len(row) == width]
    image = _image(rows, find)
    if width < 2 or image is None:
        return None
    paths, _ = find_images(rows, image, find)
    folders = frozenset(str(Path(path).parent) for path in paths)
    columns, names = _columns(rows, image, paths, find)
    if not columns.kind:
        raise UnclearError(
            f"{file}: it has no header, since its first row names an image; what its {width} columns hold is not clear without "
            f"one. The first row is {', '.join(rows[0])[:150]}. Write a first row with names. {EXPECTED}",
            folders,
        )
    note = f"{file.name} has no header: its columns are taken as {', '.join(names)}"
    return Understood(columns, (note,), folders=folders)


def _image(rows: list[list[str]], find: Find) -> int | None:
    """The column whose first field is the name of an image, if there is one."""
    first = rows[0]
    columns = [i for i, field in enumerate(first) if is_image(field) and plain(PurePosixPath(field).stem) not in NAMES]
    counts = {i: find_images(rows, i, find) for i in columns}
    found = [i for i, (paths, probed) in counts.items() if paths and len(paths) >= MOST * probed]
    if found or columns:
        return (found or columns)[0]
    is_name = plain(first[0]) in NAMES or (find_columns(first).columns.kind and not find(first[0]))
    return None if is_name or not find(first[0]) else 0


def _columns(rows: list[list[str]], image: int, paths: list[str], find: Find) -> tuple[Columns, list[str]]:
    """The columns and a word for each; the columns are of no kind if they are not clear."""
    width = len(rows[0])
    names = ["(not used)"] * width
    names[image] = "image"
    columns = Columns(image, has_header=False, width=width)
    filled = [i for i in range(width) if any(row[i] for row in rows)]
    others = [i for i in range(width) if i != image]
    masks = [i for i in others if are_files(rows, i, image, find)]
    if width == 2 and masks:
        return columns._replace(mask=masks[0]), ["image", "mask"]
    splits = [i for i in filled if i != image and _are_splits(row[i] for row in rows)]
    if len(splits) == 1 and width > 2:
        columns = columns._replace(split=splits[0])
        names[splits[0]] = "split"
    numbers = [i for i in others if i in filled and all(not row[i] or NUMBER.fullmatch(row[i]) for row in rows)]
    texts = [i for i in others if i in filled and i not in numbers and i != columns.split]
    measured = _measured(rows, image, paths, find) if len(numbers) >= 4 else []
    size = _size(numbers, measured) if len(numbers) >= 6 else ()
    for i, name in zip(size, ("width", "height"), strict=False):
        names[i] = name
    numbers = [i for i in numbers if i not in size]
    boxes, words = _boxes(rows, numbers), ("x1", "y1", "x2", "y2")
    if not boxes and texts:
        boxes, words = _sides(numbers, measured), ("x", "y", "width", "height")
    nothing = columns._replace(label=None, box=(), mask=None)
    if len(boxes) > 1 and not texts and boxes[0] == (1, 2, 3, 4) and numbers == [1, 2, 3, 4, 5]:
        boxes = [] if len({row[1] for row in rows}) < len({row[5] for row in rows}) else boxes[:1]  # which end is the class?
    if len(boxes) > 1 or (not boxes and len(numbers) > 3) or len(masks) > 0 or len(texts) > 1:
        return nothing, names
    if boxes:
        box = boxes[0]
        last = box[3] if box[3] - box[0] == 3 else box[3] + 2  # after two of four corners, the other two follow
        rest = [i for i in numbers if not box[0] <= i <= last]
        for i, name in zip(box, words, strict=True):
            names[i] = name
        form = "corners" if box[3] - box[0] > 3 else "corners or sides" if "x1" in words else "sides or centers"
        columns = columns._replace(box=box, box_form=form, size=size)
    else:
        rest = numbers
    labels = texts or rest
    if len(labels) > 1 or (boxes and texts and rest):
        return nothing, names
    if labels:
        names[labels[0]] = "label"
        divider = "" if boxes else divider_of("label", Counter(row[labels[0]] for row in rows))
        columns = columns._replace(label=labels[0], divider=divider)
    return columns, names


def _are_splits(values: Iterator[str]) -> bool:
    values = {value.lower() for value in values} - set(NO_SPLIT)
    return bool(values) and all(split_name(value) in SPLITS for value in values)


def _size(numbers: list[int], measured: Measured) -> tuple[int, ...]:
    """The two columns beside each other that hold the width and the height of the images; empty if there are none."""
    for first, second in zip(numbers[-2::-1], numbers[:0:-1], strict=True):
        fits = [(value_of(row[second]), value_of(row[first])) == size for row, size in measured]
        if second == first + 1 and fits and all(fits):
            return first, second
    return ()


def _measured(rows: list[list[str]], image: int, paths: list[str], find: Find) -> Measured:
    """The rows of some images, and the height and width of these."""
    sizes = {}
    for path in paths[:MEASURED]:
        try:
            sizes[path] = read_size(path)
        except ImageError:
            continue
    return [(row, sizes[path]) for row in rows[:1000] if (path := find(row[image])) in sizes]


def _sides(numbers: list[int], measured: Measured) -> list[tuple[int, ...]]:
    """Four columns beside each other that may be x, y, width, height inside of the images."""
    if len(numbers) != 4 or numbers[3] - numbers[0] != 3:
        return []
    boxes = np.array([[value_of(row[i]) for i in numbers] for row, _ in measured if any(row[i] for i in numbers)]).reshape(
        -1, 4
    )
    sizes = np.array([size[::-1] for row, size in measured if any(row[i] for i in numbers)]).reshape(-1, 2)
    start, sides = boxes[:, :2], boxes[:, 2:]
    is_box = (start >= 0) & (sides > 0) & (start + sides <= sizes)
    return [tuple(numbers)] if len(boxes) and is_box.all() else []


def _boxes(rows: list[list[str]], numbers: list[int]) -> list[tuple[int, ...]]:
    """Four columns that may be x1, y1, x2, y2: they follow each other, or are two of four corners (AutoML)."""
    groups = [tuple(numbers[i : i + 4]) for i in range(len(numbers) - 3)]
    groups = [group for group in groups if group[3] - group[0] == 3]
    width = len(rows[0])
    corners = [(i, i + 1, i + 4, i + 5) for i in numbers if {i + 1, i + 4, i + 5} <= set(numbers) and i + 7 < width]
    for group in corners:
        between = [group[0] + 2, group[0] + 3, group[0] + 6, group[0] + 7]
        same = [group[2], group[1], group[0], group[3]]  # the other corners of an upright box
        if all(not row[i] or value_of(row[i]) == value_of(row[j]) for row in rows for i, j in zip(between, same, strict=True)):
            return [group] if are_corners(rows, group) else []
    return [group for group in groups if are_corners(rows, group)]
