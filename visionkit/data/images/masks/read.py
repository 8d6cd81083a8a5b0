"""Reading of masks: from the values in a file to a class for every pixel.

What the values mean is decided once for a whole data set (see ``mask_code``), and kept in ``Index.mask_code``. ``read_mask``
turns the values of one file into positions in the class names, with ``IGNORE`` where a pixel has no class.
"""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from visionkit.data.images.contents import read_contents
from visionkit.data.images.decode import ImageError, open_header
from visionkit.data.images.limits import memory_for
from visionkit.data.index import IGNORE, DataError, Index, MaskCode, Objects, Rle

MAX_CLASSES = 255
GREY_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N", "LA", "PA", "La", "F")  # Pillow's names
ALPHA_MODES = ("RGBA", "LA", "RGBa", "La")
BLURRING = ("JPEG", "MPO", "AVIF")  # formats that change the values of a mask; WebP may
TINT = 12  # levels by which JPEG may let the channels of a grey mask differ
CHUNK = 4096  # colors compared at once, so that memory stays bounded


def read_mask(path: str | Path, index: Index) -> np.ndarray:
    """Read the classes of the pixels of one mask.

    Args:
        path: path of the mask, as in an annotation of ``index``. EXIF rotation is not applied, because masks have none.
        index: index whose ``mask_code`` gives the meaning of the values.

    Returns:
        ``(H, W)`` uint8 positions in the class names; ``IGNORE`` where the value or color belongs to no class.

    Raises:
        ImageError: the file is missing, damaged or not an image, or has its values elsewhere than the other masks.
    """
    return classes_of(open_mask(path), index)


def classes_of(opened: "OpenedMask", index: Index) -> np.ndarray:
    """The classes of the pixels of a mask that was opened; see ``read_mask``."""
    code = index.mask_code
    if code is None:
        code = _positions(len(index.class_names))
    values = values_of(opened, code.channel)
    nearest = counts_nearest(opened, code)
    if values.dtype == np.uint8:
        return cv2.LUT(values, _table(code, nearest))
    return classes_by_value(values, code, nearest=nearest)


def counts_nearest(opened: "OpenedMask", code: MaskCode) -> bool:
    """Whether a value of this mask counts as the nearest that has a meaning."""
    return code.rest == IGNORE and (code.nearest or opened.blurred)


def read_fitting_mask(path: str | Path, index: Index, height: int, width: int) -> np.ndarray:
    """Read the mask of an image of ``height`` x ``width`` pixels; see ``read_mask``.

    Raises:
        ImageError: the mask cannot be read, or has another size.
    """
    try:
        mask = read_mask(path, index)
    except ImageError as error:
        raise ImageError(f"its mask {path!a} cannot be used: {error}") from error
    if mask.shape != (height, width):
        raise ImageError(f"its mask has {mask.shape[1]} x {mask.shape[0]} pixels, the image has {width} x {height}")
    return mask


class OpenedMask(NamedTuple):
    """A decoded mask file.

    Attributes:
        image: the decoded file.
        blurred: whether its format changes values, as JPEG does.
    """

    image: Image.Image
    blurred: bool


def open_mask(path: str | Path) -> OpenedMask:
    """Decode one file.

    Raises:
        ImageError: the file is missing, damaged or not an image.
    """
    try:
        contents = read_contents(path)
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error
    return decode_mask(contents)


def decode_mask(contents: bytes) -> OpenedMask:
    """Decode the bytes of one file; see ``open_mask``."""
    header = open_header(contents)
    if header is None:
        raise ImageError("masks are not stored in this kind of TIFF")
    try:
        with memory_for(header, len(contents)):
            header.load()
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise ImageError(f"damaged {header.format} file ({error})") from error
    is_lossy_webp = header.format == "WEBP" and b"VP8 " in contents[:4096]
    return OpenedMask(header, header.format in BLURRING or is_lossy_webp)


def values_of(opened: OpenedMask, channel: str) -> np.ndarray:
    """The values of the pixels in one of the channels of ``MaskCode``.

    Returns:
        ``(H, W)``: uint8, uint16 or int32 grey values or palette numbers; or packed colors, int32.

    Raises:
        ImageError: the mask has no such channel.
    """
    image = opened.image
    if channel == "alpha":
        if image.mode not in ALPHA_MODES:
            raise ImageError("the mask has no alpha channel, where the other masks have their values")
        return np.asarray(image.getchannel("A" if image.mode[-1] == "A" else "a"))
    if channel == "color":
        return _packed(image)
    grey = grey_values(opened)
    if grey is None:
        raise ImageError("the mask has colors, but the other masks hold grey values or class numbers")
    return grey


def grey_values(opened: OpenedMask) -> np.ndarray | None:
    """The grey values or palette numbers of the pixels, ``(H, W)``; None where the mask has colors."""
    image = opened.image
    if image.mode in GREY_MODES:
        return _whole(np.asarray(image if image.mode[-1] not in "Aa" else image.getchannel(0)))
    red, green, blue = np.moveaxis(_colors(image), 2, 0)
    if opened.blurred:
        differences = cv2.absdiff(red, green), cv2.absdiff(green, blue), cv2.absdiff(blue, red)
        is_grey = max(int(one.max(initial=0)) for one in differences) <= TINT
    else:
        is_grey = np.array_equal(red, green) and np.array_equal(green, blue)
    return np.ascontiguousarray(green) if is_grey else None


