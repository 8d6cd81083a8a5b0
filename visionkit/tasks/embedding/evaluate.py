"""Measure an exported embedder on images of people: what is measured is what is shipped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.class_matching import joined
from visionkit.data.formats.pairs import Pairs, generated_pairs
from visionkit.data.images.decode import read_image
from visionkit.data.images.listing import map_files
from visionkit.data.index import Index
from visionkit.data.measured_split import measured_sentence, measured_splits, name_of
from visionkit.data.sources import read_people
from visionkit.errors import UserError
from visionkit.inference.measuring import EvaluateOptions, Measured, Opened, opened_model, seconds_an_image
from visionkit.metrics.verification import Identification, Verification, identification_metrics, verification_metrics
from visionkit.tasks.embedding.predict import Embedder
from visionkit.training.dataset import notes_of
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


def read_data(source: str, metadata: dict[str, Any], options: EvaluateOptions) -> Opened:
    """Read images of people to measure embedders on; no image is opened.

    Args:
        source: see ``sources.read_people``.
        metadata: of a model.
        options: say which split is read.

    Raises:
        UserError: there is no such data, or no such split, or nobody has two images.
    """
    data_set = read_people(source, allow_outside=options.allow_outside)
    chosen = measured_splits(data_set.splits, options.split, source)
    part, unlike = joined([data_set.splits[name] for name in chosen])
    counts = np.unique(part.labels, return_counts=True)[1]
    _check_people(source, counts)
    about = {"read_as": data_set.format, "count": len(part), "of": f"{len(counts):,} people"}
    sentence = measured_sentence(data_set.splits, chosen, source, **about)
    return Opened(source, name_of(chosen), part, sentence, notes_of(data_set) + unlike)


def _check_people(source: str, counts: np.ndarray) -> None:
    if len(counts) < 2 or counts.max() < 2:
        raise UserError(
            f"{source}: {len(counts)} people with up to {counts.max(initial=0)} readable images; expected at least two people, "
            "one of them with two images."
        )


def evaluate_data(bundle: str | Path, opened: Opened, options: EvaluateOptions) -> Measured:
    """Measure an embedder on data that was opened; people are recognized at the threshold that it has.

    Args:
        bundle: an embedder.
        opened: of ``read_data``.
        options: say whether the model is trusted.

    Raises:
        UserError: too few images can be read.
    """
    model = opened_model(Embedder, bundle, trust=options.trust)
    threshold = model.metadata.get("threshold")
    evaluation = evaluate(model, opened.part, seed=0, threshold=threshold)
    index = evaluation.index
    _check_people(opened.source, np.unique(index.labels, return_counts=True)[1])
    notes = ("the model has no threshold of its own: the one that is best for these images is taken",)
    if threshold is not None:
        best = measure_pairs(evaluation.embeddings, evaluation.pairs).threshold
        notes = (f"the model's own threshold is {threshold:.3f}; the best one for these images is {best:.3f}",)
    skipped, seconds = opened.part.skipped.list(), seconds_an_image(model, index.paths)
    return Measured(evaluation.metrics, evaluation, index.class_names, len(index), skipped, notes, seconds)


def evaluate(
    bundle: str | Path | Embedder, index: Index, pairs: Pairs | None = None, *, seed: int, threshold: float | None = None
) -> Evaluation:
    """Measure an embedder on pairs of images, and on recognizing people.

    Args:
        bundle: an embedder, or its folder.
        index: images of people; ``index.skipped`` takes those that cannot be read any more.
        pairs: pairs of images of the index. Default: pairs that are drawn from all of them.
        seed: draws the pairs.
        threshold: the distance up to which two images show the same person. Default: the best one for these pairs.

    Raises:
        UserError: no image can be read.
    """
    places, embeddings = embeddings_of(opened_model(Embedder, bundle).embed, index)
    if not len(places):
        raise UserError(f"None of {len(index)} images of people can be read.")
    readable = index.take(places)
    pairs = generated_pairs(readable.labels, seed=seed) if pairs is None else pairs.among(places)
    verification = measure_pairs(embeddings, pairs, threshold)
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


def measure_pairs(embeddings: np.ndarray, pairs: Pairs, threshold: float | None = None) -> Verification:
    """The metrics of pairs, at a threshold, or at those of the other folds, which are other people where that is possible."""
    return verification_metrics(distances_of(embeddings, pairs), pairs.same, folds=pairs.folds, threshold=threshold)


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
