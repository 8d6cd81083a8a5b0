"""The report of a classifier: scores of each class, the confusion matrix, and the worst mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from visionkit.data.index import Index, Skipped, SmallImages
from visionkit.inference.measuring import Measured
from visionkit.metrics.calibration import calibration
from visionkit.tasks.classification.evaluate import Evaluation
from visionkit.viz import plots
from visionkit.viz.page import inline
from visionkit.viz.report import Report, Section, shown_matrix, thumbnail, worst_and_others

MAX_WRONG = 24
MULTI_LABEL_CURVES = {
    "loss": {"training": "loss", "validation": "val_loss"},
    "mAP in validation": {"validation": "val_map"},
}


def report(
    evaluation: Evaluation,
    train: Index | SmallImages,
    history: list[dict],
    *,
    title: str,
    skipped: Sequence[Skipped] = (),
    sections: tuple[Section, ...] = (),
) -> Report:
    """The report of a run.

    Args:
        evaluation: the exported bundle on the validation data.
        train: the training data; its classes and their counts are shown.
        history: rows of ``history.csv``.
        title: of the page.
        skipped: files that were left out.
        sections: parts that only this recipe has.
    """
    curves = None if evaluation.measured is None else MULTI_LABEL_CURVES
    shown = _shown(evaluation, train.class_names, train.counts())
    return Report(title, __package__, shown, history, skipped, curves=curves, sections=sections)


def report_on(measured: Measured, title: str) -> Report:
    """The report of a finished model on data, without what is known of a training alone.

    Args:
        measured: by ``evaluate.evaluate_data``.
        title: of the page.
    """
    return Report(title, __package__, _shown(measured.evaluation, measured.labels), [], measured.skipped)


def _shown(evaluation: Evaluation, class_names: Sequence[str], train_counts: np.ndarray | None = None) -> dict[str, Any]:
    """What fills the template; without the counts of training data it speaks of measured images, not of validation."""
    which = {} if train_counts is not None else {"which": "measured"}
    train_counts = [None] * len(class_names) if train_counts is None else train_counts.tolist()
    if evaluation.measured is not None:
        return which | _several_labels(evaluation, class_names, train_counts)
    truth, predictions = evaluation.labels, evaluation.probabilities.argmax(axis=1)
    labels = np.arange(len(class_names))
    scores = precision_recall_fscore_support(truth, predictions, labels=labels, zero_division=0)
    rows = [
        {"name": name, "train": train_count, "val": int(val_count), "precision": p, "recall": r, "f1": f}
        for name, train_count, p, r, f, val_count in zip(class_names, train_counts, *scores, strict=True)
    ]
    calibrated = calibration(evaluation.probabilities, truth)
    return which | {
        "classes": rows,
        "calibration": calibrated,
        "reliability": inline(plots.reliability(calibrated)),
        "matrix": shown_matrix(confusion_matrix(truth, predictions, labels=labels), class_names, class_names),
        "wrong": _worst(evaluation, class_names, predictions),
        "num_wrong": int((predictions != truth).sum()),
        "num_images": len(truth),
    }


def _several_labels(evaluation: Evaluation, class_names: Sequence[str], train_counts: Sequence[int | None]) -> dict[str, Any]:
    """The classes with their thresholds, the images with the largest loss among those with a wrong class, and others."""
    measured, truth, scores = evaluation.measured, evaluation.labels, evaluation.probabilities
    columns = {
        "val": measured.counts,
        "ap": measured.average_precision,
        "threshold": measured.thresholds,
        "precision": measured.precision,
        "recall": measured.recall,
        "f1": measured.f1,
    }
    rows = [
        {"name": name, "train": count}
        | {column: None if np.isnan(values[number]) else values[number].item() for column, values in columns.items()}
        for number, (name, count) in enumerate(zip(class_names, train_counts, strict=True))
    ]
    predicted = scores >= measured.thresholds
    likelihood = np.where(truth, scores, 1 - scores)
    losses = -np.log(np.maximum(likelihood, np.finfo(np.float32).tiny)).mean(axis=1)
    num_wrong, worst, others = worst_and_others(np.where((predicted != truth).any(axis=1), losses, 0))

    def item(row: int) -> dict[str, Any]:
        classes = np.flatnonzero(predicted[row] | truth[row])
        return {
            "image": thumbnail(evaluation.names[row]),
            "path": evaluation.names[row],
            "labels": [
                {"name": class_names[k], "score": scores[row, k], "true": truth[row, k], "predicted": predicted[row, k]}
                for k in classes[np.argsort(-scores[row, classes], kind="stable")]
            ],
        }

    return {
        "several": True,
        "classes": rows,
        "num_wrong": num_wrong,
        "num_images": len(truth),
        "wrong": [item(row) for row in worst],
        "others": [item(row) for row in others],
    }


def _worst(evaluation: Evaluation, class_names: Sequence[str], predictions: np.ndarray) -> list[dict[str, Any]]:
    """The wrong predictions, those first in which the true class has the lowest probability."""
    names, truth, probabilities = evaluation.names, evaluation.labels, evaluation.probabilities
    true_class = probabilities[np.arange(len(truth)), truth]
    wrong = [i for i in np.argsort(true_class) if predictions[i] != truth[i]]
    return [
        {
            "image": thumbnail(names[i] if evaluation.images is None else evaluation.images[i]),
            "path": names[i],
            "truth": class_names[truth[i]],
            "truth_score": true_class[i],
            "prediction": class_names[predictions[i]],
            "prediction_score": probabilities[i, predictions[i]],
        }
        for i in wrong[:MAX_WRONG]
    ]
