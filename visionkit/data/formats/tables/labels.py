"""Reads tables that label images: one label an image, or several."""

import re
from collections import Counter
from collections.abc import Collection, Iterable

import numpy as np

from visionkit.data.formats.class_names import similar_names
from visionkit.data.formats.tables.class_names import ClassNames, name_classes
from visionkit.data.formats.tables.samples import Sample, Samples, Table
from visionkit.data.formats.tables.values import NUMBER, listed
from visionkit.data.index import DataError, Index, Problem
from visionkit.data.splits import DataSet

SEVERAL = 0.1  # share of the images with several labels from which on the table gives several to each image
WHOLE_NUMBER = re.compile(r"([-+]?\d+)\.0*")  # pandas writes whole numbers like this, if a row lacks one
MANY = 20  # different numbers, from which on they look like measurements if few images share one
FEW_EACH = 3  # images of each number
ALL_DIFFERENT = 0.9  # share of the images that have a number of their own
FEWEST = 10  # images of which that is said
FRACTION = re.compile(r"[-+]?\d*\.\d+(e[-+]?\d+)?", re.IGNORECASE)


def read_labels(splits: Samples, tables: list[Table], problems: list[Problem]) -> DataSet:
    """The data set of images that a column labels.

    Raises:
        DataError: the labels are measures, not classes.
    """
    samples = [sample for group in splits.values() for sample in group]
    measures = _measures(samples, tables)
    divider = next((table.columns.divider for table in tables if table.columns.divider), "")
    files = ", ".join(str(table.file) for table in tables)
    sets = {id(sample): _labels_of(sample, divider) for sample in samples}
    doubtful = sum(len(table.rows.doubtful) for table in tables)
    repeated = sum(len(labels) > 1 for labels in sets.values())
    has_several = bool(divider or doubtful) or repeated >= max(2, SEVERAL * len(samples))  # one may be a mistake
    notes = []
    if divider:
        how = {" ": "a blank divides them", "[": "they are written as lists"}.get(divider, f"{divider!r} divides them")
        notes.append(f"an image may have several labels: {how}")
    elif repeated and has_several:
        notes.append(f"{repeated} of {len(samples)} images are listed with several labels, so an image may have several")
    if doubtful:
        notes.append(f"{doubtful} rows with a confidence of 0 say that an image does not show their class")
    classes = name_classes({label for labels in sets.values() for label in labels}, [table.file for table in tables])
    problems += classes.problems
    problems += similar_names(classes.names, files)
    problems += [] if classes.files else measures
    problems += _no_label(classes.numbers, files)
    if has_several and not divider and not doubtful and 2 * repeated < len(samples):
        detail = (
            f"only {repeated} of {len(samples)} images are listed with several labels; an image may have several therefore, "
            "but they may be mistakes, too: list each image once, if each has one label"
        )
        problems.append(Problem("unclear layout", files, detail))
    indexes = {}
    for split, group in splits.items():
        paths = tuple(sample.path for sample in group)
        if has_several:
            rows = [[classes.numbers[label] for label in sets[id(sample)]] for sample in group]
            indexes[split] = index_of_sets(classes.names, paths, rows)
            continue
        for sample in group:
            labels = sample.labels()
            for position, label in zip(sample.positions[1:], labels[1:], strict=True):
                detail = f"line {sample.rows.lines[position]}: the image is listed again, as {label!r}; this line is left out"
                problems.append(Problem("bad annotation", sample.path, detail))
        numbers = [classes.numbers[_whole(sample.labels()[0])] for sample in group]
        indexes[split] = Index(classes.names, paths, np.array(numbers, np.int32))
    return _data_set(indexes, notes, classes, problems)


