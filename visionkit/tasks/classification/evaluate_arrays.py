"""An exported bundle of signals or volumes measured on all validation samples, beside what a network has to beat."""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from visionkit.data.arrays.samples import ArraySplits
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, read_metadata
from visionkit.tasks.classification.evaluate import Evaluation, compared_rows, note_difference
from visionkit.tasks.classification.predict_arrays import ArrayClassifier
from visionkit.training.run_folder import RunFolder
from visionkit.viz.arrays import ArrayImages


def evaluate(bundle: Path, data: ArraySplits, *, seed: int) -> Evaluation:
    """Measure a bundle, a simple baseline, and the most frequent class on the validation samples.

    Args:
        bundle: a classifier of the classes of ``data``.
        data: the validation samples, and the training samples for the baseline.
        seed: of the baseline.
    """
    labels = data.val.labels
    probabilities = ArrayClassifier(bundle, read_metadata(bundle)).probabilities(data.val_values)
    name, predictions = baseline(data, seed)
    metrics = scores(labels, probabilities.argmax(axis=1))
    metrics |= {f"{metric}_{name}": value for metric, value in scores(labels, predictions).items()}
    metrics["accuracy_most_frequent_class"] = float((labels == data.train.counts().argmax()).mean())
    return Evaluation(metrics, data.val.paths, labels, probabilities, ArrayImages(data.val_values))


def scores(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Accuracy, recall and F1; the last two are means over the classes that the validation data have.

    Args:
        labels: int ``(N,)``.
        predictions: int ``(N,)``.
    """
    options = {"labels": np.unique(labels), "average": "macro", "zero_division": 0.0}
    return {
        "accuracy": float((labels == predictions).mean()),
        "balanced_accuracy": float(recall_score(labels, predictions, **options)),
        "macro_f1": float(f1_score(labels, predictions, **options)),
    }


def baseline(data: ArraySplits, seed: int) -> tuple[str, np.ndarray]:
    """The name of a simple classifier of standardized samples, and its predictions for the validation samples, ``(N,)``."""
    train, val = (standardized(values).reshape(len(values), -1) for values in (data.train_values, data.val_values))
    if data.kind == "signal":
        return "nearest_neighbor", KNeighborsClassifier(1).fit(train, data.train.labels).predict(val)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, random_state=seed))
    return "logistic_regression", classifier.fit(train, data.train.labels).predict(val)


def standardized(values: np.ndarray) -> np.ndarray:
    """Each channel of each sample with mean 0 and deviation 1, as the network sees it; ``(N, spatial..., channels)``."""
    axes = tuple(range(1, values.ndim - 1))
    values = values - values.mean(axes, keepdims=True)
    return values / np.maximum(values.std(axes, keepdims=True), 1e-12)


def note_litert_difference(run: RunFolder, bundle: Path, data: ArraySplits, evaluation: Evaluation) -> None:
    """Note how far the probabilities of the LiteRT model are from those of the bundle, or that there is no LiteRT model.

    Args:
        run: takes the note.
        bundle: a classifier of signals or volumes.
        data: the validation samples.
        evaluation: the bundle's predictions for them.
    """
    if not (bundle / LITERT_FILE).is_file():
        run.note("The network has no LiteRT model; bundle.json says why.")
        return
    rows = compared_rows(len(data.val))
    difference = np.abs(litert.run(bundle / LITERT_FILE, data.val_values[rows]) - evaluation.probabilities[rows]).max()
    note_difference(run, float(difference))
