"""The LiteRT (TensorFlow Lite) twin of a bundle, for phones and small computers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def convert(function: Callable[[tf.Tensor], tf.Tensor], input_shape: tuple[int, ...], owner: tf.Module) -> bytes:
    """Convert a function of one float32 tensor to a LiteRT model with float16 weights.

    Args:
        function: computed with variables of ``owner``.
        input_shape: with the batch, which LiteRT fixes: ``(1, size, size, 3)``.
        owner: kept alive while the function is traced.

    Raises:
        Exception: an operation has no LiteRT twin; the converter's errors have no common type.
    """
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec(input_shape, tf.float32, name="pixels"))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def run(path: str | Path, pictures: np.ndarray) -> np.ndarray:
    """Answers ``(N, num_classes)`` of a LiteRT file for float32 ``(N, size, size, 3)``, one picture at a time."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    source, answer = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for picture in pictures:
        interpreter.set_tensor(source, picture[None].astype(np.float32))
        interpreter.invoke()
        rows.append(interpreter.get_tensor(answer)[0].copy())
    return np.stack(rows)
