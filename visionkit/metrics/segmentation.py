"""How well pixels were told apart: what all of them together say, what each volume says, and how close the boundaries are.

Masks are integer ``(spatial...)``, of any rank: the position of each pixel's class. ``IGNORE`` in the truth does not count.

All numbers of regions come of one confusion matrix, summed over images: PASCAL VOC's way. As there, in scikit-learn and in
torchmetrics, a class that is answered but nowhere true has an IoU of 0 and counts in the mean; one that is neither has none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from visionkit.errors import UserError

IGNORE = 255  # as masks have it
BACKGROUNDS = ("background", "_background_", "__background__")  # how data sets name what is no part
TOLERANCE = 0.0075  # of the diagonal: how far a boundary may lie from the true one


@dataclass(frozen=True)
class SegmentationMetrics:
    """Of all pixels that count. What there is nothing to say of is nan.

    Attributes:
        class_names: by number, ``C`` of them.
        iou: of each class, float ``(C,)``, as the four below; nan where it is neither true nor answered.
        dice: 2 * shared / (true + answered); also known as F1.
        precision: share of what is answered that is right; 0 where nothing is answered.
        recall: share of what is true that is found; 0 where nothing is true.
        truth_share: share of the pixels that are truly of the class.
        mean_iou: mean of the classes' IoU.
        mean_dice: mean of the classes' Dice, the background's among them.
        foreground_dice: the same without the background, ``background_of`` the names; nan where they have none.
        pixel_accuracy: share of the pixels that are right.
        pixel_error: of those that are not.
        matrix: int ``(C, C)``: rows are true classes, columns what they were taken for.
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
        """What ``metrics.json`` holds; what is nan is left out. Dice is of what is no background, where there is one."""
        named = {
            "mean_iou": self.mean_iou,
            "pixel_error": self.pixel_error,
            "dice": self.mean_dice if background_of(self.class_names) is None else self.foreground_dice,
            "pixel_accuracy": self.pixel_accuracy,
        }
        return {name: value for name, value in named.items() if not np.isnan(value)}


def background_of(class_names: Sequence[str]) -> int | None:
    """The number of the class that is what lies around the others, by its name; None where there is none."""
    return next((number for number, name in enumerate(class_names) if name.strip().lower() in BACKGROUNDS), None)


def confusion(truth: np.ndarray, answer: np.ndarray, num_classes: int) -> np.ndarray:
    """Count the pixels of each true class by what they were taken for; matrices of several images may be summed.

    Args:
        truth: integer ``(spatial...)``, below ``num_classes`` or ``IGNORE``.
        answer: integer ``(spatial...)``, below ``num_classes``, also where the truth is ignored.
        num_classes: at most 255.

    Returns:
        int64 ``(num_classes, num_classes)``: a row a true class, a column an answered one.

    Raises:
        UserError: masks of different shapes, or a class that there is not.
    """
    truth, answer = _checked(truth, answer, num_classes)
    pairs = truth.ravel().astype(np.uint16) * np.uint16(num_classes) + answer.ravel()
    return np.bincount(pairs, minlength=num_classes**2)[: num_classes**2].reshape(num_classes, num_classes).astype(np.int64)


