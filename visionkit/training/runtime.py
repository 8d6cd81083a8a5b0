"""What the machine offers: seeds, devices, compilation."""

import os

import keras
import tensorflow as tf


def prepare(seed: int) -> str:
    """Seed Python, NumPy and Keras, and let a GPU's memory grow with need.

    Returns:
        the device in words, for the log and the report.
    """
    keras.utils.set_random_seed(seed)
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        return ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus)
    return f"CPU with {os.cpu_count()} cores"


def jit_compile() -> bool:
    """Whether to compile training steps with XLA: on a GPU it helps; on a CPU it makes convolutions slower."""
    return bool(tf.config.list_physical_devices("GPU"))
