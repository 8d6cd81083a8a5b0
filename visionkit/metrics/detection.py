"""Metrics of detection: COCO's average precision, the best score threshold, and the confusion matrix.

The averages are those of the reference evaluator (https://cocodataset.org/#detection-eval, as faster-coco-eval implements it).
Everything else uses one matching, COCO's at IoU 0.5, so that counts in tables, in the matrix and on drawings agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask as coco

from visionkit.errors import UserError
from visionkit.ops.detections import Detections

MATCHING_IOU = 0.5  # from this IoU on a detection matches an object
MAX_DETECTIONS = 100  # COCO evaluates so many detections per class and image, those with the highest scores
NO_THRESHOLD = 0.5  # where no detection is right, no threshold is better than another
THRESHOLDS = np.linspace(0, 1, 101)  # scores at which precision, recall and F1 are drawn
RECALLS = np.linspace(0, 1, 101)  # at which COCO samples the precision
UNMATCHED, ON_CROWD = -1, -2  # in place of an object's row
SIZES = ("small", "medium", "large")  # objects below 32 x 32 pixels, below 96 x 96, above


class GroundTruth(NamedTuple):
    """The objects of one image.

    Attributes:
        boxes: float ``(M, 4)``, xyxy, relative.
        classes: int ``(M,)``; rows with -1 are padding.
        size: height and width of the image in pixels, which decide whether objects are small or large.
        crowd: bool ``(M,)``, or empty where there are none: COCO's crowds, VOC's difficult objects. They need not be
            detected, and detections that lie on them (by half of their own area) are neither right nor wrong.
    """

    boxes: np.ndarray
    classes: np.ndarray
    size: tuple[int, int]
    crowd: np.ndarray = np.zeros(0, bool)


class Matches(NamedTuple):
    """The matches of objects and detections in one image. They leave out crowds, and detections that lie on crowds.

    Attributes:
        pairs: int ``(P, 2)``: rows of an object and of the detection that matches it; their classes may differ.
        missed: int ``(M,)``: rows of objects without a detection.
        false: int ``(K,)``: rows of detections without an object, duplicates among them.
    """

    pairs: np.ndarray
    missed: np.ndarray
    false: np.ndarray


@dataclass(frozen=True)
class ClassMetrics:
    """The metrics of one class.

    Attributes:
        name: name of the class.
        objects: number of objects, without crowds.
        ap50: average precision at IoU 0.5; nan without objects.
        ap: mean average precision at IoU 0.5, 0.55, ... 0.95; nan without objects.
        precision, recall, f1: at the common threshold of all classes and IoU 0.5; 0 where they would divide by 0.
        precisions: float ``(101,)``: the precision at IoU 0.5 at each of ``RECALLS``, as ``ap50`` averages it; zeros without
            objects.
        best_threshold: the threshold at which this class alone has its best F1.
    """

    name: str
    objects: int
    ap50: float
    ap: float
    precision: float
    recall: float
    f1: float
    precisions: np.ndarray
    best_threshold: float


@dataclass(frozen=True)
class DetectionMetrics:
    """The metrics of all classes together.

    Attributes:
        map50: mean of the classes' ``ap50``; those without objects are left out. nan where no class has any.
        map: mean of the classes' ``ap``, likewise.
        map_by_size: ``map`` of the small, the medium and the large objects alone; sizes without objects are left out.
        threshold: the one that was asked for, or the score at which F1, of all classes together, is best. That lies between
            two scores, so that it does not matter whether it is included. ``NO_THRESHOLD`` where no detection is right.
        precision, recall, f1: at that threshold and IoU 0.5, of all classes together.
        classes: the metrics of each class.
        matrix: int ``(C + 1, C + 1)``, the confusion matrix at that threshold: rows are true classes, columns predicted ones.
            The last row counts false detections, the last column missed objects.
        max_detections: number of detections per class and image that were evaluated.
        curves: float ``(C + 1, 3, T)``: precision, recall and F1 of each class, and last of all together, at ``THRESHOLDS``;
            nan where nothing is detected (precision) or there are no objects (recall, F1).
    """

    map50: float
    map: float
    map_by_size: dict[str, float]
    threshold: float
    precision: float
    recall: float
    f1: float
    classes: tuple[ClassMetrics, ...]
    matrix: np.ndarray
    max_detections: int
    curves: np.ndarray

    def numbers(self) -> dict[str, float]:
        """The values for ``metrics.json``, without those that are nan."""
        named = {name: getattr(self, name) for name in ("map50", "map", "precision", "recall", "f1", "threshold")}
        named |= {f"map_{size}": value for size, value in self.map_by_size.items()}
        return {name: value for name, value in named.items() if not np.isnan(value)}


def detection_metrics(
    truth: Sequence[GroundTruth],
    detections: Sequence[Detections],
    class_names: Sequence[str],
    *,
    max_detections: int = MAX_DETECTIONS,
    threshold: float | None = None,
) -> DetectionMetrics:
    """Evaluate detections against the ground truth.

    Boxes without area and inverted boxes are never matched: as objects they are missed, as detections they are false. A
    pipeline's ``boxes.cleaned`` drops such objects.

    Args:
        truth: ground truth of each image.
        detections: detections of each image, in the same order.
        class_names: names by class number.
        max_detections: number of detections per class and image to evaluate, highest scores first. COCO's 100 by default: if
            an image has more objects of a class, the rest counts as missed. Raise it for such images, and report that with the
            numbers.
        threshold: the score from which detections count in precision, recall, F1 and the matrix. Default: the best one.

    Raises:
        UserError: the numbers of images differ, or a class has no name.
    """
    if len(truth) != len(detections):
        raise UserError(
            f"Detections of {len(detections)} images, but ground truth of {len(truth)}; expected one of each per image."
        )
    truth = [_valid_truth(one) for one in truth]
    detections = [_take(one, _valid_rows(one, max_detections)) for one in detections]
    true_classes = _concatenate([one.classes for one in truth], int)
    predicted_classes = _concatenate([one.classes for one in detections], int)
    highest = max(true_classes.max(initial=-1), predicted_classes.max(initial=-1))
    if highest >= len(class_names):
        raise UserError(
            f"Class {highest} in ground truth or detections, but names of {len(class_names)} classes; expected one for each."
        )
    precisions = _reference_precisions(truth, detections, len(class_names), max_detections)
    ap50, ap = _averages(precisions[:1, :, :, 0]), _averages(precisions[..., 0])
    by_size = {name: _mean(_averages(precisions[..., number])) for number, name in enumerate(SIZES, start=1)}

    matched = [_same_class_matches(*pair) for pair in zip(truth, detections, strict=True)]
    right, counted = _concatenate([m >= 0 for m in matched], bool), _concatenate([m != ON_CROWD for m in matched], bool)
    scores = _concatenate([one.scores for one in detections], float)
    objects = np.bincount(true_classes[~_concatenate([one.crowd for one in truth], bool)], minlength=len(class_names))
    if threshold is None:
        threshold = _best_threshold(scores[counted], right[counted], objects.sum())

    above = counted & (scores >= threshold)
    num_above = np.bincount(predicted_classes[above], minlength=len(class_names))
    num_right = np.bincount(predicted_classes[above & right], minlength=len(class_names))
    classes = []
    for number, name in enumerate(class_names):
        rows = counted & (predicted_classes == number)
        classes.append(
            ClassMetrics(
                name,
                int(objects[number]),
                float(ap50[number]),
                float(ap[number]),
                *_precision_recall_f1(num_right[number], num_above[number], objects[number]),
                precisions[0, :, number, 0].clip(0),
                _best_threshold(scores[rows], right[rows], objects[number]),
            )
        )
    precision, recall, f1 = _precision_recall_f1(num_right.sum(), num_above.sum(), objects.sum())
    return DetectionMetrics(
        map50=_mean(ap50),
        map=_mean(ap),
        map_by_size={name: value for name, value in by_size.items() if not np.isnan(value)},
        threshold=threshold,
        precision=precision,
        recall=recall,
        f1=f1,
        classes=tuple(classes),
        matrix=_matrix(truth, detections, threshold, len(class_names)),
        max_detections=max_detections,
        curves=_threshold_curves(scores[counted], right[counted], predicted_classes[counted], objects),
    )


def match_detections(
    truth: GroundTruth, detections: Detections, threshold: float, *, max_detections: int = MAX_DETECTIONS
) -> Matches:
    """Match the detections of an image with its objects at IoU 0.5.

    Detections of the right class are matched first, by falling scores, as COCO does it; the rest is then matched by overlap
    alone, which finds objects that were taken for another class.

    Args:
        truth: objects of the image.
        detections: detections of the image.
        threshold: detections with lower scores are left out.
        max_detections: as for ``detection_metrics``.
    """
    object_rows, detection_rows = np.flatnonzero(np.asarray(truth.classes) >= 0), _valid_rows(detections, max_detections)
    detection_rows = detection_rows[np.asarray(detections.scores)[detection_rows] >= threshold]
    truth, detections = _valid_truth(truth), _take(detections, detection_rows)
    matched = _same_class_matches(truth, detections)
    free = ~truth.crowd
    free[matched[matched >= 0]] = False
    pairs = [(row, detection) for detection, row in enumerate(matched.tolist()) if row >= 0]
    overlaps = np.where(free & (matched == UNMATCHED)[:, None], _overlaps(truth, detections), 0)
    while overlaps.max(initial=0) >= MATCHING_IOU:
        detection, row = np.unravel_index(overlaps.argmax(), overlaps.shape)
        pairs.append((row, detection))
        overlaps[detection], overlaps[:, row] = 0, 0
    pairs = np.array(pairs, int).reshape(-1, 2)
    missed = np.setdiff1d(np.flatnonzero(~truth.crowd), pairs[:, 0])
    false = np.setdiff1d(np.flatnonzero(matched != ON_CROWD), pairs[:, 1])
    rows = np.stack([object_rows[pairs[:, 0]], detection_rows[pairs[:, 1]]], axis=1)
    return Matches(rows, object_rows[missed], detection_rows[false])


def _valid_truth(truth: GroundTruth) -> GroundTruth:
    """Drop padding, and fill in a crowd flag for each object."""
    rows = np.asarray(truth.classes) >= 0
    crowd = np.asarray(truth.crowd, bool) if len(truth.crowd) else np.zeros(len(rows), bool)
    boxes = np.asarray(truth.boxes, float).reshape(-1, 4)
    return GroundTruth(boxes[rows], np.asarray(truth.classes)[rows].astype(int), truth.size, crowd[rows])


def _valid_rows(detections: Detections, most: int) -> np.ndarray:
    """The best detections of each class, best first, without padding and without nan and infinity (of a diverged network)."""
    scores, classes = np.asarray(detections.scores, float), np.asarray(detections.classes)
    rows = np.flatnonzero((classes >= 0) & np.isfinite(scores) & np.isfinite(detections.boxes).all(axis=-1))
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    for number in np.unique(classes[rows]) if len(rows) > most else ():
        rows = np.delete(rows, np.flatnonzero(classes[rows] == number)[most:])
    return rows


def _take(detections: Detections, rows: np.ndarray) -> Detections:
    boxes, scores = np.asarray(detections.boxes, float).reshape(-1, 4), np.asarray(detections.scores, float)
    return Detections(boxes[rows], scores[rows], np.asarray(detections.classes)[rows].astype(int))


def _reference_precisions(
    truth: Sequence[GroundTruth], detections: Sequence[Detections], num_classes: int, most: int
) -> np.ndarray:
    """COCO's evaluator: precisions by IoU, recall, class and size ``(10, 101, C, 1 + len(SIZES))``; -1 without objects."""
    annotations, results = [], []
    for number, (objects, predictions) in enumerate(zip(truth, detections, strict=True), start=1):
        for box, label, crowd in zip(
            _in_pixels(objects.boxes, objects.size), objects.classes.tolist(), objects.crowd.tolist(), strict=True
        ):
            annotations.append(_row(number, label, box, len(annotations) + 1) | {"iscrowd": int(crowd)})
        boxes = _in_pixels(predictions.boxes, objects.size)
        for box, label, score in zip(boxes, predictions.classes.tolist(), predictions.scores.tolist(), strict=True):
            results.append(_row(number, label, box, len(results) + 1) | {"score": score})
    run = COCOeval_faster(_indexed(annotations, len(truth), num_classes), _indexed(results, len(truth), num_classes), "bbox")
    run.params.maxDets = [most]
    run.evaluate()
    run.accumulate()
    return run.eval["precision"][..., 0]


