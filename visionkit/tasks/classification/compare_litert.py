"""Do a bundle and its LiteRT twin give the same answers?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visionkit.data.images.decode import read_picture
from visionkit.data.images.resize import fit, letterbox
from visionkit.export import litert
from visionkit.export.bundle import TWIN, describe


def twin_difference(folder: str | Path, pictures: Sequence[str | np.ndarray], probabilities: np.ndarray) -> float | None:
    """The largest difference between the probabilities of a bundle and of its LiteRT twin; None if it has no twin.

    Args:
        folder: the bundle.
        pictures: files or uint8 pixels ``(H, W, 3)`` to compare on, at least one.
        probabilities: what the bundle answered for them, ``(N, num_classes)``.
    """
    folder = Path(folder)
    if not (folder / TWIN).is_file():
        return None
    facts = describe(folder)
    seen = letterbox if facts.get("whole") else fit
    pixels = [picture if isinstance(picture, np.ndarray) else read_picture(picture) for picture in pictures]
    twin = litert.run(folder / TWIN, np.stack([seen(picture, facts["size"]).numpy() for picture in pixels]))
    return float(np.abs(probabilities - twin).max())
