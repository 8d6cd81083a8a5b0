"""The report of an embedder's run: distances of pairs, a map of the embeddings, and the hardest pairs."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from visionkit.data.index import SkippedFiles
from visionkit.data.splits import Splits
from visionkit.inference.measuring import Measured
from visionkit.tasks.embedding.evaluate import Evaluation
from visionkit.tasks.embedding.plan import people_in
from visionkit.viz import plots
from visionkit.viz.annotate import color_of
from visionkit.viz.page import inline
from visionkit.viz.report import Report, thumbnail

MAX_PAIRS = 12  # shown pairs of each kind
MAX_MAPPED, MIN_MAPPED = 1000, 8  # images on the map
BINS = 60
SAME_COLOR, DIFFERENT_COLOR = "#1769d2", "#d97706"
CURVES = {"loss in training": {"loss": "loss"}, "area under the ROC curve": {"validation": "val_auc"}}


def report(evaluation: Evaluation, data: Splits, history: list[dict[str, Any]], *, synthetic: bool = False) -> Report:
    """The report of a run. Only images that it shows are opened.

    Args:
        evaluation: of the bundle.
        data: the images that were trained on and validated with.
        history: rows of ``history.csv``.
        synthetic: whether the faces are synthetic.
    """
    shown = _shown(evaluation) | {"num_trained_on": len(people_in(data.train) & people_in(evaluation.index))}
    title = f"Verification: the same person?{' Synthetic faces' if synthetic else ''}"
    skipped = SkippedFiles([*data.skipped, *evaluation.index.skipped.list()]).list()
    return Report(title, __package__, shown, history, skipped, curves=CURVES)


def report_on(measured: Measured, title: str) -> Report:
    """The report of a finished embedder on data, without what is known of a training alone.

    Args:
        measured: by ``evaluate.evaluate_data``.
        title: of the page.
    """
    return Report(title, __package__, _shown(measured.evaluation) | {"which": "measured"}, [], measured.skipped)


def _shown(evaluation: Evaluation) -> dict[str, Any]:
    """What fills the template, but for the people of the training."""
    same, distances = evaluation.pairs.same, evaluation.distances
    positives, negatives = np.flatnonzero(same), np.flatnonzero(~same)
    farthest = positives[np.argsort(-distances[positives], kind="stable")][:MAX_PAIRS]
    closest = negatives[np.argsort(distances[negatives], kind="stable")][:MAX_PAIRS]
    people, places = evaluation.index.labels, mapped(evaluation.index.labels)
    return {
        "threshold": evaluation.threshold,
        "num_people": len(np.unique(people)),
        "num_mapped_people": len(np.unique(people[places])),
        "num_same": len(positives),
        "num_different": len(negatives),
        "num_missed": int((distances[same] > evaluation.threshold).sum()),
        "num_confused": int((distances[~same] <= evaluation.threshold).sum()),
        "distances": inline(_distances(evaluation)),
        "map": inline(_map(evaluation.embeddings[places], people[places])) if len(places) >= MIN_MAPPED else None,
        "positives": [_pair(evaluation, int(number)) for number in farthest],
        "negatives": [_pair(evaluation, int(number)) for number in closest],
    }


def mapped(people: np.ndarray) -> np.ndarray:
    """Positions of the images on the map: all images of the first people, up to ``MAX_MAPPED``.

    Args:
        people: int ``(N,)``, the person on each image.
    """
    names, counts = np.unique(people, return_counts=True)
    num_people = max(int((np.cumsum(counts) <= MAX_MAPPED).sum()), 1)
    return np.flatnonzero(np.isin(people, names[:num_people]))[:MAX_MAPPED]


def _pair(evaluation: Evaluation, number: int) -> dict[str, Any]:
    pairs, distance = evaluation.pairs, float(evaluation.distances[number])
    paths = [evaluation.index.paths[positions[number]] for positions in (pairs.first, pairs.second)]
    is_wrong = (distance <= evaluation.threshold) != bool(pairs.same[number])
    return {"paths": paths, "images": [thumbnail(path) for path in paths], "distance": distance, "is_wrong": is_wrong}


def _distances(evaluation: Evaluation) -> bytes:
    """Histograms of the distances, each of area 1, beside the ROC curve."""
    same, distances = evaluation.pairs.same, evaluation.distances
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(0, max(float(distances.max(initial=0)), 1e-6), BINS)
    for label, color, selected in (("same person", SAME_COLOR, same), ("different people", DIFFERENT_COLOR, ~same)):
        if selected.any():
            left.hist(distances[selected], bins, density=True, color=color, alpha=0.6, label=label)
    left.axvline(evaluation.threshold, color=plots.INK, linewidth=1, linestyle="--", label="threshold")
    left.set_xlabel("distance of a pair")
    left.set_yticks([])
    left.legend(frameon=False)
    right.plot(evaluation.verification.fpr, evaluation.verification.tpr, color=SAME_COLOR)
    right.set_xscale("symlog", linthresh=1e-3)
    right.set_xlim(0, 1)
    right.set_ylim(0, 1.02)
    right.set_xlabel("different people taken for the same")
    right.set_ylabel("the same person recognized")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return plots.to_png(figure)


def _map(embeddings: np.ndarray, people: np.ndarray) -> bytes:
    """The embeddings in two dimensions, with a color for each person."""
    from sklearn.manifold import TSNE  # scikit-learn takes a second to import
    from threadpoolctl import threadpool_limits

    tsne = TSNE(perplexity=min(30.0, (len(embeddings) - 1) / 3), init="random", random_state=0)
    with threadpool_limits(1):  # threads that wait for each other by spinning, on cores that are busy, take minutes
        points = tsne.fit_transform(embeddings)
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    colors = np.array([color_of(int(number)) for number in np.unique(people, return_inverse=True)[1]]) / 255
    axes.scatter(*points.T, c=colors, s=22, edgecolors="white", linewidths=0.4)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return plots.to_png(figure)
