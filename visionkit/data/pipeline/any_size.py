"""Batches whose element spec leaves the size of the images open."""

import tensorflow as tf


def of_any_size(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The same batches with images of unknown size: a function that is traced for one size then serves all sizes.

    Args:
        batches: from ``TrainingPipeline.epoch``.
    """

    @tf.autograph.experimental.do_not_convert
    def forget_size(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return batch | {"image": tf.compat.v1.placeholder_with_default(batch["image"], [None, None, None, 3])}

    return batches.map(forget_size)
