"""The LiteRT (TensorFlow Lite) model of a bundle, for phones and small computers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from visionkit.errors import UserError
from visionkit.files import check_file

Shapes = tuple[int, ...] | dict[str, tuple[int, ...]]


def convert(
    function: Callable[..., tf.Tensor | dict[str, tf.Tensor]], input_shape: Shapes, *, half_precision: bool = True
) -> bytes:
    """Convert a function of float32 tensors to a LiteRT model.

    Args:
        function: the names of its outputs are kept.
        input_shape: shape of the input, with the batch, which LiteRT fixes: ``(1, size, size, 3)``; for several inputs, their
            shapes by name, in the order in which ``function`` takes them.
        half_precision: whether weights are stored as float16.

    Raises:
        Exception: LiteRT lacks an operation; the converter's errors have no common type.
    """
    shapes = input_shape if isinstance(input_shape, dict) else {"pixels": input_shape}
    specs = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in shapes.items()]
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    owner = tf.Module()  # the converter saves all of it: it holds the weights, and none of the bundle's other functions
    owner.weights = concrete.variables
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner)
    if half_precision:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


class LiteRTModel:
    """A LiteRT model in memory.

    Raises:
        UserError: the file is missing or damaged.
    """

    def __init__(self, path: str | Path):
        try:
            check_file(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
        try:
            self._run = Interpreter(str(path)).get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise UserError(
                f"{path} is damaged: it is no LiteRT model. Copy the whole folder again, or export it again."
            ) from error
        self._inputs = frozenset(self._run.get_input_details())

    def answer(self, image: np.ndarray, **others: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs for one image, by name and without the axis of the batch.

        Args:
            image: float32 ``(size, size, 3)``.
            others: further inputs by name, each without the axis of the batch.
        """
        (name,) = self._inputs - others.keys()
        outputs = self._run(**{each: value[None].astype(np.float32) for each, value in {name: image, **others}.items()})
        return {name: value[0].copy() for name, value in outputs.items()}


def run(path: str | Path, images: np.ndarray) -> np.ndarray:
    """Outputs ``(N, num_classes)`` of a LiteRT file for float32 ``(N, size, size, 3)``, one image at a time."""
    litert_model = LiteRTModel(path)
    return np.stack([next(iter(litert_model.answer(image).values())) for image in images])
