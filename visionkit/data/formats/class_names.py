"""Class names: the text files that list them, one per line, and names that are equal or nearly so."""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from visionkit.data.formats.annotation_files import MAX_CLASSES, brief, one_line
from visionkit.data.images.contents import encoding_of, read_text
from visionkit.data.images.listing import files_in
from visionkit.data.images.name_lists import count_lines, is_header, lines_and_note, name_lines, numbered
from visionkit.data.index import DataError, Problem, clean_name
from visionkit.data.splits import DataSet
from visionkit.files import LARGEST_TEXT, read_file
from visionkit.printable import as_utf8, some

# Lists whose line number is the class; other names that end with .names are Darknet's as well.
NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels", "labels.txt")
DEFAULT_NAMES_FILE = "predefined_classes.txt"  # labelImg's, which counts only where it has written no classes.txt
NO_LABEL_FILES = frozenset((*NAMES_FILES, DEFAULT_NAMES_FILE))  # although they are text files, as YOLO's labels are

UNCLEAR_COUNT = (  # where ``names_by_number`` finds nothing
    "the classes keep their numbers: it is unclear whether the lines count from 0 or from 1, or whether the first is a header; "
    'write its number before each name, as "1 cat"'
)

HIGH = re.compile("[\x80-\xff]")
LIST_OF_NAMES = re.compile(r"(class|label|name|categor|object|code)[^/]*$", re.IGNORECASE)
MOST_LISTS = 20  # whose lines are looked at
MOST_OPENED = 1000  # files in which the bytes of class names are searched


def read_names(file: Path) -> list[str]:
    """The class names in a text file, one per line. The line number is the class, so a blank line is named by its number.

    Where every line has a number, and these are 0, 1, 2, ... or 1, 2, 3, ... in some order, they give the order.

    Raises:
        DataError: the file cannot be read, or holds more than ``MAX_CLASSES`` lines.
    """
    try:
        lines = name_lines(read_text(file))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
    if len(lines) > MAX_CLASSES:
        raise DataError(f"{file}: {len(lines):,} lines; expected class names, one per line.")
    pairs = numbered([line for line in lines if line])
    if count_lines([number for number, _ in pairs]) and len({name for _, name in pairs}) == len(pairs):  # no "1 euro", "2 euro"
        return [name for _, name in sorted(pairs, key=lambda pair: int(pair[0]))]
    return [line or str(number) for number, line in enumerate(lines)]


def names_files(names: Iterable[str]) -> list[str]:
    """Those of the names of files that lists of class names have, in order of preference."""
    by_name = {name.lower(): name for name in sorted(names, reverse=True)}
    known = [by_name[name] for name in NAMES_FILES if name in by_name]
    known += [name for lower, name in sorted(by_name.items()) if lower.endswith(".names") and name not in known]
    return known or [by_name[name] for name in (DEFAULT_NAMES_FILE,) if name in by_name]


def longest_list(files: Iterable[Path]) -> tuple[Path | None, list[str]]:
    """The file with the most class names, and its names; None and nothing if there are no files.

    Raises:
        DataError: another file has other names for the same numbers.
    """
    lists = {file: read_names(file) for file in files}
    longest = max(lists, key=lambda file: len(lists[file]), default=None)
    for file, names in lists.items():
        if names != lists[longest][: len(names)]:
            shown = [f"{each} has {', '.join(map(one_line, lists[each][:5]))}" for each in (longest, file)]
            raise DataError(
                f"{' and '.join(shown)}: a number would mean two classes. Give all label files the same numbers, and remove "
                "one of these files."
            )
    return longest, lists.get(longest, [])


