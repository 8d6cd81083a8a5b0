"""The only place that loads a SavedModel: its files are compared with their digests, and its graph is looked into, first."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from visionkit.bundle_files import AGAIN, check_files
from visionkit.errors import UserError
from visionkit.inference.graph_check import check_graph


def load_saved_model(folder: str | Path, *, trust: bool = False) -> Any:
    """Load the SavedModel of a bundle. Nothing of it runs before it was checked.

    Args:
        folder: the bundle.
        trust: load it also if its graph does more than compute: read files, say, or call Python. See ``check_graph``.

    Raises:
        UserError: a file is missing or damaged, or the graph does more than compute.
    """
    folder = Path(folder).expanduser()
    check_files(folder)
    if not trust:
        check_graph(folder)
    try:
        return tf.saved_model.load(str(folder))
    except MemoryError:
        raise
    except Exception as error:  # TensorFlow's errors about damaged files have no common type
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{folder} cannot be loaded: {first[:300]} Its saved_model.pb or variables/ are damaged or incomplete. {AGAIN}"
        ) from error