def measure(matrix: np.ndarray, class_names: Sequence[str]) -> SegmentationMetrics:
    """Say what a confusion matrix says.

    Args:
        matrix: int ``(C, C)`` of ``confusion``, summed over all images.
        class_names: by number.

    Raises:
        UserError: not one name for each class.
    """
    matrix, class_names = np.asarray(matrix), tuple(class_names)
    if matrix.shape != (len(class_names), len(class_names)):
        raise UserError(
            f"A confusion matrix of shape {matrix.shape}, but names of {len(class_names)} classes; expected square."
        )
    right, true, answered = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    known = true + answered > 0
    dice = _shares(2 * right, true + answered)
    accuracy = float(_shares(right.sum(), true.sum()))
    iou = _shares(right, true + answered - right)
    background = background_of(class_names)
    return SegmentationMetrics(
        class_names=class_names,
        iou=iou,
        dice=dice,
        precision=np.where(known, right / np.maximum(answered, 1), np.nan),
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
    """Dice of each class in each image or volume alone, averaged over them: what papers on medical volumes report.

    Small organs, and small patients, so weigh as much as large ones. A case in which a class is neither true nor answered says
    nothing of that class; one in which it is only answered says 0.

    Args:
        matrices: the ``confusion`` of each case.
        num_classes: at most 255.

    Returns:
        float ``(num_classes,)``; nan where a class is in no case.
    """
    dice = [_shares(2 * matrix.diagonal(), matrix.sum(axis=0) + matrix.sum(axis=1))[None] for matrix in matrices]
    return _mean_of_known(np.concatenate([np.zeros((0, num_classes)), *dice]))


def boundary_f1(truth: np.ndarray, answer: np.ndarray, num_classes: int, tolerance: float | None = None) -> np.ndarray:
    """F1 of the boundaries of each class in an image (Csurka et al. 2013, "What is a good evaluation measure for semantic
    segmentation?", https://doi.org/10.5244/C.27.32).

    Precision is the share of the answered boundary that lies near the true one, recall the share of the true one that lies near
    the answered one. A pixel is on the boundary where one of its four neighbors is of another class; neither the image's
    edge nor that of ignored pixels is a boundary, so a truth whose classes are parted by ignored pixels (VOC's) has none.

    Args:
        truth: integer ``(H, W)``, below ``num_classes`` or ``IGNORE``.
        answer: integer ``(H, W)``, below ``num_classes``.
        num_classes: at most 255.
        tolerance: pixels between centers that are near; by default ``TOLERANCE`` of the image's diagonal.

    Returns:
        float ``(num_classes,)``; nan where a class has no boundary in either, 0 where it has one in one of them only.
    """
    truth, answer = _checked(truth, answer, num_classes)
    if truth.ndim != 2:
        raise UserError(f"Masks of shape {truth.shape}; boundaries are measured in images (H, W): give slices one by one.")
    answer = np.where(truth == IGNORE, IGNORE, answer)
    tolerance = TOLERANCE * np.hypot(*truth.shape) if tolerance is None else tolerance
    scores = np.full(num_classes, np.nan)
    for number in range(num_classes):
        true, answered = _boundary(truth, number), _boundary(answer, number)
        if true.any() and answered.any():
            precision, recall = _share_near(answered, true, tolerance), _share_near(true, answered, tolerance)
            scores[number] = 2 * precision * recall / max(precision + recall, 1e-12)
        elif true.any() or answered.any():
            scores[number] = 0
    return scores


def _checked(truth: np.ndarray, answer: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """As uint8."""
    truth, answer = np.asarray(truth), np.asarray(answer)
    if truth.shape != answer.shape:
        raise UserError(f"A truth of shape {truth.shape} and an answer of shape {answer.shape}; expected the same.")
    if not 0 < num_classes <= IGNORE:
        raise UserError(f"{num_classes} classes; expected 1 to {IGNORE}: masks are uint8, and {IGNORE} is no class.")
    for name, mask in (("truth", truth), ("answer", answer)):
        if mask.size and (mask.min() < 0 or mask.max() > IGNORE):
            raise UserError(f"The {name} holds {mask.min()} to {mask.max()}; expected positions of classes, or {IGNORE}.")
    if answer.size and answer.max() >= num_classes:
        raise UserError(f"The answer holds class {answer.max()}, but there are {num_classes} classes, from 0 on.")
    truth, answer = truth.astype(np.uint8), answer.astype(np.uint8)
    if (strange := (truth >= num_classes) & (truth != IGNORE)).any():
        raise UserError(f"The truth holds class {truth[strange].max()}, but there are {num_classes} classes, from 0 on.")
    return truth, answer


def _boundary(mask: np.ndarray, number: int) -> np.ndarray:
    """Where a class has a neighbor of another, uint8 ``(H, W)``."""
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
    """``parts / wholes``; nan of nothing."""
    return np.where(wholes > 0, parts / np.maximum(wholes, 1), np.nan)


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """Along the first axis; nan where nothing is known."""
    known = ~np.isnan(values)
    return _shares(np.where(known, values, 0).sum(axis=0), known.sum(axis=0))
