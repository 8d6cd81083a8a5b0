"""The table of input normalisations, and the layers that apply them inside a model.

Every visionkit model takes float32 pixels in 0..255 and normalises them itself, so that training, evaluation, export and
serving cannot disagree.
"""

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops


class Preset(NamedTuple):
    """``(pixel - mean) / deviation``, both in pixel units (0..255), one value for all channels or one per channel."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    bgr: bool = False  # channels are reordered to blue, green, red, as in Caffe; mean and deviation are in that order


IMAGENET_MEAN = (0.485, 0.456, 0.406)  # red, green, blue in 0..1
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)

PRESETS: dict[str, Preset] = {
    "none": Preset((0.0,), (1.0,)),
    "unit": Preset((0.0,), (255.0,)),  # 0..1
    "symmetric": Preset((127.5,), (127.5,)),  # -1..1: MobileNet, Inception
    "imagenet": Preset(tuple(255 * m for m in IMAGENET_MEAN), tuple(255 * d for d in IMAGENET_DEVIATION)),
    "caffe": Preset((103.939, 116.779, 123.68), (1.0,) * 3, bgr=True),  # VGG, and ResNet as keras.applications has it
    "efficientnet_lite": Preset((127.0,), (128.0,)),
    "facenet": Preset((127.5,), (128.0,)),
    "dlib": Preset((122.782, 117.001, 104.298), (256.0,) * 3),  # its face network
}

TINY = 1e-37  # the smallest peak by which a sample is divided, near the smallest float32
ROUNDING = 1e-6  # a deviation below this share of the peak is a rounding error of float32


def normalize(x: keras.KerasTensor, preset: str) -> keras.KerasTensor:
    """Apply a named preset to float pixels ``(N, spatial..., C)`` in 0..255.

    Raises:
        ValueError: ``preset`` is not in the table.
    """
    if preset not in PRESETS:
        raise ValueError(f"Unknown preset {preset!r}; expected one of {sorted(PRESETS)}.")
    mean, deviation, bgr = PRESETS[preset]
    if bgr and x.shape[-1] == len(mean):
        x = x[..., ::-1]
    scale = [1 / d for d in deviation]
    offset = [-m / d for m, d in zip(mean, deviation, strict=True)]
    if len(scale) not in (1, x.shape[-1]):  # signals, volumes, grey images have no red channel
        scale, offset = [sum(scale) / len(scale)], [sum(offset) / len(offset)]
    # Of one number, or with three axes: Keras would take a list for channels that stand first if keras.json says so.
    scale, offset = (values[0] if len(values) == 1 else [[values]] for values in (scale, offset))
    return keras.layers.Rescaling(scale, offset, name="rescaling")(x)


def normalize_from_weights(x: keras.KerasTensor) -> keras.KerasTensor:
    """Scale to 0..1, then normalise by a mean and a variance that are weights of the model, as in Keras' EfficientNet.

    Untrained they are 0 and 1: the batch normalisation after the stem's convolution absorbs any other choice. Pretrained files
    have their own (see ``mend_stored_deviation``).
    """
    x = keras.layers.Rescaling(1 / 255, name="rescaling")(x)
    return keras.layers.Normalization(axis=-1, name="normalization")(x)


def use_imagenet_statistics(model: keras.Model) -> None:
    """Set the "normalization" layer of ``model``, if any, to ImageNet's mean and variance, which PyTorch's files lack."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            for statistic, value in ((layer.adapt_mean, IMAGENET_MEAN), (layer.adapt_variance, np.square(IMAGENET_DEVIATION))):
                statistic.assign(np.reshape(value, statistic.shape))
            layer.finalize_state()  # Keras computes with constants that are derived from the weights: derive them again


def mend_stored_deviation(model: keras.Model) -> None:
    """Square the variance of the "normalization" layer of ``model`` if a file stored the deviation instead.

    The published EfficientNet files hold 0.229, 0.224, 0.225 as the *variance*; keras.applications compensates for that with
    another rescaling layer, which only its "imagenet" models have. With the square, the plain layer is correct.
    """
    layer = model.get_layer("normalization")
    variance = keras.ops.convert_to_numpy(layer.adapt_variance).ravel()
    if len(variance) == 3 and abs(variance - IMAGENET_DEVIATION).max() < 1e-3:
        layer.adapt_variance.assign(layer.adapt_variance**2)
    layer.finalize_state()  # Keras computes with constants that are derived from the weights: derive them again


@keras.saving.register_keras_serializable("visionkit")
class Standardize(keras.layers.Layer):
    """Standardizes each channel of each sample to the mean and deviation of ordinary pixels, whatever its unit.

    For signals and volumes, whose intensities have no common scale: ``(N, spatial..., C)`` to the same shape. The next layers
    may apply a preset as to pixels in 0..255; "imagenet", averaged over its channels, then yields mean 0 and deviation 1. A
    constant channel becomes the mean.
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        mean, deviation, _ = PRESETS["imagenet"]
        self._deviation = len(deviation) / sum(1 / d for d in deviation)
        self._mean = self._deviation * sum(m / d for m, d in zip(mean, deviation, strict=True)) / len(mean)

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The standardised samples."""
        axes = tuple(range(1, len(x.shape) - 1))
        # Dividing by the peak first keeps squares of huge values from overflowing, and those of tiny ones from vanishing.
        x = x / ops.maximum(ops.max(ops.abs(x), axes, keepdims=True, initial=0.0), TINY)
        x = x - ops.mean(x, axes, keepdims=True)
        deviation = ops.sqrt(ops.mean(ops.square(x), axes, keepdims=True))
        return x / ops.maximum(deviation, ROUNDING) * self._deviation + self._mean

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return input_shape
