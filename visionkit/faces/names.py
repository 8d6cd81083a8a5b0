"""Names of people: which texts are one name, and which are suspiciously alike."""

import difflib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np

from visionkit.errors import UserError

# Besides the format characters (Cf, such as a space of no width): joiners, fillers of Hangul, and selectors of variants.
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
MOST_COMPARED = 10_000  # names that are searched for a similar spelling


def canonical(name: str) -> str:
    """The form in which names are kept and compared: without spaces around it, and composed (NFC).

    macOS writes "é" in file names as two characters (NFD), which look the same; "Bob " comes from tables and shells.

    Raises:
        UserError: the name is blank.
    """
    if not isinstance(name, str) or not name.strip():
        raise UserError(f"A person named {name!r}: expected a text that is not blank.")
    return unicodedata.normalize("NFC", name.strip())


def is_blank(name: str) -> bool:
    """Whether nothing of a name can be seen: it has spaces and invisible characters alone."""
    return not _visible(name).strip()


def variants(name: str, known: Iterable[str]) -> list[str]:
    """The known names that differ from a name in case, in invisible characters, or in how letters are encoded, alone."""
    key = _looks(name)
    return [other for other in known if other != name and _looks(other) == key]


def with_escapes(name: str) -> str:
    r"""A name whose invisible characters are escapes, such as ``\u200b``: it differs visibly from its twin."""
    return "".join(char.encode("unicode_escape").decode() if _is_invisible(char) else char for char in name)


def nearest_name(name: str, known: Mapping[str, int]) -> str:
    """Half a sentence for an error: the known name that is most like an unknown one, or where to find them all."""
    similar = variants(name, known) or difflib.get_close_matches(name, list(known)[:MOST_COMPARED], n=1)
    return f"; is it {similar[0]!r}?" if similar else f"; it knows {len(known)} people, which visionkit faces list names."


def by_person(counts: Mapping[str, int], templates: np.ndarray) -> dict[str, np.ndarray]:
    """The templates of each person by the canonical name, in the order of enrolment.

    Galleries of earlier versions may hold a person under several forms of one name.

    Args:
        counts: number of templates by name, in the order of the rows.
        templates: float32 ``(N, D)``.
    """
    people: dict[str, np.ndarray] = {}
    ends = itertools.accumulate(counts.values())
    for (name, count), end in zip(counts.items(), ends, strict=True):
        rows, name = templates[end - count : end], canonical(name)
        people[name] = np.concatenate([people[name], rows]) if name in people else rows
    return people


def _looks(name: str) -> str:
    return unicodedata.normalize("NFKC", _visible(name).casefold()).casefold().strip()


def _visible(name: str) -> str:
    return "".join(char for char in name if not _is_invisible(char))


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or UNSEEN.fullmatch(char) is not None
