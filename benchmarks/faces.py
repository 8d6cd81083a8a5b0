"""Faces: how many are embedded, and looked up among a million templates, per second; ours and its peers.

    pip install faiss-cpu torch dlib; pip install --no-deps facenet-pytorch     # the peers; what is missing is left out
    python benchmarks/faces.py

Embedding: chips, uint8 pixels in, NumPy out. inception_resnet_v1: FaceNet's network as facenet-pytorch has it, with drawn
weights. dlib_face: the default model's network; dlib's own has the published weights.

Search: 1,000,000 random templates of 128 numbers, and queries that are templates with noise; the 5 nearest; 1, 16 and 64
queries a call. faiss: IndexFlatL2, as it comes, and with its matrix products for any number of queries. NumPy: a matrix
product, squared norms that are known, argpartition. The places are compared with ours, which decides near
ties in double precision. What the table calls an image is a query.
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

    work: tuple[Literal["embedding", "search"], ...] = ("embedding", "search")
    """Which sections."""
    batches: tuple[int, ...] = (1, 16)
    """Faces a call in embedding."""
    templates: int = 1_000_000
    """Known faces."""
    queries: tuple[int, ...] = (1, 16, 64)
    """Faces a call in search."""
    rounds: int = 5
    """Turns of each contender."""
    seconds: float = 2.0
    """Length of a turn, which has at least one call."""


def embedding(options: Options) -> None:
    """Faces a second."""
    last = {"layout": "channels_last"}
    peers = {
        "inception_resnet_v1": {
            "facenet-pytorch": ("facenet_pytorch", {"layout": "contiguous_format"}),
            "facenet-pytorch, channels last": ("facenet_pytorch", last),
        },
        "dlib_face": {"dlib": ("dlib", {})},
    }
    for network, others in peers.items():
        for batch in options.batches:
            print(f"\n== embedding, {network}, {batch} a call")
            ways = {name: (f"faces_steps.{loader}", own) for name, (loader, own) in ({OURS: ("ours", {})} | others).items()}
            compare(ways, options.rounds, network=network, batch=batch, seconds=options.seconds)


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
    """How many of our places each peer returns, too."""
    places = {name: np.load(file, allow_pickle=False) for name, file in kept.items()}
    for name, found in places.items():
        if name != OURS:
            print(f"{name} has {np.count_nonzero(found == places[OURS])} of our {found.size} places")


def main(options: Options) -> None:
    """Go through the sections."""
    print(f"{os.cpu_count()} cores; {options.rounds} rounds of {options.seconds} s")
    sections = {"embedding": embedding, "search": search}
    for work in options.work:
        sections[work](options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
