"""The LiteRT (TensorFlow Lite) twin of a bundle, for phones and small computers."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter


def convert(
    function: Callable[[tf.Tensor], tf.Tensor | dict[str, tf.Tensor]], input_shape: tuple[int, ...], owner: tf.Module
) -> bytes:
    """Convert a function of one float32 tensor to a LiteRT model with float16 weights.

    Args:
        function: computed with variables of ``owner``; names in its answer are kept.
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
    return np.stack([next(iter(answer.values())) for answer in answers(path, pictures)])


def answers(path: str | Path, pictures: Iterable[np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
    """All that a LiteRT file answers, by name, for each float32 ``(size, size, 3)``."""
    runner = Interpreter(str(path)).get_signature_runner()
    (name,) = runner.get_input_details()
    for picture in pictures:
        answer = runner(**{name: picture[None].astype(np.float32)})
        yield {key: value[0].copy() for key, value in answer.items()}