def _whole(values: np.ndarray) -> np.ndarray:
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        if not np.array_equal(values, np.trunc(values)) or np.abs(values).max(initial=0) > np.iinfo(np.int32).max:
            raise ImageError("the mask holds fractions; expected whole numbers")
        values = values.astype(np.int32)
    return values.astype(np.uint16) if values.dtype.itemsize == 2 and values.dtype != np.uint16 else values


def _colors(image: Image.Image) -> np.ndarray:
    """Transparency is dropped instead of blended with white: the colors below it are the classes."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(np.asarray(image).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return np.asarray(image)[..., :3] if image.mode == "RGBA" else np.asarray(image.convert("RGB"))


def _packed(image: Image.Image) -> np.ndarray:
    if image.mode.startswith(("I", "F")):
        return packed_colors(_colors(image))
    in_four_bytes = image if image.mode == "RGBA" else image.convert("RGB").convert("RGBX")
    return (np.asarray(in_four_bytes).view(">u4")[..., 0] >> 8).astype(np.int32)


def packed_colors(colors: np.ndarray) -> np.ndarray:
    """Pack colors into integers 0xRRGGBB: uint8 ``(..., 3)`` to int32 ``(...)``."""
    packed = colors[..., 0].astype(np.int32)
    for channel in (1, 2):
        packed <<= 8
        packed |= colors[..., channel]
    return packed


def colors_of(packed: np.ndarray) -> np.ndarray:
    """The inverse of ``packed_colors``."""
    return np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=-1).astype(np.uint8)


@lru_cache(maxsize=256)
def _positions(count: int) -> MaskCode:
    """The code of masks whose values are positions in ``count`` class names."""
    return MaskCode(np.arange(count), np.arange(count, dtype=np.uint8))


@lru_cache(maxsize=16)
def _table(code: MaskCode, nearest: bool) -> np.ndarray:
    """The classes of the values 0 to 255."""
    return classes_by_value(np.arange(256), code, nearest=nearest)


def classes_by_value(values: np.ndarray, code: MaskCode, *, nearest: bool) -> np.ndarray:
    """The class of each value or packed color: int ``(...)`` to uint8 ``(...)``.

    Args:
        values: as ``values_of`` returns them.
        code: their meaning.
        nearest: whether a value counts as the nearest one that has a meaning.
    """
    if len(code.values) == 0:
        return np.full(values.shape, code.rest, np.uint8)
    if nearest and code.channel == "color":
        return _nearest_colors(values, code)
    order = np.argsort(code.values, kind="stable")
    known, classes = code.values[order], code.classes[order]
    if nearest:
        return classes[np.searchsorted((known[:-1] + known[1:]) / 2, values, side="right")]
    places = np.searchsorted(known, values).clip(max=len(known) - 1)
    return np.where(known[places] == values, classes[places], np.uint8(code.rest))


def _nearest_colors(packed: np.ndarray, code: MaskCode) -> np.ndarray:
    unique, where = np.unique(packed, return_inverse=True)
    colors = colors_of(code.values).astype(np.int32)
    parts = [colors_of(unique[start : start + CHUNK])[:, None].astype(np.int32) for start in range(0, len(unique), CHUNK)]
    near = [((part - colors) ** 2).sum(axis=2).argmin(axis=1) for part in parts]
    return code.classes[np.concatenate([*near, np.zeros(0, int)])[where]].reshape(packed.shape)


def mask_of_objects(objects: Objects, height: int, width: int) -> np.ndarray:
    """Draw the outlines of objects into one mask of classes.

    Larger objects are drawn first, so that small ones in front of them stay visible. Objects without an outline or a class are
    left out. Polygons are filled as in COCO's own evaluation.

    Args:
        objects: objects whose outlines are polygons, relative to the image, or run-length encoded masks.
        height, width: size of the result in pixels.

    Returns:
        ``(height, width)`` uint8: the position of the class plus 1; 0 is background.

    Raises:
        DataError: there are more than 254 classes.
    """
    if (objects.classes >= MAX_CLASSES - 1).any():
        raise DataError(f"{objects.classes.max() + 1} classes; a mask can hold at most {MAX_CLASSES - 1} and the background.")
    drawn = []
    for outline, label in zip(objects.outlines, objects.classes.tolist(), strict=False):
        if outline is not None and label >= 0:
            inside = _inside(outline, height, width)
            drawn.append((np.count_nonzero(inside), label, inside))
    mask = np.zeros((height, width), np.uint8)
    for _, label, inside in sorted(drawn, key=lambda one: -one[0]):
        mask[inside] = label + 1
    return mask


def _inside(outline: tuple[np.ndarray, ...] | Rle, height: int, width: int) -> np.ndarray:
    """The pixels of one object, bool ``(height, width)``; all False if its outline is damaged."""
    from faster_coco_eval.core import mask as coco_mask

    try:
        if isinstance(outline, Rle):
            pixels = coco_mask.decode({"size": list(outline.size), "counts": outline.counts})
            return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)
        # The memory for drawing grows with the length of an edge, so points far outside are moved closer, but stay outside.
        sane = [np.nan_to_num(polygon).clip(-1, 2) * (width, height) for polygon in outline if len(polygon) >= 3]
        if not sane:
            return np.zeros((height, width), bool)
        parts = coco_mask.frPyObjects([polygon.ravel().tolist() for polygon in sane], height, width)
        return coco_mask.decode(coco_mask.merge(parts)).astype(bool)
    except (RuntimeError, ValueError, TypeError, OverflowError, cv2.error):
        return np.zeros((height, width), bool)
