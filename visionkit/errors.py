"""The error whose message is meant for the user."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """An input of the user cannot be used; the message says what was received, what was expected, and how to fix it.

    Command lines print the message alone; every other exception is a bug of visionkit and keeps its traceback.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question with the name that is nearest to a misspelt one, to be put after a sentence; empty if none is near."""
    nearest = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {nearest[0]}?" if nearest else ""
