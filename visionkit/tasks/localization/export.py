"""A bundle that locates one thing, by its box or its landmarks: a SavedModel that takes raw images, with TensorFlow alone.

Its files are those of ``export/bundle.py``. Its LiteRT model takes a padded square and returns what the network returns.
"""

from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from visionkit.data.images.decode import decode_in_graph
from visionkit.data.images.resize import letterbox, letterbox_placement_in_graph
from visionkit.export.bundle import write_bundle
from visionkit.export.network import Network
from visionkit.losses.localization import BOX, CLASSES
from visionkit.ops.boxes import xyxy_of

Task = Literal["localization", "landmarks"]


class Locator(tf.Module):
    """A localizer or a landmark finder with its pre- and post-processing.

    Args:
        model: a network of ``models.localizer``, for float32 pixels ``(N, size, size, 3)`` in 0..255.
        task: what it predicts.
        class_names: the classes of a localizer, in the order of its logits.
    """

    def __init__(self, model: keras.Model, task: Task, class_names: tuple[str, ...]):
        super().__init__(name="locator")
        self._network = Network(model)
        self._size, self._labels = model.input_shape[1], tf.constant(list(class_names))
        square = tf.TensorSpec([None, self._size, self._size, 3], tf.float32, name="pixels")
        # Traced once, called by the others.
        self.serve_pixels = tf.function(self._network.forward, input_signature=[square], autograph=False)
        self._postprocess = self._object if task == "localization" else self._landmarks

    def litert_function(self, pixels: tf.Tensor) -> tf.Tensor:
        """The LiteRT model: padded squares, float32 ``(N, size, size, 3)`` in 0..255, to the network's predictions."""
        return self._network.forward(pixels)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serve_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Images of one size, uint8 RGB ``(N, H, W, 3)``. All coordinates are relative to the image.

        A localizer returns ``presence`` ``(N,)``, the probability that there is an object; ``label``, ``score`` ``(N,)``;
        ``box`` ``(N, 4)``, xyxy. A landmark finder returns ``points`` ``(N, K, 2)``, x and y.
        """
        frames = self._frame(tf.shape(images)[1:3])[None]
        return self._postprocess(self.serve_pixels(letterbox(images, self._size)), frames)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def serve_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded JPEG, PNG, GIF or BMP files ``(N,)``, each of any size, to the outputs of ``serve_images``."""

        def prepare(contents):
            image = decode_in_graph(contents)
            return letterbox(image, self._size), self._frame(tf.shape(image)[:2])

        pixels, frames = tf.map_fn(prepare, image_bytes, fn_output_signature=(tf.float32, tf.float32))
        return self._postprocess(self.serve_pixels(pixels), frames)

    def _frame(self, shape: tf.Tensor) -> tf.Tensor:
        """Where the image lies in the padded square, relative to it: float32 ``(2, 2)``, corner and sides, x before y."""
        return tf.cast(tf.stack(letterbox_placement_in_graph(shape, self._size))[:, ::-1], tf.float32) / self._size

    def _object(self, predictions: tf.Tensor, frames: tf.Tensor) -> dict[str, tf.Tensor]:
        corners = (tf.reshape(xyxy_of(predictions[:, BOX]), [-1, 2, 2]) - frames[:, :1]) / frames[:, 1:]
        probabilities = tf.nn.softmax(predictions[:, CLASSES])
        return {
            "presence": tf.sigmoid(predictions[:, 0]),
            "label": tf.gather(self._labels, tf.argmax(probabilities, axis=1)),
            "score": tf.reduce_max(probabilities, axis=1),
            "box": tf.clip_by_value(tf.reshape(corners, [-1, 4]), 0, 1),
        }

    def _landmarks(self, points: tf.Tensor, frames: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"points": (points - frames[:, :1]) / frames[:, 1:]}


def export_locator(
    model: keras.Model, folder: str | Path, *, task: Task, class_names: tuple[str, ...], metadata: dict[str, Any]
) -> Path:
    """Write a localizer or a landmark finder as a bundle, atomically.

    Args:
        model: a network of ``models.localizer``.
        folder: where the bundle is written; a bundle there is replaced.
        task: what it predicts.
        class_names: names of the classes, or of the landmarks.
        metadata: further values for ``bundle.json``.

    Returns:
        the folder.

    Raises:
        UserError: the folder exists and is no bundle.
    """
    module, size = Locator(model, task, class_names), model.input_shape[1]
    return write_bundle(
        module,
        folder,
        task=task,
        signatures={"serving_default": module.serve_images, "serving_encoded": module.serve_encoded},
        litert_function=module.litert_function,
        litert_shape=(1, size, size, 3),
        class_names=class_names,
        metadata={"size": size, **metadata},
        network=model,
    )
