"""Ask a bundle of ``export.locator_bundle`` about pictures in files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from visionkit.data.decode import read_picture


def locate(bundle: str | Path, paths: Iterable[str]) -> dict[str, np.ndarray]:
    """What a bundle says of each picture; see ``Locator.serve_images`` for the names. Labels are text.

    Raises:
        PictureError: one cannot be read.
    """
    model = tf.saved_model.load(str(bundle))
    answers = [model.serve_images(read_picture(path)[None]) for path in tqdm(paths, "evaluating", leave=False)]
    found = {name: np.concatenate([answer[name].numpy() for answer in answers]) for name in answers[0]}
    return found | ({"label": found["label"].astype(str)} if "label" in found else {})
