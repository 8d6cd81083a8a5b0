"""The meaning of the columns of a table by what they hold, where names do not suffice: which of several columns is the image,
columns of classes, labels under another name, tables without a header.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from visionkit.data.formats.annotation_files import brief
from visionkit.data.formats.tables.columns import (
    EXPECTED,
    OF_ANOTHER_READER,
    RUN_LENGTHS,
    UNNAMED,
    Columns,
    Named,
    UnclearError,
    Understood,
    find_columns,
    plain,
)
from visionkit.data.formats.tables.doubts import doubts, looks_like_side
from visionkit.data.formats.tables.headerless import without_header
from visionkit.data.formats.tables.images import ImageSearch
from visionkit.data.formats.tables.rows import SAMPLE
from visionkit.data.formats.tables.values import (
    MOST,
    NUMBER,
    Find,
    are_files,
    divider_of,
    find_images,
    have_suffix,
    is_flag,
    is_tree,
)
from visionkit.data.index import DataError

RUN_LENGTH = re.compile(r"\d+(\s+\d+){3,}")
FEW = 0.5  # different texts for each box, up to which they may be classes
CERTAIN = ("label", "labels", "class", "category", "target", "labelid", "classid")  # labels, even beside columns of 0 and 1


def understand(file: Path, rows: Sequence[Sequence[str]], search: ImageSearch, split: str = "") -> Understood:
    """Find the meaning of the columns of a table.

    Args:
        file: the table, for messages.
        rows: its first rows, with the header if it has one.
        search: finds its images.
        split: the split of the whole table, if it has one.

    Raises:
        UnclearError: it names images, but what they show is not clear.
        DataError: no column names an image.
    """
    if not rows:
        raise DataError(f"{file}: the table is empty. {EXPECTED}")

    def find(name):
        return search.find(name, split)

    def find_exactly(name):
        return search.find(name, split, by_number=False)

    if (understood := without_header(file, rows, find_exactly)) is not None:
        return understood
    header, sample = list(rows[0]), rows[1:]
    if sample and all(len(row) == len(header) + 1 and row[-1] for row in sample):  # R names no column of row names
        header = ["", *header]
    sample = [[*row, *[""] * (len(header) - len(row))] for row in sample]
    named = find_columns(header)
    names = [name.strip() or "(no name)" for name in header]
    image, folders, notes = _image(file, names, named, sample, find_exactly)
    if not folders:
        image, folders, notes = _image(file, names, named, sample, find)
    if image is not None and not _are_all(search, {row[image] for row in sample}):
        image = None
    if image is None:
        outside = [row[i] for i in named.images_if_found for row in sample if row[i] and search.leads_out(row[i])]
        if outside:
            reason = search.boundary.refused(file, outside[0]).detail
            raise UnclearError(f"{file}: none of its columns names images in it: {reason}.", frozenset({str(file.parent)}))
        tried = [row[i] for i in named.images_if_found for row in sample if row[i]][:1]
        searched = f" (there is no image {brief(tried[0])} in {search.searched(split)})" if tried else ""
        raise DataError(f"{file}: its columns are {', '.join(names[:20])}; none of them names an image{searched}. {EXPECTED}")
    columns = named.columns._replace(image=image, width=len(header))
    if columns.split is not None and plain(names[columns.split]) == "partition":
        numbered = {row[columns.split] for row in sample} <= {"0", "1", "2", ""}
        notes += [f"{file.name}: the values 0, 1, 2 of the column partition stand for train, val, test"] if numbered else []
        columns = columns._replace(splits_have_numbers=numbered)
    if foreign := [name for name in names if plain(name) in OF_ANOTHER_READER]:
        raise DataError(f"{file}: the outlines in its column {foreign[0]} cannot be read. Export them as COCO.")
    for i, name in enumerate(names):
        values = [row[i] for row in sample if row[i]]
        if plain(name) in RUN_LENGTHS and values and all(map(RUN_LENGTH.fullmatch, values)):
            raise UnclearError(
                f"{file}: its column {name} holds run-length encoded masks, which are not read from tables. Write them as "
                "images of masks, and name these in a column mask.",
                folders,
            )
    understood = _what_it_shows(file, names, named, columns, sample, find, notes, folders)
    return understood._replace(doubts=(*understood.doubts, *doubts(names, understood.columns, sample)))


def _are_all(search: ImageSearch, values: set[str]) -> bool:
    """False if a column numbers something else: 7 may mean 0007.jpg only where most images are numbered, and nothing else."""
    if not values & search.by_number:
        return True
    found = [search.find(value) for value in values]
    return None not in found and 2 * len(values) >= min(len(search.numbers), SAMPLE)


def _what_it_shows(
    file: Path,
    names: list[str],
    named: Named,
    columns: Columns,
    sample: list[list[str]],
    find: Find,
    notes: list[str],
    folders: frozenset[str],
) -> Understood:
    image = columns.image
    labels = [i for i in named.labels if i != image]
    is_roboflow = plain(file.stem) == "classes"
    more = []
    if is_roboflow:  # any name may be that of a class
        columns, more = Columns(image, width=columns.width), [i for i in range(len(names)) if i != image]
    elif columns.mask is not None and is_flag(row[columns.mask] for row in sample):
        columns, more = columns._replace(mask=None), [columns.mask]
    candidates = sorted({*(i for i in named.others if not looks_like_side(names[i])), *more})
    not_labels = {image, *labels, *named.images, *named.images_if_found}
    others = [i for i in candidates if i not in not_labels and any(row[i] for row in sample)]
    label = _best_label(labels, sample)
    if label is not None and not columns.box and columns.mask is None and are_files(sample, label, image, find):
        notes.append(f"{file.name}: the column {names[label]} names images, so these are masks")
        return Understood(columns._replace(mask=label), tuple(notes), folders=folders)
    blank = {i for i in more if is_roboflow and not any(row[i] for row in sample)}  # a class that no image shows
    flags = [i for i in candidates if i != image and (i in blank or is_flag(row[i] for row in sample))]
    is_classes = columns.mask is None and not columns.box and not columns.points and len(flags) >= (1 if is_roboflow else 2)
    is_class = label in flags and plain(names[label]) not in CERTAIN
    if is_classes and (label is None or is_class or is_roboflow):
        return Understood(
            columns._replace(flags=tuple(flags), flag_names=tuple(names[i] for i in flags)), tuple(notes), folders=folders
        )
    if label is not None:
        if columns.mask is None and len(labels) > 1 and any(row[i] for i in labels if i != label for row in sample):
            more = [i for i in others if _may_be_labels([row[i] for row in sample if row[i]])]
            unused = ", ".join(names[i] for i in (*labels, *more) if i != label)
            notes.append(f"{file.name}: the labels are those of the column {names[label]}; not used: {unused}")
        counts = Counter(row[label] for row in sample)
        if trees := list(filter(is_tree, counts)):
            raise UnclearError(
                f"{file}: its column {names[label]} holds JSON, which is not read from tables: {brief(trees[0])}. Export the "
                "annotations as COCO, or write a row for each label or box.",
                folders,
            )
        divider = "" if columns.box or columns.points else divider_of(plain(names[label]), counts)
        return Understood(columns._replace(label=label, divider=divider), tuple(notes), folders=folders)
    if columns.kind:
        columns, note, doubt = _with_class_of_boxes(columns, names, others, sample)
        return Understood(columns, (*notes, *(f"{file.name}: {each}" for each in note)), folders=folders, doubts=doubt)
    candidates = [i for i in others if _may_be_labels([row[i] for row in sample if row[i]])]
    if len(candidates) == 1 and folders:
        notes.append(f"{file.name}: no column has a name that is known for labels; {names[candidates[0]]} is taken")
        return Understood(columns._replace(label=candidates[0]), tuple(notes), True, folders)
    reason = f"any of {', '.join(names[i] for i in candidates)} may be the label" if candidates else "none of them is a label"
    if sides := [name for name in names if looks_like_side(name)]:
        reason += f"; {', '.join(sides[:8])} seem to be parts of boxes, which need a row each, with xmin,ymin,xmax,ymax"
    raise UnclearError(
        f"{file}: its columns are {', '.join(names[:20])}; {reason}. Rename the column of labels to label. {EXPECTED}",
        folders,
    )


def _image(
    file: Path, names: list[str], named: Named, sample: list[list[str]], find: Find
) -> tuple[int | None, frozenset[str], list[str]]:
    """The column of images, the folders of some of them, and a note if several columns may be meant."""
    known = [*named.images, *named.images_if_found]
    unknown = [i for i in range(len(names)) if i not in known and not UNNAMED.fullmatch(plain(names[i]))]
    found = {i: find_images(sample, i, find) for i in known}
    if not any(paths for paths, _ in found.values()):
        # Under a name that is not known, only names of files with their suffix count: a number may be one by chance.
        found |= {i: find_images(sample, i, find) for i in unknown if have_suffix(sample, i)}
        found = {i: result for i, result in found.items() if i in known or len(result[0]) >= MOST * result[1]}
    good = [i for i, (paths, probed) in found.items() if paths and len(paths) >= MOST * probed]
    good = good or [i for i, (paths, _) in found.items() if paths]
    if not good:
        return (named.images[0] if named.images else None), frozenset(), []
    notes = []
    if len(good) > 1:
        notes.append(f"{file.name}: the images are those of the column {names[good[0]]}; {names[good[1]]} names files, too")
    elif good[0] not in known:
        notes.append(f"{file.name}: the images are those of the column {names[good[0]]}")
    return good[0], frozenset(str(Path(path).parent) for path in found[good[0]][0]), notes


def _best_label(labels: list[int], sample: list[list[str]]) -> int | None:
    """The first column of labels that holds any; or one that varies, if that one does not; or one that names its numbers."""
    labels = [i for i in labels if any(row[i] for row in sample)] or labels
    if not labels:
        return None
    values = {i: Counter(row[i] for row in sample if row[i]) for i in labels}
    if len(values[labels[0]]) == 1 and len(sample) < SAMPLE:  # a longer table may be sorted by its classes
        labels = [i for i in labels if 1 < len(values[i]) <= values[i].total() / 2] or labels
    first = labels[0]
    if all(NUMBER.fullmatch(row[first]) for row in sample if row[first]):
        for other in labels[1:]:
            pairs = {(row[first], row[other]) for row in sample if row[first] or row[other]}
            is_renamed = len({one for one, _ in pairs}) == len({two for _, two in pairs}) == len(pairs)
            if is_renamed and not any(NUMBER.fullmatch(two) for _, two in pairs):
                return other
    return first


def _with_class_of_boxes(
    columns: Columns, names: list[str], others: list[int], sample: list[list[str]]
) -> tuple[Columns, tuple[str, ...], tuple[str, ...]]:
    """The columns with a label, where boxes have none but one column of few texts is left; and a note, or a doubt."""
    values = {i: [row[i] for row in sample if row[i]] for i in others} if columns.kind == "boxes" else {}
    texts = [i for i, of in values.items() if 1 < len(set(of)) <= FEW * len(of) and not any(map(NUMBER.fullmatch, of))]
    if len(texts) == 1:
        note = f"no column has a name that is known for labels; {names[texts[0]]} is taken for the class of the boxes"
        return columns._replace(label=texts[0]), (note,), _if_of_whole_images(names[texts[0]], columns.image, texts[0], sample)
    listed = ", ".join(names[i] for i in texts)
    if not texts and columns.kind == "boxes" and values:
        unused = ", ".join(names[i] for i in values)
        return columns, (f"no column is known to hold the class of the boxes; not used: {unused}",), ()
    doubt = f"any of {listed} may be the class of the boxes, and none is read: rename the right one to label"
    return columns, (), (doubt,) if texts else ()


def _if_of_whole_images(name: str, image: int, column: int, sample: list[list[str]]) -> tuple[str, ...]:
    """A doubt where all boxes of each image have the same value, as the weather or the place of an image has."""
    images, pairs = {row[image] for row in sample}, {(row[image], row[column]) for row in sample}
    if not len(images) == len(pairs) < len(sample):
        return ()
    return (f"{name} is taken for the class of the boxes, but may be one of whole images, since it is the same in each image",)


def _may_be_labels(values: list[str]) -> bool:
    """Whether values repeat as labels do, and are no measures, lists or objects of JSON."""
    counts = Counter(values)
    if len(counts) < 2 or min(counts.values()) < 2 or any(value[:1] in "[{(" for value in counts):
        return False
    return is_flag(counts) or not any(NUMBER.fullmatch(value) for value in counts)
