"""Ask an exported detector, or its LiteRT model, about annotated images: what is measured is what is shipped."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.resize import letterbox, unletterbox
from visionkit.data.index import Index, SkippedFiles
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, find_bundle, read_metadata
from visionkit.inference.predictor import Unreadable
from visionkit.metrics.detection import Detections
from visionkit.tasks.detection.predict import Detector

THRESHOLD = 0.001  # low, so that precision is known at every recall


def answers_to_annotated(
    bundle: str | Path, index: Index, skipped: SkippedFiles, threshold: float = THRESHOLD
) -> tuple[Index, list[Detections]]:
    """What a detector finds on annotated images.

    Args:
        bundle: a detector.
        index: the images.
        skipped: takes those that cannot be read any more.
        threshold: only what scores more.

    Returns:
        the images that could be read, and what was found on each, with the index's class numbers. What is of a class that the
        index lacks is left out.

    Raises:
        UserError: the index has classes that the bundle does not know.
    """
    folder = find_bundle(bundle)
    detector = Detector(folder, read_metadata(folder))
    found = detector.each(index.paths, lambda path, pixels: detector.found(pixels, threshold))
    return _of_readable(found, index, skipped, detector.labels)


def litert_answers_to_annotated(
    bundle: str | Path, index: Index, skipped: SkippedFiles
) -> tuple[Index, list[Detections]] | None:
    """What the LiteRT model of a detector finds, at its own low threshold; None if the bundle has no litert_model.

    See ``answers_to_annotated``.
    """
    folder = find_bundle(bundle)
    if not (folder / LITERT_FILE).is_file():
        return None
    metadata = read_metadata(folder)
    return _of_readable(_litert_found(folder / LITERT_FILE, index.paths, metadata["size"]), index, skipped, metadata["labels"])


def _litert_found(file: Path, paths: Iterable[str], size: int) -> Iterable[Detections | Unreadable]:
    litert_model = litert.LiteRTModel(file)
    for path in paths:
        try:
            pixels = read_image(path)
        except ImageError as error:
            yield Unreadable(path, str(error))
            continue
        answer = litert_model.answer(letterbox(pixels, size).numpy())
        boxes = unletterbox(answer["boxes"], pixels.shape[:2], size)
        kept = (answer["classes"] >= 0) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # not on the padding alone
        yield Detections(boxes[kept].astype(np.float32), answer["scores"][kept], answer["classes"][kept])


def _of_readable(
    answers: Iterable[Detections | Unreadable], index: Index, skipped: SkippedFiles, labels: Iterable[str]
) -> tuple[Index, list[Detections]]:
    unknown = sorted(set(index.class_names) - set(labels))
    if unknown:
        raise UserError(f"The detector does not know {', '.join(unknown[:6])}; it knows {', '.join(list(labels)[:6])} ...")
    numbers = {name: number for number, name in enumerate(index.class_names)}
    number_of = np.array([numbers.get(label, -1) for label in labels], np.int32)
    read, found = [], []
    for place, answer in enumerate(tqdm(answers, "evaluating", total=len(index), unit=" images", leave=False)):
        if isinstance(answer, Unreadable):
            skipped.add(answer.path, answer.error)
            continue
        classes = number_of[answer.classes]
        read.append(place)
        found.append(Detections(answer.boxes[classes >= 0], answer.scores[classes >= 0], classes[classes >= 0]))
    return index.take(read), found
