"""Ask an exported detector, or its LiteRT twin, about annotated pictures: what is measured is what is shipped."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from visionkit.data.images.decode import PictureError, read_picture
from visionkit.data.images.resize import boxes_on_picture, letterbox
from visionkit.data.index import Index, SkippedFiles
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import TWIN, describe, find_bundle
from visionkit.inference.predictor import Unreadable
from visionkit.metrics.detection import Found
from visionkit.tasks.detection.predict import Detector

THRESHOLD = 0.001  # low, so that precision is known at every recall


def answers_to_annotated(
    bundle: str | Path, index: Index, skipped: SkippedFiles, threshold: float = THRESHOLD
) -> tuple[Index, list[Found]]:
    """What a detector finds on annotated pictures.

    Args:
        bundle: a detector.
        index: the pictures.
        skipped: takes those that cannot be read any more.
        threshold: only what scores more.

    Returns:
        the pictures that could be read, and what was found on each, with the index's class numbers. What is of a class that the
        index lacks is left out.

    Raises:
        UserError: the index has classes that the bundle does not know.
    """
    folder = find_bundle(bundle)
    detector = Detector(folder, describe(folder))
    found = detector.each(index.paths, lambda path, pixels: detector.found(pixels, threshold))
    return _of_readable(found, index, skipped, detector.labels)


def twin_answers_to_annotated(bundle: str | Path, index: Index, skipped: SkippedFiles) -> tuple[Index, list[Found]] | None:
    """What the LiteRT twin of a detector finds, at its own low threshold; None if the bundle has no twin.

    See ``answers_to_annotated``.
    """
    folder = find_bundle(bundle)
    if not (folder / TWIN).is_file():
        return None
    facts = describe(folder)
    return _of_readable(_twin_found(folder / TWIN, index.paths, facts["size"]), index, skipped, facts["labels"])


def _twin_found(file: Path, paths: Iterable[str], size: int) -> Iterable[Found | Unreadable]:
    twin = litert.Twin(file)
    for path in paths:
        try:
            pixels = read_picture(path)
        except PictureError as error:
            yield Unreadable(path, str(error))
            continue
        answer = twin.answer(letterbox(pixels, size).numpy())
        boxes = boxes_on_picture(answer["boxes"], pixels.shape[:2], size)
        kept = (answer["classes"] >= 0) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # not on the padding alone
        yield Found(boxes[kept].astype(np.float32), answer["scores"][kept], answer["classes"][kept])


def _of_readable(
    answers: Iterable[Found | Unreadable], index: Index, skipped: SkippedFiles, labels: Iterable[str]
) -> tuple[Index, list[Found]]:
    unknown = sorted(set(index.class_names) - set(labels))
    if unknown:
        raise UserError(f"The detector does not know {', '.join(unknown[:6])}; it knows {', '.join(list(labels)[:6])} ...")
    numbers = {name: number for number, name in enumerate(index.class_names)}
    number_of = np.array([numbers.get(label, -1) for label in labels], np.int32)
    read, found = [], []
    for place, answer in enumerate(tqdm(answers, "evaluating", total=len(index), unit=" pictures", leave=False)):
        if isinstance(answer, Unreadable):
            skipped.add(answer.path, answer.error)
            continue
        classes = number_of[answer.classes]
        read.append(place)
        found.append(Found(answer.boxes[classes >= 0], answer.scores[classes >= 0], classes[classes >= 0]))
    return index.take(read), found
