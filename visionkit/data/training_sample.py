"""One training sample: from a window of a file to the small augmented picture, with all that is annotated on it."""

import os
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from visionkit.data import batchwise, decode, geometry, windows
from visionkit.data.augment import Augmentation, seeded
from visionkit.data.boxes import cleaned
from visionkit.data.contents import read_contents
from visionkit.data.group_decoding import decode_jpeg_windows
from visionkit.data.masks import read_fitting_mask
from visionkit.data.pixel_cache import PixelCache, PixelCacheView
from visionkit.data.sample import Index, Objects, SkippedFiles
from visionkit.data.scan import Facts

UNREADABLE = (decode.PictureError, OSError, tf.errors.InvalidArgumentError)  # what reading a file may raise


def what_happened(error: Exception) -> str:
    """Why a file that the scan found sound cannot be read any more."""
    if isinstance(error, OSError):
        return f"unreadable since the check: {error.strerror or error}"
    return f"changed since the check: {error}"


class Sample(NamedTuple):
    """A picture ``(size, size, 3)`` with its objects, and its mask ``(size, size)``, where the data set has them."""

    image: np.ndarray
    objects: Objects | None = None
    mask: np.ndarray | None = None


class Drawn(NamedTuple):
    """What was drawn for the samples of an epoch, a row a place of the index.

    Attributes:
        windows: int ``(N, 4)``; they may reach beyond the picture.
        parts: int ``(N, 4)``, what of the windows lies in the picture.
        frames: int ``(N, 4)``, where these parts come to lie in the network's input.
        ratios: int ``(N,)``, by which a JPEG is shrunk while it is decoded.
        seeds: of what albumentations draws.
        batchwise: see ``batchwise.draw``; carried out here unless the accelerator does it.
    """

    windows: np.ndarray
    parts: np.ndarray
    frames: np.ndarray
    ratios: np.ndarray
    seeds: np.ndarray
    batchwise: batchwise.Drawn


def draw(index: Index, augmentation: Augmentation, size: int, seed: int, epoch: int) -> Drawn:
    """Draw an epoch's windows, colors and seeds in one go: neither threads nor batches can change them."""
    rng = np.random.default_rng([seed, epoch, 1])
    shapes = index.shapes
    drawn = rng.random((len(index), 2 * windows.TRIES + 2))
    if augmentation.area is not None:
        chosen = windows.random_windows(shapes, drawn, augmentation.area)
    elif augmentation.zoom is not None:
        chosen = windows.random_squares(shapes, drawn[:, -3:], augmentation.zoom)
    elif augmentation.scale is not None:
        chosen = windows.random_squares(shapes, drawn[:, -3:], augmentation.scale, size)
    else:
        chosen = np.concatenate([np.zeros_like(shapes), shapes], axis=1).astype(np.int32)
    ratios = windows.decoding_ratios(chosen, size)
    if augmentation.whole_first:
        ratios[:] = 1
    numbers = batchwise.draw(rng.random((len(index), batchwise.NUM_DRAWN)), augmentation)
    chosen = windows.snapped(chosen, ratios)
    parts = windows.inside(chosen, shapes)
    frames = windows.frames(chosen, parts, size)
    return Drawn(chosen, parts, frames, ratios, rng.integers(2**32, size=len(index)), numbers)


def lasting_ratios(index: Index, augmentation: Augmentation, size: int) -> np.ndarray:
    """By how much each picture may be shrunk for all epochs, int32 ``(N,)``: by what its smallest window still does with."""
    if augmentation.whole_first:
        return np.ones(len(index), np.int32)
    if augmentation.scale is not None:
        return windows.ratios_for(np.full(len(index), int(augmentation.scale[0] * size)), size)
    sides = windows.smallest_sides(index.shapes, augmentation.area, augmentation.zoom)
    return windows.ratios_for(sides, size)


