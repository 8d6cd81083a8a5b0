"""What ``visionkit predict`` prints, draws and writes for detected objects."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visionkit.files import write_atomically
from visionkit.inference.output import OutputLine, PredictOptions
from visionkit.inference.predictor import Predictor
from visionkit.inference.results import DetectionResult
from visionkit.inference.video import Frame
from visionkit.inference.video_output import FrameAnswer, of_video
from visionkit.tasks.detection.coco_results import CocoNumbers, numbers_of, running_numbers
from visionkit.tasks.detection.predict import Detector


def coco_numbers(options: PredictOptions, files: Sequence[str], labels: Sequence[str]) -> CocoNumbers:
    """How ``--coco`` numbers images and classes."""
    if options.annotations is None:
        return running_numbers(files, labels)
    return numbers_of(options.annotations, files, labels)


def detected(model: Predictor, answer: DetectionResult, options: PredictOptions) -> tuple[OutputLine, Image.Image | None]:
    """The line and the drawing of detected objects."""
    drawn = None if options.draw is None else Image.fromarray(_with_boxes(model, model.show(answer.path), answer))
    lines = [f"    {box.score:6.1%}  {box.label}  {' '.join(f'{value:.0f}' for value in box.xyxy)}" for box in answer.boxes]
    return OutputLine(answer.to_plain(), "\n".join([answer.path, *(lines or ["    nothing found"])])), drawn


def _with_boxes(model: Predictor, pixels: np.ndarray, answer: DetectionResult) -> np.ndarray:
    from visionkit.viz.boxes import draw_boxes  # supervision takes a second to import

    boxes = np.array([box.xyxy for box in answer.boxes]).reshape(-1, 4) / np.tile(answer.size[::-1], 2)
    scores = np.array([box.score for box in answer.boxes])
    return draw_boxes(pixels, boxes, np.array(answer.classes, int), model.labels, scores)


def detected_video(model: Detector, name: str, options: PredictOptions, drawing: str) -> Iterator[OutputLine]:
    """An object a frame, and at last a line of text."""
    seen = Counter()

    def detect(frame: Frame) -> FrameAnswer:
        answer = model.predict(frame.pixels, threshold=options.threshold, tile=options.tile)
        seen.update({box.label for box in answer.boxes})
        place = {"path": name, "frame": frame.number, "seconds": round(frame.seconds, 3)}
        drawn = None if options.draw is None else _with_boxes(model, frame.pixels, answer)
        return FrameAnswer(OutputLine(place | {"boxes": answer.to_plain()["boxes"]}), drawn)

    def sum_up(num_frames: int, is_whole: bool) -> OutputLine:
        counts = ", ".join(f"{label} on {count}" for label, count in seen.most_common()) or "nothing found"
        return OutputLine(text=f"{name}\n    {num_frames} frames: {counts}")

    return of_video(name, (options.draw or Path()) / drawing, detect, sum_up)


def write_coco(file: Path, results: list[dict[str, Any]], numbers: CocoNumbers) -> OutputLine:
    """Write the results file of ``--coco``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(results).encode())
    return OutputLine(stderr="\n".join([f"{file}: {len(results)} boxes", *numbers.notes]))
