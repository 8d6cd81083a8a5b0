"""Opens single files of a data set and keeps their size, whether they are sound, and fingerprints instead of pixels."""

import hashlib
import stat
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from visionkit.data.images.bit_depth import Depth
from visionkit.data.images.contents import read_contents
from visionkit.data.images.decode import ImageError, decode_and_judge, open_header, stored_size
from visionkit.data.images.masks import packed_colors, read_mask
from visionkit.data.index import IGNORE, Index
from visionkit.data.quality.duplicates import fingerprint

GREY_TOLERANCE = 3  # levels by which the channels of a grey image may differ, since JPEG may have tinted it
SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}  # formats that Pillow distinguishes but file suffixes do not
OTHER_SUFFIXES = {".heic": "HEIF", ".heif": "HEIF"}  # suffixes that Pillow does not know
IGNORED_COLORS = ("#000000", "#ffffff")  # colors that mean "no class" where classes are given by colors


class InspectedImage(NamedTuple):
    """What is known about an image after it was opened.

    Attributes:
        digest: BLAKE2 digest of the file.
        height, width: size in pixels, after the EXIF rotation.
        stored_size: height and width before the EXIF rotation.
        format: Pillow's name of the file format; "" for the flavours of TIFF that Pillow does not know.
        grey: whether the image has no color.
        hash, thumbnail: its ``duplicates.fingerprint``; the thumbnail as bytes.
        depth: how its pixels are stored; None for 8 bits.
    """

    digest: str
    height: int
    width: int
    stored_size: tuple[int, int]
    format: str
    grey: bool
    hash: int
    thumbnail: bytes
    depth: Depth | None = None


class InspectedMask(NamedTuple):
    """What is known about a mask after it was opened.

    Attributes:
        digest: BLAKE2 digest of its classes.
        height, width: size in pixels.
        counts: int64 ``(num_classes,)``, number of pixels of each class.
        nameless: number of pixels of each value or color without a class, except those that mean "ignore".
    """

    digest: str
    height: int
    width: int
    counts: np.ndarray
    nameless: dict[str, int]


def inspect_image(path: str) -> InspectedImage:
    """Read and fully decode one image.

    Raises:
        ImageError: the file is missing, empty, damaged or not an image.
    """
    contents = _read(path)
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
        depth=depth,
    )


def inspect_mask(path: str, index: Index) -> InspectedMask:
    """Read one mask.

    Raises:
        ImageError: the file is missing, damaged or not a mask.
    """
    contents = _read(path)
    classes = read_mask(path, index)
    counts = np.bincount(classes.ravel(), minlength=IGNORE + 1)
    nameless = _nameless(contents, classes == IGNORE, in_color=index.mask_colors is not None) if counts[IGNORE] else {}
    digest = hashlib.blake2b(classes.tobytes(), digest_size=16).hexdigest()
    return InspectedMask(digest, *classes.shape, counts[: len(index.class_names)].astype(np.int64), nameless)


def other_suffix(path: str, image: InspectedImage) -> bool:
    """Whether the file has the suffix of another format; an unknown suffix, or none, does no harm."""
    suffix = Path(path).suffix.lower()
    named = OTHER_SUFFIXES.get(suffix) or Image.registered_extensions().get(suffix)
    known = named is not None and image.format != ""
    return known and SAME_FORMAT.get(named, named) != SAME_FORMAT.get(image.format, image.format)


def _read(path: str) -> bytes:
    file = Path(path)
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):  # a missing file, which is reported below, or a record within another file
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):  # reading a pipe or a device would never end
        raise ImageError("a folder" if stat.S_ISDIR(mode) else "not a plain file")
    try:
        return read_contents(path)
    except OSError as error:
        raise ImageError("a link that leads nowhere" if _is_link(file) else error.strerror or str(error)) from error
    except ValueError as error:  # a null character in a name
        raise ImageError(str(error)) from error


def _is_link(file: Path) -> bool:
    try:
        return stat.S_ISLNK(file.lstat().st_mode)
    except OSError:
        return False


def _nameless(contents: bytes, ignored: np.ndarray, *, in_color: bool) -> dict[str, int]:
    """The values or colors of the pixels in ``ignored``, except those that people use to mark ignored pixels."""
    header = open_header(contents)
    if header is None:
        return {}
    has_numbers = header.mode in ("1", "L", "P", "I", "I;16") and not in_color
    values = np.asarray(header if has_numbers else header.convert("RGB"))[ignored]
    nameless = Counter()
    if values.ndim == 1:
        numbers, counts = np.unique(values, return_counts=True)
        nameless.update({str(number): count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)})
        del nameless["255"]
    else:
        colors, counts = np.unique(packed_colors(values), return_counts=True)
        nameless.update({f"#{color:06x}": count for color, count in zip(colors.tolist(), counts.tolist(), strict=True)})
        for color in IGNORED_COLORS:
            del nameless[color]
    return dict(nameless.most_common())
