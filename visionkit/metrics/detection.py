"""How good detections are: COCO's average precision, the best threshold, and what was taken for what.

The averages are those of the reference evaluator (https://cocodataset.org/#detection-eval, as faster-coco-eval implements it).
Everything else follows one matching, COCO's at IoU 0.5, so that counts in a table, in the matrix and on drawings agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask as coco

from visionkit.errors import UserError

MATCHING_IOU = 0.5  # from here on an answer and an object are the same
MAX_DETECTIONS = 100  # answers of a class in an image, the surest, that COCO looks at
NO_THRESHOLD = 0.5  # where no answer is right, no threshold is better than another
RECALLS = np.linspace(0, 1, 101)  # at which COCO reads the precision
UNMATCHED, ON_CROWD = -1, -2  # in place of an object's row
SIZES = ("small", "medium", "large")  # objects below 32 x 32 pixels, below 96 x 96, above


class GroundTruth(NamedTuple):
    """The objects of one image.

    Attributes:
        boxes: float ``(M, 4)``, xyxy, relative.
        classes: int ``(M,)``; rows with -1 are padding.
        size: height and width of the image in pixels, by which objects are small or large.
        crowd: bool ``(M,)``, or empty, where none is: COCO's crowds, VOC's difficult objects. They need not be
            found, and answers that lie on them (by half of the answer's own area) are neither right nor wrong.
    """

    boxes: np.ndarray
    classes: np.ndarray
    size: tuple[int, int]
    crowd: np.ndarray = np.zeros(0, bool)


class Detections(NamedTuple):
    """What a detector says of one image.

    Attributes:
        boxes: float ``(K, 4)``, xyxy, relative.
        scores: float ``(K,)``.
        classes: int ``(K,)``; rows with -1 are padding.
    """

    boxes: np.ndarray
    scores: np.ndarray
    classes: np.ndarray


class Comparison(NamedTuple):
    """What became of the objects and the answers of one image. Crowds, and answers that lie on them, are in none of these.

    Attributes:
        pairs: int ``(P, 2)``: rows of truth and found that are the same object; their classes may differ.
        missed: int ``(M,)``: rows of truth that nothing was found of.
        false: int ``(K,)``: rows of found where nothing is, or what was found already.
    """

    pairs: np.ndarray
    missed: np.ndarray
    false: np.ndarray


@dataclass(frozen=True)
class ClassMetrics:
    """Of one class.

    Attributes:
        name: of the class.
        objects: how many there are, without crowds.
        ap50: average precision at IoU 0.5; nan without objects.
        ap: the mean of those at IoU 0.5, 0.55, ... 0.95; nan without objects.
        precision, recall, f1: at the threshold of all classes and IoU 0.5; 0 where there is nothing to divide by.
        precisions: float ``(101,)``: the precision at IoU 0.5 at each of ``RECALLS``, as ``ap50`` averages it; zeros without
            objects.
        best_threshold: at which this class alone has its best F1.
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
    """Of all classes.

    Attributes:
        map50: mean of the classes' ``ap50``; those without objects are left out. nan where no class has any.
        map: mean of the classes' ``ap``, likewise.
        map_by_size: ``map`` of the small, the medium and the large objects alone; sizes without objects are left out.
        threshold: the score at which F1, of all classes together, is best. It lies between two scores, so that it does not
            matter whether it is included. ``NO_THRESHOLD`` where no answer is right.
        precision, recall, f1: at that threshold and IoU 0.5, of all classes together.
        classes: one a class.
        matrix: int ``(C + 1, C + 1)`` at that threshold: rows are true classes, columns what they were taken for. The last row
            counts answers where nothing is, the last column objects that were missed.
        max_detections: answers of a class in an image that were looked at.
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

    def numbers(self) -> dict[str, float]:
        """What ``metrics.json`` holds; what is nan is left out."""
        named = {name: getattr(self, name) for name in ("map50", "map", "precision", "recall", "f1", "threshold")}
        named |= {f"map_{size}": value for size, value in self.map_by_size.items()}
        return {name: value for name, value in named.items() if not np.isnan(value)}


def evaluate(
    truth: Sequence[GroundTruth],
    found: Sequence[Detections],
    class_names: Sequence[str],
    *,
    max_detections: int = MAX_DETECTIONS,
) -> DetectionMetrics:
    """Compare what was found with what is there.

    Boxes without area, or inverted, are never matched: as objects they are missed, as answers false. A pipeline's
    ``boxes.cleaned`` drops such objects.

    Args:
        truth: one an image.
        found: one an image, in the same order.
        class_names: by number.
        max_detections: answers of a class in an image that are looked at, the surest. COCO's 100 by default: of more
            objects of a class, the rest counts as missed. Where images hold more, raise it, and say so beside the numbers.

    Raises:
        UserError: not one answer for each image, or a class without a name.
    """
    if len(truth) != len(found):
        raise UserError(f"Answers for {len(found)} images, but the truth of {len(truth)}; expected one for each.")
    truth, found = [_sound_truth(one) for one in truth], [_rows_of(one, _sound_rows(one, max_detections)) for one in found]
    true_classes, said_classes = _together([one.classes for one in truth], int), _together([one.classes for one in found], int)
    highest = max(true_classes.max(initial=-1), said_classes.max(initial=-1))
    if highest >= len(class_names):
        raise UserError(f"Class {highest} in truth or answers, but names of {len(class_names)} classes; expected one for each.")
    precisions = _reference_precisions(truth, found, len(class_names), max_detections)
    ap50, ap = _averages(precisions[:1, :, :, 0]), _averages(precisions[..., 0])
    by_size = {name: _mean(_averages(precisions[..., number])) for number, name in enumerate(SIZES, start=1)}

    matched = [_same_class_matches(t, f) for t, f in zip(truth, found, strict=True)]
    right, counted = _together([m >= 0 for m in matched], bool), _together([m != ON_CROWD for m in matched], bool)
    scores = _together([one.scores for one in found], float)
    objects = np.bincount(true_classes[~_together([one.crowd for one in truth], bool)], minlength=len(class_names))
    threshold = _best_threshold(scores[counted], right[counted], objects.sum())

    said = counted & (scores >= threshold)
    num_said = np.bincount(said_classes[said], minlength=len(class_names))
    num_right = np.bincount(said_classes[said & right], minlength=len(class_names))
    classes = []
    for number, name in enumerate(class_names):
        of_class = counted & (said_classes == number)
        classes.append(
            ClassMetrics(
                name,
                int(objects[number]),
                float(ap50[number]),
                float(ap[number]),
                *_precision_recall_f1(num_right[number], num_said[number], objects[number]),
                precisions[0, :, number, 0].clip(0),
                _best_threshold(scores[of_class], right[of_class], objects[number]),
            )
        )
    precision, recall, f1 = _precision_recall_f1(num_right.sum(), num_said.sum(), objects.sum())
    return DetectionMetrics(
        map50=_mean(ap50),
        map=_mean(ap),
        map_by_size={name: value for name, value in by_size.items() if not np.isnan(value)},
        threshold=threshold,
        precision=precision,
        recall=recall,
        f1=f1,
        classes=tuple(classes),
        matrix=_matrix(truth, found, threshold, len(class_names)),
        max_detections=max_detections,
    )


def compare(truth: GroundTruth, found: Detections, threshold: float, *, max_detections: int = MAX_DETECTIONS) -> Comparison:
    """Say of each object and each answer of an image what became of it, at IoU 0.5.

    Answers of the right class come first, the surest before others, as COCO does it; what is left is then matched by overlap
    alone: objects taken for those of another class.

    Args:
        truth: the objects.
        found: the answers.
        threshold: answers with lower scores are left out.
        max_detections: as for ``evaluate``.
    """
    objects, answers = np.flatnonzero(np.asarray(truth.classes) >= 0), _sound_rows(found, max_detections)
    answers = answers[np.asarray(found.scores)[answers] >= threshold]
    truth, found = _sound_truth(truth), _rows_of(found, answers)
    matched = _same_class_matches(truth, found)
    free = ~truth.crowd
    free[matched[matched >= 0]] = False
    pairs = [(row, answer) for answer, row in enumerate(matched.tolist()) if row >= 0]
    overlaps = np.where(free & (matched == UNMATCHED)[:, None], _overlaps(truth, found), 0)
    while overlaps.max(initial=0) >= MATCHING_IOU:
        answer, row = np.unravel_index(overlaps.argmax(), overlaps.shape)
        pairs.append((row, answer))
        overlaps[answer], overlaps[:, row] = 0, 0
    pairs = np.array(pairs, int).reshape(-1, 2)
    missed = np.setdiff1d(np.flatnonzero(~truth.crowd), pairs[:, 0])
    false = np.setdiff1d(np.flatnonzero(matched != ON_CROWD), pairs[:, 1])
    return Comparison(np.stack([objects[pairs[:, 0]], answers[pairs[:, 1]]], axis=1), objects[missed], answers[false])


def _sound_truth(truth: GroundTruth) -> GroundTruth:
    """Without padding; with a flag for each object."""
    rows = np.asarray(truth.classes) >= 0
    crowd = np.asarray(truth.crowd, bool) if len(truth.crowd) else np.zeros(len(rows), bool)
    boxes = np.asarray(truth.boxes, float).reshape(-1, 4)
    return GroundTruth(boxes[rows], np.asarray(truth.classes)[rows].astype(int), truth.size, crowd[rows])


def _sound_rows(found: Detections, most: int) -> np.ndarray:
    """The surest answers of each class, best first; without padding and without what is no number (of a diverged network)."""
    scores, classes = np.asarray(found.scores, float), np.asarray(found.classes)
    rows = np.flatnonzero((classes >= 0) & np.isfinite(scores) & np.isfinite(found.boxes).all(axis=-1))
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    for number in np.unique(classes[rows]) if len(rows) > most else ():
        rows = np.delete(rows, np.flatnonzero(classes[rows] == number)[most:])
    return rows


def _rows_of(found: Detections, rows: np.ndarray) -> Detections:
    boxes = np.asarray(found.boxes, float).reshape(-1, 4)
    return Detections(boxes[rows], np.asarray(found.scores, float)[rows], np.asarray(found.classes)[rows].astype(int))


def _reference_precisions(truth: Sequence[GroundTruth], found: Sequence[Detections], num_classes: int, most: int) -> np.ndarray:
    """COCO's evaluator: precisions by IoU, recall, class and size ``(10, 101, C, 1 + len(SIZES))``; -1 without objects."""
    annotations, answers = [], []
    for number, (objects, detections) in enumerate(zip(truth, found, strict=True), start=1):
        for box, label, crowd in zip(
            _in_pixels(objects.boxes, objects.size), objects.classes.tolist(), objects.crowd.tolist(), strict=True
        ):
            annotations.append(_row(number, label, box, len(annotations) + 1) | {"iscrowd": int(crowd)})
        boxes = _in_pixels(detections.boxes, objects.size)
        for box, label, score in zip(boxes, detections.classes.tolist(), detections.scores.tolist(), strict=True):
            answers.append(_row(number, label, box, len(answers) + 1) | {"score": score})
    run = COCOeval_faster(_indexed(annotations, len(truth), num_classes), _indexed(answers, len(truth), num_classes), "bbox")
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
    """``(N, 4)``: x, y, width, height, as COCO has them. An inverted box has no area; COCO would leave it out of the count."""
    sides = (boxes[:, 2:] - boxes[:, :2]).clip(0)
    return np.concatenate([boxes[:, :2], sides], axis=1) * np.tile((size[1], size[0]), 2)


def _overlaps(truth: GroundTruth, found: Detections) -> np.ndarray:
    """IoU ``(K, M)``; with crowds the share of the answer. By the reference's code, so that rounding is its, too."""
    if not len(truth.boxes) or not len(found.boxes):
        return np.zeros((len(found.boxes), len(truth.boxes)))
    pixels = _in_pixels(found.boxes, truth.size), _in_pixels(truth.boxes, truth.size)
    return coco.iou(*pixels, truth.crowd.astype(np.uint8).tolist())


def _same_class_matches(truth: GroundTruth, found: Detections) -> np.ndarray:
    """For each answer the object of its class that it found, int ``(K,)``; else ``UNMATCHED`` or ``ON_CROWD``.

    Each answer, the surest first, takes the object that it overlaps most of those still free. So a threshold on the scores
    does not change the matches of the answers above it.
    """
    matched = np.full(len(found.classes), UNMATCHED)
    overlaps = np.where(found.classes[:, None] == truth.classes, _overlaps(truth, found), 0)
    may_match = (overlaps >= MATCHING_IOU).any(axis=1)
    for row in np.argsort(-found.scores, kind="stable"):
        if not may_match[row]:
            continue
        of_objects = np.where(truth.crowd, 0, overlaps[row])
        best = len(of_objects) - 1 - of_objects[::-1].argmax()  # of equals the last, as COCO
        if of_objects[best] >= MATCHING_IOU:
            matched[row] = best
            overlaps[:, best] = 0
        elif overlaps[row].max() >= MATCHING_IOU:
            matched[row] = ON_CROWD
    return matched


def _best_threshold(scores: np.ndarray, right: np.ndarray, objects: int) -> float:
    """The middle between the last score that belongs in and the first that does not; of equally good ones the highest."""
    if not right.any():
        return NO_THRESHOLD
    levels, numbers = np.unique(scores, return_inverse=True)  # answers of one score come and go together
    num_said = np.cumsum(np.bincount(numbers, minlength=len(levels))[::-1])
    num_right = np.cumsum(np.bincount(numbers, weights=right, minlength=len(levels))[::-1])
    best = len(levels) - 1 - int((2 * num_right / (num_said + objects)).argmax())
    return float((levels[best] + (levels[best - 1] if best else 0)) / 2)


def _matrix(truth: Sequence[GroundTruth], found: Sequence[Detections], threshold: float, num_classes: int) -> np.ndarray:
    counts = np.zeros((num_classes + 1, num_classes + 1), int)
    for objects, answers in zip(truth, found, strict=True):
        pairs, missed, false = compare(objects, answers, threshold, max_detections=len(answers.scores))
        np.add.at(counts, (objects.classes[pairs[:, 0]], answers.classes[pairs[:, 1]]), 1)
        np.add.at(counts, (objects.classes[missed], num_classes), 1)
        np.add.at(counts, (num_classes, answers.classes[false]), 1)
    return counts


def _averages(precisions: np.ndarray) -> np.ndarray:
    """By class ``(C,)`` of ``(IoUs, recalls, C)``; nan without objects."""
    return np.where((precisions < 0).any(axis=(0, 1)), np.nan, precisions.mean(axis=(0, 1)))


def _mean(values: np.ndarray) -> float:
    """Of what is known; nan where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _precision_recall_f1(right: int, said: int, objects: int) -> tuple[float, float, float]:
    return float(right / max(said, 1)), float(right / max(objects, 1)), float(2 * right / max(said + objects, 1))


def _together(parts: Sequence[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, kind), *parts]).astype(kind)
