"""Reading of masks, and the meaning of their values. A mask holds a class for every pixel, in one of three codes:

index          grey or palette values are positions in the class names
binary         0 is background; everything else (1, or 255) is foreground
color-coded    each class has a color of its own (``Index.mask_colors``), which may also be a grey level

``read_mask`` turns each of them into positions in the class names, with ``IGNORE`` where a pixel has no class. The index
determines the code: masks are binary if the classes are ``BINARY_NAMES`` without ``mask_colors``, or two classes in black and
white; other masks without ``mask_colors`` hold positions.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from visionkit.data.images.contents import read_contents
from visionkit.data.images.decode import ImageError, open_header
from visionkit.data.images.mask_names import IGNORED_NAMES, NamedClasses
from visionkit.data.index import IGNORE, DataError, Index, Objects, Rle

BINARY_NAMES = ("background", "foreground")
BLACK_AND_WHITE = np.array([[0, 0, 0], [255, 255, 255]], np.uint8)
SAMPLED = 32  # masks that are opened to determine their code and classes
MAX_COLORS = 64  # more colors are not classes, but a photograph or soft edges
MAX_CLASSES = 255
GREY_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N", "LA", "PA", "La")  # Pillow's names


class MaskClasses(NamedTuple):
    """The result of ``find_classes``: names and colors as in an ``Index``, and sentences on how they were chosen."""

    names: tuple[str, ...]
    colors: np.ndarray | None
    notes: tuple[str, ...]


def read_mask(path: str | Path, index: Index) -> np.ndarray:
    """Read the classes of the pixels of one mask.

    Args:
        path: path of the mask, as in an annotation of ``index``. EXIF rotation is not applied, because masks have none.
        index: index whose class names and mask colors give the meaning of the values.

    Returns:
        ``(H, W)`` uint8 positions in the class names; ``IGNORE`` where the value or color belongs to no class. In masks that
        were saved as JPEG, which blurs, the nearest color counts.

    Raises:
        ImageError: the file is missing, damaged or not an image, or has colors while the other masks have class numbers.
    """
    _, pixels, blurred = _open(path, in_color=index.mask_colors is not None)
    if _is_binary(index):
        grey = pixels if pixels.ndim == 2 else pixels.max(axis=2)
        return (grey > (127 if grey.max(initial=0) > 1 else 0)).astype(np.uint8)
    if index.mask_colors is not None:
        return _positions(pixels, index.mask_colors, nearest=blurred)
    if pixels.ndim == 3:
        raise ImageError("the mask has colors, but the masks that were sampled hold class numbers")
    if pixels.dtype == np.uint8:  # one pass instead of four
        return cv2.LUT(pixels, np.where(np.arange(256) < len(index.class_names), np.arange(256), IGNORE).astype(np.uint8))
    return np.where((pixels >= 0) & (pixels < len(index.class_names)), pixels, IGNORE).astype(np.uint8)


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


def find_classes(masks: Sequence[str | Path], named: NamedClasses | None = None) -> MaskClasses:
    """Determine the code and the classes of masks from a sample of them, and from a file of names if there is one.

    Without names, classes are named by the values or colors in the sample. A name such as "void" means ignored pixels and
    becomes no class: at any position among colors, but only at the end where the order of the names gives their numbers.

    Args:
        masks: all masks; at most ``SAMPLED`` of them are opened. Broken ones are skipped and reported when they are read.
        named: result of ``mask_names.find_names``.

    Raises:
        DataError: no mask can be read, or their values are not classes.
    """
    sample, extent = _sampled(masks)
    blurred = any(one.blurred for one in sample)
    in_color = any(one.pixels.ndim == 3 for one in sample)
    if in_color or (named is not None and named.colors is not None):
        colors = [np.unique(packed_colors(_open(one.path, in_color=True).pixels)) for one in sample]
        colors = np.unique(np.concatenate(colors))
        if named is None or named.colors is None:
            return _unnamed_colors(colors, blurred, extent)
        if in_color or np.isin(colors, packed_colors(named.colors)).all():
            return _classes(named.names, named.colors)
    counts: Counter[int] = Counter()
    for one in sample:
        values, times = np.unique(one.pixels, return_counts=True)
        counts.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
    return _grey_classes(counts, blurred, named.names if named else None, extent)


def _sampled(masks: Sequence[str | Path]) -> "tuple[list[_Opened], str]":
    """Masks from all over the data set, and a phrase that says how many."""
    positions = np.unique(np.linspace(0, len(masks) - 1, min(SAMPLED, len(masks))).round().astype(int))
    sample, reasons = [], []
    for path in (masks[i] for i in positions):
        try:
            sample.append(_open(path))
        except ImageError as error:
            reasons.append(f"{path}: {error}")
    if not sample:
        first = f"; {reasons[0]}" if reasons else ""
        raise DataError(f"None of {len(positions)} sampled masks can be read{first}.")
    return sample, f"{len(sample)} of {len(masks)} masks"


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


class _Opened(NamedTuple):
    path: str | Path
    pixels: np.ndarray  # values (H, W); or colors (H, W, 3) uint8 if the mask has any or ``in_color`` is set
    blurred: bool  # whether it is a JPEG


def _open(path: str | Path, *, in_color: bool = False) -> _Opened:
    try:
        header = open_header(read_contents(path))
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error
    if header is None:
        raise ImageError("masks are not stored in this kind of TIFF")
    try:
        pixels = _grey(header) if header.mode in GREY_MODES and not in_color else _colors(header)
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise ImageError(f"damaged {header.format} file ({error})") from error
    if pixels.ndim == 3 and not in_color and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]  # grey that was saved as color
    return _Opened(path, pixels, header.format in ("JPEG", "MPO"))


def _grey(header: Image.Image) -> np.ndarray:
    if header.mode == "1":
        return np.asarray(header).astype(np.uint8)
    return np.asarray(header if header.mode[-1] not in "Aa" else header.getchannel(0))


def _colors(header: Image.Image) -> np.ndarray:
    """Transparency is dropped instead of blended with white: the colors below it are the classes."""
    if header.mode.startswith("I"):
        return np.repeat(np.asarray(header).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return np.asarray(header)[..., :3] if header.mode == "RGBA" else np.asarray(header.convert("RGB"))


def _is_binary(index: Index) -> bool:
    if index.mask_colors is None:
        return index.class_names == BINARY_NAMES
    return np.array_equal(index.mask_colors, BLACK_AND_WHITE)


def packed_colors(colors: np.ndarray) -> np.ndarray:
    """Pack colors into integers 0xRRGGBB: uint8 ``(..., 3)`` to int32 ``(...)``."""
    return colors.astype(np.int32) @ np.array([65536, 256, 1], np.int32)


def _colors_of(keys: np.ndarray) -> np.ndarray:
    """The inverse of ``packed_colors``."""
    return np.stack([keys >> 16, keys >> 8 & 255, keys & 255], axis=-1).astype(np.uint8)


def _positions(pixels: np.ndarray, colors: np.ndarray, *, nearest: bool) -> np.ndarray:
    keys = packed_colors(pixels)
    if nearest:
        unique, where = np.unique(keys, return_inverse=True)
        parts = np.array_split(_colors_of(unique)[:, None].astype(np.int32), 64)  # bounds the memory of the differences
        near = [((part - colors.astype(np.int32)) ** 2).sum(axis=2).argmin(axis=1) for part in parts]
        return np.concatenate(near)[where].reshape(keys.shape).astype(np.uint8)
    order = np.argsort(packed_colors(colors), kind="stable")
    known = packed_colors(colors)[order]
    candidates = np.searchsorted(known, keys).clip(max=len(known) - 1)
    return np.where(known[candidates] == keys, order[candidates], IGNORE).astype(np.uint8)


def _classes(names: Sequence[str], colors: np.ndarray | None, notes: tuple[str, ...] = ()) -> MaskClasses:
    """The classes without names that mean "ignore"; see ``find_classes``."""
    ignored = [i for i, name in enumerate(names) if name.strip().lower() in IGNORED_NAMES]
    if colors is None:
        ignored = [i for i in ignored if i == len(names) - 1]
    rows = [i for i in range(len(names)) if i not in ignored] or list(range(len(names)))
    if len(rows) > MAX_CLASSES:
        raise DataError(f"The masks have {len(rows)} classes; expected at most {MAX_CLASSES}.")
    if len(rows) < len(names):
        notes = (*notes, f"pixels of {', '.join(names[i] for i in ignored)} are ignored")
    return MaskClasses(tuple(names[i] for i in rows), None if colors is None else colors[rows], notes)


def _unnamed_colors(keys: np.ndarray, blurred: bool, extent: str) -> MaskClasses:
    if blurred or len(keys) > MAX_COLORS:
        raise DataError(
            f"The masks have colors, but there is no list of them: {len(keys)} colors in {extent}"
            f"{', which JPEG has blurred' if blurred else ''}; expected at most {MAX_COLORS}. "
            "Write the classes to colors.csv next to the folder of masks: name,r,g,b."
        )
    note = f"no colors.csv: {len(keys)} classes are named by the colors found in {extent}; other colors are ignored"
    return _classes([f"#{key:06x}" for key in keys.tolist()], _colors_of(keys), (note,))


def _grey_classes(counts: Counter[int], blurred: bool, names: Sequence[str] | None, extent: str) -> MaskClasses:
    """The classes of masks without colors.

    Args:
        counts: number of pixels by value.
        names: class names in order of their values, or None.
    """
    values = set(counts)
    soft = len(values) > MAX_COLORS and {0, 255} <= values and counts[0] + counts[255] >= 0.9 * counts.total()
    if names is not None and len(names) == 1:
        names = ("background", *names)
    may_be_binary = names is None or len(names) == 2
    if blurred and not may_be_binary:
        raise DataError(f"The masks of {len(names)} classes are JPEG, which blurs class numbers. Save them as PNG.")
    if may_be_binary and (blurred or soft or values <= {0, 255}):
        notes = ("masks are JPEG or have soft edges: values from 128 on are foreground",) if blurred or soft else ()
        return MaskClasses(tuple(names or BINARY_NAMES), BLACK_AND_WHITE if names else None, notes)
    if names is not None:
        nameless = sorted(values - set(range(len(names))) - {IGNORE})
        notes = (f"values without a name are ignored: {_listed(nameless)}",) if nameless else ()
        # Two classes of exactly these names would count as binary masks, in which 255 is not ignored.
        needs_colors = tuple(names) == BINARY_NAMES and not values <= {0, 1}
        return _classes(names, _colors_of(np.arange(2) * 0x010101) if needs_colors else None, notes)
    if values <= {0, 1}:
        return MaskClasses(BINARY_NAMES, None, ())
    return _numbered_classes(sorted(values - {IGNORE}), extent)


def _numbered_classes(values: list[int], extent: str) -> MaskClasses:
    """Classes named by their numbers; if these are far apart, each is a grey level that serves as a color."""
    if values[-1] > IGNORE or values[0] < 0 or len(values) > MAX_CLASSES:
        raise DataError(f"The masks have values {_listed(values)}; expected class numbers from 0 to {MAX_CLASSES - 1}.")
    note = f"no classes.txt: classes are named by the values found in {extent}: {_listed(values)}; others are ignored"
    if 2 * len(values) > values[-1]:
        return MaskClasses(tuple(map(str, range(values[-1] + 1))), None, (note,))
    return MaskClasses(tuple(map(str, values)), _colors_of(np.array(values) * 0x010101), (note,))


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:12])) + (", ..." if len(values) > 12 else "")
