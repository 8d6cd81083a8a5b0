"""Do a bundle and its LiteRT model give the same answers?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visionkit.data.images.decode import read_image
from visionkit.data.images.resize import center_crop, letterbox
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, read_metadata


def litert_difference(folder: str | Path, images: Sequence[str | np.ndarray], probabilities: np.ndarray) -> float | None:
    """The largest difference between the probabilities of a bundle and of its LiteRT model; None if it has no litert_model.

    Args:
        folder: the bundle.
        images: files or uint8 pixels ``(H, W, 3)`` to compare on, at least one.
        probabilities: what the bundle answered for them, ``(N, num_classes)``.
    """
    folder = Path(folder)
    if not (folder / LITERT_FILE).is_file():
        return None
    metadata = read_metadata(folder)
    seen = letterbox if metadata.get("whole") else center_crop
    pixels = [image if isinstance(image, np.ndarray) else read_image(image) for image in images]
    litert_model = litert.run(folder / LITERT_FILE, np.stack([seen(image, metadata["size"]).numpy() for image in pixels]))
    return float(np.abs(probabilities - litert_model).max())
