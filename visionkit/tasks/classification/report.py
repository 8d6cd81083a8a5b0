"""The report of a classifier: scores of each class, the confusion matrix, and the worst mistakes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from visionkit.data.index import Index, Skipped, SmallImages
from visionkit.tasks.classification.evaluate import Evaluation
from visionkit.viz.report import Report, Section, shown_matrix, thumbnail

MAX_WRONG = 24


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
    class_names, truth = train.class_names, evaluation.labels
    predictions, labels = evaluation.probabilities.argmax(axis=1), np.arange(len(class_names))
    scores = precision_recall_fscore_support(truth, predictions, labels=labels, zero_division=0)
    rows = [
        {"name": name, "train": int(train_count), "val": int(val_count), "precision": p, "recall": r, "f1": f}
        for name, train_count, p, r, f, val_count in zip(class_names, train.counts(), *scores, strict=True)
    ]
    shown = {
        "classes": rows,
        "matrix": shown_matrix(confusion_matrix(truth, predictions, labels=labels), class_names, class_names),
        "wrong": _worst(evaluation, class_names, predictions),
        "num_wrong": int((predictions != truth).sum()),
        "num_images": len(truth),
    }
    return Report(title, __package__, shown, history, skipped, sections=sections)


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
