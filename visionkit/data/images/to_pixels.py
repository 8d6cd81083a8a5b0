"""Conversion of images in memory, in any usual form, to the pixels that a file of the same image has."""

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from visionkit.data.images.bit_depth import blended_in_eight_bits
from visionkit.data.images.decode import ImageError, decode, opaque_rgb, pixels_of
from visionkit.data.images.deep_color import is_deep_color

EXPECTED = "expected a path, uint8 or uint16 pixels (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), a PIL image, or encoded bytes"


def to_pixels(image: Any) -> np.ndarray:
    """Convert an image in memory in the way in which files are read; see ``decode.read_image``.

    Args:
        image: grey, RGB or RGBA pixels, uint8 or uint16; a PIL image of any mode; the bytes of an image file; or a file object
            that holds them.

    Returns:
        uint8 RGB ``(H, W, 3)``.

    Raises:
        ImageError: the image is empty, damaged, or of another shape or dtype.
    """
    if isinstance(image, Image.Image):
        _refuse_empty(image.size[::-1])
        try:
            if is_deep_color(image):  # just opened: Pillow would keep the upper 8 bits
                image.fp.seek(0)
                return decode(image.fp.read())
            return pixels_of(ImageOps.exif_transpose(image))
        except ImageError:
            raise
        except Exception as error:  # Pillow may decode only now, and raises OSError, SyntaxError, struct.error, ...
            raise ImageError(f"damaged {image.format or 'image'} ({error})") from error
    if isinstance(image, bytes | bytearray | memoryview):
        return decode(bytes(image))
    if hasattr(image, "read"):
        contents = image.read()
        if isinstance(contents, str):
            raise ImageError("received a file object in text mode; open it in binary mode: open(path, 'rb')")
        if not contents:
            raise ImageError("received a file object that is empty or at its end; if it was read before, call seek(0)")
        return decode(contents)
    if isinstance(image, list | tuple):
        raise ImageError(f"received a {type(image).__name__}; {EXPECTED}: predict_many takes several images")
    if not hasattr(image, "__array__"):
        raise ImageError(f"received {type(image).__name__}; {EXPECTED}")
    return _from_array(np.asarray(image))


def _from_array(array: np.ndarray) -> np.ndarray:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise ImageError(f"received an array of shape {array.shape}; {EXPECTED}")
    _refuse_empty(array.shape)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:  # of either byte order
        array, _ = blended_in_eight_bits(array)
    if array.dtype != np.uint8:
        raise ImageError(
            f"received {array.dtype} pixels; expected uint8 in 0..255: convert floats in 0..1 by "
            "(255 * image).round().astype('uint8')"
        )
    return opaque_rgb(array)


def _refuse_empty(shape: tuple[int, ...]) -> None:
    if 0 in shape[:2]:
        raise ImageError(f"received an empty image, {shape[0]} x {shape[1]} pixels; a crop must overlap the image")