def sample_maker(
    index: Index,
    size: int,
    augmentation: Augmentation,
    drawn: Drawn,
    skipped: SkippedFiles,
    *,
    cache: PixelCache | PixelCacheView | None,
    pixels_here: bool,
) -> Callable[..., list[Sample | None]]:
    """A function from some places of the index to their samples, to be called from many threads.

    As a second argument it takes the windows' pixels, uint8 ``(N, size, size, 3)``, where another machine has made them.

    Args:
        index: scanned.
        size: side of the samples in pixels.
        augmentation: what to do.
        drawn: what was drawn for this epoch.
        skipped: takes files that have changed or vanished since the scan; their sample is None.
        cache: of decoded pictures.
        pixels_here: whether ``drawn.batchwise`` is carried out here.
    """
    transform = seeded(augmentation.transforms)
    keeps_proportions = bool(index.annotations)

    def make_all(positions: list[int], cuts: np.ndarray | None = None) -> list[Sample | None]:
        if cuts is not None:
            return [make(position, None, cut) for position, cut in zip(positions, cuts, strict=True)]
        small = cache is None and not augmentation.whole_first  # whole pictures of a group might fill the memory
        decoded = _decode_together(index, positions, drawn) if small else {}
        return [make(position, decoded.pop(position, None)) for position in positions]

    def make(position: int, pixels: np.ndarray | None, cut: np.ndarray | None = None) -> Sample | None:
        path = index.paths[position]
        try:
            if pixels is None and cut is None:
                pixels = _read_pixels(index, position, drawn.parts[position].tolist(), int(drawn.ratios[position]), cache)
            objects, mask = _read_annotation(index, position)
        except UNREADABLE as error:
            skipped.add(path, what_happened(error))
            return None
        try:
            if augmentation.whole_first:
                sample = _see_all(*transform(pixels, objects, mask, drawn.seeds[position]), size, keeps_proportions)
            else:
                image = windows.place(pixels, drawn.frames[position].tolist(), size) if cut is None else cut
                seen = _through_window(index, position, objects, mask, drawn, size)
                sample = Sample(*transform(image, *seen, drawn.seeds[position]))
        except Exception as error:
            raise RuntimeError(f"{path!a}: augmentation {augmentation.name!r} failed: {error}") from error
        if drawn.batchwise.flip[position]:
            sample = _mirrored(sample)
        return sample._replace(image=batchwise.apply(sample.image, drawn.batchwise, position)) if pixels_here else sample

    return make_all


def served_sample(index: Index, size: int, position: int) -> Sample:
    """A sample as the exported model will see it: float32 pixels, nothing drawn.

    Raises:
        decode.PictureError: the file has changed since the scan.
        OSError: it cannot be read.
    """
    image = _decode_unchanged(_read_unchanged(index, position), index.facts[position])
    if not index.annotations:
        return Sample(windows.fit(image, size).numpy())
    seen = _see_all(image, *_read_annotation(index, position), size, keeps_proportions=True)
    return seen._replace(image=windows.letterbox(image, size).numpy())


def _see_all(
    pixels: np.ndarray, objects: Objects | None, mask: np.ndarray | None, size: int, keeps_proportions: bool
) -> Sample:
    """A whole picture, in proportion with padding around it, or stretched."""
    height, width = pixels.shape[:2]
    frame = windows.frame_of_whole((height, width), size) if keeps_proportions else np.array([0, 0, size, size])
    return Sample(
        windows.place(pixels, frame.tolist(), size),
        None if objects is None else geometry.into_frame(geometry.in_view(objects), frame, size),
        None if mask is None else windows.place(mask, frame.tolist(), size, is_mask=True),
    )


def _through_window(
    index: Index, position: int, objects: Objects | None, mask: np.ndarray | None, drawn: Drawn, size: int
) -> tuple[Objects | None, np.ndarray | None]:
    """Objects and mask, seen through the sample's window."""
    if objects is not None:
        fact = index.facts[position]
        objects = geometry.through_window(objects, drawn.windows[position], (fact.height, fact.width))
    if mask is not None:
        top, left, height, width = drawn.parts[position]
        cut = mask[top : top + height, left : left + width]
        mask = windows.place(cut, drawn.frames[position].tolist(), size, is_mask=True)
    return objects, mask


