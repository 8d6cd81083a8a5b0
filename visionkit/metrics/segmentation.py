"""Metrics of segmentation: over all pixels, per volume, and of boundaries.

Masks are integer ``(spatial...)``, of any rank: the class number of each pixel. ``IGNORE`` in the ground truth does not count.

All region metrics derive from one confusion matrix, summed over images, as in PASCAL VOC. As there, in scikit-learn and in
torchmetrics, a class that is predicted but absent has an IoU of 0 and counts in the mean; a class that is neither has none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from visionkit.errors import UserError
from visionkit.ops.colors import IGNORE

BACKGROUNDS = ("background", "_background_", "__background__")  # the names of the background in data sets
TOLERANCE = 0.0075  # how far a boundary may lie from the true one, as a share of the image's diagonal


@dataclass(frozen=True)
class SegmentationMetrics:
    """The metrics over all pixels that count. Undefined values are nan.

    Attributes:
        class_names: names of the ``C`` classes, by number.
        iou: IoU of each class, float ``(C,)`` like the four below; nan where a class is neither present nor predicted.
        dice: 2 * shared / (true + predicted); also known as F1.
        precision: share of the predicted pixels that are right; 0 where nothing is predicted.
        recall: share of the true pixels that are predicted; 0 where there are none.
        truth_share: share of the pixels that belong to the class.
        mean_iou: mean of the classes' IoU.
        mean_dice: mean of the classes' Dice, including the background.
        foreground_dice: the same without the background, ``background_of`` the names; nan without a background.
        pixel_accuracy: share of the pixels that are right.
        pixel_error: share of the pixels that are wrong.
        matrix: int ``(C, C)``, the confusion matrix: rows are true classes, columns predicted ones.
    """

    class_names: tuple[str, ...]
    iou: np.ndarray
    dice: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    truth_share: np.ndarray
    mean_iou: float
    mean_dice: float
    foreground_dice: float
    pixel_accuracy: float
    pixel_error: float
    matrix: np.ndarray

    def numbers(self) -> dict[str, float]:
        """The values for ``metrics.json``, without those that are nan. Dice leaves out the background, if there is one."""
        named = {
            "mean_iou": self.mean_iou,
            "pixel_error": self.pixel_error,
            "dice": self.mean_dice if background_of(self.class_names) is None else self.foreground_dice,
            "pixel_accuracy": self.pixel_accuracy,
        }
        return {name: value for name, value in named.items() if not np.isnan(value)}


def background_of(class_names: Sequence[str]) -> int | None:
    """The number of the background class, by its name; None where there is none."""
    return next((number for number, name in enumerate(class_names) if name.strip().lower() in BACKGROUNDS), None)


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the pixels of each true class by their predicted class; matrices of several images may be summed.

    Args:
        truth: integer ``(spatial...)``, below ``num_classes`` or ``IGNORE``.
        prediction: integer ``(spatial...)``, below ``num_classes``, also where the ground truth is ignored.
        num_classes: at most 255.

    Returns:
        int64 ``(num_classes, num_classes)``: one row per true class, one column per predicted class.

    Raises:
        UserError: the masks have different shapes, or hold a class that does not exist.
    """
    truth, prediction = _checked(truth, prediction, num_classes)
    pairs = truth.ravel().astype(np.uint16) * np.uint16(num_classes) + prediction.ravel()
    return np.bincount(pairs, minlength=num_classes**2)[: num_classes**2].reshape(num_classes, num_classes).astype(np.int64)


def segmentation_metrics(matrix: np.ndarray, class_names: Sequence[str]) -> SegmentationMetrics:
    """Compute the metrics of a confusion matrix.

    Args:
        matrix: int ``(C, C)`` of ``confusion_matrix``, summed over all images.
        class_names: names by class number.

    Raises:
        UserError: the number of names is not that of the classes.
    """
    matrix, class_names = np.asarray(matrix), tuple(class_names)
    if matrix.shape != (len(class_names), len(class_names)):
        raise UserError(
            f"A confusion matrix of shape {matrix.shape}, but names of {len(class_names)} classes; expected square."
        )
    right, true, predicted = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    known = true + predicted > 0
    dice = _shares(2 * right, true + predicted)
    accuracy = float(_shares(right.sum(), true.sum()))
    iou = _shares(right, true + predicted - right)
    background = background_of(class_names)
    return SegmentationMetrics(
        class_names=class_names,
        iou=iou,
        dice=dice,
        precision=np.where(known, right / np.maximum(predicted, 1), np.nan),
        recall=np.where(known, right / np.maximum(true, 1), np.nan),
        truth_share=_shares(true, true.sum()),
        mean_iou=float(_mean_of_known(iou)),
        mean_dice=float(_mean_of_known(dice)),
        foreground_dice=float("nan") if background is None else float(_mean_of_known(np.delete(dice, background))),
        pixel_accuracy=accuracy,
        pixel_error=1 - accuracy,
        matrix=matrix,
    )


