"""The report of a verification run: one HTML file with everything inside, for people to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from visionkit.data.index import Skipped
from visionkit.viz import plots
from visionkit.viz.annotate import color_of
from visionkit.viz.page import inline, write_page
from visionkit.viz.report import MAX_SKIPPED, Section, thumbnail

MOST_PAIRS = 12  # of each kind that are shown
MOST_MAPPED, FEWEST_MAPPED = 1000, 8  # images on the map
BINS = 60
SAME, DIFFERENT = "#1769d2", "#d97706"
CURVES = {"loss in training": {"loss": "loss"}, "area under the ROC curve": {"validation": "val_auc"}}


@dataclass(frozen=True)
class VerificationReport:
    """What a verification report shows.

    Attributes:
        title: of the page.
        sentences: what happened and why, in words.
        metrics: name -> number, as in ``metrics.json``.
        history: rows of ``history.csv``.
        paths: validation images ``(N,)``.
        people: the person of each, int ``(N,)``.
        embeddings: float ``(N, D)``.
        first, second: places of the images of each pair, int ``(P,)``.
        same: whether they show one person, bool ``(P,)``.
        distances: of the pairs, ``(P,)``.
        false_rates, true_rates: the ROC curve.
        threshold: distance up to which two images are taken for the same person.
        skipped: files that were left out.
        config: the run's configuration.
        sections: parts that only this recipe has.
    """

    title: str
    sentences: list[str]
    metrics: dict[str, float]
    history: list[dict]
    paths: Sequence[str]
    people: np.ndarray
    embeddings: np.ndarray
    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    distances: np.ndarray
    false_rates: np.ndarray
    true_rates: np.ndarray
    threshold: float
    skipped: list[Skipped]
    config: dict[str, Any]
    sections: tuple[Section, ...] = ()

    @property
    def num_same(self) -> int:
        """Pairs of one person."""
        return int(self.same.sum())

    @property
    def num_different(self) -> int:
        """Pairs of two people."""
        return int((~self.same).sum())

    @property
    def num_missed(self) -> int:
        """Pairs of one person that are taken for two."""
        return int((self.distances[self.same] > self.threshold).sum())

    @property
    def num_confused(self) -> int:
        """Pairs of two people that are taken for one."""
        return int((self.distances[~self.same] <= self.threshold).sum())

    @property
    def num_people(self) -> int:
        """Of all images."""
        return len(np.unique(self.people))

    @property
    def num_shown(self) -> int:
        """People on the map."""
        return len(np.unique(self.people[self.mapped]))

    @property
    def mapped(self) -> np.ndarray:
        """Places of the images on the map: whole people, as many as there is room for."""
        counts = np.cumsum(np.unique(self.people, return_counts=True)[1])
        kept = np.unique(self.people)[: max(int((counts <= MOST_MAPPED).sum()), 1)]
        return np.flatnonzero(np.isin(self.people, kept))[:MOST_MAPPED]


def write_verification_report(report: VerificationReport, path: str | Path) -> Path:
    """Write the page, beside and then renamed. Only images that it shows are opened.

    Returns:
        its path.
    """
    positives, negatives = np.flatnonzero(report.same), np.flatnonzero(~report.same)
    farthest = positives[np.argsort(-report.distances[positives], kind="stable")][:MOST_PAIRS]
    closest = negatives[np.argsort(report.distances[negatives], kind="stable")][:MOST_PAIRS]
    return write_page(
        path,
        __package__,
        "report.html.j2",
        report=report,
        curves=inline(plots.curves(report.history, CURVES)) if report.history else None,
        distances=inline(_distances(report)),
        map=inline(_map(report)) if len(report.mapped) >= FEWEST_MAPPED else None,
        positives=[_pair(report, int(number)) for number in farthest],
        negatives=[_pair(report, int(number)) for number in closest],
        skipped=report.skipped[:MAX_SKIPPED],
    )


def _pair(report: VerificationReport, number: int) -> dict[str, Any]:
    paths = [report.paths[side[number]] for side in (report.first, report.second)]
    distance = float(report.distances[number])
    is_wrong = (distance <= report.threshold) != bool(report.same[number])
    return {"paths": paths, "images": [thumbnail(path) for path in paths], "distance": distance, "is_wrong": is_wrong}


def _distances(report: VerificationReport) -> bytes:
    """Histograms of the distances, each of area 1, beside the ROC curve."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(0, max(float(report.distances.max(initial=0)), 1e-6), BINS)
    for label, color, chosen in (("same person", SAME, report.same), ("different people", DIFFERENT, ~report.same)):
        if chosen.any():
            left.hist(report.distances[chosen], bins, density=True, color=color, alpha=0.6, label=label)
    left.axvline(report.threshold, color=plots.INK, linewidth=1, linestyle="--", label="threshold")
    left.set_xlabel("distance of a pair")
    left.set_yticks([])
    left.legend(frameon=False)
    right.plot(report.false_rates, report.true_rates, color=SAME)
    right.set_xscale("symlog", linthresh=1e-3)
    right.set_xlim(0, 1)
    right.set_ylim(0, 1.02)
    right.set_xlabel("different people taken for the same")
    right.set_ylabel("the same person recognized")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return plots.to_png(figure)


def _map(report: VerificationReport) -> bytes:
    from sklearn.manifold import TSNE  # scikit-learn takes a second to import
    from threadpoolctl import threadpool_limits

    chosen = report.mapped
    made = TSNE(perplexity=min(30.0, (len(chosen) - 1) / 3), init="random", random_state=0)
    with threadpool_limits(1):  # threads that wait for each other by spinning, on cores that are busy, take minutes
        places = made.fit_transform(np.asarray(report.embeddings)[chosen])
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.subplots()
    colors = np.array([color_of(int(number)) for number in np.unique(report.people[chosen], return_inverse=True)[1]]) / 255
    axes.scatter(*places.T, c=colors, s=22, edgecolors="white", linewidths=0.4)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return plots.to_png(figure)
