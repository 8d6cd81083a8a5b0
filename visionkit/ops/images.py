"""Augmentation of a batch of images on any Keras backend, and so on the accelerator.

Images are float32 ``(N, H, W, 3)`` in 0..255. Nothing is random here: the parameters were sampled before.
"""

import keras
from keras import ops

from visionkit.ops.colors import GREY_SHARES, PADDING

Tensor = keras.KerasTensor


def mirror(images: Tensor, where: Tensor) -> Tensor:
    """Flip images horizontally where bool ``where`` ``(N,)`` is true."""
    return ops.where(where[:, None, None, None], ops.flip(images, axis=2), images)


def recolor(images: Tensor, color: Tensor, grey: Tensor, offset: Tensor) -> Tensor:
    """Each pixel becomes ``color @ pixel + grey * mean grey of the image + offset``, within 0..255.

    Args:
        images: the batch.
        color: ``(N, 3, 3)``.
        grey: ``(N,)``.
        offset: ``(N, 3)``.
    """
    shares = ops.convert_to_tensor(GREY_SHARES, dtype=images.dtype)
    mean = ops.sum(ops.mean(images, axis=(1, 2)) * shares, axis=-1)
    added = (grey * mean)[:, None] + offset
    return ops.clip(ops.einsum("nhwc,ndc->nhwd", images, color) + added[:, None, None, :], 0.0, 255.0)


def erase(images: Tensor, boxes: Tensor) -> Tensor:
    """Paint a box of each image grey: float32 ``(N, 4)``, xyxy, relative; an empty box changes nothing."""
    return ops.where(_within(images, boxes), float(PADDING), images)


def mix(images: Tensor, partners: Tensor, shares: Tensor, patches: Tensor) -> Tensor:
    """MixUp and CutMix: blend each image with its partner, or paste a patch of the partner.

    Args:
        images: the batch.
        partners: int ``(N,)``, positions in the batch.
        shares: ``(N,)``, weight of the image itself in the blend.
        patches: ``(N, 4)``, xyxy, relative: the box that is pasted from the partner; an empty box pastes nothing.
    """
    others = ops.take(images, partners, axis=0)
    share = shares[:, None, None, None]
    return ops.where(_within(images, patches), others, share * images + (1 - share) * others)


def _within(images: Tensor, boxes: Tensor) -> Tensor:
    """Bool ``(N, H, W, 1)``: which pixels lie in their image's box, rounded to whole pixels."""
    height, width = images.shape[1:3]
    left, top, right, bottom = (ops.round(boxes[:, i] * side)[:, None] for i, side in enumerate((width, height, width, height)))
    x, y = (ops.arange(side, dtype="float32")[None] for side in (width, height))
    across, down = ops.logical_and(x >= left, x < right), ops.logical_and(y >= top, y < bottom)
    return ops.logical_and(down[:, :, None], across[:, None, :])[..., None]
