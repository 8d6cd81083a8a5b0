"""One training sample: from a window of a file to the small augmented image, with all that is annotated on it."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from visionkit.data.augmentation import geometry, pixelwise
from visionkit.data.augmentation.parameters import EpochParams
from visionkit.data.augmentation.presets import Augmentation, seeded
from visionkit.data.images import crops, resize
from visionkit.data.index import Index, Objects, SkippedFiles
from visionkit.data.pipeline.pixel_cache import PixelCache, PixelCacheView
from visionkit.data.pipeline.reading import (
    UNREADABLE,
    decode_together,
    decode_unchanged,
    read_annotation,
    read_pixels,
    read_unchanged,
    reason_of,
)


class Sample(NamedTuple):
    """An image ``(size, size, 3)`` with its objects, and its mask ``(size, size)``, where the data set has them."""

    image: np.ndarray
    objects: Objects | None = None
    mask: np.ndarray | None = None


def sample_maker(
    index: Index,
    size: int,
    augmentation: Augmentation,
    drawn: EpochParams,
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
        cache: of decoded images.
        pixels_here: whether ``drawn.pixelwise`` is carried out here.
    """
    transform = seeded(augmentation.transforms)
    keeps_proportions = bool(index.annotations)

    def make_all(positions: list[int], cuts: np.ndarray | None = None) -> list[Sample | None]:
        if cuts is not None:
            return [make(position, None, cut) for position, cut in zip(positions, cuts, strict=True)]
        small = cache is None and not augmentation.whole_first  # whole images of a group might fill the memory
        decoded = decode_together(index, positions, drawn) if small else {}
        return [make(position, decoded.pop(position, None)) for position in positions]

    def make(position: int, pixels: np.ndarray | None, cut: np.ndarray | None = None) -> Sample | None:
        path = index.paths[position]
        try:
            if pixels is None and cut is None:
                pixels = read_pixels(index, position, drawn.parts[position].tolist(), int(drawn.ratios[position]), cache)
            objects, mask = read_annotation(index, position)
        except UNREADABLE as error:
            skipped.add(path, reason_of(error))
            return None
        try:
            if augmentation.whole_first:
                sample = _see_all(*transform(pixels, objects, mask, drawn.seeds[position]), size, keeps_proportions)
            else:
                image = crops.place(pixels, drawn.frames[position].tolist(), size) if cut is None else cut
                seen = _through_window(index, position, objects, mask, drawn, size)
                sample = Sample(*transform(image, *seen, drawn.seeds[position]))
        except Exception as error:
            raise RuntimeError(f"{path!a}: augmentation {augmentation.name!r} failed: {error}") from error
        if drawn.pixelwise.flip[position]:
            sample = _mirrored(sample)
        return sample._replace(image=pixelwise.apply(sample.image, drawn.pixelwise, position)) if pixels_here else sample

    return make_all


def served_sample(index: Index, size: int, position: int) -> Sample:
    """A sample as the exported model will see it: float32 pixels, nothing drawn.

    Raises:
        decode.ImageError: the file has changed since the scan.
        OSError: it cannot be read.
    """
    image = decode_unchanged(read_unchanged(index, position), index.infos[position])
    if not index.annotations:
        return Sample(resize.center_crop(image, size).numpy())
    seen = _see_all(image, *read_annotation(index, position), size, keeps_proportions=True)
    return seen._replace(image=resize.letterbox(image, size).numpy())


def _see_all(
    pixels: np.ndarray, objects: Objects | None, mask: np.ndarray | None, size: int, keeps_proportions: bool
) -> Sample:
    """A whole image, in proportion with padding around it, or stretched."""
    height, width = pixels.shape[:2]
    frame = resize.letterbox_placement((height, width), size) if keeps_proportions else np.array([0, 0, size, size])
    return Sample(
        crops.place(pixels, frame.tolist(), size),
        None if objects is None else geometry.into_frame(geometry.in_view(objects), frame, size),
        None if mask is None else crops.place(mask, frame.tolist(), size, is_mask=True),
    )


def _through_window(
    index: Index, position: int, objects: Objects | None, mask: np.ndarray | None, drawn: EpochParams, size: int
) -> tuple[Objects | None, np.ndarray | None]:
    """Objects and mask, seen through the sample's window."""
    if objects is not None:
        info = index.infos[position]
        objects = geometry.through_window(objects, drawn.windows[position], (info.height, info.width))
    if mask is not None:
        top, left, height, width = drawn.parts[position]
        cut = mask[top : top + height, left : left + width]
        mask = crops.place(cut, drawn.frames[position].tolist(), size, is_mask=True)
    return objects, mask


def _mirrored(sample: Sample) -> Sample:
    """Objects and mask of a sample whose image is, or will be, mirrored."""
    objects = None if sample.objects is None else geometry.mirrored(sample.objects)
    return sample._replace(objects=objects, mask=None if sample.mask is None else cv2.flip(sample.mask, 1))
