"""What ``visionkit predict`` prints, draws and writes for detected objects."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.inference.output import (
    OutputLine,
    PredictOptions,
    boxes_line,
    drawing_names,
    lines_of,
    refuse_overwriting,
    unreadable,
)
from visionkit.inference.predictor import Unreadable
from visionkit.inference.results import DetectionResult
from visionkit.inference.video import Frame, is_video
from visionkit.inference.video_output import FrameOutput, video_outputs
from visionkit.outputs import check_output
from visionkit.tasks.detection.coco_results import CocoNumbers, coco_results, numbers_of, running_numbers
from visionkit.viz.labels import encode_png

if TYPE_CHECKING:
    from visionkit.tasks.detection.predict import Detector

RESULTS = (b'[{"image_id": ', b"[]")  # how json.dumps begins a file of --coco


def outputs(detector: "Detector", files: Sequence[str], options: PredictOptions) -> Iterator[OutputLine]:
    """The lines for images, videos and cameras, in order; drawings and the results file of ``--coco`` are written.

    Raises:
        UserError: the options and the files do not fit together.
        KeyboardInterrupt: the reading of a video file was interrupted; what is written is whole.
    """
    drawings = drawing_names(files, videos=True)
    if options.coco is not None:
        options = options._replace(coco=check_output(options.coco, "--coco", suffixes=(".json",), starts=RESULTS))
    if options.draw is not None:
        refuse_overwriting(files, (options.draw / name for name in drawings))
    videos = [file for file in files if is_video(file)]
    if options.coco is not None and videos:
        raise UserError(f"--coco is for images, and {videos[0]} is a video; --json gives an object a frame.")
    numbers = None if options.coco is None else coco_numbers(options, files, detector.labels)
    if options.draw is not None:
        options.draw.mkdir(parents=True, exist_ok=True)
    results: list[DetectionResult] = []
    for are_videos, group in groupby(zip(files, drawings, strict=True), lambda pair: is_video(pair[0])):
        if not are_videos:
            yield from _image_lines(detector, list(group), options, results)
            continue
        for file, drawing in group:
            yield from _video_lines(detector, file, options, (options.draw or Path()) / drawing)
    if numbers is not None:
        yield _write_coco(options.coco, coco_results(results, numbers), numbers)


def coco_numbers(options: PredictOptions, files: Sequence[str], labels: Sequence[str]) -> CocoNumbers:
    """How ``--coco`` numbers images and classes."""
    if options.annotations is None:
        return running_numbers(files, labels)
    return numbers_of(options.annotations, files, labels)


def _image_lines(
    detector: "Detector", named: Sequence[tuple[str, str]], options: PredictOptions, results: list[DetectionResult]
) -> Iterator[OutputLine]:
    """The lines for files, each with the name of its drawing; ``results`` takes what ``--coco`` is to write."""
    predictions = detector.predict_many([file for file, _ in named], **detector.arguments(options))
    for result, (_, drawing) in zip(predictions, named, strict=True):
        if isinstance(result, Unreadable):
            yield unreadable(result)
            continue
        if options.coco is not None:
            results.append(result)
        if options.draw is not None:
            write_atomically(options.draw / drawing, encode_png(result.plot()))
        yield boxes_line(result)


def _video_lines(detector: "Detector", name: str, options: PredictOptions, target: Path) -> Iterator[OutputLine]:
    """An object a frame, and last a line of text."""
    num_frames_with: Counter[str] = Counter()

    def predict(frame: Frame) -> FrameOutput:
        result = detector.predict(frame.pixels, **detector.arguments(options))
        num_frames_with.update({box.label for box in result.boxes})
        place = {"path": name, "frame": frame.number, "seconds": round(frame.seconds, 3)}
        drawn = None if options.draw is None else np.asarray(result.plot())
        return FrameOutput(OutputLine(place | {"boxes": result.to_dict()["boxes"]}), drawn)

    def sum_up(num_frames: int, is_whole: bool) -> OutputLine:
        counts = ", ".join(f"{label} on {count}" for label, count in num_frames_with.most_common()) or "nothing found"
        return OutputLine(text=lines_of(name, f"    {num_frames} frames: {counts}"))

    return video_outputs(name, target, predict, sum_up)


def _write_coco(file: Path, results: list[dict[str, Any]], numbers: CocoNumbers) -> OutputLine:
    """Write the results file of ``--coco``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(results).encode())
    return OutputLine(stderr=lines_of(f"{file}: {len(results)} boxes", *numbers.notes))
