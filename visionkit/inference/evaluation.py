"""Ask an exported bundle about all validation pictures: what is measured is what is shipped."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from visionkit.data.sample import Index, SkippedFiles
from visionkit.data.small_pictures import SmallPictures
from visionkit.inference.loading import Prediction, load

BATCH = 256  # small pictures


def answers_to_files(bundle: Path, val: Index, skipped: SkippedFiles) -> tuple[Index, np.ndarray]:
    """The bundle's probabilities for pictures in files.

    Args:
        bundle: a classifier.
        val: the pictures.
        skipped: takes those that cannot be read any more.

    Returns:
        the pictures that could be read, and float32 ``(N, num_classes)``.
    """
    model = load(bundle)
    answers = list(tqdm(model.predict_many(val.paths), "evaluating", total=len(val), unit=" pictures", leave=False))
    for answer in answers:
        if not isinstance(answer, Prediction):
            skipped.add(answer.path, answer.error)
    read = [i for i, answer in enumerate(answers) if isinstance(answer, Prediction)]
    rows = [[dict(answers[i].top)[name] for name in val.class_names] for i in read]
    return val.take(read), np.array(rows, np.float32)


def answers_to_small_pictures(bundle: Path, pictures: SmallPictures) -> np.ndarray:
    """The bundle's probabilities for pictures in memory, float32 ``(N, num_classes)``."""
    model = tf.saved_model.load(str(bundle))
    starts = tqdm(range(0, len(pictures), BATCH), "evaluating", unit=" batches", leave=False)
    parts = [model.serve_images(pictures.as_rgb(start, start + BATCH))["probabilities"].numpy() for start in starts]
    return np.concatenate(parts)
