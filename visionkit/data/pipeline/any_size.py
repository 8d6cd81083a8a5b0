"""Batches whose type does not name the size of the images."""

import tensorflow as tf


def of_any_size(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches, for training with images of several sizes: what is traced for one size serves for all.

    Args:
        batches: as ``TrainingPipeline.epoch`` makes them.
    """

    @tf.autograph.experimental.do_not_convert
    def forget_size(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return batch | {"image": tf.compat.v1.placeholder_with_default(batch["image"], [None, None, None, 3])}

    return batches.map(forget_size)
