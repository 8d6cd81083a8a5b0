"""Measure an exported embedder on images of people: what is measured is what is shipped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionkit.data.formats.pairs import Pairs, generated_pairs
from visionkit.data.images.decode import read_image
from visionkit.data.images.listing import map_files
from visionkit.data.index import Index
from visionkit.errors import UserError
from visionkit.export.bundle import find_bundle, read_metadata
from visionkit.metrics.verification import Identification, Verification, identification_metrics, verification_metrics
from visionkit.tasks.embedding.predict import Embedder
from visionkit.training.run_folder import RunFolder

COLLAPSED = 0.1  # threshold for embeddings of length 1, below which all of them nearly coincide

Embed = Callable[[np.ndarray], np.ndarray]  # uint8 (N, H, W, 3) to float32 (N, D)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A bundle, measured on images of people.

    Attributes:
        index: the images that could be read.
        embeddings: their embeddings, float32 ``(N, D)``.
        pairs: pairs of these images.
        distances: the distance of each pair.
        verification: the metrics of the pairs.
        identification: the metrics of recognizing people by one image of each.
    """

    index: Index
    embeddings: np.ndarray
    pairs: Pairs
    distances: np.ndarray
    verification: Verification
    identification: Identification

    @property
    def threshold(self) -> float:
        """The distance up to which two images are taken for the same person."""
        return self.verification.threshold

    @property
    def metrics(self) -> dict[str, float]:
        """The values for ``metrics.json``."""
        return self.verification.numbers() | self.identification.numbers()


def evaluate(bundle: str | Path, index: Index, pairs: Pairs | None = None, *, seed: int) -> Evaluation:
    """Measure an embedder on pairs of images, and on recognizing people.

    Args:
        bundle: an embedder.
        index: images of people; ``index.skipped`` takes those that cannot be read any more.
        pairs: pairs of images of the index. Default: pairs that are drawn from all of them.
        seed: draws the pairs.

    Raises:
        UserError: no image can be read.
    """
    folder = find_bundle(bundle)
    places, embeddings = embeddings_of(Embedder(folder, read_metadata(folder)).embed, index)
    if not len(places):
        raise UserError(f"None of {len(index)} images of people can be read.")
    readable = index.take(places)
    pairs = generated_pairs(readable.labels, seed=seed) if pairs is None else pairs.among(places)
    verification = measure_pairs(embeddings, pairs)
    identification = one_shot(embeddings, readable.labels, verification.threshold)
    return Evaluation(readable, embeddings, pairs, distances_of(embeddings, pairs), verification, identification)


def note_threshold(run: RunFolder, threshold: float) -> None:
    """Note how the threshold was chosen, and whether the embeddings have collapsed."""
    run.note(
        f"Threshold {threshold:.3f}: of all thresholds it classifies most pairs correctly, and all pairs count alike. The "
        "accuracy of each fold of pairs is measured at the threshold that is best for the other folds."
    )
    if threshold < COLLAPSED:
        run.note(
            "Note: all embeddings lie close to one point, the trivial solution that hard triplets lead to; in 16 bits little "
            "is left of their differences. Semi-hard ones keep them apart."
        )


def embeddings_of(embed: Embed, index: Index) -> tuple[np.ndarray, np.ndarray]:
    """Embed image files, on all cores.

    Args:
        embed: computes embeddings of images.
        index: the images; ``index.skipped`` takes those that cannot be read.

    Returns:
        positions in the index of the images that could be read, int ``(N,)``, and their embeddings, float32 ``(N, D)``.
    """
    embeddings = map_files(lambda path: embed(read_image(path)[None])[0], index.paths, index.skipped, "evaluating")
    places = [place for place, embedding in enumerate(embeddings) if embedding is not None]
    return np.array(places, int), np.array([embeddings[place] for place in places], np.float32)


def distances_of(embeddings: np.ndarray, pairs: Pairs) -> np.ndarray:
    """The Euclidean distance of each pair, float32 ``(P,)``."""
    return np.linalg.norm(embeddings[pairs.first] - embeddings[pairs.second], axis=1)


def measure_pairs(embeddings: np.ndarray, pairs: Pairs) -> Verification:
    """The metrics of pairs. Thresholds are chosen on other folds, which are other people where that is possible."""
    return verification_metrics(distances_of(embeddings, pairs), pairs.same, folds=pairs.folds)


def one_shot(embeddings: np.ndarray, labels: np.ndarray, threshold: float) -> Identification:
    """Measure how well people are recognized by one image: the first image of every other person is enrolled.

    All other images are queries. So half of the people are strangers, who should not be recognized.

    Args:
        embeddings: float ``(N, D)``.
        labels: int ``(N,)``, the person on each image.
        threshold: the Euclidean distance up to which a person is recognized.
    """
    people, firsts = np.unique(labels, return_index=True)
    enrolled = firsts[::2] if len(people) > 1 else firsts
    queries = np.setdiff1d(np.arange(len(labels)), enrolled)
    distances = np.linalg.norm(embeddings[queries, None] - embeddings[None, enrolled], axis=2)
    return identification_metrics(distances, labels[queries], labels[enrolled], threshold)
