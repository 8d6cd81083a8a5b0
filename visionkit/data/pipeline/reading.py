"""Reading for training and evaluation: files that may have changed since the scan, windows of JPEGs, annotations."""

import os

import numpy as np
import tensorflow as tf

from visionkit.data.augmentation.parameters import EpochParams
from visionkit.data.boxes import cleaned
from visionkit.data.images import crops, decode
from visionkit.data.images.contents import read_contents
from visionkit.data.images.crops import decode_jpeg_windows
from visionkit.data.images.masks.read import read_fitting_mask
from visionkit.data.images.scan import ImageInfo
from visionkit.data.index import Index, Objects
from visionkit.data.pipeline.pixel_cache import PixelCache, PixelCacheView
from visionkit.files import check_file

UNREADABLE = (decode.ImageError, OSError, tf.errors.InvalidArgumentError)  # what reading a file may raise


def reason_of(error: Exception) -> str:
    """Why a file that the scan could read cannot be used any more."""
    if isinstance(error, OSError):
        return f"unreadable since the check: {error.strerror or error}"
    return f"changed since the check: {error}"


def decode_together(index: Index, positions: list[int], params: EpochParams) -> dict[int, np.ndarray]:
    """Decode the windows of JPEGs that are not shrunk, by position; other files are left out, and groups with a broken file."""
    infos, paths = index.infos, index.paths
    group = [i for i in positions if infos[i].plain_jpeg and params.ratios[i] == 1 and "@" not in paths[i]]
    try:
        for position in group:
            check_file(paths[position])
        lengths, pixels = decode_jpeg_windows([paths[position] for position in group], params.parts[group])
    except (OSError, tf.errors.OpError):  # the caller decodes the files one at a time, which finds the broken one
        return {}
    windows = zip(group, lengths, pixels, strict=True)
    return {position: window for position, length, window in windows if length == infos[position].num_bytes}


def read_pixels(
    index: Index, position: int, part: list[int], ratio: int, cache: PixelCache | PixelCacheView | None
) -> np.ndarray:
    """The pixels of ``part`` of an image, uint8 ``(h, w, 3)``, at ``1 / ratio`` of its sides or larger."""
    stored_ratio = 1 if cache is None else int(cache.ratios[position])
    pixels = None if cache is None else cache.get(position)
    if pixels is None:
        info = index.infos[position]
        if info.plain_jpeg and cache is None:
            return crops.decode_jpeg_window(_read_for_tensorflow(index, position), part, ratio)
        pixels = _read_shrunk(index, position, stored_ratio)
        if cache is not None:
            cache.keep(position, pixels)
    top, left, height, width = part
    bottom, right = -(-(top + height) // stored_ratio), -(-(left + width) // stored_ratio)
    return crops.shrink(pixels[top // stored_ratio : bottom, left // stored_ratio : right], max(ratio // stored_ratio, 1))


def _read_shrunk(index: Index, position: int, ratio: int) -> np.ndarray:
    """A whole image at ``1 / ratio`` of its sides, rounded up."""
    info = index.infos[position]
    if info.plain_jpeg:
        return crops.decode_jpeg_window(_read_for_tensorflow(index, position), [0, 0, info.height, info.width], ratio)
    return crops.shrink(decode_unchanged(read_unchanged(index, position), info), ratio)


def read_annotation(index: Index, position: int) -> tuple[Objects | None, np.ndarray | None]:
    """The objects and the mask of a sample; each is None where the index has none."""
    if not index.annotations:
        return None, None
    annotation, info = index.annotations[position], index.infos[position]
    objects = None if annotation.objects is None else cleaned(annotation.objects)
    mask = None if annotation.mask is None else read_fitting_mask(annotation.mask, index, info.height, info.width)
    return objects, mask


def read_unchanged(index: Index, position: int) -> bytes:
    """The bytes of a file; raises ``ImageError`` if its length has changed since the scan."""
    contents = read_contents(index.paths[position])
    _refuse_other_length(len(contents), index, position)
    return contents


def _read_for_tensorflow(index: Index, position: int) -> tf.Tensor:
    """The bytes as a scalar string: TensorFlow reads a file while other threads run, and copies it fewer times."""
    path = index.paths[position]
    if "@" in path:  # perhaps a record
        return tf.constant(read_unchanged(index, position))
    _refuse_other_length(check_file(path), index, position)
    try:
        return tf.io.read_file(tf.constant(os.fsencode(path)))  # without constant() it leaves TensorFlow's fast path
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _refuse_other_length(num_bytes: int, index: Index, position: int) -> None:
    if num_bytes != index.infos[position].num_bytes:
        raise decode.ImageError(f"{num_bytes} bytes, were {index.infos[position].num_bytes}")


def decode_unchanged(contents: bytes, info: ImageInfo) -> np.ndarray:
    """The pixels of a file; raises ``ImageError`` if its size has changed since the scan."""
    pixels = decode.decode(contents)
    if pixels.shape[:2] != (info.height, info.width):
        raise decode.ImageError(f"{pixels.shape[1]} x {pixels.shape[0]} pixels, were {info.width} x {info.height}")
    return pixels
