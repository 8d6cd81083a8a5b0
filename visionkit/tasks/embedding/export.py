"""A bundle that turns images into embeddings: a SavedModel that takes raw images, with TensorFlow alone.

Its files are those of ``visionkit.export.bundle``; its LiteRT model takes a padded square and returns the embedding. Images of
the same thing have embeddings with a small Euclidean distance.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from visionkit.data.images.decode import decode_in_graph
from visionkit.data.images.resize import letterbox
from visionkit.export.bundle import write_bundle
from visionkit.export.network import Network


class Embedding(tf.Module):
    """A network that embeds, with its pre- and post-processing inside.

    Args:
        network: float32 pixels ``(N, size, size, 3)`` in 0..255 to embeddings ``(N, D)``.
        mirror: average with the embedding of the mirror image; embeddings of length 1 are then normalized again.
        half_precision: keep the weights as float16.
    """

    def __init__(self, network: keras.Model, *, mirror: bool = False, half_precision: bool = False):
        super().__init__(name="embedding")
        self._network = Network(network, half_precision=half_precision)
        self._size, self._mirror = network.input_shape[1], mirror
        self._has_unit_length = is_unit(network)
        square = tf.TensorSpec([None, self._size, self._size, 3], tf.float32, name="pixels")
        # Traced once, called by the others.
        self.serve_pixels = tf.function(self.embedding, input_signature=[square], autograph=False)

    def embedding(self, pixels: tf.Tensor) -> tf.Tensor:
        """Padded squares, float32 ``(N, size, size, 3)`` in 0..255, to float32 ``(N, D)``."""
        if not self._mirror:
            return self._network.forward(pixels)
        plain, mirrored = tf.split(self._network.forward(tf.concat([pixels, tf.reverse(pixels, [2])], 0)), 2)
        mean = (plain + mirrored) / 2
        return tf.math.l2_normalize(mean, axis=1) if self._has_unit_length else mean

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serve_images(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Images of one size, uint8 RGB ``(N, H, W, 3)``, to ``embedding`` float32 ``(N, D)``."""
        return {"embedding": self.serve_pixels(letterbox(images, self._size))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")], autograph=False)
    def serve_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded JPEG, PNG, GIF or BMP files ``(N,)``, each of any size, to the outputs of ``serve_images``."""
        pixels = tf.map_fn(
            lambda contents: letterbox(decode_in_graph(contents), self._size), image_bytes, fn_output_signature=tf.float32
        )
        return {"embedding": self.serve_pixels(pixels)}


def whole_embeddings(network: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """A function from images of one size, uint8 ``(N, H, W, 3)``, to embeddings by the network's weights at each call."""
    size = network.input_shape[1]

    @partial(tf.function, input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)], autograph=False)
    def embed(images):
        return network(letterbox(images, size), training=False)

    return lambda images: embed(tf.constant(images)).numpy()


def is_unit(network: keras.Model) -> bool:
    """Whether the last layer normalizes embeddings to length 1."""
    return isinstance(network.layers[-1], keras.layers.UnitNormalization)


def export_embedder(
    network: keras.Model, folder: str | Path, *, metadata: dict[str, Any], mirror: bool = False, half_precision: bool = False
) -> Path:
    """Write a network that embeds as a bundle, atomically.

    Args:
        network: float32 pixels ``(N, size, size, 3)`` in 0..255 to embeddings ``(N, D)``.
        folder: a bundle there is replaced.
        metadata: for ``bundle.json``; ``threshold`` is the Euclidean distance up to which two images show the same,
            ``alignment`` how faces have to be aligned ("mtcnn"), or None.
        mirror: see ``Embedding``.
        half_precision: keep the weights as float16.

    Returns:
        the folder.

    Raises:
        UserError: the folder exists and is no bundle.
    """
    module = Embedding(network, mirror=mirror, half_precision=half_precision)
    size, dimensions = network.input_shape[1], network.output_shape[-1]
    return write_bundle(
        module,
        folder,
        task="embedding",
        signatures={"serving_default": module.serve_images, "serving_encoded": module.serve_encoded},
        litert_function=module.embedding,
        litert_shape=(1, size, size, 3),
        class_names=(),
        metadata={"size": size, "dimensions": dimensions, "unit": is_unit(network), "mirror": mirror, **metadata},
        network=network,
    )
