"""Blocks that several families of networks share: functions of a tensor of any spatial rank."""

from typing import NamedTuple

import keras

from visionkit.layers import nd

EPSILON = 1e-3  # added to the variance, unless a network publishes another value


class Names(NamedTuple):
    """Layer names of one convolution, its normalisation and its activation."""

    conv: str
    bn: str
    activation: str


def conv_bn(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int | tuple[int, ...],
    *,
    names: Names,
    strides: int = 1,
    activation: str | None = None,
    momentum: float = 0.99,
    epsilon: float = EPSILON,
    use_bias: bool = False,
    padding: int | None = None,
) -> keras.KerasTensor:
    """Convolution, batch normalisation, and an activation unless it is None.

    Args:
        x: ``(N, spatial..., C)``.
        strides: the sides of the output are ``ceil(side / strides)``.
        epsilon: added to the variance of the normalisation.
        use_bias: whether the convolution has a bias; the normalisation makes it redundant, but published files may have one.
        padding: number of zeros on every side; 0 is a valid convolution. None pads as TensorFlow does: with strides and an even
            side, on the right only.

    Returns:
        ``(N, spatial..., filters)``.
    """
    same = padding is None or (strides == 1 and kernel_size == 2 * padding + 1)
    x = x if same or padding == 0 else pad(x, padding, name=f"{names.conv}_pad")
    options = {"use_bias": use_bias, "kernel_initializer": he_fan_out(), "name": names.conv}
    x = nd.layer("Conv", x)(filters, kernel_size, strides, "same" if same else "valid", **options)(x)
    return normalize_and_activate(x, names, activation, momentum=momentum, epsilon=epsilon)


def pad(x: keras.KerasTensor, count: int, *, name: str) -> keras.KerasTensor:
    """Add ``count`` zeros on every side of ``(N, spatial..., C)``."""
    return nd.layer("ZeroPadding", x)(count, name=name)(x)


def max_pool(x: keras.KerasTensor, size: int, strides: int, *, name: str, round_up: bool = True) -> keras.KerasTensor:
    """Max pooling without padding.

    Args:
        x: ``(N, spatial..., C)``, without negative values.
        round_up: whether the last window may reach beyond the image, as in Caffe; else incomplete windows are dropped.
    """
    if round_up:
        beyond = ((0, strides - 1),) * nd.rank(x)
        x = nd.layer("ZeroPadding", x)(beyond if nd.rank(x) > 1 else beyond[0], name=f"{name}_pad")(x)
    return nd.layer("MaxPooling", x)(size, strides, name=name)(x)


def depthwise_bn(
    x: keras.KerasTensor,
    kernel_size: int,
    *,
    names: Names,
    strides: int = 1,
    activation: str | None = None,
    momentum: float = 0.99,
    epsilon: float = EPSILON,
    padding: int | None = None,
) -> keras.KerasTensor:
    """One filter a channel (depthwise convolution), batch normalisation, activation; ``C`` is unchanged. See ``conv_bn``."""
    explicit = padding is not None and strides > 1
    x = pad(x, padding, name=f"{names.conv}_pad") if explicit else x
    options = {"use_bias": False, "depthwise_initializer": he_fan_out(), "name": names.conv}
    x = nd.layer("DepthwiseConv", x)(kernel_size, strides, "valid" if explicit else "same", **options)(x)
    return normalize_and_activate(x, names, activation, momentum=momentum, epsilon=epsilon)


def squeeze_excite(x: keras.KerasTensor, filters: int, *, name: str, activation: str) -> keras.KerasTensor:
    """Scale every channel by a gate that is computed from the means of all channels.

    Squeeze-and-Excitation Networks, Hu et al. 2017, https://arxiv.org/abs/1709.01507.

    Args:
        x: ``(N, spatial..., C)``.
        filters: width of the bottleneck between the means and the gates.
    """
    channels = x.shape[-1]
    gate = nd.layer("GlobalAveragePooling", x)(name=f"{name}squeeze")(x)
    gate = keras.layers.Reshape((1,) * nd.rank(x) + (channels,), name=f"{name}reshape")(gate)
    conv = nd.layer("Conv", x)
    gate = conv(filters, 1, activation=activation, kernel_initializer=he_fan_out(), name=f"{name}reduce")(gate)
    gate = conv(channels, 1, activation="sigmoid", kernel_initializer=he_fan_out(), name=f"{name}expand")(gate)
    return keras.layers.Multiply(name=f"{name}excite")([x, gate])


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to the nearest multiple of ``divisor``, but never more than a tenth below ``channels``."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def normalize_and_activate(
    x: keras.KerasTensor, names: Names, activation: str | None, *, momentum: float = 0.99, epsilon: float = EPSILON
) -> keras.KerasTensor:
    """Batch normalisation of ``(N, spatial..., C)``, and an activation unless it is None."""
    x = keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon, name=names.bn)(x)
    return x if activation is None else keras.layers.Activation(activation, name=names.activation)(x)


def he_fan_out() -> keras.initializers.Initializer:
    """The initializer of EfficientNet and MobileNet: He et al. 2015 (https://arxiv.org/abs/1502.01852), by fan-out.

    It returns a new initializer each time: a shared one would give layers of the same shape the same weights.
    """
    return keras.initializers.VarianceScaling(2.0, mode="fan_out", distribution="truncated_normal")
