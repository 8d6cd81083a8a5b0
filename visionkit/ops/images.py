"""What augmentation does to a batch of images, on any Keras backend, so on the accelerator.

Images are float32 ``(N, H, W, 3)`` in 0..255. Nothing is random here: the numbers were drawn before.
"""

import keras
from keras import ops

from visionkit.ops.colors import GREY_SHARES, PADDING

Tensor = keras.KerasTensor


def mirror(images: Tensor, where: Tensor) -> Tensor:
    """Exchange left and right of the images that bool ``where`` ``(N,)`` names."""
    return ops.where(where[:, None, None, None], ops.flip(images, axis=2), images)


def recolor(images: Tensor, color: Tensor, grey: Tensor, offset: Tensor) -> Tensor:
    """Each pixel becomes ``color @ pixel + grey * mean grey of the image + offset``, within 0..255.

    Args:
        images: to recolor.
        color: ``(N, 3, 3)``.
        grey: ``(N,)``.
        offset: ``(N, 3)``.
    """
    shares = ops.convert_to_tensor(GREY_SHARES, dtype=images.dtype)
    mean = ops.sum(ops.mean(images, axis=(1, 2)) * shares, axis=-1)
    added = (grey * mean)[:, None] + offset
    return ops.clip(ops.einsum("nhwc,ndc->nhwd", images, color) + added[:, None, None, :], 0.0, 255.0)


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """Paint a box of each image grey: float32 ``(N, 4)``, xyxy, relative; an empty one hides nothing."""
    return ops.where(_within(images, boxes), float(PADDING), images)


def mix(images: Tensor, partners: Tensor, shares: Tensor, patches: Tensor) -> Tensor:
    """MixUp and CutMix: each image blended with its partner, or with a patch of it.

    Args:
        images: to mix.
        partners: int ``(N,)``, places in the batch.
        shares: ``(N,)``, of the image itself.
        patches: ``(N, 4)``, xyxy, relative: what is the partner's alone; empty where nothing is.
    """
    others = ops.take(images, partners, axis=0)
    own = shares[:, None, None, None]
    return ops.where(_within(images, patches), others, own * images + (1 - own) * others)


def _within(images: Tensor, boxes: Tensor) -> Tensor:
    """Bool ``(N, H, W, 1)``: which pixels lie in their image's box, rounded to whole pixels."""
    height, width = images.shape[1:3]
    left, top, right, bottom = (ops.round(boxes[:, i] * side)[:, None] for i, side in enumerate((width, height, width, height)))
    x, y = (ops.arange(side, dtype="float32")[None] for side in (width, height))
    across, down = ops.logical_and(x >= left, x < right), ops.logical_and(y >= top, y < bottom)
    return ops.logical_and(down[:, :, None], across[:, None, :])[..., None]
