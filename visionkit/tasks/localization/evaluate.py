"""An exported bundle measured on annotated images, beside what a constant prediction reaches."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionkit.data.boxes import cleaned
from visionkit.data.images.decode import read_image
from visionkit.data.images.listing import map_files
from visionkit.data.index import Index
from visionkit.data.pipeline.collate import pad_objects
from visionkit.errors import UserError
from visionkit.export.bundle import read_metadata
from visionkit.inference.saved_model import load_saved_model
from visionkit.metrics.localization import landmark_errors, localization_metrics
from visionkit.tasks.localization.predict import PRESENT
from visionkit.tasks.localization.train import object_truth


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The predictions for annotated images, and their metrics.

    Attributes:
        metrics: name -> number.
        index: the images that could be read.
        worst: positions in the index, int ``(N,)``, of the worst prediction first.
    """

    metrics: dict[str, float]
    index: Index
    worst: np.ndarray


@dataclass(frozen=True, eq=False)
class ObjectEvaluation(Evaluation):
    """An evaluation of a localizer.

    Attributes:
        truth: ``(N, 5 + num_classes)``, see ``train.object_truth``.
        outputs: of the bundle, by name; see ``export.Locator.serve_images``.
        overlaps: the IoU of each box with the true one, ``(N,)``; nan where there is no object.
    """

    truth: np.ndarray
    outputs: dict[str, np.ndarray]
    overlaps: np.ndarray


@dataclass(frozen=True, eq=False)
class LandmarkEvaluation(Evaluation):
    """An evaluation of a landmark finder.

    Attributes:
        truth: ``(N, K, 3)``: x, y and visibility.
        points: the predictions, ``(N, K, 2)``.
        errors: of each image, ``(N,)``; see ``metrics.landmark_errors``.
    """

    truth: np.ndarray
    points: np.ndarray
    errors: np.ndarray


def evaluate(bundle: str | Path, val: Index, train: Index) -> ObjectEvaluation | LandmarkEvaluation:
    """Measure a bundle.

    Args:
        bundle: a localizer that knows all classes of ``val``, or a landmark finder.
        val: the annotated images, scanned; ``val.skipped`` takes those that cannot be read any more.
        train: the training images: their mean is the constant prediction.

    Raises:
        UserError: no image can be read.
    """
    readable, outputs = locate(bundle, val)
    if read_metadata(Path(bundle))["task"] == "landmarks":
        return _evaluate_landmarks(outputs["points"], readable, train)
    return _evaluate_objects(outputs, readable, train)


def locate(bundle: str | Path, index: Index) -> tuple[Index, dict[str, np.ndarray]]:
    """The outputs of a bundle for the images of an index.

    Returns:
        the images that could be read, and the outputs by name, see ``export.Locator.serve_images``; labels are text.

    Raises:
        UserError: no image can be read.
    """
    model = load_saved_model(bundle)
    results = map_files(lambda path: model.serve_images(read_image(path)[None]), index.paths, index.skipped, "evaluating")
    readable = [position for position, result in enumerate(results) if result is not None]
    if not readable:
        raise UserError(f"None of {len(index)} validation images can be read.")
    names = results[readable[0]]
    outputs = {name: np.concatenate([results[position][name].numpy() for position in readable]) for name in names}
    if "label" in outputs:
        outputs["label"] = outputs["label"].astype(str)
    return index.take(readable), outputs


def annotated_objects(index: Index) -> np.ndarray:
    """The ground truth of at most one object per image, ``(N, 5 + num_classes)``, relative to each image."""
    objects = pad_objects([cleaned(each.objects) for each in index.annotations], 0)
    return object_truth(objects, len(index.class_names))


def annotated_landmarks(index: Index) -> np.ndarray:
    """The landmarks of each image, ``(N, K, 3)``; those outside of it count as not visible."""
    points = np.stack([each.objects.keypoints[0] for each in index.annotations])
    is_inside = ((points[..., :2] >= 0) & (points[..., :2] <= 1)).all(axis=-1)
    return points * is_inside[..., None]


def _evaluate_objects(outputs: dict[str, np.ndarray], index: Index, train: Index) -> ObjectEvaluation:
    truth, train_truth = annotated_objects(index), annotated_objects(train)
    classes = np.eye(len(index.class_names))[[index.class_names.index(label) for label in outputs["label"]]]
    low, high = outputs["box"][:, :2], outputs["box"][:, 2:]
    predictions = np.column_stack([outputs["presence"] - PRESENT, (low + high) / 2, high - low, classes])
    measured = localization_metrics(truth, predictions)._asdict()
    has_object = train_truth[:, 0] > 0
    mean = np.concatenate([[has_object.mean() - PRESENT], train_truth[has_object, 1:].mean(axis=0)])
    of_mean = localization_metrics(truth, np.tile(mean, (len(truth), 1)))._asdict()
    metrics = {name: measured[name] for name in ("mean_iou", "accuracy", "presence_accuracy")}
    metrics |= {f"{name}_of_the_mean_answer": value for name, value in of_mean.items()}
    overlaps = np.array([localization_metrics(truth[[row]], predictions[[row]]).mean_iou for row in range(len(truth))])
    right = (predictions[:, 0] > 0) == (truth[:, 0] > 0)
    worst = np.lexsort([np.nan_to_num(overlaps, nan=2.0), right])
    return ObjectEvaluation(metrics, index, worst, truth, outputs, overlaps)


def _evaluate_landmarks(points: np.ndarray, index: Index, train: Index) -> LandmarkEvaluation:
    truth, train_truth = annotated_landmarks(index), annotated_landmarks(train)
    visible = train_truth[..., 2:] > 0
    mean_shape = (train_truth[..., :2] * visible).sum(axis=0) / np.maximum(visible.sum(axis=0), 1)
    errors = landmark_errors(truth, points, index.shapes)
    of_mean = landmark_errors(truth, np.tile(mean_shape, (len(truth), 1, 1)), index.shapes)
    metrics = {
        "median_error": np.nanmedian(errors),
        "mean_error": np.nanmean(errors),
        "median_error_of_the_mean_shape": np.nanmedian(of_mean),
        "mean_error_of_the_mean_shape": np.nanmean(of_mean),
    }
    worst = np.argsort(-np.nan_to_num(errors))
    return LandmarkEvaluation({name: float(value) for name, value in metrics.items()}, index, worst, truth, points, errors)
