"""Feature pyramid: feature maps of several strides that exchange what they have computed.

Feature Pyramid Networks, Lin et al. 2016, https://arxiv.org/abs/1612.03144, adds the coarse maps, which know what is shown,
to the fine ones. Path aggregation (Liu et al. 2018, https://arxiv.org/abs/1803.01534) adds the fine maps, which know where, to
the coarse ones.
"""

from itertools import pairwise

import keras

from visionkit.layers import nd
from visionkit.layers.blocks import Names, conv_bn
from visionkit.models.endpoints import by_stride

ACTIVATION = "silu"


def named_conv(x: keras.KerasTensor, filters: int, kernel_size: int, *, name: str, strides: int = 1) -> keras.KerasTensor:
    """Convolution, batch normalisation, SiLU; see ``blocks.conv_bn``."""
    names = Names(f"{name}_conv", f"{name}_bn", f"{name}_{ACTIVATION}")
    return conv_bn(x, filters, kernel_size, names=names, strides=strides, activation=ACTIVATION, momentum=0.97)


def feature_pyramid(
    features: dict[str, keras.KerasTensor], filters: int, *, aggregate: bool = True, name: str = "fpn"
) -> dict[str, keras.KerasTensor]:
    """Turn a backbone's feature maps into as many maps of ``filters`` channels.

    Args:
        features: ``{"stride_8": (N, h, w, C), ...}``; each stride is twice the one before, and divides the sides.
        filters: channels of each result.
        aggregate: whether a second path leads from the fine maps back to the coarse ones.
        name: prefix of the layers' names.

    Returns:
        maps of the same keys and sides, in the same order.
    """
    keys = by_stride(features)
    maps = {key: named_conv(features[key], filters, 1, name=f"{name}_lateral_{key}") for key in keys}
    for fine, coarse in reversed(list(pairwise(keys))):
        larger = nd.layer("UpSampling", maps[coarse])(2, name=f"{name}_up_{fine}")(maps[coarse])
        maps[fine] = keras.layers.Add(name=f"{name}_add_{fine}")([maps[fine], larger])
        maps[fine] = named_conv(maps[fine], filters, 3, name=f"{name}_down_{fine}")
    if aggregate:
        for fine, coarse in pairwise(keys):
            smaller = named_conv(maps[fine], filters, 3, strides=2, name=f"{name}_to_{coarse}")
            maps[coarse] = keras.layers.Add(name=f"{name}_back_{coarse}")([maps[coarse], smaller])
    return maps
