"""Files of numbers: signals ``(length, channels)`` and volumes ``(depth, height, width, channels)``, float32.

.npy                   either; an array without channels gets one
.nii, .nii.gz          volumes (NIfTI), whose axes are reoriented to right, front, top
.tif, .tiff            volumes: a stack of pages, which are the first axis; a TIFF of one page is an image, not a volume
.csv, .tsv, .txt       signals: a sample a line, a channel a column; or all samples in one line

Reading a file executes nothing in it: pickled objects are refused.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
from PIL import Image, ImageSequence
from skimage.transform import resize

from visionkit.data.images import stacks
from visionkit.data.images.contents import read_text
from visionkit.data.index import SkippedFiles
from visionkit.errors import UserError
from visionkit.files import check_file, opened_gzip

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
SUFFIXES = {"signal": (".npy", *TEXT_SUFFIXES), "volume": (".npy", ".nii", ".nii.gz", *stacks.SUFFIXES)}
RANKS = {"signal": 1, "volume": 3}
SHAPES = {"signal": "(length,) or (length, channels)", "volume": "(depth, height, width), maybe with channels behind"}
Kind = Literal["signal", "volume"]
Fit = Literal["resample", "resize", "crop"]
MOST_VALUES = 2**30  # of a signal or volume: 1024 x 1024 x 1024 voxels; it is read as 32-bit numbers
LARGEST_OFFSET = 2**26  # bytes of a NIfTI file before its voxels: its header and remarks
NIFTI_HEADER = 540  # bytes; NIfTI-1 has 348
MAX_LABELS = 100  # a volume with more distinct values does not hold labels


class ArrayError(UserError):
    """A file of numbers, or a part of one, that cannot be used."""


def has_suffix(path: str | Path, suffixes: tuple[str, ...]) -> bool:
    """Whether a file's name ends in one of ``suffixes``, in any case."""
    return str(path).lower().endswith(suffixes)


def list_arrays(folder: Path, kind: Kind) -> list[Path]:
    """All files below ``folder`` that may hold a signal or a volume, by name, without hidden files and images."""
    files = (path for path in sorted(folder.rglob("*")) if not any(p.startswith(".") for p in path.relative_to(folder).parts))
    return [path for path in files if has_suffix(path, SUFFIXES[kind]) and not path.is_dir() and not is_image(path)]


def is_image(path: Path) -> bool:
    """Whether a file is a TIFF of one page; False where it cannot be read, so that its reader reports it."""
    if not has_suffix(path, stacks.SUFFIXES):
        return False
    try:
        with stacks.opened(path) as pages:
            return not _is_stack(pages)
    except OSError:
        return False


def _is_stack(pages: Image.Image) -> bool:
    """Whether there is a second page; ``n_frames`` would read through all of them."""
    try:
        pages.seek(1)
    except EOFError:
        return False
    return True


def read_array(path: str | Path, kind: Kind) -> np.ndarray:
    """One signal or volume, float32, channels last.

    Raises:
        ArrayError: the file is missing, damaged, of another kind or rank, or holds a value that is not a finite number.
    """
    if not has_suffix(path, SUFFIXES[kind]):
        raise ArrayError(f"not a {kind} by its name; expected {', '.join(SUFFIXES[kind])}")
    try:
        check_file(path)
        if Path(path).stat().st_size == 0:
            raise ArrayError("empty file")
        return checked(_reader(path)(path), kind)
    except OSError as error:
        raise ArrayError(error.strerror or str(error)) from error


def _reader(path: str | Path) -> Callable[[str | Path], np.ndarray]:
    readers = {(".npy",): read_npy, TEXT_SUFFIXES: read_columns, stacks.SUFFIXES: read_stack}
    return next((reader for suffixes, reader in readers.items() if has_suffix(path, suffixes)), read_nifti)


def read_labels(path: str | Path) -> np.ndarray:
    """A whole number for every voxel of a volume: float32 ``(depth, height, width)``.

    Raises:
        ArrayError: see ``read_array``; or the file has channels, or values that are not labels.
    """
    labels = read_array(path, "volume")
    if labels.shape[-1] != 1:
        raise ArrayError(f"{labels.shape[-1]} channels of labels; expected one whole number a voxel")
    values = np.unique(labels)
    if len(values) > MAX_LABELS or (values != np.round(values)).any():
        raise ArrayError(f"{len(values)} different values; expected whole numbers, one a class")
    return labels[..., 0]


