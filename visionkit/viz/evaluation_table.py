"""Measured models beside each other: as text for a terminal, and as a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from visionkit.printable import metric_text
from visionkit.viz.page import write_page

# Parts of the names of numbers of which less is better.
LOW = ("error", "loss", "seconds", "megabytes", "deviation", "refused", "mistaken", "strangers")
ABSENT = "-"  # what was not measured
NEITHER = ("threshold", "images", "skipped")  # more is not better

Row = Mapping[str, float | None]  # the numbers of a model by name; None where something was not measured


def best_of(name: str, values: Sequence[float | None]) -> float | None:
    """The best number of a column; None where none is better than another."""
    known = [value for value in values if value is not None]
    if name in NEITHER or len(set(known)) < 2:
        return None
    return min(known) if any(part in name for part in LOW) else max(known)


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The names of all numbers, in the order in which they occur."""
    return list(dict.fromkeys(name for row in rows for name in row))


def single_lines(row: Row) -> list[str]:
    """The numbers of one model, one a line."""
    width = max(len(metric_text(*item, ABSENT)) for item in row.items())
    return [f"{metric_text(name, value, ABSENT):>{width}}  {name.replace('_', ' ')}" for name, value in row.items()]


def table_lines(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The numbers of several models, a row a model."""
    columns = columns_of(rows)
    table = [["model", *columns]]
    table += [[name, *(metric_text(of, row.get(of), ABSENT) for of in columns)] for name, row in zip(names, rows, strict=True)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    return [
        f"{line[0]:{widths[0]}}" + "".join(f"  {cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in table
    ]


def write_comparison(
    path: Path, *, title: str, names: Sequence[str], pages: Sequence[Path], rows: Sequence[Row], notes: Sequence[str]
) -> Path:
    """Write the page that compares models; the best number of each column is marked.

    Args:
        path: of the page.
        title: of the page.
        names: of the models.
        pages: the report of each, in the same folder.
        rows: their numbers.
        notes: sentences on the data.

    Returns:
        its path.
    """
    columns = columns_of(rows)
    best = {name: best_of(name, [row.get(name) for row in rows]) for name in columns}

    def cells(row: Row) -> list[dict[str, Any]]:
        values = ((name, row.get(name)) for name in columns)
        return [
            {"text": metric_text(*item, ABSENT), "is_best": item[1] is not None and item[1] == best[item[0]]} for item in values
        ]

    models = [
        {"name": name, "page": page.name, "cells": cells(row)} for name, page, row in zip(names, pages, rows, strict=True)
    ]
    return write_page(path, "visionkit.viz", "comparison.html.j2", title=title, columns=columns, models=models, notes=notes)