def _row(image: int, label: int, box: np.ndarray, number: int) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": label, "bbox": box.tolist(), "area": float(box[2] * box[3])}


def _indexed(annotations: list[dict[str, Any]], num_images: int, num_classes: int) -> COCO:
    data = COCO()
    data.dataset = {
        "images": [{"id": number} for number in range(1, num_images + 1)],
        "categories": [{"id": number} for number in range(num_classes)],
        "annotations": annotations,
    }
    data.createIndex()
    return data


def _in_pixels(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """COCO's boxes ``(N, 4)``: x, y, width, height. An inverted box gets no area; COCO would not count it."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(0)
    return np.concatenate([boxes[:, :2], sides], axis=1) * np.tile((size[1], size[0]), 2)


def _overlaps(truth: GroundTruth, detections: Detections) -> np.ndarray:
    """IoU ``(K, M)``; for crowds the share of the detection's area. The reference's code, so that rounding agrees as well."""
    if not len(truth.boxes) or not len(detections.boxes):
        return np.zeros((len(detections.boxes), len(truth.boxes)))
    pixels = _in_pixels(detections.boxes, truth.size), _in_pixels(truth.boxes, truth.size)
    return coco.iou(*pixels, truth.crowd.astype(np.uint8).tolist())


def _same_class_matches(truth: GroundTruth, detections: Detections) -> np.ndarray:
    """The matching object of its class for each detection, int ``(K,)``; else ``UNMATCHED`` or ``ON_CROWD``.

    By falling scores, each detection takes the free object that it overlaps most. So a threshold on the scores does not change
    the matches of the detections above it.
    """
    matched = np.full(len(detections.classes), UNMATCHED)
    overlaps = np.where(detections.classes[:, None] == truth.classes, _overlaps(truth, detections), 0)
    may_match = (overlaps >= MATCHING_IOU).any(axis=1)
    for row in np.argsort(-detections.scores, kind="stable"):
        if not may_match[row]:
            continue
        object_overlaps = np.where(truth.crowd, 0, overlaps[row])
        best = len(object_overlaps) - 1 - object_overlaps[::-1].argmax()  # the last of equals, as COCO
        if object_overlaps[best] >= MATCHING_IOU:
            matched[row] = best
            overlaps[:, best] = 0
        elif overlaps[row].max() >= MATCHING_IOU:
            matched[row] = ON_CROWD
    return matched


def _best_threshold(scores: np.ndarray, right: np.ndarray, objects: int) -> float:
    """The midpoint between the last score that is included and the first that is not; the highest of equally good ones."""
    if not right.any():
        return NO_THRESHOLD
    levels, numbers = np.unique(scores, return_inverse=True)  # detections of equal scores stay together
    num_above = np.cumsum(np.bincount(numbers, minlength=len(levels))[::-1])
    num_right = np.cumsum(np.bincount(numbers, weights=right, minlength=len(levels))[::-1])
    best = len(levels) - 1 - int((2 * num_right / (num_above + objects)).argmax())
    return float((levels[best] + (levels[best - 1] if best else 0)) / 2)


def _threshold_curves(scores: np.ndarray, right: np.ndarray, classes: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """See ``DetectionMetrics.curves``; ``objects`` are their numbers by class."""
    curves = np.full((len(objects) + 1, 3, len(THRESHOLDS)), np.nan)
    for number, count in enumerate([*objects, objects.sum()]):
        of_class = classes == number if number < len(objects) else np.ones(len(classes), bool)
        num_above, num_right = (
            (rows.sum() - np.searchsorted(np.sort(scores[rows]), THRESHOLDS)).astype(float)
            for rows in (of_class, of_class & right)
        )
        curves[number, 0] = np.divide(num_right, num_above, where=num_above > 0, out=np.full(len(THRESHOLDS), np.nan))
        if count:
            curves[number, 1:] = num_right / count, 2 * num_right / (num_above + count)
    return curves


def _matrix(truth: Sequence[GroundTruth], detections: Sequence[Detections], threshold: float, num_classes: int) -> np.ndarray:
    counts = np.zeros((num_classes + 1, num_classes + 1), int)
    for objects, predictions in zip(truth, detections, strict=True):
        pairs, missed, false = match_detections(objects, predictions, threshold, max_detections=len(predictions.scores))
        np.add.at(counts, (objects.classes[pairs[:, 0]], predictions.classes[pairs[:, 1]]), 1)
        np.add.at(counts, (objects.classes[missed], num_classes), 1)
        np.add.at(counts, (num_classes, predictions.classes[false]), 1)
    return counts


def _averages(precisions: np.ndarray) -> np.ndarray:
    """Average precision of each class ``(C,)`` from ``(IoUs, recalls, C)``; nan without objects."""
    return np.where((precisions < 0).any(axis=(0, 1)), np.nan, precisions.mean(axis=(0, 1)))


def _mean(values: np.ndarray) -> float:
    """The mean of the values that are not nan; nan if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _precision_recall_f1(right: int, predicted: int, objects: int) -> tuple[float, float, float]:
    return float(right / max(predicted, 1)), float(right / max(objects, 1)), float(2 * right / max(predicted + objects, 1))


def _concatenate(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind)
