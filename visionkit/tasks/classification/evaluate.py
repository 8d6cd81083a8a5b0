"""Ask an exported bundle about all validation images: what is measured is what is shipped."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from visionkit.data.index import Index, SkippedFiles, SmallImages
from visionkit.errors import UserError
from visionkit.export.bundle import find_bundle, read_metadata
from visionkit.inference.results import ClassificationResult
from visionkit.tasks.classification.predict import Classifier

BATCH = 256  # small images


def answers_to_files(bundle: Path, val: Index, skipped: SkippedFiles) -> tuple[Index, np.ndarray]:
    """The bundle's probabilities for images in files.

    Args:
        bundle: a classifier.
        val: the images.
        skipped: takes those that cannot be read any more.

    Returns:
        the images that could be read, and float32 ``(N, num_classes)``.
    """
    model = Classifier(bundle, read_metadata(bundle))
    answers = list(tqdm(model.predict_many(val.paths), "evaluating", total=len(val), unit=" images", leave=False))
    for answer in answers:
        if not isinstance(answer, ClassificationResult):
            skipped.add(answer.path, answer.error)
    read = [i for i, answer in enumerate(answers) if isinstance(answer, ClassificationResult)]
    rows = [[dict(answers[i].top)[name] for name in val.class_names] for i in read]
    return val.take(read), np.array(rows, np.float32)


def answers_to_small_images(bundle: Path, images: SmallImages) -> np.ndarray:
    """The bundle's probabilities for images in memory, float32 ``(N, num_classes)``."""
    model = tf.saved_model.load(str(bundle))
    starts = tqdm(range(0, len(images), BATCH), "evaluating", unit=" batches", leave=False)
    parts = [model.serve_images(images.as_rgb(start, start + BATCH))["probabilities"].numpy() for start in starts]
    return np.concatenate(parts)


def accuracy_of(bundle: str | Path, val: Index | SmallImages) -> float:
    """The share of images whose class a bundle names; of those in files, of those that can be read.

    Raises:
        UserError: the images have classes that the bundle does not know, or none of them can be read.
    """
    labels = read_metadata(find_bundle(bundle))["labels"]
    unknown = sorted(set(val.class_names) - set(labels))
    if unknown:
        raise UserError(f"{bundle} does not know {', '.join(unknown[:6])}; it knows {', '.join(labels[:6])} ...")
    if isinstance(val, SmallImages):
        columns = [labels.index(name) for name in val.class_names]
        probabilities = answers_to_small_images(find_bundle(bundle), val)[:, columns]
        return float((probabilities.argmax(axis=1) == val.labels).mean())
    read, probabilities = answers_to_files(find_bundle(bundle), val, SkippedFiles())
    if len(read) == 0:
        raise UserError(f"None of {len(val)} validation images can be read.")
    return float((probabilities.argmax(axis=1) == read.labels).mean())