def checked(array: np.ndarray, kind: Kind) -> np.ndarray:
    """An array as float32, with an axis for channels.

    Raises:
        ArrayError: the array has another rank, is empty, or holds a value that is not a finite number.
    """
    rank = RANKS[kind]
    if array.ndim not in (rank, rank + 1):
        raise ArrayError(f"an array of shape {array.shape}; expected {SHAPES[kind]}")
    refuse_more_than(MOST_VALUES, array.size)
    if array.size == 0 or array.dtype.kind not in "fiub":
        raise ArrayError(f"an array of shape {array.shape} and type {array.dtype}; expected numbers")
    with np.errstate(over="ignore"):
        array = np.array(array, np.float32)
    if not np.isfinite(array).all():
        raise ArrayError("not every value is a finite number of 32 bits")
    return array[..., None] if array.ndim == rank else array


def refuse_more_than(most: int, count: int) -> None:
    """Refuse an array of more values than memory holds, before it is read.

    Raises:
        ArrayError: ``count`` is larger.
    """
    if count > most:
        raise ArrayError(f"{count:,} values; at most {most:,} are read")


def read_labelled(image: str | Path, labels: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """A volume ``(depth, height, width, channels)`` and its labels ``(depth, height, width)``, both float32.

    Raises:
        ArrayError: one of them cannot be used, or their shapes differ.
    """
    if not Path(labels).is_file():
        raise ArrayError(f"no labels for it: {labels} is missing")
    volume = read_array(image, "volume")
    try:
        truth = read_labels(labels)
    except ArrayError as error:
        raise ArrayError(f"{labels}: {error}") from error
    if truth.shape != volume.shape[:3]:
        raise ArrayError(f"{volume.shape[:3]} voxels, and labels for {truth.shape}")
    return volume, truth


def read_npy(path: str | Path) -> np.ndarray:
    """The array in a ``.npy`` file; nothing is unpickled.

    Raises:
        ArrayError: it is damaged, or does not hold numbers.
    """
    try:
        # A memory map allocates nothing, even where the header declares more than the file holds.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, TypeError, MemoryError, OverflowError) as error:
        reason = "pickled objects, or no array; nothing is unpickled" if "pickle" in str(error) else error
        raise ArrayError(f"not a .npy file of numbers ({reason})") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise ArrayError("an archive of arrays (.npz); expected one array")
    return array


def read_nifti(path: str | Path) -> np.ndarray:
    """The voxels of a NIfTI file ``(right, front, top)``, maybe with channels behind, float32.

    Raises:
        ArrayError: it is damaged, or its voxels are not numbers.
    """
    try:
        _check_nifti(path)
        image = nibabel.as_closest_canonical(nibabel.load(path))
        array = image.get_fdata(dtype=np.float32, caching="unchanged")
    except FileNotFoundError:
        raise ArrayError("no such file") from None
    except ArrayError:
        raise
    except (OSError, EOFError, ValueError, TypeError, OverflowError, MemoryError, zlib.error) as error:
        raise ArrayError(f"a damaged NIfTI file ({error})") from error
    except Exception as error:  # nibabel's errors have no common type
        raise ArrayError(f"not a NIfTI file ({error})") from error
    while array.ndim > 4 and array.shape[-1] == 1:
        array = array[..., 0]
    return array


def _check_nifti(path: str | Path) -> None:
    """Refuse a header that promises more than the file can hold: nibabel would allocate it, or inflate a file for ever.

    Raises:
        ArrayError: it does.
    """
    with opened_gzip(path) as (file, most):
        start = file.read(NIFTI_HEADER)
    kinds = (nibabel.Nifti1Header, nibabel.Nifti2Header)
    kind = next((kind for kind in kinds if kind.may_contain_header(start)), None)
    if kind is None:
        return  # nibabel says what it is
    header = kind(start[: kind.sizeof_hdr], check=False)
    count = math.prod(header.get_data_shape())
    refuse_more_than(MOST_VALUES, count)
    offset, num_bytes = float(header["vox_offset"]), count * header.get_data_dtype().itemsize
    if not 0 <= offset <= min(most, LARGEST_OFFSET) or offset + num_bytes > most:
        raise ArrayError(f"a damaged NIfTI file (its header promises {num_bytes:,} bytes, and it holds at most {most:,})")


def read_stack(path: str | Path) -> np.ndarray:
    """The pages of a TIFF file ``(pages, height, width)``, maybe with channels behind; of palette pages the indices.

    Raises:
        ArrayError: it is damaged, has only one page, or its pages differ in size or type.
    """
    try:
        with stacks.opened(path) as stack:
            pages, count = [], 0
            for page in ImageSequence.Iterator(stack):
                count += page.width * page.height * len(page.getbands())
                refuse_more_than(MOST_VALUES, count)
                pages.append(np.array(page))
    except FileNotFoundError:
        raise ArrayError("no such file") from None
    except OSError as error:
        raise ArrayError(f"a damaged TIFF file, or of a kind that is not read ({error})") from error
    if len(pages) == 1:
        raise ArrayError("an image of one page; expected a stack of them")
    if len({(page.shape, page.dtype) for page in pages}) > 1:
        raise ArrayError("pages of different sizes or types")
    return np.stack(pages)


def read_columns(path: str | Path) -> np.ndarray:
    """A signal in a text file: ``(samples, columns)``, or ``(samples,)`` of one line or one column; a header is skipped.

    Raises:
        ArrayError: a line holds something other than numbers, or lines differ in length.
    """
    lines = [(number, cells) for number, line in enumerate(read_text(path).splitlines(), start=1) if (cells := cells_of(line))]
    if lines and is_header(lines[0][1]):
        lines = lines[1:]
    if not lines:
        raise ArrayError("no line of numbers in it")
    rows = []
    for number, cells in lines:
        try:
            rows.append(np.array(cells, float))
        except ValueError as error:
            raise ArrayError(f"line {number}: {error}") from error
        if len(cells) != len(rows[0]):
            raise ArrayError(f"line {number} has {len(cells)} columns, the first has {len(rows[0])}")
    return np.ravel(rows) if 1 in np.shape(rows) else np.array(rows)


def cells_of(line: str) -> list[str]:
    """The cells of a line, separated by commas, semicolons, tabs or blanks; a blank line or a comment has none."""
    line = line.split("#")[0].strip()
    separator = next((mark for mark in ",;\t" if mark in line), None)
    return [cell.strip() for cell in line.rstrip(",;\t").split(separator)] if line else []


def is_header(cells: list[str]) -> bool:
    """Whether no cell is a number."""
    return not any(is_number(cell) for cell in cells)


def is_number(cell: str) -> bool:
    """Whether a cell reads as a number; "nan" does."""
    return re.fullmatch(r"[+-]?(nan|inf(inity)?|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)", cell, re.IGNORECASE) is not None


def with_equal_channels(samples: list[Any], skipped: SkippedFiles) -> list[Any]:
    """The samples whose ``values``, ``(..., channels)``, have as many channels as most; others are skipped by ``name``."""
    counts = Counter(sample.values.shape[-1] for sample in samples)
    most = max(counts, key=counts.get, default=0)
    for sample in samples:
        if sample.values.shape[-1] != most:
            skipped.add(sample.name, f"{sample.values.shape[-1]} channels; most have {most}")
    return [sample for sample in samples if sample.values.shape[-1] == most]


def fitted(array: np.ndarray, shape: tuple[int, ...], fit: Fit) -> np.ndarray:
    """An array in the shape that a network takes, float32.

    Args:
        array: ``(spatial..., channels)``.
        shape: ``(spatial..., channels)`` of the result.
        fit: "resample" a signal or "resize" a volume, linearly; or "crop" the middle, with the border repeated where the array
            is too small.

    Raises:
        ArrayError: it has another number of channels.
    """
    *sides, channels = shape
    if array.shape[-1] != channels:
        raise ArrayError(f"{array.shape[-1]} channels; expected {channels}")
    if array.shape == tuple(shape):
        return array
    if fit == "resample":
        old, new = np.linspace(0, 1, len(array)), np.linspace(0, 1, sides[0])
        return np.stack([np.interp(new, old, channel) for channel in array.T], axis=1).astype(np.float32)
    if fit == "resize":
        return resize(array, shape, order=1, preserve_range=True).astype(np.float32)
    return cube_around(array, [side // 2 for side in array.shape[:-1]], sides)


def cube_around(array: np.ndarray, center: list[int], sides: list[int]) -> np.ndarray:
    """The part ``(*sides, channels)`` of an array whose voxel ``side // 2`` is ``center``; the border is repeated."""
    for axis, (place, side) in enumerate(zip(center, sides, strict=True)):
        places = np.clip(np.arange(place - side // 2, place - side // 2 + side), 0, array.shape[axis] - 1)
        array = array.take(places, axis)
    return array