def mean_dice_of_cases(matrices: Iterable[np.ndarray], num_classes: int) -> np.ndarray:
    """Dice of each class per image or volume, averaged over them, as papers on medical volumes report it.

    So small organs and small patients weigh as much as large ones. A case in which a class is neither present nor predicted
    does not count for that class; one in which it is only predicted counts as 0.

    Args:
        matrices: ``confusion_matrix`` of each case.
        num_classes: at most 255.

    Returns:
        float ``(num_classes,)``; nan for a class that is in no case.
    """
    dice = [_shares(2 * matrix.diagonal(), matrix.sum(axis=0) + matrix.sum(axis=1))[None] for matrix in matrices]
    return _mean_of_known(np.concatenate([np.zeros((0, num_classes)), *dice]))


def boundary_f1(truth: np.ndarray, prediction: np.ndarray, num_classes: int, tolerance: float | None = None) -> np.ndarray:
    """F1 of the boundaries of each class in an image (Csurka et al. 2013, "What is a good evaluation measure for semantic
    segmentation?", https://doi.org/10.5244/C.27.32).

    Precision is the share of the predicted boundary that lies near the true one, recall the share of the true one that lies
    near the predicted one. A pixel is on the boundary if one of its four neighbors belongs to another class; neither the edge
    of the image nor that of ignored pixels is a boundary, so masks whose classes are separated by ignored pixels (VOC's) have
    none.

    Args:
        truth: integer ``(H, W)``, below ``num_classes`` or ``IGNORE``.
        prediction: integer ``(H, W)``, below ``num_classes``.
        num_classes: at most 255.
        tolerance: largest distance of pixel centers that counts as near, in pixels; by default ``TOLERANCE`` of the diagonal.

    Returns:
        float ``(num_classes,)``; nan where a class has no boundary in either mask, 0 where it has one in only one of them.
    """
    truth, prediction = _checked(truth, prediction, num_classes)
    if truth.ndim != 2:
        raise UserError(f"Masks of shape {truth.shape}; boundaries are measured in images (H, W): pass slices one by one.")
    prediction = np.where(truth == IGNORE, IGNORE, prediction)
    tolerance = TOLERANCE * np.hypot(*truth.shape) if tolerance is None else tolerance
    scores = np.full(num_classes, np.nan)
    for number in range(num_classes):
        true, predicted = _boundary(truth, number), _boundary(prediction, number)
        if true.any() and predicted.any():
            precision, recall = _share_near(predicted, true, tolerance), _share_near(true, predicted, tolerance)
            scores[number] = 2 * precision * recall / max(precision + recall, 1e-12)
        elif true.any() or predicted.any():
            scores[number] = 0
    return scores


def _checked(truth: np.ndarray, prediction: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Check the masks and convert them to uint8."""
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape:
        raise UserError(f"Ground truth of shape {truth.shape}, a prediction of shape {prediction.shape}; expected the same.")
    if not 0 < num_classes <= IGNORE:
        raise UserError(f"{num_classes} classes; expected 1 to {IGNORE}: masks are uint8, and {IGNORE} stands for no class.")
    for name, mask in (("ground truth", truth), ("prediction", prediction)):
        if mask.size and (mask.min() < 0 or mask.max() > IGNORE):
            raise UserError(f"The {name} holds {mask.min()} to {mask.max()}; expected class numbers, or {IGNORE}.")
    if prediction.size and prediction.max() >= num_classes:
        raise UserError(f"The prediction holds class {prediction.max()}, but there are {num_classes} classes, from 0 on.")
    truth, prediction = truth.astype(np.uint8), prediction.astype(np.uint8)
    if (unknown := (truth >= num_classes) & (truth != IGNORE)).any():
        raise UserError(f"The ground truth holds class {truth[unknown].max()}, but there are {num_classes} classes, from 0 on.")
    return truth, prediction


def _boundary(mask: np.ndarray, number: int) -> np.ndarray:
    """The pixels of a class that have a neighbor of another class, uint8 ``(H, W)``."""
    inside = mask == number
    outside = ~inside & (mask != IGNORE)
    if not inside.any() or not outside.any():
        return np.zeros(mask.shape, np.uint8)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return cv2.dilate(outside.astype(np.uint8), cross) & inside


def _share_near(pixels: np.ndarray, others: np.ndarray, tolerance: float) -> float:
    distances = cv2.distanceTransform(1 - others, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distances[pixels > 0] <= tolerance).mean())


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """``parts / wholes``; nan where the whole is 0."""
    return np.where(wholes > 0, parts / np.maximum(wholes, 1), np.nan)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean along the first axis without nan; nan where all are nan."""
    known = ~np.isnan(values)
    return _shares(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))