def lists_in_another_order(names: list[str], source: Path, folders: Iterable[Path]) -> list[Problem]:
    """A problem for each list in the folders that gives a name another number than the file of the names does."""
    names, problems = [class_name_of(name) for name in names], []
    for file in (folder / name for folder in folders for name in names_files(files_in(folder)[1])):
        try:
            found = list(map(class_name_of, read_names(file))) if file.name.lower() != DEFAULT_NAMES_FILE else []
        except DataError:  # no list of names
            continue
        moved = [number for number, name in enumerate(found) if name in names and names[number : number + 1] != [name]]
        if moved:
            name = found[moved[0]]
            detail = (
                f"{brief(name)} is class {moved[0]} here, but {names.index(name)} in {source.name}, whose order is used; "
                "remove the list that is wrong"
            )
            problems.append(Problem("class names", str(file), detail))
    return problems


def list_with(used: Collection[str], files: Iterable[Path], problems: list[Problem]) -> tuple[Path | None, list[str]]:
    """The file that lists the most of the names that annotations use, and its names; None and nothing if none fits.

    Where annotations hold names and no numbers, a list gives their order, and tells names that are misspelt. One that has fewer
    than half of them is that of other data.
    """
    lists = {file: read_names(file) for file in files}
    shared = {file: len({*map(class_name_of, names)} & {*used}) for file, names in lists.items()}
    best = max(lists, key=lambda file: shared[file], default=None)
    if best is None:
        return None, []
    is_default = best.name.lower() == DEFAULT_NAMES_FILE
    if shared[best] >= (len(used) if is_default else len(used) / 2):
        return best, lists[best]
    if not is_default:
        detail = f"it lists {shared[best]} of the {len(used)} names that annotations use, and is not used; correct or remove it"
        problems.append(Problem("class names", str(best), detail))
    return None, []


def names_by_number(lines: Sequence[str], numbers: Collection[int]) -> dict[int, str]:
    """Number -> name in a list of names; empty where it is not certain.

    Each line has its number ("1 cat"); or lines count from 0 if the number 0 is used, and from 1 if the number of lines
    is. The first line must not look like a header that makes one line too many.

    Args:
        lines: the list.
        numbers: the numbers that are used.
    """
    if pairs := numbered(lines):
        return {int(number): class_name_of(name) for number, name in pairs if number.isdecimal()}
    first = 0 if 0 in numbers else 1 if len(lines) in numbers else None
    if first is not None and is_header(lines[0]) and max(numbers) == len(lines) - 2 + first:
        return {}
    return {} if first is None else {number: class_name_of(name) for number, name in enumerate(lines, first)}


def class_name_of(text: str) -> str:
    """A class name without blanks at its ends, in Unicode's composed form: macOS writes an accent as a letter of its own."""
    return unicodedata.normalize("NFC", text).strip()


def notes_on_lists(data_set: DataSet) -> list[str]:
    """A sentence on each list of the class names of a data set whose first line is no name, or that has them in one line."""
    notes, names = [], set(data_set.class_names if data_set.splits else ())
    files = (file for file in sorted(data_set.annotation_files) if Path(file).suffix.lower() in (".txt", ".names", ".labels"))
    for file in islice(filter(LIST_OF_NAMES.search, files), MOST_LISTS):
        try:
            lines, note = lines_and_note(read_text(file))
        except OSError:
            continue
        listed = {class_name_of(name) for name in ([name for _, name in numbered(lines)] or lines)} if note else set()
        if names & listed:
            notes.append(f"{Path(file).name}: {note}")
    return notes


