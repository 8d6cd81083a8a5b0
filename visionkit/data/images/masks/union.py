"""The masks of the objects of one image, one file per object, read as one mask: a pixel is foreground if it is in any of them.

An index names such a mask by a virtual path, ``<folder>@union=<start of the file names>``: all images in that folder, not
below it, whose names begin so, followed by nothing, or by a number after a sign; or all of them, if the start is empty.
"""

import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from visionkit.data.images.decode import IMAGE_SUFFIXES, open_header
from visionkit.data.images.limits import memory_for
from visionkit.files import LARGEST_IMAGE, read_file

UNION = "@union="  # between the path of a folder and the start of the file names
NUMBER = re.compile(r"([-_ .(]+\d+\)?|(?<!\d)\d+)?\Z")  # may follow the start: _1, -01, " (2)"; 1, unless a number goes before
MOST_BETWEEN = 0.5  # share of pixels between black and the largest value: soft edges are few, a photograph is nearly all
SOFT = 127  # values up to this are background, where a mask has larger ones than 1


class Union(NamedTuple):
    """The masks of one image: the folder, and how the names of their files begin."""

    folder: str
    start: str = ""

    def path(self) -> str:
        """The virtual path that an index holds."""
        return f"{self.folder}{UNION}{self.start}"


def parse_path(path: str) -> Union | None:
    """The inverse of ``Union.path``; None for all other paths."""
    folder, sign, start = path.rpartition(UNION)
    return Union(folder, start) if sign and Path(folder).is_dir() else None


def files_of(union: Union) -> list[Path]:
    """The files of the masks, by name."""
    files = (path for path in sorted(Path(union.folder).iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES)
    return [path for path in files if belongs(path.stem, union.start) and path.name[0] != "."]


def belongs(stem: str, start: str) -> bool:
    """Whether a mask of this stem is one of those that begin with ``start``."""
    return not start or (stem.startswith(start) and NUMBER.match(stem, len(start)) is not None)


def read_union(union: Union) -> bytes:
    """One mask of all objects, as a PNG of the values 0 and 255.

    Raises:
        OSError: there is no mask, one of them cannot be read, or they differ in size.
    """
    files = files_of(union)
    if not files:
        raise OSError(f"there is no mask in {union.folder} that begins with {union.start!r}")
    foreground = None
    for file in files:
        pixels = _foreground(file)
        if foreground is None:
            foreground = pixels
        elif pixels.shape != foreground.shape:
            raise OSError(f"{file.name} has another size than {files[0].name}")
        else:
            foreground |= pixels
    buffer = io.BytesIO()
    Image.fromarray(foreground.astype(np.uint8) * 255).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _foreground(file: Path) -> np.ndarray:
    """Bool ``(H, W)``."""
    try:
        header = open_header(read_file(file, LARGEST_IMAGE))
        if header is None:
            raise OSError("not stored as masks are")
        with memory_for(header, file.stat().st_size):
            pixels = np.asarray(header.convert("RGB") if header.mode in ("RGBA", "CMYK", "YCbCr") else header)
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise OSError(f"{file.name}: {error}") from error
    pixels = pixels.astype(np.uint8) if pixels.dtype == bool else pixels
    grey = pixels if pixels.ndim == 2 else pixels[..., :3].max(axis=2) if pixels.shape[2] > 2 else pixels[..., 0]
    if ((grey > 0) & (grey < grey.max(initial=0))).mean() > MOST_BETWEEN:
        raise OSError(f"{file.name} holds shades of grey, and is no mask of one object")
    return grey > (SOFT if grey.max(initial=0) > SOFT else 0)
