"""Faces: how many are looked up a second among a million templates; ours, faiss and NumPy.

    pip install faiss-cpu      # the peer; if it is not installed it is left out, with a sentence
    python benchmarks/faces.py

Search: 1,000,000 random templates of 128 numbers, and queries that are templates with noise; the 5 nearest; 1, 16 and 64
queries a call. faiss: IndexFlatL2, as it comes, and with its matrix products for any number of queries. NumPy: a matrix
product, squared norms that are known, argpartition. Each answer is compared with ours, which measures what is near in double
precision. What the table calls a picture is a query.
Each contender has a process of its own; they take turns. Medians over the rounds, and the range of our ratio to each peer
within a round.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from detection import OURS, compare

SEARCHERS = {
    OURS: ("ours", {}),
    "faiss": ("faiss_index", {}),
    "faiss, by matrix products": ("faiss_index", {"by_products": True}),
    "NumPy": ("numpy_product", {}),
}


@dataclass(frozen=True)
class Options:
    """What is measured."""

    work: tuple[Literal["search"], ...] = ("search",)
    """Which sections."""
    templates: int = 1_000_000
    """Known faces."""
    queries: tuple[int, ...] = (1, 16, 64)
    """Faces a call in search."""
    rounds: int = 5
    """Turns of each contender."""
    seconds: float = 2.0
    """Length of a turn, which has at least one call."""


def search(options: Options) -> None:
    """Queries a second."""
    for queries in options.queries:
        print(f"\n== search, {queries} a call among {options.templates:,} templates")
        with tempfile.TemporaryDirectory() as folder:
            kept = {name: str(Path(folder, f"{number}.npy")) for number, name in enumerate(SEARCHERS)}
            ways = {name: (f"faces_search.{loader}", own | {"kept": kept[name]}) for name, (loader, own) in SEARCHERS.items()}
            common = {"templates": options.templates, "queries": queries, "seconds": options.seconds}
            print_agreement({name: kept[name] for name in compare(ways, options.rounds, **common)})


def print_agreement(kept: dict[str, str]) -> None:
    """How many of our places each peer answers, too."""
    places = {name: np.load(file, allow_pickle=False) for name, file in kept.items()}
    for name, found in places.items():
        if name != OURS:
            print(f"{name} has {np.count_nonzero(found == places[OURS])} of our {found.size} places")


def main(options: Options) -> None:
    """Go through the sections."""
    print(f"{os.cpu_count()} cores; {options.rounds} rounds of {options.seconds} s")
    sections = {"search": search}
    for work in options.work:
        sections[work](options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
