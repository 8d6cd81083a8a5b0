"""The runtime: seeds, devices and compilation."""

import logging
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import visionkit


def prepare(seed: int) -> str:
    """Seed Python, NumPy and Keras, let GPU memory grow on demand, and silence a warning.

    TensorFlow warns when a function is traced for several sizes of images, which is intended here.

    Returns:
        the name of the device, for the log and the report.
    """
    keras.utils.set_random_seed(seed)
    tf.get_logger().addFilter(_is_not_on_retracing)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    return device_name()


def device_name() -> str:
    """What the computation runs on, for people."""
    if gpus := tf.config.list_physical_devices("GPU"):
        return ", ".join(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus)
    return f"CPU with {os.cpu_count()} cores"


def leave_accelerators() -> None:
    """Use the processor alone from now on, if no accelerator has been used yet: TensorFlow would take all of its memory."""
    with suppress(RuntimeError):
        tf.config.set_visible_devices([], "GPU")


def _is_not_on_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


def versions() -> str:
    """The versions of the programs that decide what a training results in."""
    return (
        f"visionkit {visionkit.__version__}, TensorFlow {tf.__version__}, Keras {keras.__version__}, "
        f"Python {platform.python_version()}"
    )


class EventWriter:
    """A file of events that TensorBoard reads; only TensorFlow is needed to write it.

    Args:
        folder: takes the file. TensorBoard joins all files of a folder to one run, so that a resumed run goes on there.
    """

    def __init__(self, folder: Path):
        self._writer = tf.summary.create_file_writer(str(folder))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Append a number."""
        self._write(name, tf.constant(value, tf.float32), step, "scalars")

    def text(self, name: str, text: str, step: int) -> None:
        """Append a text in Markdown."""
        self._write(name, tf.constant(text), step, "text")

    def _write(self, name: str, value: tf.Tensor, step: int, plugin: str) -> None:
        metadata = tf.compat.v1.SummaryMetadata()
        metadata.plugin_data.plugin_name = plugin
        with self._writer.as_default():
            tf.summary.write(name, value, step, metadata)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


def frozen(model: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """A faster function with the model's outputs: its weights are constants, which TensorFlow folds together.

    Args:
        model: a model with one float32 input and one output; later training does not change the function.
    """
    pixels = tf.TensorSpec(model.inputs[0].shape, tf.float32)
    forward = tf.function(lambda inputs: model(inputs, training=False), input_signature=[pixels], autograph=False)
    constant = convert_variables_to_constants_v2(forward.get_concrete_function())
    return lambda inputs: constant(tf.convert_to_tensor(inputs))[0]


def with_gradient(function: Callable[..., Any]) -> Callable[..., tuple[Any, tf.Tensor]]:
    """A compiled function that returns the outputs of ``function``, and the gradient of the first output.

    Args:
        function: returns a tuple, a scalar first, which is differentiated by the first argument.
    """

    @partial(tf.function, reduce_retracing=True, autograph=False)
    def outputs_and_gradient(x, *others):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = function(x, *others)
        return outputs, tape.gradient(outputs[0], x)

    return outputs_and_gradient


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile the function to a graph."""
    return tf.function(function, reduce_retracing=True, autograph=False)


@cache
def has_fast_bfloat16() -> bool:
    """Whether convolutions in bfloat16 are faster here than in float32: processors with AMX, GPUs since Ampere."""
    if gpus := tf.config.list_physical_devices("GPU"):
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return capability >= (8, 0)
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and "amx_bf16" in flags.read_text()


def has_accelerator() -> bool:
    """Whether there is a device besides the processor."""
    return bool(tf.config.list_physical_devices("GPU"))


def jit_compile() -> bool:
    """Whether to compile training steps with XLA: on a GPU it helps; on a CPU it makes convolutions slower."""
    return has_accelerator()
