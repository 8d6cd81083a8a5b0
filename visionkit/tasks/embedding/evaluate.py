"""Ask an embedder about images of people: what is measured is what is shipped."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm import tqdm

from visionkit.data.formats.pairs import Pairs
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import Index, SkippedFiles
from visionkit.metrics.verification import Identification, identification

Embed = Callable[[np.ndarray], np.ndarray]  # uint8 (N, H, W, 3) to float32 (N, D)


def embeddings_of(embed: Embed, index: Index, skipped: SkippedFiles) -> tuple[np.ndarray, np.ndarray]:
    """Embed images in files, on all cores.

    Args:
        embed: what a network or a bundle does.
        index: of images.
        skipped: takes files that cannot be read any more.

    Returns:
        places in the index of the images that could be read, int ``(N,)``, and the embedding of each, float32 ``(N, D)``.
    """

    def ask(path: str) -> np.ndarray | None:
        try:
            return embed(read_image(path)[None])[0]
        except (ImageError, OSError) as error:
            skipped.add(path, str(error))
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(tqdm(pool.map(ask, index.paths), "evaluating", total=len(index), unit=" images", leave=False))
    kept = [place for place, each in enumerate(made) if each is not None]
    return np.array(kept, int), np.array([made[place] for place in kept], np.float32)


def distances_of(embeddings: np.ndarray, pairs: Pairs) -> np.ndarray:
    """Euclidean distance of each pair, float32 ``(P,)``."""
    return np.linalg.norm(embeddings[pairs.first] - embeddings[pairs.second], axis=1)


def one_shot(embeddings: np.ndarray, labels: np.ndarray, threshold: float) -> Identification:
    """Who is it? The first image of every other person is enrolled; all other images are asked about.

    So half of the people are strangers, who are not to be recognised.

    Args:
        embeddings: float ``(N, D)``.
        labels: int ``(N,)``, the person of each.
        threshold: the Euclidean distance up to which somebody is recognised.
    """
    people, firsts = np.unique(labels, return_index=True)
    enrolled = firsts[::2] if len(people) > 1 else firsts
    asked = np.setdiff1d(np.arange(len(labels)), enrolled)
    distances = np.linalg.norm(embeddings[asked, None] - embeddings[None, enrolled], axis=2)
    return identification(distances, labels[asked], labels[enrolled], threshold)
