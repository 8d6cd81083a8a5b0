"""Names of people: which texts are one name, and which are suspiciously alike."""

import difflib
import itertools
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np

from visionkit.errors import UserError

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


def variants(name: str, known: Iterable[str]) -> list[str]:
    """The known names that differ from a name in upper and lower case, or in how letters are encoded, alone."""
    key = _without_case(name)
    return [other for other in known if other != name and _without_case(other) == key]


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


def _without_case(name: str) -> str:
    return unicodedata.normalize("NFKC", name.casefold()).casefold()
