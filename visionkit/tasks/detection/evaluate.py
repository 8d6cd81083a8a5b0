"""Measure an exported detector, and its LiteRT model, on annotated images: what is measured is what is shipped."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data import sources
from visionkit.data.class_matching import joined, match_classes, relabelled
from visionkit.data.images.decode import read_image
from visionkit.data.images.listing import map_files
from visionkit.data.images.resize import letterbox, unletterbox
from visionkit.data.images.scan import scan
from visionkit.data.index import Index
from visionkit.data.measured_split import measured_sentence, measured_splits, name_of
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, find_bundle, read_metadata
from visionkit.inference.measuring import EvaluateOptions, Measured, Opened, opened_model, seconds_an_image
from visionkit.metrics.detection import DetectionMetrics, GroundTruth, detection_metrics
from visionkit.ops.detections import Detections
from visionkit.tasks.detection.plan import ground_truth
from visionkit.tasks.detection.predict import Detector
from visionkit.training.dataset import notes_of
from visionkit.training.run_folder import RunFolder

THRESHOLD = 0.001  # low, so that precision is known at every recall


@dataclass(frozen=True)
class Evaluation:
    """A bundle, measured on annotated images.

    Attributes:
        index: the images that could be read.
        truth: their objects.
        detections: what the bundle detects in each, with any score above ``THRESHOLD``.
        measured: the metrics of these detections.
        litert: the metrics of the LiteRT model; None where the bundle has none.
        threshold: the bundle's own.
        own_threshold: whether ``measured`` counts detections at that threshold, not at the best.
    """

    index: Index
    truth: list[GroundTruth]
    detections: list[Detections]
    measured: DetectionMetrics
    litert: DetectionMetrics | None
    threshold: float
    own_threshold: bool = False

    @property
    def is_measured(self) -> bool:
        """Whether the images have boxes that detections can be compared with."""
        return any(each.objects for each in self.measured.classes)

    @property
    def metrics(self) -> dict[str, float]:
        """The values for ``metrics.json``; nan where the images have no boxes, so that nothing can be measured."""
        if not self.is_measured:
            return {"map50": math.nan, "map": math.nan, "threshold": self.threshold}
        metrics = self.measured.numbers()
        if self.litert is not None:
            numbers = self.litert.numbers()
            metrics |= {f"litert_{name}": numbers[name] for name in ("map50", "map") if name in numbers}
        return metrics | {"threshold": self.threshold}


def note_results(run: RunFolder, evaluation: Evaluation, in_training: DetectionMetrics) -> None:
    """Note the precision of the bundle beside that of the network in training, and where its threshold comes from.

    Args:
        run: takes the notes.
        evaluation: of the bundle.
        in_training: the metrics of the network, whose threshold the bundle has.
    """
    threshold = f"Its threshold, {in_training.threshold:.3f},"
    if not evaluation.is_measured:
        run.note(f"The bundle was not measured, since the validation images have no boxes. {threshold} is the default.")
        return
    reason = "is where F1 is best on these same validation images"
    if not in_training.f1:
        reason = "is the default, since no detection in the validation images is right at any"
    run.note(
        f"The bundle's mAP at IoU 0.5 is {evaluation.measured.map50:.4f}, that of the network in training "
        f"{in_training.map50:.4f}. {threshold} {reason}."
    )
    if evaluation.litert is not None:
        run.note(f"The LiteRT model's mAP at IoU 0.5 is {evaluation.litert.map50:.4f}.")


def read_data(source: str, metadata: dict[str, Any], options: EvaluateOptions) -> Opened:
    """Read images with boxes to measure detectors on; each image is opened once.

    Args:
        source: see ``sources.read``.
        metadata: of a model.
        options: say which split is read.

    Raises:
        UserError: there is no such data, or no such split, or it has no boxes.
    """
    data_set = sources.read(source, allow_outside=options.allow_outside)
    if not any(index.has_objects for index in data_set.splits.values()):
        raise UserError(
            f"{source} has no boxes: expected VOC, COCO or YOLO annotations, or a table with xmin, ymin, xmax, ymax; it is "
            f"read as {data_set.format}."
        )
    chosen = measured_splits(data_set.splits, options.split, source, can_measure=lambda index: index.has_objects)
    part, unlike = joined([data_set.splits[name] for name in chosen])
    part = scan(part)
    sentence = measured_sentence(data_set.splits, chosen, source, read_as=data_set.format, count=len(part))
    return Opened(source, name_of(chosen), part, sentence, notes_of(data_set) + unlike)


def evaluate_data(bundle: str | Path, opened: Opened, options: EvaluateOptions) -> Measured:
    """Measure a detector, not its LiteRT model, on data that was opened, at the threshold that the detector has.

    Args:
        bundle: a detector.
        opened: of ``read_data``.
        options: say whether the model is trusted.

    Raises:
        UserError: the model and the data share no class.
    """
    labels = read_metadata(find_bundle(bundle))["labels"]
    match = match_classes(opened.part.class_names, labels, data=opened.source, model=str(bundle))
    model = opened_model(Detector, bundle, trust=options.trust)
    index, notes = relabelled(opened.part, match.to(match.shared))
    notes = match.notes + notes
    if len(match.shared) < len(model.labels):
        notes += ("detections of classes that the data does not have are left out",)
    evaluation = evaluate(model, index, own_threshold=True)
    seconds = seconds_an_image(model, index.paths)
    images = len(evaluation.index)
    return Measured(evaluation.metrics, evaluation, match.shared, images, index.skipped.list(), notes, seconds)


def evaluate(bundle: str | Path | Detector, index: Index, *, own_threshold: bool = False) -> Evaluation:
    """Measure a detector on annotated images.

    Args:
        bundle: a detector, or its folder.
        index: the images, scanned; ``index.skipped`` takes those that cannot be read any more.
        own_threshold: whether precision, recall and F1 are those at the detector's own threshold, and its LiteRT model is left
            out, as a finished detector is measured; else they are those at the threshold that is best for these images.

    Raises:
        UserError: the index has classes that the bundle does not know.
    """
    model = opened_model(Detector, bundle)
    readable, detections = detect_annotated(model, index)
    truth, threshold = ground_truth(readable), model.metadata["threshold"]
    measured = detection_metrics(truth, detections, index.class_names, threshold=threshold if own_threshold else None)
    litert_metrics = None
    if not own_threshold and (of_litert := litert_detect_annotated(model.folder, index)) is not None:
        litert_metrics = detection_metrics(ground_truth(of_litert[0]), of_litert[1], index.class_names)
    return Evaluation(readable, truth, detections, measured, litert_metrics, threshold, own_threshold)


def detect_annotated(
    bundle: str | Path | Detector, index: Index, threshold: float = THRESHOLD
) -> tuple[Index, list[Detections]]:
    """Detect objects in annotated images.

    Args:
        bundle: a detector, or its folder.
        index: the images; ``index.skipped`` takes those that cannot be read.
        threshold: score that detections have to exceed.

    Returns:
        the images that could be read, and the detections in each, with the index's class numbers. Detections of classes that
        the index lacks are left out.

    Raises:
        UserError: the index has classes that the bundle does not know.
    """
    detector = opened_model(Detector, bundle)
    return _detect_in_readable(lambda path: detector.detect(read_image(path), threshold), index, detector.labels)


def litert_detect_annotated(bundle: str | Path, index: Index) -> tuple[Index, list[Detections]] | None:
    """Detect objects with the LiteRT model of a detector, at its own low threshold; None if the bundle has none.

    See ``detect_annotated``.
    """
    folder = find_bundle(bundle)
    if not (folder / LITERT_FILE).is_file():
        return None
    metadata, model, lock = read_metadata(folder), litert.LiteRTModel(folder / LITERT_FILE), threading.Lock()

    def detect(path: str) -> Detections:
        pixels = read_image(path)
        square = letterbox(pixels, metadata["size"]).numpy()
        with lock:  # an interpreter takes one image at a time
            predictions = model.answer(square)
        boxes = unletterbox(predictions["boxes"], pixels.shape[:2], metadata["size"])
        lies_on_image = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # not on the padding alone
        rows = (predictions["classes"] >= 0) & lies_on_image
        return Detections(boxes[rows].astype(np.float32), predictions["scores"][rows], predictions["classes"][rows])

    return _detect_in_readable(detect, index, metadata["labels"])


def _detect_in_readable(
    detect: Callable[[str], Detections], index: Index, labels: Sequence[str]
) -> tuple[Index, list[Detections]]:
    unknown = sorted(set(index.class_names) - set(labels))
    if unknown:
        raise UserError(f"The detector does not know {', '.join(unknown[:6])}; it knows {', '.join(list(labels)[:6])} ...")
    numbers = {name: number for number, name in enumerate(index.class_names)}
    number_of = np.array([numbers.get(label, -1) for label in labels], np.int32)

    def detect_known(path: str) -> Detections:
        boxes, scores, classes = detect(path)
        classes = number_of[classes]
        return Detections(boxes[classes >= 0], scores[classes >= 0], classes[classes >= 0])

    detections = map_files(detect_known, index.paths, index.skipped, "evaluating")
    readable = [position for position, each in enumerate(detections) if each is not None]
    return index.take(readable), [detections[position] for position in readable]
