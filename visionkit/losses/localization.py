"""What a network pays for a wrong answer about where something is: one object and its box, or landmarks."""

import keras
from keras import ops

BOX, CLASSES = slice(1, 5), slice(5, None)  # columns of truth and answer, behind the presence
BOX_WEIGHT = 5.0


def localization_loss(truth: keras.KerasTensor, answer: keras.KerasTensor) -> keras.KerasTensor:
    """Is there an object, where, and of which class? Where there is none, only the first question counts.

    Args:
        truth: ``(N, 5 + num_classes)``: 1 if there is an object, else 0; its box as x, y of the center, width and height,
            relative to the image; its class, one-hot. Without an object what stands behind the first column is not looked at.
        answer: the same columns: a logit; the box, 0..1; logits.

    Returns:
        ``(N,)``: the cross-entropy of the presence, and where there is an object the absolute error of the box and the
        cross-entropy of the class.
    """
    presence = ops.cast(truth[:, 0], answer.dtype)
    is_there = presence > 0.5
    of_object = BOX_WEIGHT * ops.sum(ops.abs(truth[:, BOX] - answer[:, BOX]), axis=-1)
    of_object += ops.categorical_crossentropy(truth[:, CLASSES], answer[:, CLASSES], from_logits=True)
    of_presence = ops.binary_crossentropy(presence, answer[:, 0], from_logits=True)
    return of_presence + ops.where(is_there, of_object, 0.0)


def landmark_loss(truth: keras.KerasTensor, points: keras.KerasTensor) -> keras.KerasTensor:
    """Mean distance, by rows and columns, of the landmarks that are seen.

    Args:
        truth: ``(N, K, 3)``: x, y and visibility, 0 where a landmark is not annotated or lies outside of the image.
        points: ``(N, K, 2)``: x and y.

    Returns:
        ``(N,)``, in the unit of the coordinates; 0 where no landmark is seen.
    """
    seen = ops.cast(truth[..., 2] > 0, points.dtype)
    apart = ops.sum(ops.abs(truth[..., :2] - points), axis=-1)
    return ops.sum(seen * apart, axis=-1) / ops.maximum(ops.sum(seen, axis=-1), 1.0)
