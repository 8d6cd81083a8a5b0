"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import json

MOST_NAMED = 20  # problems on the screen


def to_json(answer: dict) -> str:
    """One line of ``--json``; file names that are not valid UTF-8 stay printable."""
    return json.dumps(answer, ensure_ascii=True)
