"""Do a bundle and its LiteRT twin give the same answers?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from visionkit.data.decode import read_picture
from visionkit.data.windows import fit
from visionkit.export import litert
from visionkit.export.bundle import TWIN, describe


def twin_difference(folder: str | Path, paths: Sequence[str]) -> float | None:
    """The largest difference between the probabilities of a bundle and of its LiteRT twin; None if it has no twin.

    Args:
        folder: the bundle.
        paths: pictures to compare on, at least one.
    """
    folder = Path(folder)
    if not (folder / TWIN).is_file():
        return None
    size = describe(folder)["size"]
    bundle = tf.saved_model.load(str(folder))
    pictures = [read_picture(path) for path in paths]
    whole = np.concatenate([bundle.serve_images(picture[None])["probabilities"].numpy() for picture in pictures])
    twin = litert.run(folder / TWIN, np.stack([fit(picture, size).numpy() for picture in pictures]))
    return float(np.abs(whole - twin).max())