def undecoded_names(names: Iterable[str], files: Iterable[str]) -> list[Problem]:
    """The problem that names are from a file that is not UTF-8, and are no words in Latin-1: most letters are no ASCII.

    Args:
        names: the class names.
        files: the files that they may be from.
    """
    words = [word for name in names for word in re.findall("[A-Za-z\x80-\xff]+", name) if not word.isascii()]
    strange = [word for word in words if len(HIGH.findall(word)) > max(1, len(word) // 2)]
    if not strange or 2 * len(strange) <= len(words):
        return []
    for file in sorted(files, key=lambda file: (file.count("/"), file))[:MOST_OPENED]:
        try:
            contents = read_file(file, LARGEST_TEXT)
            contents.decode(encoding_of(contents))
        except OSError:
            continue
        except UnicodeDecodeError:
            detail = f"it is not UTF-8, and read as Latin-1 its classes are {_some(strange)}; save the file as UTF-8"
            return [Problem("class names", file, detail)]
    return []


def unique_names(names: Iterable[str], file: str | Path, problems: list[Problem]) -> tuple[list[str], list[int]]:
    """The class names of a file without doubles, and the position of each name among them.

    Names that are equal after ``class_name_of`` become one class, which is reported.
    """
    positions: dict[str, int] = {}
    numbers = [positions.setdefault(class_name_of(name), len(positions)) for name in names]
    counts = Counter(numbers)
    doubled = [name for name, position in positions.items() if counts[position] > 1]
    if doubled:
        detail = f"several classes are named {_some(doubled)}; those of one name become one class"
        problems.append(Problem("class names", str(file), detail))
    return list(positions), numbers


def with_clean_names(data_set: DataSet, source: str | Path) -> DataSet:
    """The data set with class names as ``clean_name`` makes them; a name of blanks alone becomes its number.

    Bundles, lists of labels and reports hold text in UTF-8, a name a line; a folder's name may be any bytes.
    """
    names = data_set.class_names if data_set.splits else ()
    clean = tuple(clean_name(name) if name.strip() else str(number) for number, name in enumerate(names))
    if clean == names:
        return data_set
    splits = {split: replace(index, class_names=clean) for split, index in data_set.splits.items()}
    escaped = [new for old, new in zip(names, clean, strict=True) if new != unicodedata.normalize("NFC", as_utf8(old))]
    if not escaped:
        return replace(data_set, splits=splits)
    detail = (
        f"names hold control characters, blanks alone, or bytes that are no UTF-8, and are written {some(escaped, 3)}; "
        "rename their folders, or mend the file of the names"
    )
    return replace(data_set, splits=splits, problems=(*data_set.problems, Problem("class names", str(source), detail)))


def similar_names(names: Iterable[str], source: str | Path) -> list[Problem]:
    """The problem that names are equal, or differ only in letter case or blanks; such classes stay apart."""
    counts = Counter(names)
    equal = [name for name, count in counts.items() if count > 1]
    problems = (
        [Problem("class names", str(source), f"several classes are named {_some(equal)}, and stay apart")] if equal else []
    )
    groups: dict[str, list[str]] = {}
    for name in counts:
        groups.setdefault("".join(name.split()).casefold(), []).append(name)
    alike = [f"{' and '.join(map(brief, group[:3]))}" for group in groups.values() if len(group) > 1]
    if not alike:
        return problems
    shown = "; ".join(alike[:3]) + ("; ..." if len(alike) > 3 else "")
    detail = f"names differ only in letter case or blanks and stay apart: {shown}"
    return [*problems, Problem("class names", str(source), detail)]


def header_among(data_set: DataSet) -> list[Problem]:
    """The problem that the first class of a list is named as a header is, "name" or "class", and that the last does not occur.

    Masks are not asked: what their values mean was decided with it in mind.
    """
    names, indexes = data_set.class_names, data_set.splits.values()
    if len(names) < 2 or not is_header(names[0]) or any(index.has_masks for index in indexes):
        return []
    lists = [file for file in sorted(data_set.annotation_files) if names_files([Path(file).name])]
    last = len(names) - 1
    objects = (one.objects for index in indexes for one in index.annotations if one.objects is not None)
    in_sets = any(index.label_sets is not None and index.label_sets[:, last].any() for index in indexes)
    occurs = in_sets or any((index.labels == last).any() for index in indexes)
    if not lists or occurs or any((one.classes == last).any() for one in objects):
        return []
    detail = (
        f"the first class is named {brief(names[0])}, and the last, {brief(names[-1])}, does not occur: if the first is the "
        "header of the list, remove it, since all names are one line too late"
    )
    return [Problem("class names", lists[0], detail)]


def _some(names: list[str]) -> str:
    return some(list(map(brief, names)), 3)
