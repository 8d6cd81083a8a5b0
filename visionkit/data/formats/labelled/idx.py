"""IDX, the file format of MNIST and similar sets: a header with the sizes, then bytes (http://yann.lecun.com/exdb/mnist).

FOLDER/train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz], t10k-images-idx3-ubyte[.gz], t10k-labels-idx1-ubyte[.gz]
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.index import DataError
from visionkit.files import opened_gzip

UNSIGNED_BYTE = 8  # code of the value type, in the third byte
SPLITS = {"train": "train", "val": "t10k"}
MOST_BYTES = 2**32  # of one uncompressed file: a damaged header may ask for any number
EXPECTED = "Expected train-images-idx3-ubyte, train-labels-idx1-ubyte, and t10k-... of each, uncompressed or as .gz."


class Labelled(NamedTuple):
    """Grey images, uint8 ``(N, H, W)``, and their labels, int32 ``(N,)``."""

    pixels: np.ndarray
    labels: np.ndarray


def looks_like_idx(folder: Path) -> bool:
    """Whether a folder holds any of the four files."""
    return any(_find(folder, prefix, kind) is not None for prefix in SPLITS.values() for kind in ("images", "labels"))


def read_idx_folder(folder: str | Path) -> dict[str, Labelled]:
    """The splits "train" and "val" (the data set's own test images).

    Raises:
        DataError: a file is missing or damaged, or the numbers of images and labels differ.
    """
    folder = Path(folder)
    return {name: _read_split(folder, prefix) for name, prefix in SPLITS.items()}


def read_idx(path: str | Path, *, rank: int) -> np.ndarray:
    """Read one file, compressed with gzip or not.

    Args:
        rank: 1 for labels, 3 for images.

    Returns:
        uint8 of the shape that the header declares.

    Raises:
        DataError: the file is damaged, or of another kind.
    """
    path = Path(path)
    header_size = 4 + 4 * rank
    try:
        with opened_gzip(path) as (file, most):
            header = file.read(header_size)
            if len(header) < header_size or header[:4] != bytes([0, 0, UNSIGNED_BYTE, rank]):
                start = header[:4].hex(" ") or "nothing"
                raise DataError(f"{path}: no IDX file of {rank} dimensions: it begins with {start}. {EXPECTED}")
            shape = tuple(int(length) for length in np.frombuffer(header, ">u4", offset=4))
            count = math.prod(shape)
            if count > MOST_BYTES:
                raise DataError(f"{path}: its header promises {count:,} bytes; expected at most {MOST_BYTES:,}.")
            if count > most:  # before memory is allocated for them
                raise DataError(f"{path}: damaged or cut off: its header promises {count:,} bytes; it holds at most {most:,}.")
            values = file.read(count + 1)  # the extra byte shows whether there is more, without reading an endless file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: the compressed file is damaged or cut off ({error}); download it again.") from error
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}.") from error
    if len(values) != count:
        length = "more" if len(values) > count else f"{len(values):,}"
        raise DataError(
            f"{path}: damaged or cut off: its header promises {count:,} bytes, but it has {length}; download it again."
        )
    return np.frombuffer(values, np.uint8).reshape(shape)


def _read_split(folder: Path, prefix: str) -> Labelled:
    files = {kind: _find(folder, prefix, kind) for kind in ("images", "labels")}
    missing = [f"{prefix}-{kind}" for kind, file in files.items() if file is None]
    if missing:
        raise DataError(f"{folder}: no {' and no '.join(missing)} file. {EXPECTED}")
    pixels, labels = read_idx(files["images"], rank=3), read_idx(files["labels"], rank=1)
    if len(pixels) != len(labels):
        raise DataError(f"{folder}: {len(pixels):,} images in {files['images'].name}, but {len(labels):,} labels.")
    if pixels.size == 0:
        raise DataError(f"{files['images']}: holds no images; its header declares {pixels.shape}.")
    return Labelled(pixels, labels.astype(np.int32))


def _find(folder: Path, prefix: str, kind: str) -> Path | None:
    """The file of a split; some sites name it with a dot instead of a dash."""
    rank = {"images": 3, "labels": 1}[kind]
    names = (f"{prefix}-{kind}{mark}idx{rank}-ubyte{suffix}" for mark in "-." for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)
