"""A bundle that paints images in styles with TensorFlow alone: from raw images of any size to stylized images of that size.

Its files are those of ``bundle.py``; its labels are the styles. An image is painted as a whole, because the statistics of the
whole image affect each pixel. The LiteRT model takes ``pixels``, float32 ``(1, 256, 256, 3)`` in 0..255, and for several styles
``style``, float32 ``(1, num_styles)``: shares that sum to 1. It returns pixels of the same shape.
"""

from collections.abc import Callable, Sequence
from functools import partial
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

# The largest image that is painted at its own size: memory grows with it. Padded feature maps of 32 channels then stay below
# 512 MiB, so that TensorFlow's allocator fits two into each GiB; slightly larger ones would take half as much memory again.
MOST_PIXELS = 2000 * 2000
LITERT_SIDE = 256


class StylizerModule(tf.Module):
    """A function that paints, with pre- and post-processing.

    Args:
        paint: from float32 pixels ``(1, H, W, 3)`` in 0..255 and shares of the styles ``(1, S)`` to pixels of the same shape.
        tensors: the variables of ``paint``: a module, or a list.
        styles: names of the styles, in the order of the shares.
        multiple: the sides that ``paint`` takes are multiples of this.
        smallest: smallest side in pixels that ``paint`` takes.
        most_pixels: larger images are shrunk before and enlarged after they are painted.
        default_shares: shares of the styles if none are requested; None takes the first style.
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
        default_shares: Sequence[float] | None = None,
    ):
        super().__init__(name="stylizer")
        self._tensors = tensors  # a SavedModel holds only variables that the module refers to
        self._multiple, self._smallest, self._most_pixels = multiple, -(-smallest // multiple) * multiple, most_pixels
        self._default = tf.constant(np.eye(len(styles))[:1] if default_shares is None else [default_shares], tf.float32)
        pixels = tf.TensorSpec([1, None, None, 3], tf.float32, name="pixels")
        shares = tf.TensorSpec([1, len(styles)], tf.float32, name="style")
        traced = partial(tf.function, autograph=False)
        self.serve_pixels = traced(paint, input_signature=[pixels, shares])  # traced once, called by the others
        one = (tf.TensorSpec([None, None, 3], tf.uint8, name="image"), tf.TensorSpec([len(styles)], tf.float32, name="share"))
        self._stylize_one = traced(self._stylized, input_signature=one)  # likewise
        images = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
        self.serve_images = traced(self._stylize_by_default, input_signature=[images])
        image_shares = tf.TensorSpec([None, len(styles)], tf.float32, name="shares")
        self.serve_styles = traced(self._stylize, input_signature=[images, image_shares])
        files = tf.TensorSpec([None], tf.string, name="image_bytes")
        self.serve_encoded = traced(self._stylize_encoded, input_signature=[files])

    def _stylize_by_default(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """From images of one size, uint8 RGB ``(N, H, W, 3)``, to ``stylized``, of the same shape, in the default styles."""
        return self._stylize(images, tf.repeat(self._default, tf.shape(images)[0], 0))

    def _stylize(self, images: tf.Tensor, shares: tf.Tensor) -> dict[str, tf.Tensor]:
        """The same with shares of the styles for each image, float32 ``(N, S)``, that sum to 1."""

        def one_by_one():  # several at a time would take the memory of several
            spec = tf.TensorSpec([None, None, 3], tf.uint8)
            pairs = (images, shares)
            return tf.map_fn(lambda pair: self._stylize_one(*pair), pairs, fn_output_signature=spec, parallel_iterations=1)

        # Without an image a map does not know the sides.
        return {"stylized": tf.cond(tf.shape(images)[0] == 0, lambda: images, one_by_one)}

    def _stylize_encoded(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """From JPEG, PNG, GIF or BMP files ``(N,)`` of any sizes to ``stylized_png``, PNG files, in the default styles."""

        def stylize_file(contents):
            return tf.io.encode_png(self._stylize_one(decode_in_graph(contents), self._default[0]))

        spec = tf.TensorSpec([], tf.string)
        return {"stylized_png": tf.map_fn(stylize_file, image_bytes, fn_output_signature=spec, parallel_iterations=1)}

    def _stylized(self, image: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """From one image, uint8 ``(H, W, 3)``, to a stylized one."""
        sides = tf.shape(image)[:2]
        fewer = self._sides_to_paint(sides)

        def shrunk():
            scale = tf.cast(fewer / sides, tf.float32)
            small = resize(image, fewer, scale, kernel="triangle", antialias=True)
            return enlarge(self._paint_padded(small, shares), sides, most_pixels=self._most_pixels)

        return tf.cond(tf.reduce_all(fewer == sides), lambda: self._paint_padded(image, shares), shrunk)

    def _sides_to_paint(self, sides: tf.Tensor) -> tf.Tensor:
        """The sides of the image, shrunk in proportion if it is too large.

        Of a strip, which is padded to the smallest side, only the length shrinks.
        """
        exact = tf.cast(sides, tf.float64)
        scale = tf.minimum(tf.sqrt(self._most_pixels / tf.reduce_prod(exact)), 1.0)
        scaled = tf.maximum(tf.cast(tf.floor(exact * scale), tf.int32), tf.minimum(sides, self._smallest))
        return tf.minimum(scaled, tf.maximum(self._most_pixels // self._smallest, 1))

    def _paint_padded(self, image: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
        """Pad by mirroring to sides that ``paint`` takes, paint, and crop."""
        sides = tf.shape(image)[:2]
        padded = tf.maximum(-(-sides // self._multiple) * self._multiple, self._smallest)
        start = (padded - sides) // 2
        for axis in range(2):
            image = tf.gather(image, mirrored(sides[axis], padded[axis], start[axis]), axis=axis)
        painted = self.serve_pixels(tf.cast(image, tf.float32)[None], shares[None])[0]
        return to_uint8(painted[start[0] : start[0] + sides[0], start[1] : start[1] + sides[1]])


def to_uint8(pixels: tf.Tensor) -> tf.Tensor:
    """Round float32 pixels, and clip them to 0..255."""
    return tf.cast(tf.clip_by_value(tf.round(pixels), 0, 255), tf.uint8)


def resize(
    image: tf.Tensor,
    sides: tf.Tensor,
    scale: tf.Tensor,
    *,
    first_row: tf.Tensor | float = 0.0,
    kernel: str = "keyscubic",
    antialias: bool = False,
) -> tf.Tensor:
    """Resize an image, or a band of it; unlike ``tf.image.resize`` this does not convert the whole image to floats first.

    Args:
        image: uint8 ``(h, w, 3)``.
        sides: height and width of the result, int32 ``(2,)``.
        scale: factors of both axes, float32 ``(2,)``.
        first_row: first row of the band, at the new size.
        kernel: a name of ``ScaleAndTranslate``: "triangle" is bilinear, "keyscubic" bicubic.
        antialias: whether a smaller pixel is the mean of all pixels that fall on it.

    Returns:
        uint8 ``(*sides, 3)``.
    """
    offset = tf.stack([-first_row, 0.0])
    options = {"kernel_type": kernel, "antialias": antialias}
    return to_uint8(tf.raw_ops.ScaleAndTranslate(images=image[None], size=sides, scale=scale, translation=offset, **options)[0])


def enlarge(image: tf.Tensor, sides: tf.Tensor, *, most_pixels: int) -> tf.Tensor:
    """Resize an image by bicubic interpolation in bands of rows, so that only one band at a time is held as floats.

    Args:
        image: uint8 ``(h, w, 3)``.
        sides: height and width of the result, int32 ``(2,)``.
        most_pixels: largest number of pixels in a band; a band has at least one row.

    Returns:
        uint8 ``(*sides, 3)``.
    """
    height, width = sides[0], sides[1]
    scale = tf.cast(sides / tf.shape(image)[:2], tf.float32)
    rows = tf.clip_by_value(most_pixels // width, 1, height)

    def band(number):
        start = tf.cast(number * rows, tf.float32)
        return resize(image, tf.stack([rows, width]), scale, first_row=start)

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
    """Write a network that paints as a bundle.

    Its signatures are ``serving_default`` (``images``), ``serving_styles`` (``images`` and ``shares``) and ``serving_encoded``
    (``image_bytes``); see ``StylizerModule`` for their outputs.

    Args:
        network: ``models.style_network`` for images of any size.
        folder: see ``write_bundle``.
        styles: a name for each of the network's styles.
        metadata: for ``bundle.json``: what a reader of the bundle wants to know (data, metrics, ...).
        half_precision: keep the weights as float16.

    Returns:
        the folder.

    Raises:
        UserError: the number of names is not that of the network's styles, a name is used twice, or the folder is not a bundle.
    """
    num_styles = network.inputs[1].shape[-1]
    if num_styles != len(styles):
        raise UserError(f"{len(styles)} names ({', '.join(styles)}) for a network of {num_styles} styles.")
    module_network = Network(network, half_precision=half_precision)

    def paint(pixels, shares):
        return module_network.forward([pixels, shares])

    def paint_first(pixels):
        return paint(pixels, tf.ones([1, 1]))

    module = StylizerModule(paint, module_network, styles=styles, multiple=MULTIPLE, smallest=SMALLEST)
    shape = (1, LITERT_SIDE, LITERT_SIDE, 3)
    return _write(
        module,
        folder,
        styles,
        litert_function=paint_first if num_styles == 1 else paint,
        litert_shape=shape if num_styles == 1 else {"pixels": shape, "style": (1, num_styles)},
        metadata={"size": LITERT_SIDE, **metadata},
        network=network,
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
    default_shares: Sequence[float] | None = None,
) -> Path:
    """Write any function that paints as a bundle, such as an optimization with its gradients; it has no LiteRT model.

    Args:
        paint: see ``StylizerModule``; it is traced once, without autograph.
        tensors: the variables of ``paint``: a module, or a list. Other tensors become constants of the graph.
        folder: see ``write_bundle``.
        styles: names of the styles, in the order of the shares.
        metadata: for ``bundle.json``.
        multiple: see ``StylizerModule``.
        smallest: see ``StylizerModule``.
        most_pixels: see ``StylizerModule``.
        default_shares: see ``StylizerModule``; ``shares`` in ``bundle.json``.

    Returns:
        the folder.

    Raises:
        UserError: a name is used twice, or the folder is not a bundle.
    """
    sides = {"multiple": multiple, "smallest": smallest, "most_pixels": most_pixels}
    module = StylizerModule(paint, tensors, styles=styles, default_shares=default_shares, **sides)
    described = {"litert": "not converted: it paints by a computation that LiteRT does not run"}
    described |= {} if default_shares is None else {"shares": list(default_shares)}
    return _write(module, folder, styles, litert_function=None, litert_shape=None, metadata=described | metadata)


def _write(module: StylizerModule, folder: str | Path, styles: tuple[str, ...], **options: Any) -> Path:
    if len(set(styles)) < len(styles):
        raise UserError(f"Styles {', '.join(styles)}: each needs a name of its own.")
    signatures = {
        "serving_default": module.serve_images,
        "serving_styles": module.serve_styles,
        "serving_encoded": module.serve_encoded,
    }
    return write_bundle(module, folder, task="stylization", signatures=signatures, class_names=styles, **options)
