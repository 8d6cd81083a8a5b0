"""The table of a run's epochs, ``history.csv``: as text and as rows."""

import csv
import io
from typing import Any

UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, csv.Error)  # of a damaged file


def from_csv(contents: bytes) -> list[dict[str, Any]]:
    """The rows, one an epoch, with numbers where there are.

    Raises:
        ValueError: and others of ``UNREADABLE``; the file is damaged.
    """
    rows = list(csv.DictReader(io.StringIO(contents.decode())))
    rows = [{name: value if name == "phase" else float(value) for name, value in row.items() if value} for row in rows]
    return [row | {"phase": row["phase"], "epoch": int(row["epoch"])} for row in rows]


def to_csv(rows: list[dict[str, Any]]) -> bytes:
    """The inverse of ``from_csv``: a column for each name that any row has."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
