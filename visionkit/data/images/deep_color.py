"""Reads color images with more than 8 bits a channel, of which Pillow would keep the upper 8 bits or nothing."""

import io

import cv2
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from visionkit.data.images.contents import ImageError

PLANAR_CONFIGURATION, BITS, SEPARATE = 284, 258, 2  # tags of a TIFF, and the value for a plane for each channel
COLOR_MODES = ("RGB", "RGBA", "RGBX", "RGBa", "LA")


def is_deep_color(header: Image.Image) -> bool:
    """Whether an opened, but not yet loaded image has several channels of 16 bits."""
    if header.mode not in COLOR_MODES or not getattr(header, "tile", None):
        return False
    if header.format == "TIFF":
        return max(header.tag_v2.get(BITS, (8,)), default=8) > 8
    arguments = header.tile[0].args
    if header.format == "PPM":
        return arguments[-1] == 2**16 - 1  # Pillow scales by any smaller limit, which is as declared
    return header.format == "PNG" and ";16" in arguments


def read_deep_color(contents: bytes, header: Image.Image | None) -> np.ndarray:
    """The stored values of a PNG, PPM or TIFF; a TIFF is already turned upright by its orientation.

    Args:
        contents: of the file.
        header: the opened image; None for a TIFF that Pillow does not know.

    Returns:
        ``(H, W)`` or ``(H, W, C)``, RGB or RGBA, of any dtype.

    Raises:
        ImageError: the file is damaged, or of a kind that is not read.
    """
    kind = "TIFF" if header is None else header.format
    if kind == "TIFF" and tags_of(contents, header).get(PLANAR_CONFIGURATION) == SEPARATE:  # OpenCV would mix the channels up
        raise ImageError("a TIFF of more than 8 bits with a plane for each channel is not read: save its channels interleaved")
    values = cv2.imdecode(np.frombuffer(contents, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise ImageError(f"damaged {kind} file, or of a kind that is not read")
    return in_rgb(values)


def in_rgb(values: np.ndarray) -> np.ndarray:
    """Exchange OpenCV's blue and red, or RGB's."""
    if values.ndim == 2 or values.shape[2] < 3:
        return values
    return values[..., [2, 1, 0, 3][: values.shape[2]]]


def tags_of(contents: bytes, header: Image.Image | None) -> ImageFileDirectory_v2:
    """The tags of the first page of a TIFF; ``header`` is None if Pillow does not know its kind.

    Raises:
        ImageError: the file is damaged.
    """
    if header is not None:
        return header.tag_v2
    file = io.BytesIO(contents)
    try:
        tags = ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        return tags
    except Exception as error:  # SyntaxError, struct.error, ...
        raise ImageError(f"damaged TIFF file ({error})") from error
