"""Pixelwise augmentation as a layer, so that the accelerator does it where few CPU cores feed it."""

from typing import Any

import keras

from visionkit.ops import images as image_ops

POINTWISE = {"flip": ((), "bool"), "color": ((3, 3), "float32"), "grey": ((), "float32"), "offset": ((3,), "float32")}
POINTWISE |= {"erase": ((4,), "float32")}
MIXING = {"partners": ((), "int32"), "shares": ((), "float32"), "patches": ((4,), "float32")}


@keras.saving.register_keras_serializable("visionkit")
class BatchAugmentation(keras.layers.Layer):
    """Flips, recolors, erases and mixes a batch, with the parameters that a pipeline with ``augment_on="device"`` sampled.

    It takes the dictionary of a batch: ``image`` uint8 ``(N, H, W, 3)``, the keys of ``POINTWISE``, and those of ``MIXING``
    where images are mixed. It returns float32 images in 0..255, and samples nothing itself.
    """

    def call(self, batch: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
        """The augmented images, float32 ``(N, H, W, 3)``."""
        images = keras.ops.cast(batch["image"], "float32")
        images = image_ops.mirror(images, batch["flip"])
        images = image_ops.recolor(images, batch["color"], batch["grey"], batch["offset"])
        images = image_ops.erase(images, batch["erase"])
        if "partners" in batch:
            images = image_ops.mix(images, *(batch[name] for name in MIXING))
        return images

    def compute_output_shape(self, input_shape: dict[str, tuple]) -> tuple[int | None, ...]:
        """The shape of the images."""
        return input_shape["image"]

    def compute_output_spec(self, batch: dict[str, keras.KerasTensor]) -> keras.KerasTensor:
        """Float32 images."""
        return keras.KerasTensor(batch["image"].shape, "float32")


def augmented(model: keras.Model, *, mixes: bool) -> keras.Model:
    """Put the augmentation before a model, for training; it shares the weights of ``model``.

    Args:
        model: a model of images ``(N, H, W, 3)``.
        mixes: whether the batches mix images.

    Returns:
        A model that takes the dictionaries of batches.
    """
    keys = POINTWISE | (MIXING if mixes else {})
    inputs: dict[str, Any] = {"image": keras.Input(model.input_shape[1:], dtype="uint8", name="image")}
    inputs |= {name: keras.Input(shape, dtype=dtype, name=name) for name, (shape, dtype) in keys.items()}
    return keras.Model(inputs, model(BatchAugmentation(name="augmentation")(inputs)), name=f"augmented_{model.name}")
