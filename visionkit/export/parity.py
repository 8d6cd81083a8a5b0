"""Do a bundle and its LiteRT twin give the same answers?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visionkit.data.decode import read_picture
from visionkit.data.windows import fit
from visionkit.export import litert
from visionkit.export.bundle import TWIN, describe


def twin_difference(folder: str | Path, paths: Sequence[str], probabilities: np.ndarray) -> float | None:
    """The largest difference between the probabilities of a bundle and of its LiteRT twin; None if it has no twin.

    Args:
        folder: the bundle.
        paths: pictures to compare on, at least one.
        probabilities: what the bundle answered for them, ``(N, num_classes)``.
    """
    folder = Path(folder)
    if not (folder / TWIN).is_file():
        return None
    size = describe(folder)["size"]
    twin = litert.run(folder / TWIN, np.stack([fit(read_picture(path), size).numpy() for path in paths]))
    return float(np.abs(probabilities - twin).max())
