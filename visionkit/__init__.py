"""visionkit: applied vision with TensorFlow and Keras 3.

Importing it imports nothing heavy: ``visionkit.load``, ``visionkit.models`` and the other packages are imported when they are
first used. Keras, once it is imported, knows visionkit's layers, so that ``keras.models.load_model`` reads files with them.
"""

import importlib
import os
import sys
from typing import Any

from visionkit import lazy

__version__ = "0.1.0"

PACKAGES = (
    "data",
    "explain",
    "export",
    "faces",
    "inference",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "tasks",
    "training",
    "viz",
    "weights",
)
__all__ = ["PACKAGES", "load", "quiet_tensorflow"]


def quiet_tensorflow() -> None:
    """Import TensorFlow and look for devices, without its start-up notices.

    C++ writes the notices before any log level takes effect, so standard error itself is redirected meanwhile.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        importlib.import_module("tensorflow").config.list_physical_devices("GPU")
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)


def __getattr__(name: str) -> Any:
    if name == "load":
        if "tensorflow" not in sys.modules:
            quiet_tensorflow()
        return importlib.import_module("visionkit.tasks").load
    if name in PACKAGES:
        return importlib.import_module(f"visionkit.{name}")
    raise AttributeError(f"module 'visionkit' has no attribute {name!r}")


def _register_layers() -> None:
    """Let Keras know the layers that ``.keras`` files may hold; ``visionkit.models`` imports all modules that have some."""
    importlib.import_module("visionkit.models")


def __dir__() -> list[str]:
    return sorted([*globals(), *PACKAGES, "load"])


lazy.when_imported("keras", _register_layers)
