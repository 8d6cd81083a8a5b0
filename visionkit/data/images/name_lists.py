"""The lines of a list of class names: without comments and a header, and with the numbers that lines give."""

import re
from collections.abc import Sequence

BACKGROUNDS = ("background", "__background__", "_background_")
NUMBER_WORDS = frozenset(["id", "ids", "idx", "index", "no", "nr", "number", "num", "pixel", "value", "values", "key"])
NAME_WORDS = frozenset(["name", "names", "class", "classes", "label", "labels"])
COLOR = re.compile(r"#[0-9a-f]{6}\b", re.IGNORECASE)
NUMBER_FIRST = re.compile(r"(\d{1,9}|other)(?:\s*[:=,;]\s*|[.)]?\s+(?:-\s+)?)(\S.*)", re.IGNORECASE)  # 1 cat, 1: cat, 1. cat
NUMBER_LAST = re.compile(r"(.*[^\s:=,;])(?:\s*[:=,;]\s*|\s+)(\d{1,9})")  # cat 1, cat: 1


def name_lines(text: str) -> list[str]:
    """The lines of a list of class names, without comments, a header, and what is blank at the end.

    A first line of words such as "id" and "name" is a header where numbered lines or the background follow; elsewhere it may
    be a class. A single line with separators is a list of names. ``how_read`` says so.
    """
    return _lines_and_how(text)[0]


def how_read(text: str) -> str:
    """What is read otherwise than a class a line, in words for a note: a header, a list in one line; "" where nothing is."""
    return _lines_and_how(text)[1]


def _lines_and_how(text: str) -> tuple[list[str], str]:
    lines = [line.strip() for line in text.rstrip().splitlines()]
    lines = [line for line in lines if line[:1] != "#" or COLOR.match(line)]
    if len(lines) > 1 and is_header(lines[0]) and (lines[1].lower() in BACKGROUNDS or numbered(lines[1:])):
        return lines[1:], f"its first line, {lines[0]!r}, is a header"
    if len(lines) == 1 and not numbered(lines):
        fields = [field.strip().strip("'\"").strip() for field in re.split(r"[,;\t]", lines[0].strip("[](){}"))]
        fields = [field for field in fields if field]
        if len(fields) > 1 and not any(field.isdecimal() for field in fields):
            return fields, f"its only line is a list of {len(fields)} names"
    return lines, ""


def is_header(line: str) -> bool:
    """Whether a line consists of words that head the columns of a list: "id,name", "class"."""
    return set(filter(None, re.split(r"[\W_]+", line.lower()))) <= NUMBER_WORDS | NAME_WORDS and line.strip() != ""


def numbered(lines: Sequence[str]) -> list[tuple[str, str]]:
    """The number and the name of each line, if every line has both and no number is given twice; else nothing.

    The number is first, or "other" in its place; or it is last, but only if the numbers count the lines from 0 or 1, in any
    order, and the names differ: "road 66" is a name.
    """
    first = [NUMBER_FIRST.fullmatch(line) for line in lines]
    if all(first):
        pairs = [(match[1].lower(), match[2].strip()) for match in first]
        return pairs if len({number.lstrip("0") for number, _ in pairs}) == len(pairs) else []
    last = [NUMBER_LAST.fullmatch(line) for line in lines]
    pairs = [(match[2], match[1].strip()) for match in last] if all(last) else []
    return pairs if len({name for _, name in pairs}) == len(pairs) and count_lines([number for number, _ in pairs]) else []


def count_lines(numbers: Sequence[str]) -> bool:
    """Whether numbers are those from 0 or from 1 on, each once, in any order."""
    found = sorted(int(number) for number in numbers if number.isdecimal())
    return len(found) == len(numbers) > 0 and found[0] in (0, 1) and found == list(range(found[0], found[0] + len(found)))
