"""Opens single files of a data set and keeps their size, whether they are sound, and fingerprints instead of pixels."""

import hashlib
import stat
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from visionkit.data.images.bit_depth import Depth
from visionkit.data.images.budget import decoding
from visionkit.data.images.contents import read_contents
from visionkit.data.images.decode import ImageError, decode_and_judge, open_header, orientation_of, stored_size
from visionkit.data.images.masks.read import OpenedMask, classes_of, counts_nearest, decode_mask, values_of
from visionkit.data.images.stacks import has_more_pages
from visionkit.data.index import IGNORE, Index, MaskCode
from visionkit.data.quality.duplicates import fingerprint

GREY_TOLERANCE = 3  # levels by which the channels of a grey image may differ, since JPEG may have tinted it
SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}  # formats that Pillow distinguishes but file suffixes do not
OTHER_SUFFIXES = {".heic": "HEIF", ".heif": "HEIF"}  # suffixes that Pillow does not know


class InspectedImage(NamedTuple):
    """What is known about an image after it was opened.

    Attributes:
        digest: BLAKE2 digest of the file.
        height, width: size in pixels, after the EXIF rotation.
        stored_size: height and width before the EXIF rotation.
        format: Pillow's name of the file format; "" for the flavours of TIFF that Pillow does not know.
        grey: whether the image has no color.
        hash, thumbnail: its ``duplicates.fingerprint``; the thumbnail as bytes.
        orientation: of its EXIF header, 1 to 8.
        depth: how its pixels are stored; None for 8 bits.
        has_more_pages: as in ``scan.ImageInfo``.
    """

    digest: str
    height: int
    width: int
    stored_size: tuple[int, int]
    format: str
    grey: bool
    hash: int
    thumbnail: bytes
    orientation: int = 1
    depth: Depth | None = None
    has_more_pages: bool = False


class InspectedMask(NamedTuple):
    """What is known about a mask after it was opened.

    Attributes:
        digest: BLAKE2 digest of its classes.
        height, width: size in pixels.
        counts: int64 ``(num_classes,)``, number of pixels of each class.
        ignored: number of pixels that have no class.
        nameless: those of each value or color without a class, except where it means "ignore".
    """

    digest: str
    height: int
    width: int
    counts: np.ndarray
    ignored: int
    nameless: dict[str, int]


def inspect_image(path: str) -> InspectedImage:
    """Read and fully decode one image.

    Raises:
        ImageError: the file is missing, empty, damaged or not an image.
    """
    with decoding().kept():
        return _inspected(_read(path))


def _inspected(contents: bytes) -> InspectedImage:
    pixels, _, depth = decode_and_judge(contents)
    height, width = pixels.shape[:2]
    header = open_header(contents)
    number, thumbnail = fingerprint(pixels)
    levels = thumbnail.astype(np.int16)
    return InspectedImage(
        digest=hashlib.blake2b(contents, digest_size=16).hexdigest(),
        height=height,
        width=width,
        stored_size=(height, width) if header is None else stored_size(header),
        format="" if header is None else header.format,
        grey=int((levels.max(axis=2) - levels.min(axis=2)).max()) <= GREY_TOLERANCE,
        hash=number,
        thumbnail=thumbnail.tobytes(),
        orientation=orientation_of(contents),
        depth=depth,
        has_more_pages=has_more_pages(contents),
    )


def inspect_mask(path: str, index: Index) -> InspectedMask:
    """Read one mask.

    Raises:
        ImageError: the file is missing, damaged or not a mask.
    """
    with decoding().kept():
        return _inspected_mask(_read(path), index)


def _inspected_mask(contents: bytes, index: Index) -> InspectedMask:
    opened = decode_mask(contents)
    classes = classes_of(opened, index)
    counts = np.bincount(classes.ravel(), minlength=IGNORE + 1)
    nameless = _nameless(opened, classes == IGNORE, index.mask_code) if counts[IGNORE] else {}
    digest = hashlib.blake2b(classes.tobytes(), digest_size=16).hexdigest()
    of_classes = counts[: len(index.class_names)].astype(np.int64)
    return InspectedMask(digest, *classes.shape, of_classes, int(counts[IGNORE]), nameless)


def other_suffix(path: str, image: InspectedImage) -> bool:
    """Whether the file has the suffix of another format; an unknown suffix, or none, does no harm."""
    suffix = Path(path).suffix.lower()
    named = OTHER_SUFFIXES.get(suffix) or Image.registered_extensions().get(suffix)
    known = named is not None and image.format != ""
    return known and SAME_FORMAT.get(named, named) != SAME_FORMAT.get(image.format, image.format)


def _read(path: str) -> bytes:
    file = Path(path)
    try:
        return read_contents(path)
    except OSError as error:
        raise ImageError(
            "a link that leads nowhere" if _is_link(file) and not file.exists() else error.strerror or str(error)
        ) from error
    except ValueError as error:  # a null character in a name
        raise ImageError(str(error)) from error


def _is_link(file: Path) -> bool:
    try:
        return stat.S_ISLNK(file.lstat().st_mode)
    except OSError:
        return False


def _nameless(opened: OpenedMask, ignored: np.ndarray, code: MaskCode | None) -> dict[str, int]:
    """The values or colors of the pixels in ``ignored``, except those that are known to be ignored."""
    if code is not None and counts_nearest(opened, code):
        return {}
    channel, known = ("grey", [IGNORE]) if code is None else (code.channel, code.values)
    values, counts = np.unique(values_of(opened, channel)[ignored], return_counts=True)
    pairs = [(int(value), int(count)) for value, count in zip(values, counts, strict=True) if value not in known]
    pairs.sort(key=lambda pair: -pair[1])
    return {f"#{value:06x}" if channel == "color" else str(value): count for value, count in pairs}
