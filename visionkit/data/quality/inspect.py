"""What one file of a data set tells when it is opened: its size, whether it is sound, and fingerprints instead of pixels."""

import hashlib
import stat
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from visionkit.data.images.contents import read_contents
from visionkit.data.images.decode import ImageError, decode_and_judge, open_header
from visionkit.data.index import Index
from visionkit.data.quality.duplicates import fingerprint

GREY_TOLERANCE = 3  # levels between the channels of a grey image, which JPEG may have tinted
SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}  # what Pillow tells apart and names do not
IGNORED_COLORS = ("#000000", "#ffffff")  # left for "no class" where classes are named by colors


class InspectedImage(NamedTuple):
    """What is known of an image after it was opened.

    Attributes:
        digest: BLAKE2 of the file's contents.
        height, width: in pixels, as it is meant to be seen.
        stored_size: height and width before it was turned as its EXIF header asks.
        format: Pillow's name of the file format; "" for the flavours of TIFF that Pillow does not know.
        grey: whether it has no color.
        hash, thumbnail: its ``duplicates.fingerprint``; the thumbnail as bytes.
    """

    digest: str
    height: int
    width: int
    stored_size: tuple[int, int]
    format: str
    grey: bool
    hash: int
    thumbnail: bytes


class InspectedMask(NamedTuple):
    """What is known of a mask after it was opened.

    Attributes:
        digest: BLAKE2 of its classes.
        height, width: in pixels.
        counts: int64 ``(num_classes,)``, pixels of each class.
        nameless: pixels of each value or color that has no class; without those that mean "to be ignored".
    """

    digest: str
    height: int
    width: int
    counts: np.ndarray
    nameless: dict[str, int]


def inspect_image(path: str) -> InspectedImage:
    """Read and fully decode one image.

    Raises:
        ImageError: it is missing, empty, damaged or not an image.
    """
    contents = _read(path)
    pixels, _ = decode_and_judge(contents)
    height, width = pixels.shape[:2]
    header = open_header(contents)
    number, thumbnail = fingerprint(pixels)
    levels = thumbnail.astype(np.int16)
    return InspectedImage(
        digest=hashlib.blake2b(contents, digest_size=16).hexdigest(),
        height=height,
        width=width,
        stored_size=(height, width) if header is None else (header.height, header.width),
        format="" if header is None else header.format,
        grey=int((levels.max(axis=2) - levels.min(axis=2)).max()) <= GREY_TOLERANCE,
        hash=number,
        thumbnail=thumbnail.tobytes(),
    )


def inspect_mask(path: str, index: Index) -> InspectedMask:
    """Read one mask.

    Raises:
        ImageError: it is missing, damaged or not a mask.
    """
    from visionkit.data.images.masks import read_mask
    from visionkit.data.index import IGNORE

    contents = _read(path)
    classes = read_mask(path, index)
    counts = np.bincount(classes.ravel(), minlength=IGNORE + 1)
    nameless = _nameless(contents, classes == IGNORE, in_color=index.mask_colors is not None) if counts[IGNORE] else {}
    digest = hashlib.blake2b(classes.tobytes(), digest_size=16).hexdigest()
    return InspectedMask(digest, *classes.shape, counts[: len(index.class_names)].astype(np.int64), nameless)


def other_suffix(path: str, look: InspectedImage) -> bool:
    """Whether the file's name ends as those of another format do; a name that ends otherwise or not at all does no harm."""
    named = Image.registered_extensions().get(Path(path).suffix.lower())
    known = named is not None and look.format != ""
    return known and SAME_FORMAT.get(named, named) != SAME_FORMAT.get(look.format, look.format)


def _read(path: str) -> bytes:
    file = Path(path)
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):  # missing, which is said below; or a record within another file
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):  # a pipe or a device would be read for ever
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
    """The values or colors below ``ignored`` pixels, bar those by which people mark what is to be ignored."""
    header = open_header(contents)
    if header is None:
        return {}
    has_numbers = header.mode in ("1", "L", "P", "I", "I;16") and not in_color
    values = np.asarray(header if has_numbers else header.convert("RGB"))[ignored]
    found = Counter()
    if values.ndim == 1:
        numbers, counts = np.unique(values, return_counts=True)
        found.update({str(number): count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)})
        del found["255"]
    else:
        colors, counts = np.unique(values.astype(np.int32) @ np.array([65536, 256, 1], np.int32), return_counts=True)
        found.update({f"#{color:06x}": count for color, count in zip(colors.tolist(), counts.tolist(), strict=True)})
        for color in IGNORED_COLORS:
            del found[color]
    return dict(found.most_common())
