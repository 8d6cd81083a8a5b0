"""What the machine offers: seeds, devices, compilation."""

import os
from collections.abc import Callable

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


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


def frozen(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function that answers as the model does now, faster: its weights are constants, which TensorFlow folds together.

    Args:
        model: one float32 input, one output; what it learns later is not seen.
    """
    pixels = tf.TensorSpec(model.inputs[0].shape, tf.float32)
    answer = tf.function(lambda inputs: model(inputs, training=False), input_signature=[pixels])
    constant = convert_variables_to_constants_v2(answer.get_concrete_function())
    return lambda inputs: constant(tf.convert_to_tensor(inputs))[0]


def train_epoch(model: keras.Model, batches: tf.data.Dataset, after_step: Callable[[], object]) -> dict[str, float]:
    """One epoch of a compiled model, as ``fit`` does it, without what ``fit`` sets up anew each time.

    Args:
        model: compiled, its optimizer built.
        batches: what ``train_step`` takes; it is traced once where the shapes of batches are left open.
        after_step: called after each.

    Returns:
        what the model tracks, means over the epoch.
    """
    step = model.make_train_function() or model.train_function
    model.reset_metrics()
    iterator, measured = iter(batches), {}
    while True:
        try:
            measured = step(iterator)
        except tf.errors.OutOfRangeError:
            return {name: float(value) for name, value in measured.items()}
        after_step()


def has_accelerator() -> bool:
    """Whether there is a device besides the processor."""
    return bool(tf.config.list_physical_devices("GPU"))


def jit_compile() -> bool:
    """Whether to compile training steps with XLA: on a GPU it helps; on a CPU it makes convolutions slower."""
    return has_accelerator()
