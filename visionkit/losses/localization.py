"""Losses of localization: one object and its box, or landmarks."""

import keras
from keras import ops

BOX, CLASSES = slice(1, 5), slice(5, None)  # columns of ground truth and predictions, after the presence
BOX_WEIGHT = 5.0


def localization_loss(truth: keras.KerasTensor, predictions: keras.KerasTensor) -> keras.KerasTensor:
    """The loss of presence, box and class of an object; without an object, only the presence counts.

    Args:
        truth: ``(N, 5 + num_classes)``: 1 if there is an object, else 0; its box as x, y of the center, width and height,
            relative to the image; its class, one-hot. Without an object, all columns but the first are ignored.
        predictions: the same columns: a logit; the box, 0..1; logits.

    Returns:
        ``(N,)``: the cross-entropy of the presence, plus, where there is an object, the absolute error of the box and the
        cross-entropy of the class.
    """
    presence = ops.cast(truth[:, 0], predictions.dtype)
    has_object = presence > 0.5
    object_loss = BOX_WEIGHT * ops.sum(ops.abs(truth[:, BOX] - predictions[:, BOX]), axis=-1)
    object_loss += ops.categorical_crossentropy(truth[:, CLASSES], predictions[:, CLASSES], from_logits=True)
    presence_loss = ops.binary_crossentropy(presence, predictions[:, 0], from_logits=True)
    return presence_loss + ops.where(has_object, object_loss, 0.0)


def landmark_loss(truth: keras.KerasTensor, points: keras.KerasTensor) -> keras.KerasTensor:
    """Mean L1 distance of the visible landmarks.

    Args:
        truth: ``(N, K, 3)``: x, y and visibility, 0 where a landmark is not annotated or lies outside of the image.
        points: ``(N, K, 2)``: x and y.

    Returns:
        ``(N,)``, in the unit of the coordinates; 0 where no landmark is visible.
    """
    visible = ops.cast(truth[..., 2] > 0, points.dtype)
    distances = ops.sum(ops.abs(truth[..., :2] - points), axis=-1)
    return ops.sum(visible * distances, axis=-1) / ops.maximum(ops.sum(visible, axis=-1), 1.0)