def _mirrored(sample: Sample) -> Sample:
    """Objects and mask of a sample whose picture is, or will be, mirrored."""
    objects = None if sample.objects is None else geometry.mirrored(sample.objects)
    return sample._replace(objects=objects, mask=None if sample.mask is None else cv2.flip(sample.mask, 1))


def _decode_together(index: Index, positions: list[int], drawn: Drawn) -> dict[int, np.ndarray]:
    """Windows of the JPEGs that need not be shrunk, by their places. What is other or went wrong is left to be done singly."""
    facts, paths = index.facts, index.paths
    group = [at for at in positions if facts[at].plain_jpeg and drawn.ratios[at] == 1 and "@" not in paths[at]]
    try:
        lengths, pixels = decode_jpeg_windows([paths[position] for position in group], drawn.parts[group])
    except tf.errors.OpError:  # which file it was is found out one by one
        return {}
    made = zip(group, lengths, pixels, strict=True)
    return {position: window for position, length, window in made if length == facts[position].num_bytes}


def _read_pixels(
    index: Index, position: int, part: list[int], ratio: int, cache: PixelCache | PixelCacheView | None
) -> np.ndarray:
    """The pixels of ``part`` of a picture, uint8 ``(h, w, 3)``, at ``1 / ratio`` of its sides or larger."""
    kept_ratio = 1 if cache is None else int(cache.ratios[position])
    pixels = None if cache is None else cache.get(position)
    if pixels is None:
        fact = index.facts[position]
        if fact.plain_jpeg and cache is None:
            return windows.decode_jpeg_window(_read_for_tensorflow(index, position), part, ratio)
        pixels = _read_shrunk(index, position, kept_ratio)
        if cache is not None:
            cache.keep(position, pixels)
    top, left, height, width = part
    bottom, right = -(-(top + height) // kept_ratio), -(-(left + width) // kept_ratio)
    return windows.shrink(pixels[top // kept_ratio : bottom, left // kept_ratio : right], max(ratio // kept_ratio, 1))


def _read_shrunk(index: Index, position: int, ratio: int) -> np.ndarray:
    """A whole picture at ``1 / ratio`` of its sides, rounded up."""
    fact = index.facts[position]
    if fact.plain_jpeg:
        return windows.decode_jpeg_window(_read_for_tensorflow(index, position), [0, 0, fact.height, fact.width], ratio)
    return windows.shrink(_decode_unchanged(_read_unchanged(index, position), fact), ratio)


def _read_annotation(index: Index, position: int) -> tuple[Objects | None, np.ndarray | None]:
    if not index.annotations:
        return None, None
    annotation, fact = index.annotations[position], index.facts[position]
    objects = None if annotation.objects is None else cleaned(annotation.objects)
    mask = None if annotation.mask is None else read_fitting_mask(annotation.mask, index, fact.height, fact.width)
    return objects, mask


def _read_unchanged(index: Index, position: int) -> bytes:
    contents = read_contents(index.paths[position])
    _refuse_other_length(len(contents), index, position)
    return contents


def _read_for_tensorflow(index: Index, position: int) -> tf.Tensor:
    """The same as a scalar string. TensorFlow reads a file while other threads run, and copies it fewer times."""
    path = index.paths[position]
    if "@" in path:  # perhaps a record
        return tf.constant(_read_unchanged(index, position))
    _refuse_other_length(os.stat(path).st_size, index, position)  # noqa: PTH116 - a Path costs as much as the reading
    try:
        return tf.io.read_file(tf.constant(os.fsencode(path)))  # without constant() it leaves TensorFlow's fast path
    except tf.errors.OpError as error:
        raise OSError(error.message) from error


def _refuse_other_length(num_bytes: int, index: Index, position: int) -> None:
    if num_bytes != index.facts[position].num_bytes:
        raise decode.PictureError(f"{num_bytes} bytes, were {index.facts[position].num_bytes}")


def _decode_unchanged(contents: bytes, fact: Facts) -> np.ndarray:
    pixels = decode.decode(contents)
    if pixels.shape[:2] != (fact.height, fact.width):
        raise decode.PictureError(f"{pixels.shape[1]} x {pixels.shape[0]} pixels, were {fact.width} x {fact.height}")
    return pixels
