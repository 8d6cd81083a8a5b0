"""Averages as COCO's evaluator gives them, thresholds as a loop finds them, and counts that add up."""

import json

import numpy as np
import pytest
from faster_coco_eval import COCO, COCOeval_faster
from supervision import ConfusionMatrix

from visionkit.errors import UserError
from visionkit.metrics.detection import NO_THRESHOLD, RECALLS, GroundTruth, detection_metrics, match_detections
from visionkit.ops.detections import Detections

NAMES = ("cell", "platelet", "unseen")
SIZE = (120, 160)  # height, width
NO_OBJECTS = GroundTruth(np.zeros((0, 4)), np.zeros(0, int), SIZE)
NO_DETECTIONS = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int))
LEFT, RIGHT = [0.1, 0.1, 0.4, 0.5], [0.5, 0.1, 0.8, 0.5]


def truth(boxes, classes, crowd=()) -> GroundTruth:
    return GroundTruth(np.array(boxes, float), np.array(classes), SIZE, np.array(crowd, bool))


def detections(boxes, scores, classes) -> Detections:
    return Detections(np.array(boxes, float), np.array(scores, float), np.array(classes))


def random_scenes(rng, images=12, objects=8, crowded=False):
    """Objects of two of three classes, some detected, with offsets, duplicates, other classes, false detections, and ties."""
    scenes = []
    for _ in range(images):
        count = rng.integers(0, objects)
        low = rng.uniform(0, 0.7, (count, 2))
        boxes = np.concatenate([low, low + rng.uniform(0.05, 0.3, (count, 2))], axis=1)
        classes = rng.integers(0, 2, count)
        crowd = rng.random(count) < 0.2 if crowded else ()
        rows = np.repeat(np.arange(count), rng.integers(0, 3, count))
        moved = boxes[rows] + rng.normal(0, 0.02, (len(rows), 4)).clip(-0.024, 0.024)
        stray = rng.uniform(0, 0.5, (3, 2))
        predicted = np.concatenate([moved, np.concatenate([stray, stray + 0.2], axis=1)])
        labels = np.concatenate([np.where(rng.random(len(rows)) < 0.15, 2, classes[rows]), rng.integers(0, 3, 3)])
        scenes.append(
            (truth(boxes, classes, crowd), detections(predicted, rng.uniform(0.01, 1, len(predicted)).round(2), labels))
        )
    return [t for t, _ in scenes], [f for _, f in scenes]


