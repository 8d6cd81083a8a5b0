"""Measure an exported segmenter on images or volumes with masks: what is measured is what is shipped."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visionkit.data import sources
from visionkit.data.arrays.patches import ORDINARY
from visionkit.data.arrays.volumes import VolumeSplits, read_volume_sets
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.class_matching import joined, match_classes, relabelled
from visionkit.data.images.decode import ImageError
from visionkit.data.images.masks.outlines import with_masks
from visionkit.data.images.scan import scan
from visionkit.data.index import counted
from visionkit.data.measured_split import measured_sentence, measured_splits, name_of
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, find_bundle, read_metadata
from visionkit.inference.measuring import EvaluateOptions, Measured, Opened, opened_model, seconds_an_image
from visionkit.metrics import membranes
from visionkit.metrics.segmentation import (
    IGNORE,
    SegmentationMetrics,
    background_of,
    boundary_f1,
    confusion_matrix,
    mean_dice_of_cases,
    segmentation_metrics,
)
from visionkit.printable import some
from visionkit.tasks.segmentation.data import ImageData, SegmentationData, VolumeData
from visionkit.tasks.segmentation.plan import with_readable_masks
from visionkit.tasks.segmentation.predict import Segmenter
from visionkit.training.dataset import notes_of
from visionkit.training.run_folder import RunFolder

MEMBRANE_ERRORS = ("rand_error", "warping_error")
LITERT_IMAGES = 12  # validation images on which the LiteRT model is compared

Predict = Callable[[np.ndarray], np.ndarray]  # pixels or values to a mask of as many pixels


class Outcome(NamedTuple):
    """How the prediction for one image or volume compares with the ground truth.

    Attributes:
        matrix: int64 ``(C, C)``; see ``metrics.confusion_matrix``.
        boundary: F1 of each class's boundary, float ``(C,)``, nan where there is none; None where it was not measured.
        membranes: the errors of the ISBI challenge by name; empty where they were not measured.
    """

    matrix: np.ndarray
    boundary: np.ndarray | None = None
    membranes: dict[str, float] = {}  # noqa: RUF012 - never changed

    @property
    def error(self) -> float:
        """The share of wrong pixels; nan where no pixel counts."""
        total = self.matrix.sum()
        return float(1 - self.matrix.trace() / total) if total else float("nan")


class Comparison(NamedTuple):
    """A validation image beside its ground truth and its prediction.

    Attributes:
        pixels: uint8 ``(H, W, 3)``.
        truth: uint8 ``(H, W)``, the class of each pixel; ``IGNORE`` has none.
        prediction: uint8 ``(H, W)``.
    """

    pixels: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray


@dataclass(frozen=True)
class Evaluation:
    """A bundle measured on the validation data.

    Attributes:
        metrics: name -> number, as in ``metrics.json``.
        measured: the metrics of regions.
        names: the images or volumes that were measured.
        errors: float ``(N,)``: the share of wrong pixels in each; nan where none has a label.
        compare: returns one of them by its number, as people look at it; None if it cannot be read any more.
        boundary_f1: F1 of the boundaries of each class, float ``(C,)``, nan where there is none; None for volumes.
        litert_disagreement: the share of pixels for which the LiteRT model predicts another class; None without one.
    """

    metrics: dict[str, float]
    measured: SegmentationMetrics
    names: Sequence[str]
    errors: np.ndarray
    compare: Callable[[int], Comparison | None]
    boundary_f1: np.ndarray | None = None
    litert_disagreement: float | None = None


def note_results(run: RunFolder, evaluation: Evaluation, in_training: SegmentationMetrics) -> None:
    """Note the metrics of the bundle beside those of the network in training.

    Args:
        run: takes the note.
        evaluation: of the bundle.
        in_training: the metrics of the network.
    """
    measured = evaluation.measured
    if not measured.matrix.any():
        run.note("Nothing was measured, since no pixel of the validation data has a class.")
        return
    run.note(
        f"The bundle's pixel error is {measured.pixel_error:.4f}, its mean IoU {measured.mean_iou:.4f}; those of the network "
        f"in training, which predicts from one view, are {in_training.pixel_error:.4f} and {in_training.mean_iou:.4f}."
    )


def read_data(source: str, metadata: dict[str, Any], options: EvaluateOptions) -> Opened:
    """Read images with masks or outlines, or volumes with labels, to measure segmenters on; each file is opened once.

    Args:
        source: see ``sources.read``, and ``read_volume_sets`` for models of volumes.
        metadata: of a model, which says what it takes.
        options: say which split is read, and what mask values mean.

    Raises:
        UserError: there is no such data, or no such split, or it has no masks.
    """
    if metadata.get("input") == "volume":
        if options.mask_values:
            raise UserError("--mask-values is for images, and the model takes volumes.")
        sets = read_volume_sets(source)
        chosen = measured_splits(sets.splits, options.split, source)
        part = tuple({volume.name: volume for name in chosen for volume in sets.splits[name]}.values())
        as_volumes = "volumes with a label for every voxel"
        sentence = measured_sentence(sets.splits, chosen, source, read_as=as_volumes, count=len(part), noun="volume")
        splits = VolumeSplits(sets.class_names, (), part, skipped=sets.skipped)
        return Opened(source, name_of(chosen), splits, sentence, sets.notes)
    given = {"mask_values": options.mask_values, "allow_outside": options.allow_outside}
    data_set = sources.read(source, prefer="masks", **given)
    are_masks = any(index.has_masks for index in data_set.splits.values())
    if not are_masks and not any(index.has_objects for index in data_set.splits.values()):
        raise UserError(
            f"{source} has no masks: expected images/ and masks/ with the same names in both, COCO polygons or stacks of TIFF "
            f"pages; it is read as {data_set.format}."
        )
    can_measure = (lambda index: index.has_masks) if are_masks else (lambda index: index.has_objects)
    chosen = measured_splits(data_set.splits, options.split, source, can_measure=can_measure)
    index, unlike = joined([data_set.splits[name] for name in chosen])
    index = scan(index)
    index = index if are_masks else with_masks(index, options.scratch / "masks")
    index, counts, ignored = with_readable_masks(index)
    if not len(index):
        raise UserError(f"{source}: no image can be used{index.skipped.first()}; mend them.")
    notes = notes_of(data_set) + unlike
    if ignored:
        notes += (
            f"the masks mark {ignored:,} pixels ({ignored / (ignored + counts.sum()):.1%}) as no class: they are ignored",
        )
    sentence = measured_sentence(data_set.splits, chosen, source, read_as=data_set.format, count=len(index))
    return Opened(source, name_of(chosen), index, sentence, notes, counts)


def evaluate_data(bundle: str | Path, opened: Opened, options: EvaluateOptions) -> Measured:
    """Measure a segmenter, not its LiteRT model, on data that was opened; pixels of classes that it lacks are ignored.

    The errors of membranes are measured where they were in the training of the model.

    Args:
        bundle: a segmenter.
        opened: of ``read_data``, for a model that takes the same.
        options: say whether the model is trusted.

    Raises:
        UserError: the model and the data share no class but the background, or volumes have other channels.
    """
    labels, part = read_metadata(find_bundle(bundle))["labels"], opened.part
    background = background_of(labels)
    needed = "" if background is None else labels[background]
    match = match_classes(part.class_names, labels, data=opened.source, model=str(bundle), needed=needed)
    model, notes = opened_model(Segmenter, bundle, trust=options.trust), match.notes
    if isinstance(part, VolumeSplits):
        _check_channels(model, part)
        counts = sum(np.bincount(volume.labels.ravel(), minlength=256) for volume in part.val)[: len(part.class_names)]
        volumes = tuple(volume._replace(labels=match.table[volume.labels]) for volume in part.val)
        known = VolumeSplits(model.labels, volumes, volumes, skipped=part.skipped)
        data, timed = VolumeData(known, ORDINARY), (volume.values for volume in volumes)
    else:
        index, _ = relabelled(part, match)
        counts, timed = opened.more, index.paths
        data = ImageData(Splits(index, index), np.zeros(len(model.labels), np.int64), Augmentation("none"), "none")
    lost = int(counts[match.numbers < 0].sum())
    if lost:
        names = some(match.unknown)
        notes += (f"ignored: {lost:,} pixels ({lost / counts.sum():.1%}) of {names}, which the model does not know",)
    are_membranes = "rand_error" in model.metadata.get("metrics", {}) and len(model.labels) == 2
    evaluation = evaluate(model, data, are_membranes=are_membranes, of_litert=False)
    seconds = seconds_an_image(model, timed)
    return Measured(evaluation.metrics, evaluation, model.labels, len(evaluation.names), data.skipped, notes, seconds)


def _check_channels(model: Segmenter, volumes: VolumeSplits) -> None:
    """Raise an error where the volumes have other channels than the model takes."""
    (shape,) = (tensor.shape for tensor in model.inputs)
    channels = volumes.val[0].values.shape[-1]
    if shape[-1] not in (None, channels):
        raise UserError(
            f"The volumes have {counted(channels, 'channel')}, {model.folder} takes {shape[-1]}; expected the same."
        )


def evaluate(
    bundle: Path | Segmenter, data: SegmentationData, *, are_membranes: bool = False, of_litert: bool = True
) -> Evaluation:
    """Measure a bundle on the validation data.

    Args:
        bundle: of ``export_segmenter``, or its run folder, or a segmenter in memory.
        data: has the classes that it was trained on, in their order: masks hold their numbers.
        are_membranes: whether the classes are membranes (0) and cells (1): the errors of ISBI 2012 are measured, too.
        of_litert: whether the LiteRT model is compared.

    Raises:
        UserError: the folder holds no bundle of visionkit, or one of other classes.
    """
    model, num_classes = opened_model(Segmenter, bundle), len(data.class_names)
    if tuple(model.labels) != tuple(data.class_names):
        raise UserError(
            f"{model.folder} predicts the classes {', '.join(model.labels)}, the masks hold {', '.join(data.class_names)}: "
            "expected the same classes in the same order."
        )

    def measure_one(values: np.ndarray, truth: np.ndarray) -> Outcome:
        return compare_masks(truth, model.mask_of(values), num_classes, are_membranes=are_membranes)

    results = data.map_val(measure_one)
    readable = [number for number, outcome in enumerate(results) if outcome is not None]
    outcomes = [results[number] for number in readable]
    measured = segmentation_metrics(summed(outcomes, num_classes), data.class_names)

    def compare(number: int) -> Comparison | None:
        try:
            values, truth = data.read_val(readable[number])
        except (ImageError, OSError):
            return None
        return Comparison(*data.as_image(values, truth, model.mask_of(values)))

    return Evaluation(
        numbers(measured, outcomes, cases=data.rank == 3) | mean_membrane_errors(outcomes),
        measured,
        [data.val_names[number] for number in readable],
        np.array([outcome.error for outcome in outcomes]),
        compare,
        mean_boundary_f1(outcomes),
        litert_disagreement(model, model.folder, _some_inputs(data)) if of_litert else None,
    )


def measure(predict: Predict, data: SegmentationData) -> SegmentationMetrics:
    """The metrics of anything that predicts masks of the validation data, such as a network in training."""
    num_classes = len(data.class_names)
    matrices = data.map_val(lambda values, truth: confusion_matrix(truth, predict(values), num_classes))
    outcomes = [Outcome(matrix) for matrix in matrices if matrix is not None]
    return segmentation_metrics(summed(outcomes, num_classes), data.class_names)


def compare_masks(truth: np.ndarray, prediction: np.ndarray, num_classes: int, *, are_membranes: bool = False) -> Outcome:
    """Compare a predicted mask with the ground truth; of images, the boundaries as well.

    Args:
        truth: uint8 ``(spatial...)``, ``IGNORE`` does not count.
        prediction: uint8 ``(spatial...)``.
        num_classes: of both.
        are_membranes: see ``evaluate``.
    """
    matrix = confusion_matrix(truth, prediction, num_classes)
    if truth.ndim != 2:
        return Outcome(matrix)
    errors = {}
    if are_membranes and not (truth == IGNORE).any():
        errors = {name: getattr(membranes, name)(truth, prediction) for name in MEMBRANE_ERRORS}
    return Outcome(matrix, boundary_f1(truth, prediction, num_classes), errors)


def numbers(measured: SegmentationMetrics, outcomes: Sequence[Outcome], *, cases: bool) -> dict[str, float]:
    """The metrics of regions for ``metrics.json``.

    Args:
        measured: over all pixels together.
        outcomes: for each image or volume.
        cases: whether Dice is averaged over volumes, as papers on medical volumes report it, or is that of all pixels together.
    """
    if not measured.matrix.any():  # no pixel has a class
        return {"mean_iou": math.nan, "pixel_error": math.nan}
    metrics = measured.numbers()
    if cases and "dice" in metrics:
        dice = mean_dice_of_cases((outcome.matrix for outcome in outcomes), len(measured.class_names))
        background = background_of(measured.class_names)
        metrics["dice"] = float(np.nanmean(dice if background is None else np.delete(dice, background)))
    return metrics


def summed(outcomes: Sequence[Outcome], num_classes: int) -> np.ndarray:
    """The sum of all confusion matrices, int64 ``(C, C)``."""
    return sum((outcome.matrix for outcome in outcomes), np.zeros((num_classes, num_classes), np.int64))


def mean_boundary_f1(outcomes: Sequence[Outcome]) -> np.ndarray | None:
    """F1 of each class's boundary, averaged over the images that have one; None where it was not measured."""
    scores = [outcome.boundary for outcome in outcomes if outcome.boundary is not None]
    if not scores:
        return None
    known = ~np.isnan(scores)
    return np.where(known.any(axis=0), np.nansum(scores, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def mean_membrane_errors(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The errors of membranes, averaged over the images; empty where they were not measured.

    ``challenge_pixel_error`` is 1 minus the F-score of cells, as ISBI 2012 scored pixels (there at the best threshold).
    """
    errors = [outcome.membranes for outcome in outcomes if outcome.membranes]
    if not errors:
        return {}
    means = {name: float(np.mean([each[name] for each in errors])) for name in errors[0]}
    cell_dice = float(segmentation_metrics(summed(outcomes, 2), ("membrane", "cell")).dice[1])
    return means | {"challenge_pixel_error": 1 - cell_dice}


def litert_disagreement(model: Segmenter, bundle: Path, inputs: Iterator[np.ndarray]) -> float | None:
    """The share of pixels for which the LiteRT model predicts another class than the bundle; None if there is no LiteRT model.

    Args:
        model: the bundle in memory.
        bundle: where it lies.
        inputs: images or volumes, whose middles are compared.
    """
    if not (bundle / LITERT_FILE).is_file():
        return None
    litert_model, shares = litert.LiteRTModel(bundle / LITERT_FILE), []
    for tile in map(model.as_tile, inputs):
        (probabilities,) = litert_model.answer(tile).values()
        shares.append((probabilities.argmax(axis=-1) != model.tile_probabilities(tile).argmax(axis=-1)).mean())
    return float(np.mean(shares)) if shares else None


def _some_inputs(data: SegmentationData) -> Iterator[np.ndarray]:
    """Validation images or volumes, spread evenly over all of them."""
    for number in np.unique(np.linspace(0, len(data.val_names) - 1, LITERT_IMAGES).round().astype(int)).tolist():
        try:
            yield data.read_val(number)[0]
        except (ImageError, OSError):
            continue
