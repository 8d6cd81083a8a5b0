"""The contenders of detection.py at suppression: each function makes a loader that goes through images one by one.

Each writes the boxes that it keeps of every image to the file ``kept``, so that they can be compared.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from turns import Batch, Loader

NUM_ANCHORS, NUM_CLASSES = 8400, 80  # of a YOLO at 640 px, trained on COCO
MAX_DETECTIONS, IOU_THRESHOLD = 300, 0.6
NUM_IMAGES = 8

Kept = tuple[np.ndarray, np.ndarray]  # scores and classes, best first: scores are drawn, so they tell which candidate it was


def draw(seed: int, objects: int, boxes_each: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes ``(A, 4)`` and scores ``(A, C)`` such as a detector predicts.

    Objects lie anywhere; sides are 16 to 256 px of 640, evenly in the logarithm; few classes are frequent (Zipf, 1.5). Boxes of
    an object are off by 6 % of its side (standard deviation) and 10 % in size; the logits of its class are its ease, 1 +- 1,
    less 1.5 times a half-normal draw. All other logits are noise, -11 +- 1.3: of 672,000 scores about 600 are above 0.001.
    """
    rng = np.random.default_rng(seed)
    center, side = rng.uniform(0, 1, (NUM_ANCHORS, 2)), np.exp(rng.uniform(np.log(8), np.log(256), (NUM_ANCHORS, 2))) / 640
    own_side = np.exp(rng.uniform(np.log(16), np.log(256), (objects, 2))) / 640
    which, anchors = np.repeat(np.arange(objects), boxes_each), rng.permutation(NUM_ANCHORS)[: objects * boxes_each]
    center[anchors] = rng.uniform(0, 1, (objects, 2))[which] + own_side[which] * rng.normal(0, 0.06, (len(which), 2))
    side[anchors] = own_side[which] * np.exp(rng.normal(0, 0.1, (len(which), 2)))
    logits = rng.normal(-11, 1.3, (NUM_ANCHORS, NUM_CLASSES))
    labels, ease = rng.zipf(1.5, objects) % NUM_CLASSES, rng.normal(1, 1, objects)
    logits[anchors, labels[which]] = ease[which] - 1.5 * np.abs(rng.normal(0, 1, len(which)))
    boxes, scores = np.concatenate([center - side / 2, center + side / 2], axis=-1), 1 / (1 + np.exp(-logits))
    return boxes.astype(np.float32), scores.astype(np.float32)


def _loader(answer: Callable[..., Kept], images: Sequence[tuple], kept: str, seconds: float) -> Loader:
    """A turn: images for so many seconds, one a call; ``answer`` returns the scores and classes that it keeps, as arrays."""
    answers = [answer(*image) for image in images]
    np.savez(kept, **{f"{part}{i}": value for i, both in enumerate(answers) for part, value in zip("sc", both, strict=True)})
    num_boxes = [len(scores) for scores, _ in answers]

    def epoch() -> Iterator[Batch]:
        until = time.perf_counter() + seconds
        for image, count in itertools.cycle(zip(images, num_boxes, strict=True)):
            if time.perf_counter() > until:
                return
            answer(*image)
            yield Batch((1, NUM_ANCHORS, NUM_CLASSES), count)

    return epoch


def tensorflow(*, source: str, threshold: float, kept: str, seconds: float, **drawing: int) -> Loader:
    """Ours ("visionkit"), or TensorFlow's own operation ("tensorflow"), which looks at all candidates; in a ``tf.function``."""
    import visionkit

    visionkit.quiet_tensorflow()
    import tensorflow as tf

    from visionkit.tasks.detection.suppression import suppress

    @tf.function
    def find(boxes, scores):
        if source == "visionkit":
            limits = {"iou_threshold": IOU_THRESHOLD, "max_detections": MAX_DETECTIONS}
            return suppress(boxes, scores, score_threshold=threshold, **limits)
        limits = {"max_output_size_per_class": MAX_DETECTIONS, "max_total_size": MAX_DETECTIONS}
        return tf.image.combined_non_max_suppression(
            boxes[:, :, None], scores, **limits, iou_threshold=IOU_THRESHOLD, score_threshold=threshold, clip_boxes=False
        )[:3]

    def answer(boxes, scores) -> Kept:
        _, best_scores, classes = (part.numpy()[0] for part in find(boxes, scores))
        number = np.count_nonzero(best_scores)
        return best_scores[:number], classes[:number]

    images = [draw(seed, **drawing) for seed in range(NUM_IMAGES)]
    return _loader(answer, [tuple(tf.constant(part[None]) for part in image) for image in images], kept, seconds)


def torchvision(*, threshold: float, kept: str, seconds: float, **drawing: int) -> Loader:
    """``batched_nms`` of all candidates above the threshold."""
    import torch
    from torchvision.ops import batched_nms

    @torch.inference_mode()
    def answer(boxes, scores) -> Kept:
        anchors, classes = torch.nonzero(scores > threshold, as_tuple=True)
        scores = scores[anchors, classes]
        chosen = batched_nms(boxes[anchors], scores, classes, IOU_THRESHOLD)[:MAX_DETECTIONS]
        _, best_scores, labels = boxes[anchors[chosen]].numpy(), scores[chosen].numpy(), classes[chosen].numpy()
        return best_scores, labels

    images = [draw(seed, **drawing) for seed in range(NUM_IMAGES)]
    return _loader(answer, [tuple(map(torch.from_numpy, image)) for image in images], kept, seconds)


def ultralytics(*, threshold: float, kept: str, seconds: float, **drawing: int) -> Loader:
    """Its ``non_max_suppression`` with several labels a box, for what its network predicts: centers and sides in pixels."""
    import torch
    import torchvision  # noqa: F401 - it takes torchvision's kernel, where that is imported
    from ultralytics.utils.nms import non_max_suppression

    @torch.inference_mode()
    def answer(prediction) -> Kept:
        rows = non_max_suppression(prediction, threshold, IOU_THRESHOLD, multi_label=True, max_det=MAX_DETECTIONS)[0].numpy()
        return rows[:, 4], rows[:, 5]

    images = []
    for seed in range(NUM_IMAGES):
        boxes, scores = draw(seed, **drawing)
        low, high = boxes[:, :2] * 640, boxes[:, 2:] * 640
        prediction = np.concatenate([(low + high) / 2, high - low, scores], axis=-1).T
        images.append((torch.from_numpy(np.ascontiguousarray(prediction))[None],))
    return _loader(answer, images, kept, seconds)