def iou(a, b) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = sides.clip(0).prod()
    return shared / max((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared, 1e-12)


def hits_of_class(truths, all_detections, number, at) -> tuple[np.ndarray, np.ndarray, int]:
    """Scores, best first; whether each is right; number of objects. Plain loops, no crowds."""
    scores, right, objects = [], [], 0
    for t, f in zip(truths, all_detections, strict=True):
        there = t.boxes[t.classes == number]
        objects += len(there)
        taken = set()
        mine = np.flatnonzero(f.classes == number)
        for row in mine[np.argsort(-f.scores[mine], kind="stable")]:
            near = [(iou(f.boxes[row], box), i) for i, box in enumerate(there) if i not in taken]
            best = max(near, default=(0, -1))
            if best[0] >= at:
                taken.add(best[1])
            scores.append(f.scores[row])
            right.append(best[0] >= at)
    order = np.argsort(-np.array(scores), kind="stable")
    return np.array(scores)[order], np.array(right)[order], objects


def average_precision(truths, all_detections, number, at) -> float:
    """COCO's, over 101 recalls, from its definition."""
    _, right, objects = hits_of_class(truths, all_detections, number, at)
    precision, recall = np.cumsum(right) / np.arange(1, len(right) + 1), np.cumsum(right) / objects
    return float(np.mean([precision[recall >= r].max(initial=0) for r in RECALLS]))


def coco_stats(folder, truths, all_detections) -> np.ndarray:
    """The reference program, run on files as anybody would write them."""
    height, width = SIZE
    scale = np.array([width, height, width, height])

    def rows(boxes, classes, image, **more):
        for i, (box, label) in enumerate(zip(boxes * scale, classes, strict=True)):
            x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
            extra = {name: values[i] for name, values in more.items()}
            yield {"image_id": image, "category_id": int(label) + 1, "bbox": [x, y, w, h], "area": w * h, **extra}

    objects = []
    for image, t in enumerate(truths):
        crowd = t.crowd.astype(int).tolist() if len(t.crowd) else [0] * len(t.boxes)
        objects += rows(t.boxes, t.classes, image, iscrowd=crowd)
    for number, row in enumerate(objects, start=1):
        row["id"] = number
    predictions = [row for i, f in enumerate(all_detections) for row in rows(f.boxes, f.classes, i, score=f.scores.tolist())]
    images = [{"id": i, "width": width, "height": height} for i in range(len(truths))]
    categories = [{"id": i + 1, "name": name} for i, name in enumerate(NAMES)]
    annotations = {"images": images, "categories": categories, "annotations": objects}
    (folder / "truth.json").write_text(json.dumps(annotations))
    (folder / "results.json").write_text(json.dumps(predictions))
    reference = COCO(str(folder / "truth.json"))
    run = COCOeval_faster(reference, reference.loadRes(str(folder / "results.json")), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    return run.stats


@pytest.mark.parametrize("images", [0, 1, 3])
def test_without_objects_and_detections_there_is_no_average(images):
    metrics = detection_metrics([NO_OBJECTS] * images, [NO_DETECTIONS] * images, NAMES)
    assert np.isnan(metrics.map) and np.isnan(metrics.map50) and metrics.map_by_size == {}
    assert metrics.numbers() == {"precision": 0, "recall": 0, "f1": 0, "threshold": NO_THRESHOLD}
    assert metrics.matrix.tolist() == np.zeros((4, 4)).tolist()


def test_without_classes_there_is_no_average_either():
    assert np.isnan(detection_metrics([NO_OBJECTS], [NO_DETECTIONS], ()).map)


def test_no_detections_score_zero():
    metrics = detection_metrics([truth([LEFT, RIGHT], [0, 1])], [NO_DETECTIONS], NAMES)
    assert metrics.map == metrics.map50 == metrics.recall == 0
    assert metrics.matrix[:, -1].tolist() == [1, 1, 0, 0]


def test_detections_without_objects_are_false_and_have_no_average():
    metrics = detection_metrics([NO_OBJECTS], [detections([LEFT], [0.9], [1])], NAMES)
    assert np.isnan(metrics.map) and metrics.matrix[-1].tolist() == [0, 1, 0, 0]


def test_perfect_detections_score_one_and_classes_without_objects_do_not_count():
    there = truth([LEFT, RIGHT], [0, 1])
    metrics = detection_metrics([there], [Detections(there.boxes, np.array([0.9, 0.6]), there.classes)], NAMES)
    assert metrics.map == metrics.map50 == metrics.precision == metrics.recall == metrics.f1 == 1
    assert metrics.threshold == pytest.approx(0.3)  # half way from 0.6 to nothing
    assert np.isnan(metrics.classes[2].ap50) and metrics.classes[2].objects == 0
    assert [row.objects for row in metrics.classes] == [1, 1, 0]


def test_a_case_by_hand():
    """Two objects; right, false, right: precision 1 up to half of the recall, 2/3 beyond."""
    there = truth([LEFT, RIGHT], [0, 0])
    predictions = detections([LEFT, [0.1, 0.6, 0.4, 0.9], RIGHT], [0.9, 0.8, 0.7], [0, 0, 0])
    metrics = detection_metrics([there], [predictions], NAMES)
    assert metrics.map50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)
    assert metrics.f1 == pytest.approx(0.8) and metrics.threshold == pytest.approx(0.35)
    assert metrics.matrix.tolist() == [[2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_an_object_is_matched_once():
    metrics = detection_metrics([truth([LEFT], [0])], [detections([LEFT, LEFT], [0.9, 0.8], [0, 0])], NAMES)
    assert metrics.map50 == 1 and metrics.threshold == pytest.approx(0.85)
    pairs, missed, false = match_detections(truth([LEFT], [0]), detections([LEFT, LEFT], [0.8, 0.9], [0, 0]), 0.0)
    assert pairs.tolist() == [[0, 1]] and missed.tolist() == [] and false.tolist() == [0]


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_averages_are_those_of_the_reference(tmp_path, seed, crowded):
    truths, all_detections = random_scenes(np.random.default_rng(seed), crowded=crowded)
    metrics, stats = detection_metrics(truths, all_detections, NAMES), coco_stats(tmp_path, truths, all_detections)
    sizes = [metrics.map_by_size.get(name, -1) for name in ("small", "medium", "large")]
    np.testing.assert_allclose([metrics.map, metrics.map50, *sizes], stats[[0, 1, 3, 4, 5]], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_averages_follow_from_their_definition(seed):
    truths, all_detections = random_scenes(np.random.default_rng(seed))
    metrics = detection_metrics(truths, all_detections, NAMES)
    for number in (0, 1):
        by_iou = [average_precision(truths, all_detections, number, at) for at in np.linspace(0.5, 0.95, 10)]
        assert metrics.classes[number].ap50 == pytest.approx(by_iou[0], abs=1e-6)
        assert metrics.classes[number].ap == pytest.approx(np.mean(by_iou), abs=1e-6)
        assert metrics.classes[number].precisions.mean() == pytest.approx(by_iou[0], abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_no_threshold_has_a_better_f1(seed):
    truths, all_detections = random_scenes(np.random.default_rng(seed))
    metrics = detection_metrics(truths, all_detections, NAMES)
    hits = [hits_of_class(truths, all_detections, number, 0.5) for number in range(3)]
    scores, right, objects = np.concatenate([h[0] for h in hits]), np.concatenate([h[1] for h in hits]), sum(h[2] for h in hits)

    def at(threshold):
        above = scores >= threshold
        return 2 * right[above].sum() / (above.sum() + objects)

    tried = {threshold: at(threshold) for threshold in np.unique(scores)}
    assert metrics.f1 == pytest.approx(max(tried.values())) == pytest.approx(at(metrics.threshold))
    assert metrics.threshold not in tried and metrics.threshold < max(t for t, f1 in tried.items() if f1 == metrics.f1)
    above = scores > metrics.threshold
    assert metrics.precision == pytest.approx(right[above].mean()) and metrics.recall == pytest.approx(
        right[above].sum() / objects
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_matrix_is_supervisions_and_agrees_with_the_table(seed):
    truths, all_detections = random_scenes(np.random.default_rng(seed))
    metrics = detection_metrics(truths, all_detections, NAMES)
    theirs = sum(
        ConfusionMatrix.evaluate_detection_batch(
            np.column_stack([f.boxes, f.classes, f.scores]), np.column_stack([t.boxes, t.classes]), 3, metrics.threshold, 0.5
        )
        for t, f in zip(truths, all_detections, strict=True)
    )
    # Theirs pairs by overlap where COCO pairs by score: another of two detections of one object is the false one, no more.
    assert metrics.matrix.tolist() == theirs.tolist()
    diagonal = metrics.matrix.diagonal()[:3]
    recalls = [row.recall for row in metrics.classes]
    np.testing.assert_allclose(diagonal, np.multiply(recalls, [row.objects for row in metrics.classes]))
    assert metrics.matrix[:3].sum(axis=1).tolist() == [row.objects for row in metrics.classes]
    assert metrics.precision == pytest.approx(diagonal.sum() / metrics.matrix[:, :3].sum())


def test_an_object_taken_for_another_class_is_one_pair():
    pairs, missed, false = match_detections(truth([LEFT, RIGHT], [0, 1]), detections([RIGHT], [0.9], [0]), 0.5)
    assert pairs.tolist() == [[1, 0]] and missed.tolist() == [0] and false.tolist() == []


def test_crowds_are_neither_required_nor_counted_wrong():
    there = truth([LEFT, [0.5, 0, 1, 1]], [0, 0], crowd=[False, True])
    inside = [[0.5, 0.1, 0.7, 0.3], [0.7, 0.5, 0.9, 0.9]]
    metrics = detection_metrics([there], [detections([*inside, LEFT], [0.99, 0.98, 0.5], [0, 0, 0])], NAMES)
    assert metrics.map == 1 and metrics.precision == 1 and metrics.classes[0].objects == 1
    assert metrics.matrix.sum() == 1
    assert not len(match_detections(there, NO_DETECTIONS, 0.5).missed[1:])


def test_more_objects_than_the_reference_evaluates(rng):
    low = np.stack(np.meshgrid(np.arange(20), np.arange(15)), axis=-1).reshape(-1, 2) / 20
    there = truth(np.concatenate([low, low + 0.04], axis=1), np.zeros(300, int))
    predictions = Detections(there.boxes, rng.random(300), there.classes)
    assert detection_metrics([there], [predictions], NAMES).recall == pytest.approx(1 / 3)
    assert detection_metrics([there], [predictions], NAMES, max_detections=300).map == 1


def test_padding_and_nan_are_left_out():
    there = truth([LEFT, [0, 0, 0, 0]], [0, -1])
    predictions = detections([LEFT, [np.nan] * 4, [0, 0, 0, 0], LEFT], [0.9, 0.9, 0, np.nan], [0, 0, -1, 0])
    metrics = detection_metrics([there], [predictions], NAMES)
    assert metrics.map == 1 and metrics.matrix.sum() == 1
    pairs, missed, false = match_detections(there, predictions, 0.5)
    assert pairs.tolist() == [[0, 0]] and len(missed) == len(false) == 0


@pytest.mark.parametrize("right", [0.2, 0.1])
def test_boxes_without_area_and_inverted_ones_are_missed_or_false(right):
    empty = [0.2, 0.2, right, 0.9]
    metrics = detection_metrics([truth([LEFT, empty], [0, 0])], [detections([LEFT, empty], [0.9, 0.95], [0, 0])], NAMES)
    assert metrics.recall == metrics.precision == 0.5 and metrics.map50 == pytest.approx(0.5 * 51 / 101)


def test_nothing_is_printed(capfd):
    detection_metrics([truth([LEFT], [0])], [detections([LEFT], [0.9], [0])], NAMES)
    assert capfd.readouterr() == ("", "")


def test_mismatched_inputs_are_an_error():
    with pytest.raises(UserError, match="Detections of 0 images, but ground truth of 1"):
        detection_metrics([NO_OBJECTS], [], NAMES)
    with pytest.raises(UserError, match="Class 3 in ground truth or detections, but names of 3"):
        detection_metrics([NO_OBJECTS], [detections([LEFT], [0.9], [3])], NAMES)


def test_a_threshold_may_be_given_and_curves_are_over_all_of_them():
    truth = [GroundTruth(np.array([LEFT, RIGHT]), np.array([0, 1]), (10, 10))]
    detections = [Detections(np.array([LEFT, RIGHT]), np.array([0.9, 0.4]), np.array([0, 1]))]
    nothing = detection_metrics([], [], ("a", "b"))
    assert nothing.curves.shape == (3, 3, 101) and np.isnan(nothing.curves).all()
    given = detection_metrics(truth, detections, ("a", "b"), threshold=0.5)
    assert (given.threshold, given.precision, given.recall, given.map50) == (0.5, 1, 0.5, 1)
    assert given.matrix.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0]]
    best = detection_metrics(truth, detections, ("a", "b"))
    np.testing.assert_array_equal(best.curves, given.curves)
    np.testing.assert_allclose(best.curves[2, :, [20, 50]], [[1, 1, 1], [1, 0.5, 2 / 3]])
    assert np.isnan(best.curves[1, 0, 50]) and best.curves[1, 1, 50] == 0 and best.curves[0, 2, 90] == 1
