"""A bundle that paints images in styles: raw images of any size in, painted ones of that size out, with TensorFlow alone.

It lies on disk as ``bundle.py`` says; its labels are the styles. An image is painted as a whole, for statistics of all of it
decide how each pixel is painted. The LiteRT model takes ``pixels``, float32 ``(1, 256, 256, 3)`` in 0..255, and where there are
several styles also ``style``, float32 ``(1, num_styles)``: shares that sum to 1. It answers with pixels of the same shape.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from visionkit.data.images.decode import decode_in_graph
from visionkit.errors import UserError
from visionkit.export.bundle import write_bundle
from visionkit.export.network import Network
from visionkit.export.overlap_tile import mirrored
from visionkit.models.style_network import MULTIPLE, SMALLEST

Paint = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # pixels (1, H, W, 3) and shares (1, S) to pixels (1, H, W, 3)

# Painted at once: the memory that it takes grows with them. The widest maps of 32 channels then stay below 512 MiB with their
# padding, of which TensorFlow's allocator lays two into each GiB; of a little more it lays one, and takes half as much again.
MOST_PIXELS = 2000 * 2000
LITERT_SIDE = 256


class Stylizer(tf.Module):
    """Anything that paints, with its pre- and post-processing inside.

    Args:
        paint: float32 pixels ``(1, H, W, 3)`` in 0..255 and shares of the styles ``(1, S)`` to pixels of the same shape.
        tensors: what holds its variables: a module, or a list.
        styles: names, in the order of the shares.
        multiple: of the sides that ``paint`` takes.
        smallest: side in pixels that it takes.
        most_pixels: larger images are shrunk for it, and its answer is enlarged.
        usual: shares of the styles where none are asked for; None takes the first style.
    """

    def __init__(
        self,
        paint: Paint,
        tensors: Any,
        *,
        styles: tuple[str, ...],
        multiple: int,
        smallest: int,
        most_pixels: int = MOST_PIXELS,
        usual: Sequence[float] | None = None,
    ):
        super().__init__(name="stylizer")
        self._tensors = tensors  # else they would not be saved
        self._multiple, self._smallest, self._most_pixels = multiple, -(-smallest // multiple) * multiple, most_pixels
        self._usual = tf.constant(np.eye(len(styles))[:1] if usual is None else [usual], tf.float32)
        pixels = tf.TensorSpec([1, None, None, 3], tf.float32, name="pixels")
        shares = tf.TensorSpec([1, len(styles)], tf.float32, name="style")
        self.serve_pixels = tf.function(paint, input_signature=[pixels, shares])  # traced once, called by the others
        images = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
        self.serve_images = tf.function(self._in_usual_style, input_signature=[images])
        several = tf.TensorSpec([None, len(styles)], tf.float32, name="shares")
        self.serve_styles = tf.function(self._in_styles, input_signature=[images, several])
        files = tf.TensorSpec([None], tf.string, name="image_bytes")
        self.serve_encoded = tf.function(self._encoded, input_signature=[files])

    def _in_usual_style(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Images of one size, uint8 RGB ``(N, H, W, 3)``, to ``stylized``, of the same shape and type: in the usual style."""
        return self._in_styles(images, tf.repeat(self._usual, tf.shape(images)[0], 0))

    def _in_styles(self, images: tf.Tensor, shares: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same, each image in its own blend of styles: ``shares``, float32 ``(N, S)``, that sum to 1."""
        if tf.shape(images)[0] == 0:  # of nothing a map does not know the sides
            return {"stylized": images}
        spec = tf.TensorSpec([None, None, 3], tf.uint8)
        painted = tf.map_fn(
            lambda each: self._painted(*each), (images, shares), fn_output_signature=spec, parallel_iterations=1
        )  # more at a time would hold more images
        return {"stylized": painted}

    def _encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Encoded JPEG, PNG, GIF or BMP files ``(N,)``, each of any size, to ``stylized_png``, as PNG: in the usual style."""

        def answer(contents):
            return tf.io.encode_png(self._painted(decode_in_graph(contents), self._usual[0]))

        spec = tf.TensorSpec([], tf.string)
        return {"stylized_png": tf.map_fn(answer, image_bytes, fn_output_signature=spec, parallel_iterations=1)}

    def _painted(self, image: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """One image, uint8 ``(H, W, 3)``, to the same."""
        sides = tf.shape(image)[:2]
        fewer = self._sides_to_paint(sides)
        if tf.reduce_all(fewer == sides):
            return self._painted_whole(image, shares)
        scale = tf.cast(fewer / sides, tf.float32)
        small = resized(image, fewer, scale, kernel="triangle", antialias=True)
        return enlarged(self._painted_whole(small, shares), sides, most_pixels=self._most_pixels)

    def _sides_to_paint(self, sides: tf.Tensor) -> tf.Tensor:
        """Those of the image, or in proportion shorter; of a strip, which is padded to the smallest side, only its length."""
        exact = tf.cast(sides, tf.float64)
        scale = tf.minimum(tf.sqrt(self._most_pixels / tf.reduce_prod(exact)), 1.0)
        scaled = tf.maximum(tf.cast(tf.floor(exact * scale), tf.int32), tf.minimum(sides, self._smallest))
        return tf.minimum(scaled, tf.maximum(self._most_pixels // self._smallest, 1))

    def _painted_whole(self, image: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """Padded on all sides by its mirror image to sides that can be painted, and cut back."""
        sides = tf.shape(image)[:2]
        padded = tf.maximum(-(-sides // self._multiple) * self._multiple, self._smallest)
        start = (padded - sides) // 2
        for axis in range(2):
            image = tf.gather(image, mirrored(sides[axis], padded[axis], start[axis]), axis=axis)
        painted = self.serve_pixels(tf.cast(image, tf.float32)[None], shares[None])[0]
        return as_bytes(painted[start[0] : start[0] + sides[0], start[1] : start[1] + sides[1]])


def as_bytes(pixels: tf.Tensor) -> tf.Tensor:
    """Float32 to uint8: rounded, and clipped to 0..255."""
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)


def resized(
    image: tf.Tensor,
    sides: tf.Tensor,
    scale: tf.Tensor,
    *,
    first_row: tf.Tensor | float = 0.0,
    kernel: str = "keyscubic",
    antialias: bool = False,
) -> tf.Tensor:
    """An image at another size, or a band of it; unlike ``tf.image.resize`` it makes no floats of the whole image first.

    Args:
        image: uint8 ``(h, w, 3)``.
        sides: of what is returned, int32 ``(2,)``.
        scale: of both axes, float32 ``(2,)``.
        first_row: the row, at the new size, with which the band begins.
        kernel: as ``ScaleAndTranslate`` names it: "triangle" is bilinear, "keyscubic" bicubic.
        antialias: mean over all that falls on a smaller pixel.

    Returns:
        uint8 ``(*sides, 3)``.
    """
    offset = tf.stack([-first_row, 0.0])
    options = {"kernel_type": kernel, "antialias": antialias}
    return as_bytes(tf.raw_ops.ScaleAndTranslate(images=image[None], size=sides, scale=scale, translation=offset, **options)[0])


def enlarged(image: tf.Tensor, sides: tf.Tensor, *, most_pixels: int) -> tf.Tensor:
    """An image at another size, by bicubic interpolation, in bands of rows: at no time are more floats held than one band's.

    Args:
        image: uint8 ``(h, w, 3)``.
        sides: height and width, int32 ``(2,)``.
        most_pixels: of a band, or one row.

    Returns:
        uint8 ``(*sides, 3)``.
    """
    height, width = sides[0], sides[1]
    scale = tf.cast(sides / tf.shape(image)[:2], tf.float32)
    rows = tf.clip_by_value(most_pixels // width, 1, height)

    def band(number):
        start = tf.cast(number * rows, tf.float32)
        return resized(image, tf.stack([rows, width]), scale, first_row=start)

    spec = tf.TensorSpec([None, None, 3], tf.uint8)
    bands = tf.map_fn(band, tf.range(-(-height // rows)), fn_output_signature=spec, parallel_iterations=1)
    return tf.reshape(bands, [-1, width, 3])[:height]


def export_stylizer(
    network: keras.Model,
    folder: str | Path,
    *,
    styles: tuple[str, ...],
    metadata: dict[str, Any],
    half_precision: bool = False,
) -> Path:
    """Write a network that paints as a bundle, beside and then renamed, so that it appears whole.

    Its signatures are ``serving_default`` (``images``), ``serving_styles`` (``images`` and ``shares``) and ``serving_encoded``
    (``image_bytes``); see ``Stylizer`` for their answers.

    Args:
        network: ``models.style_network``, of sides that are not fixed.
        folder: a bundle there is replaced.
        styles: a name for each of the network's styles.
        metadata: for ``bundle.json``: what a reader of the bundle wants to know (data, metrics, ...).
        half_precision: keep the weights as float16.

    Returns:
        the folder.

    Raises:
        UserError: styles that are more or less than the network's, a name given twice, or a folder stands there that is no
            bundle.
    """
    num_styles = network.inputs[1].shape[-1]
    if num_styles != len(styles):
        raise UserError(f"{len(styles)} names ({', '.join(styles)}) for a network of {num_styles} styles.")
    inside = Network(network, half_precision=half_precision)

    def paint(pixels, shares):
        return inside.forward([pixels, shares])

    def paint_first(pixels):
        return paint(pixels, tf.ones([1, 1]))

    module = Stylizer(paint, inside, styles=styles, multiple=MULTIPLE, smallest=SMALLEST)
    shape = (1, LITERT_SIDE, LITERT_SIDE, 3)
    return _write(
        module,
        folder,
        styles,
        litert_function=paint_first if num_styles == 1 else paint,
        litert_shape=shape if num_styles == 1 else {"pixels": shape, "style": (1, num_styles)},
        metadata={"size": LITERT_SIDE, **metadata},
    )


def export_painter(
    paint: Paint,
    tensors: Any,
    folder: str | Path,
    *,
    styles: tuple[str, ...],
    metadata: dict[str, Any],
    multiple: int = 1,
    smallest: int = SMALLEST,
    most_pixels: int = MOST_PIXELS,
    usual: Sequence[float] | None = None,
) -> Path:
    """Write any function that paints as a bundle, such as an optimisation with its gradients; it has no LiteRT model.

    Args:
        paint: see ``Stylizer``; traced once.
        tensors: what holds the variables that it uses: a module, or a list. Other tensors become constants of the graph.
        folder: a bundle there is replaced.
        styles: names, in the order of the shares.
        metadata: for ``bundle.json``.
        multiple: see ``Stylizer``.
        smallest: see ``Stylizer``.
        most_pixels: see ``Stylizer``.
        usual: see ``Stylizer``; stands in ``bundle.json`` as ``shares``.

    Returns:
        the folder.

    Raises:
        UserError: a name is given twice, or a folder stands there that is no bundle.
    """
    sides = {"multiple": multiple, "smallest": smallest, "most_pixels": most_pixels}
    module = Stylizer(paint, tensors, styles=styles, usual=usual, **sides)
    described = {"litert": "not converted: it paints by a computation that LiteRT does not run"}
    described |= {} if usual is None else {"shares": list(usual)}
    return _write(module, folder, styles, litert_function=None, litert_shape=None, metadata=described | metadata)


def _write(module: Stylizer, folder: str | Path, styles: tuple[str, ...], **options: Any) -> Path:
    if len(set(styles)) < len(styles):
        raise UserError(f"Styles {', '.join(styles)}: each needs a name of its own.")
    signatures = {
        "serving_default": module.serve_images,
        "serving_styles": module.serve_styles,
        "serving_encoded": module.serve_encoded,
    }
    return write_bundle(module, folder, task="stylization", signatures=signatures, class_names=styles, **options)
