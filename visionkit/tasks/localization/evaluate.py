"""An exported bundle measured on annotated images, beside what a constant prediction reaches."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data import sources
from visionkit.data.boxes import cleaned
from visionkit.data.class_matching import ClassMatch, joined, match_classes, relabelled
from visionkit.data.images.decode import read_image
from visionkit.data.images.listing import map_files
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, counted
from visionkit.data.measured_split import measured_sentence, measured_splits, name_of
from visionkit.data.pipeline.collate import pad_objects
from visionkit.errors import UserError
from visionkit.export.bundle import find_bundle, read_metadata
from visionkit.inference.measuring import EvaluateOptions, Measured, Opened, opened_model, seconds_an_image, task_of
from visionkit.inference.predictor import Predictor
from visionkit.metrics.localization import landmark_errors, localization_metrics
from visionkit.tasks.localization.plan import usable
from visionkit.tasks.localization.predict import PRESENT, LandmarkPredictor, ObjectLocalizer
from visionkit.tasks.localization.train import object_truth
from visionkit.training.dataset import notes_of


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


def read_data(source: str, metadata: dict[str, Any], options: EvaluateOptions) -> Opened:
    """Read images of one object or none, or of the landmarks of one thing, to measure models on; each image is opened once.

    Args:
        source: see ``sources.read``.
        metadata: of a model, which says what it predicts.
        options: say which split is read.

    Raises:
        UserError: there is no such data, or no such split, or no image shows what is predicted.
    """
    data_set = sources.read(source, allow_outside=options.allow_outside)
    chosen = measured_splits(data_set.splits, options.split, source, can_measure=lambda index: index.has_objects)
    whole, unlike = joined([data_set.splits[name] for name in chosen])
    part = usable(whole, "measured", "landmarks" if metadata["task"] == "landmarks" else "object", source)
    notes = notes_of(data_set) + unlike
    if len(part) < len(whole):
        notes += (f"left out: {counted(len(whole) - len(part), 'image')} with more objects, or none",)
    part = scan(part)
    sentence = measured_sentence(data_set.splits, chosen, source, read_as=data_set.format, count=len(part))
    return Opened(source, name_of(chosen), part, sentence, notes)


def evaluate_data(bundle: str | Path, opened: Opened, options: EvaluateOptions) -> Measured:
    """Measure a localizer or a landmark finder on data that was opened.

    Args:
        bundle: the model.
        opened: of ``read_data``, for a model of the same task.
        options: say whether the model is trusted.

    Raises:
        UserError: the model and the data share no class, or have other numbers of landmarks.
    """
    metadata = read_metadata(find_bundle(bundle))
    is_localizer = metadata["task"] == "localization"
    index, notes = opened.part, ()
    if is_localizer:
        match = match_classes(index.class_names, metadata["labels"], data=opened.source, model=str(bundle))
        index = _without_unknown(index, match)
        if not len(index):
            raise UserError(f"{opened.source}: none of {len(opened.part)} images shows a class that {bundle} knows.")
        notes = match.notes + match.left_out(len(opened.part) - len(index), "image")
    model = _opened(bundle, trust=options.trust)
    evaluation = evaluate(model, index)
    seconds, images = seconds_an_image(model, index.paths), len(evaluation.index)
    return Measured(evaluation.metrics, evaluation, model.labels, images, index.skipped.list(), notes, seconds)


def _without_unknown(index: Index, match: ClassMatch) -> Index:
    """The images whose object the model knows, and those without an object, in the classes of the model."""
    numbers = [match.numbers[cleaned(each.objects).classes] for each in index.annotations]
    index = index.take(place for place, each in enumerate(numbers) if (each >= 0).all())
    return relabelled(index, match)[0]


def evaluate(bundle: str | Path | Predictor, val: Index, train: Index | None = None) -> ObjectEvaluation | LandmarkEvaluation:
    """Measure a bundle.

    Args:
        bundle: a localizer that knows all classes of ``val``, or a landmark finder; or its folder.
        val: the annotated images, scanned; ``val.skipped`` takes those that cannot be read any more.
        train: the training images: their mean is the constant prediction. None leaves that out.

    Raises:
        UserError: no image can be read, or the data has another number of landmarks.
    """
    readable, outputs = locate(bundle, val)
    if task_of(bundle) == LandmarkPredictor.TASK:
        return _evaluate_landmarks(outputs["points"], readable, train)
    return _evaluate_objects(outputs, readable, train)


def locate(bundle: str | Path | Predictor, index: Index) -> tuple[Index, dict[str, np.ndarray]]:
    """The outputs of a bundle for the images of an index.

    Returns:
        the images that could be read, and the outputs by name, see ``export.Locator.serve_images``; labels are text.

    Raises:
        UserError: no image can be read.
    """
    model = _opened(bundle)
    results = map_files(lambda path: model.serve(read_image(path)[None]), index.paths, index.skipped, "evaluating")
    readable = [position for position, result in enumerate(results) if result is not None]
    if not readable:
        raise UserError(f"None of {len(index)} images can be read.")
    names = results[readable[0]]
    outputs = {name: np.concatenate([results[position][name].numpy() for position in readable]) for name in names}
    if "label" in outputs:
        outputs["label"] = outputs["label"].astype(str)
    return index.take(readable), outputs


def _opened(bundle: str | Path | Predictor, *, trust: bool = False) -> Predictor:
    kind = LandmarkPredictor if task_of(bundle) == LandmarkPredictor.TASK else ObjectLocalizer
    return opened_model(kind, bundle, trust=trust)


def annotated_objects(index: Index) -> np.ndarray:
    """The ground truth of at most one object per image, ``(N, 5 + num_classes)``, relative to each image."""
    objects = pad_objects([cleaned(each.objects) for each in index.annotations], 0)
    return object_truth(objects, len(index.class_names))


def annotated_landmarks(index: Index) -> np.ndarray:
    """The landmarks of each image, ``(N, K, 3)``; those outside of it count as not visible."""
    points = np.stack([each.objects.keypoints[0] for each in index.annotations])
    is_inside = ((points[..., :2] >= 0) & (points[..., :2] <= 1)).all(axis=-1)
    return points * is_inside[..., None]


def _evaluate_objects(outputs: dict[str, np.ndarray], index: Index, train: Index | None) -> ObjectEvaluation:
    truth = annotated_objects(index)
    classes = np.eye(len(index.class_names))[[index.class_names.index(label) for label in outputs["label"]]]
    low, high = outputs["box"][:, :2], outputs["box"][:, 2:]
    predictions = np.column_stack([outputs["presence"] - PRESENT, (low + high) / 2, high - low, classes])
    measured = localization_metrics(truth, predictions)._asdict()
    metrics = {name: measured[name] for name in ("mean_iou", "accuracy", "presence_accuracy")}
    if train is not None:
        train_truth = annotated_objects(train)
        has_object = train_truth[:, 0] > 0
        mean = np.concatenate([[has_object.mean() - PRESENT], train_truth[has_object, 1:].mean(axis=0)])
        of_mean = localization_metrics(truth, np.tile(mean, (len(truth), 1)))._asdict()
        metrics |= {f"{name}_of_the_mean_answer": value for name, value in of_mean.items()}
    overlaps = np.array([localization_metrics(truth[[row]], predictions[[row]]).mean_iou for row in range(len(truth))])
    right = (predictions[:, 0] > 0) == (truth[:, 0] > 0)
    worst = np.lexsort([np.nan_to_num(overlaps, nan=2.0), right])
    return ObjectEvaluation(metrics, index, worst, truth, outputs, overlaps)


def _evaluate_landmarks(points: np.ndarray, index: Index, train: Index | None) -> LandmarkEvaluation:
    truth = annotated_landmarks(index)
    if truth.shape[1] != points.shape[1]:
        raise UserError(
            f"The data has {truth.shape[1]} landmarks, and the model finds {points.shape[1]}; expected the same ones."
        )
    errors = landmark_errors(truth, points, index.shapes)
    metrics = _mean_errors(errors, "")
    if train is not None:
        train_truth = annotated_landmarks(train)
        visible = train_truth[..., 2:] > 0
        mean_shape = (train_truth[..., :2] * visible).sum(axis=0) / np.maximum(visible.sum(axis=0), 1)
        metrics |= _mean_errors(
            landmark_errors(truth, np.tile(mean_shape, (len(truth), 1, 1)), index.shapes), "_of_the_mean_shape"
        )
    worst = np.argsort(-np.nan_to_num(errors))
    return LandmarkEvaluation(metrics, index, worst, truth, points, errors)


def _mean_errors(errors: np.ndarray, of: str) -> dict[str, float]:
    """Median and mean of the errors of images, by name; nan where no image has one."""
    known = errors[~np.isnan(errors)]
    values = (np.median(known), np.mean(known)) if len(known) else (np.nan, np.nan)
    return {f"{name}_error{of}": float(value) for name, value in zip(("median", "mean"), values, strict=True)}