def read_flags(splits: Samples, tables: list[Table], problems: list[Problem]) -> DataSet:
    """The data set of images that have a column for each class.

    If each image has exactly one class, they are the labels of a classification; else an image may have several.
    """
    names = tuple(dict.fromkeys(name for table in tables for name in table.columns.flag_names))
    problems += similar_names(names, ", ".join(str(table.file) for table in tables))
    notes = [f"the classes are columns: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"]
    has_zeros = any((table.rows.flags == 0).any() for table in tables)
    for table in tables:
        place = {name: i for i, name in enumerate(table.columns.flag_names)}
        missing = [name for name in names if name not in place]
        if missing:
            detail = f"unlike another table it has no column {', '.join(missing[:5])}; that is taken as 0 for its images"
            problems.append(Problem("unclear layout", str(table.file), detail))
        # The last column of zeros stands for all columns that are missing.
        padded = np.pad(table.rows.flags, ((0, 0), (0, 1)))
        table.rows.flags = padded[:, [place.get(name, -1) for name in names]]
    flags: dict[str, list[np.ndarray]] = {}
    kept: dict[str, list[str]] = {}
    uncertain = 0
    for split, group in splits.items():
        flags[split], kept[split] = [], []
        for path, rows, positions, _ in group:
            values = rows.flags[positions[0]]
            for position in positions[1:]:
                if (rows.flags[position] != values).any():
                    detail = f"line {rows.lines[position]}: the image is listed again with other classes; it is left out"
                    problems.append(Problem("bad annotation", path, detail))
            if has_zeros and (values < 0).any():
                uncertain += 1
            else:
                flags[split].append(values > 0)
                kept[split].append(path)
    if uncertain:
        files = ", ".join(str(table.file) for table in tables)
        detail = f"-1 beside 0 and 1 means that a class is uncertain; {uncertain} images with such values are left out"
        problems.append(Problem("bad annotation", files, detail))
    all_flags = np.array([row for split in splits for row in flags[split]], bool).reshape(-1, len(names))
    is_single = len(all_flags) > 0 and (all_flags.sum(axis=1) == 1).all()
    indexes = {}
    for split in splits:
        rows = [np.flatnonzero(row).tolist() for row in flags[split]]
        if is_single:
            indexes[split] = Index(names, tuple(kept[split]), np.array([row[0] for row in rows], np.int32))
        else:
            indexes[split] = index_of_sets(names, tuple(kept[split]), rows)
    if not is_single:
        counts = all_flags.sum(axis=1)
        several, none = np.count_nonzero(counts > 1), np.count_nonzero(counts == 0)
        notes.append(f"an image may have several labels: {several} of {len(counts)} have several, {none} have none")
    return DataSet(indexes, tuple(notes), tuple(problems))


def index_of_sets(names: tuple[str, ...], paths: tuple[str, ...], rows: Iterable[Iterable[int]]) -> Index:
    """An index of images that may have several labels; ``rows`` are the class numbers of each."""
    label_sets = np.zeros((len(paths), len(names)), bool)
    for row, numbers in enumerate(rows):
        label_sets[row, list(numbers)] = True
    return Index(names, paths, np.full(len(paths), -1, np.int32), label_sets=label_sets)


def _labels_of(sample: Sample, divider: str) -> list[str]:
    """The distinct labels of an image; those that are judged to be absent are left out."""
    labels = [label for i, label in zip(sample.positions, sample.labels(), strict=True) if i not in sample.rows.doubtful]
    if divider:
        labels = [part.strip() for label in labels for part in _parts(label, divider) if part.strip()]
    return list(dict.fromkeys(map(_whole, labels)))


def _parts(label: str, divider: str) -> list[str]:
    items = listed(label) if divider == "[" else label.split(divider)
    return [label] if items is None else items


def _whole(label: str) -> str:
    match = WHOLE_NUMBER.fullmatch(label)
    return match[1] if match else label


def _no_label(labels: Collection[str], files: str) -> list[Problem]:
    """The problem that -1 is a class, beside other numbers than 1; -1 and 1 are two classes."""
    others = set(labels) - {"-1"}
    if "-1" not in labels or others <= {"1"} or not all(map(str.isdecimal, others)):
        return []
    detail = (
        "-1 is taken as a class, although it may mean that an image has no label; leave its rows out if so, or name the class"
    )
    return [Problem("class names", files, detail)]


def _measures(samples: list[Sample], tables: list[Table]) -> list[Problem]:
    """The problem that numbers look like measurements, such as ages, if they do.

    Raises:
        DataError: most of them are fractions.
    """
    counts = Counter(label for sample in samples for label in sample.labels())
    if not all(map(NUMBER.fullmatch, counts)):
        return []
    files = ", ".join(str(table.file) for table in tables)
    fractions = [label for label in counts if FRACTION.fullmatch(label) and not WHOLE_NUMBER.fullmatch(label)]
    if len(fractions) > len(counts) / 2:
        raise DataError(
            f"{files}: the labels are measures, as {', '.join(sorted(fractions)[:3])}; expected names or numbers of classes. "
            "Write classes into the column, or name another column label."
        )
    total = counts.total()
    is_many = len(counts) > MANY and total < FEW_EACH * len(counts)
    if not fractions and not is_many and not (total >= FEWEST and len(counts) > ALL_DIFFERENT * total):
        return []
    example = f", as {fractions[0]}" if fractions else ""
    detail = (
        f"the labels are {len(counts)} different numbers in {total} rows{example}: they look like measurements, and each is "
        "taken as a class. If they are classes, write their names into the column, or into a file classes.csv"
    )
    return [Problem("unclear layout", files, detail)]


def _data_set(indexes: dict[str, Index], notes: list[str], classes: ClassNames, problems: list[Problem]) -> DataSet:
    files = frozenset(map(str, classes.files))
    return DataSet(indexes, (*notes, *classes.notes), tuple(problems), annotation_files=files)
