"""A bundle of a segmenter: raw images or volumes of any size in, a class for every pixel out, with TensorFlow alone.

``visionkit/export/bundle.py`` describes its files. Masks are predicted tile by tile (``overlap_tile``). The LiteRT model takes
one tile, float32 ``(1, size, size, 3)`` pixels in 0..255, or of a standardized volume ``(1, sides..., channels)``, and returns
the probabilities of its pixels, ``(1, spatial..., num_classes)``, from one view. LiteRT cannot pool volumes, so a 3-D U-Net has
no LiteRT model.
"""

from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from visionkit.data.arrays import volumes
from visionkit.data.images.decode import decode_in_graph
from visionkit.errors import UserError
from visionkit.export.bundle import write_bundle
from visionkit.export.network import Network
from visionkit.export.overlap_tile import Tiling, overlap_tile
from visionkit.layers.folding import folded

Views = Literal["one", "mirror", "eight"]
NUM_VIEWS: dict[str, int] = {"one": 1, "mirror": 2, "eight": 8}
MARGIN = {2: 32, 3: 4}  # pixels, by rank: what lies beyond says little, and costs as much as the image itself
LARGEST = {2: 768, 3: 96}  # pixels a side of a tile: a smaller image is one tile


def tiling_of(rank: int, multiple: int) -> Tiling:
    """How images (rank 2) or volumes (3) are cut for a network whose sides are multiples of ``multiple``."""
    margin = MARGIN[rank]
    largest = max(LARGEST[rank] // multiple * multiple, -(-4 * margin // multiple) * multiple)
    return Tiling(margin, largest, multiple)


class SegmenterModule(tf.Module):
    """A segmenter with its pre- and post-processing inside; see ``export_segmenter``."""

    def __init__(
        self,
        network: keras.Model,
        class_names: tuple[str, ...],
        *,
        tiling: Tiling,
        views: Views = "one",
        half_precision: bool = False,
    ):
        super().__init__(name="segmenter")
        self._network = Network(folded(network), half_precision=half_precision)
        self._tiling, self._views = tiling, views
        self._rank, self._classes = len(network.input_shape) - 2, len(class_names)
        channels = network.input_shape[-1]
        tiles = tf.TensorSpec([None] * (self._rank + 1) + [channels], tf.float32, name="tiles")
        # Traced once, called by the others.
        self.serve_tiles = tf.function(self.tile_probabilities, input_signature=[tiles], autograph=False)
        raw = tf.uint8 if self._rank == 2 else tf.float32
        one = tf.TensorSpec([None] * self._rank + [channels], raw)
        self._mask = tf.function(lambda values: self._predict_one(values, best_class), input_signature=[one], autograph=False)
        name = "images" if self._rank == 2 else "values"
        inputs = tf.TensorSpec([None] * (self._rank + 1) + [channels], raw, name=name)
        setattr(self, f"serve_{name}", tf.function(self._masks, input_signature=[inputs], autograph=False))
        if self._rank == 2:
            files = tf.TensorSpec([None], tf.string, name="image_bytes")
            self.serve_encoded = tf.function(self._encoded_masks, input_signature=[files], autograph=False)
        self.serve_probabilities = tf.function(self._probabilities, input_signature=[inputs], autograph=False)

    def tile_probabilities(self, tiles: tf.Tensor) -> tf.Tensor:
        """Float32 ``(N, sides..., channels)`` to float32 ``(N, sides..., num_classes)``, from one view."""
        return tf.nn.softmax(self._network.forward(tiles))

    def _mean_of_views(self, tiles: tf.Tensor) -> tf.Tensor:
        """As ``tile_probabilities``, averaged over all views."""
        tiles = tf.cast(tiles, tf.float32)
        probabilities = [undo(self.serve_tiles(do(tiles))) for do, undo in views_of(self._views, self._rank)]
        return tf.add_n(probabilities) / len(probabilities)

    def _predict_one(self, values: tf.Tensor, finish: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """``finish`` of the probabilities of an image or volume."""
        values = standardized(values) if self._rank == 3 else values
        return overlap_tile(values, self._mean_of_views, self._tiling, finish, num_classes=self._classes)

    def _map(self, inputs: tf.Tensor, predict: Callable[[tf.Tensor], tf.Tensor], spec: tf.TensorSpec) -> tf.Tensor:
        """``predict`` of each image or volume, whose shape and dtype are ``spec``."""

        def nothing():  # a map over no images does not know their sides
            return tf.zeros(tf.concat([tf.shape(inputs)[:-1], spec.shape[self._rank :]], 0), spec.dtype)

        def predictions():
            return tf.map_fn(predict, inputs, fn_output_signature=spec, parallel_iterations=1)  # more would hold more images

        return tf.cond(tf.shape(inputs)[0] == 0, nothing, predictions)

    def _masks(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The masks of images of one size, uint8 RGB ``(N, H, W, 3)``, or of volumes, float32 ``(N, D, H, W, channels)``.

        Returns:
            ``mask``, uint8, of the same sides: the position of each pixel's class in labels.txt.
        """
        return {"mask": self._map(inputs, self._mask, tf.TensorSpec([None] * self._rank, tf.uint8))}

    def _probabilities(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """As ``_masks``, but ``probabilities``, float32, classes last: they take four bytes for each class of each pixel."""
        spec = tf.TensorSpec([None] * self._rank + [self._classes], tf.float32)
        return {"probabilities": self._map(inputs, partial(self._predict_one, finish=tf.identity), spec)}

    def _encoded_masks(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded JPEG, PNG, GIF or BMP files ``(N,)``, each of any size, to ``mask_png``: their masks as grey PNG files."""

        def predict(contents):
            return tf.io.encode_png(self._mask(decode_in_graph(contents))[..., None])

        spec = tf.TensorSpec([], tf.string)
        return {"mask_png": tf.map_fn(predict, image_bytes, fn_output_signature=spec, parallel_iterations=1)}


def best_class(probabilities: tf.Tensor) -> tf.Tensor:
    """The number of the most probable class: ``(..., K)`` to uint8 ``(...)``."""
    return tf.cast(tf.argmax(probabilities, -1, tf.int32), tf.uint8)


def standardized(values: tf.Tensor) -> tf.Tensor:
    """Scale each channel of one volume ``(D, H, W, channels)`` to mean 0 and deviation 1, as ``volumes.standardized`` does."""
    values = tf.cast(values, tf.float64)
    axes = list(range(values.shape.rank - 1))
    mean, deviation = tf.reduce_mean(values, axes), tf.math.reduce_std(values, axes)
    is_constant = deviation <= tf.abs(mean) * np.finfo(np.float32).eps
    return tf.cast(tf.where(is_constant, tf.zeros_like(values), (values - mean) / deviation), tf.float32)


def views_of(views: Views, rank: int) -> list[tuple[Callable, Callable]]:
    """Pairs of functions that turn tiles ``(N, sides..., channels)`` before they are predicted, and the predictions back.

    "mirror" reverses the last spatial axis; "eight" are all quarter turns of the last two axes, and their mirror images.
    """
    rows, columns = rank - 1, rank

    def turned(quarters: int, mirrored: bool) -> tuple[Callable, Callable]:
        def do(x):
            x = tf.reverse(x, [columns]) if mirrored else x
            return _quarters(x, quarters, rows, columns)

        def undo(x):
            x = _quarters(x, -quarters % 4, rows, columns)
            return tf.reverse(x, [columns]) if mirrored else x

        return do, undo

    quarters = range(4) if views == "eight" else (0,)
    return [turned(*each) for each in product(quarters, (False,) if views == "one" else (False, True))]


def _quarters(x: tf.Tensor, count: int, rows: int, columns: int) -> tf.Tensor:
    """``x``, turned by quarters in the plane of two axes."""
    if count == 2:
        return tf.reverse(x, [rows, columns])
    if count == 0:
        return x
    order = list(range(x.shape.rank))
    order[rows], order[columns] = columns, rows
    return tf.reverse(tf.transpose(x, order), [rows if count == 1 else columns])


def predict_with(network: keras.Model, tiling: Tiling) -> Callable[[np.ndarray], np.ndarray]:
    """A function from one image or volume to its mask, uint8, that uses a network with the weights that it has when called."""
    rank = len(network.input_shape) - 2
    spec = tf.TensorSpec([None] * rank + [network.input_shape[-1]], tf.uint8 if rank == 2 else tf.float32)

    def forward(tiles):
        return tf.nn.softmax(network(tf.cast(tiles, tf.float32), training=False))

    @partial(tf.function, input_signature=[spec], autograph=False)
    def predict(values):
        return overlap_tile(values, forward, tiling, best_class, num_classes=network.output_shape[-1])

    return lambda values: predict(tf.constant(values if rank == 2 else volumes.standardized(values))).numpy()


def export_segmenter(
    network: keras.Model,
    folder: str | Path,
    *,
    class_names: tuple[str, ...],
    multiple: int,
    litert_sides: tuple[int, ...],
    metadata: dict[str, Any],
    views: Views = "one",
    half_precision: bool = False,
    trained: keras.Model | None = None,
) -> Path:
    """Write a segmenter as a bundle, atomically.

    Its signatures are ``serving_default`` (``images``, or ``values`` of volumes), ``serving_probabilities`` and, for images,
    ``serving_encoded`` (``image_bytes``); see ``SegmenterModule`` for their outputs.

    Args:
        network: float32 ``(N, sides..., channels)`` of any sides that are multiples of ``multiple``, to logits
            ``(N, sides..., num_classes)``: pixels in 0..255, or standardized volumes.
        folder: a bundle there is replaced.
        class_names: names in the order of the logits.
        multiple: what the sides of the network's input are multiples of.
        litert_sides: sides of the one tile that the LiteRT model takes.
        metadata: for ``bundle.json``: what a reader of the bundle wants to know (base, data, ...).
        views: the views of a tile over which predictions are averaged.
        half_precision: keep the weights as float16.
        trained: the network that was trained, which the bundle keeps; it may predict masks of other levels, too.

    Returns:
        the folder.

    Raises:
        UserError: the views are not known, the number of names is not that of the classes, or the folder exists and is no
            bundle.
    """
    if views not in NUM_VIEWS:
        raise UserError(f"views={views!r}: expected one of {', '.join(NUM_VIEWS)}.")
    if network.output_shape[-1] != len(class_names):
        raise UserError(f"{len(class_names)} class names for a network of {network.output_shape[-1]} classes.")
    rank, channels = len(network.input_shape) - 2, network.input_shape[-1]
    tiling = tiling_of(rank, multiple)
    module = SegmenterModule(network, class_names, tiling=tiling, views=views, half_precision=half_precision)
    signatures = {
        "serving_default": module.serve_images if rank == 2 else module.serve_values,
        "serving_probabilities": module.serve_probabilities,
    }
    if rank == 2:
        signatures["serving_encoded"] = module.serve_encoded
    described = {"views": views, "tile": list(litert_sides), "tiling": tiling._asdict(), **metadata}
    return write_bundle(
        module,
        folder,
        task="segmentation",
        signatures=signatures,
        litert_function=module.tile_probabilities,
        litert_shape=(1, *litert_sides, channels),
        class_names=class_names,
        metadata=described | ({"input": "volume"} if rank == 3 else {}),
        network=trained,
    )
