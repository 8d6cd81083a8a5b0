"""One sample of the pipeline: an image at the network's size, with its objects and its mask, for training or evaluation."""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from visionkit.data.augmentation import geometry, pixelwise
from visionkit.data.augmentation.parameters import EpochParams
from visionkit.data.augmentation.presets import Augmentation, seeded
from visionkit.data.images import crops, resize
from visionkit.data.index import Index, Objects
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
    params: EpochParams,
    *,
    cache: PixelCache | PixelCacheView | None,
    on_cpu: bool,
) -> Callable[..., list[Sample | None]]:
    """Return a function from positions in the index to their samples, which many threads may call.

    Its optional second argument is the pixels of the windows, uint8 ``(N, size, size, 3)``, if another machine has cut them.

    Args:
        index: a scanned index.
        size: side of the samples in pixels.
        augmentation: how images are augmented.
        params: the random parameters of this epoch.
        cache: a cache of decoded images.
        on_cpu: whether ``params.pixelwise`` is applied here.
    """
    transform = seeded(augmentation.transforms)
    keeps_proportions = bool(index.annotations)

    def make_all(positions: list[int], cuts: np.ndarray | None = None) -> list[Sample | None]:
        if cuts is not None:
            return [make(position, None, cut) for position, cut in zip(positions, cuts, strict=True)]
        small = cache is None and not augmentation.whole_first  # whole images of a group might fill the memory
        decoded = decode_together(index, positions, params) if small else {}
        return [make(position, decoded.pop(position, None)) for position in positions]

    def make(position: int, pixels: np.ndarray | None, cut: np.ndarray | None = None) -> Sample | None:
        path = index.paths[position]
        try:
            if pixels is None and cut is None:
                pixels = read_pixels(index, position, params.parts[position].tolist(), int(params.ratios[position]), cache)
            objects, mask = read_annotation(index, position)
        except UNREADABLE as error:
            index.skipped.add(path, reason_of(error))
            return None
        try:
            if augmentation.whole_first:
                sample = _whole_image(*transform(pixels, objects, mask, params.seeds[position]), size, keeps_proportions)
            else:
                image = crops.place(pixels, params.frames[position].tolist(), size) if cut is None else cut
                annotation = _through_window(index, position, objects, mask, params, size)
                sample = Sample(*transform(image, *annotation, params.seeds[position]))
        except Exception as error:
            raise RuntimeError(f"{path!a}: augmentation {augmentation.name!r} failed: {error}") from error
        if params.pixelwise.flip[position]:
            sample = _mirrored(sample)
        return sample._replace(image=pixelwise.apply(sample.image, params.pixelwise, position)) if on_cpu else sample

    return make_all


def evaluation_sample(index: Index, size: int, position: int) -> Sample:
    """A sample as the exported model will see it: float32 pixels, without augmentation.

    Raises:
        decode.ImageError: the file has changed since the scan.
        OSError: the file cannot be read.
    """
    image = decode_unchanged(read_unchanged(index, position), index.infos[position])
    if not index.annotations:
        return Sample(resize.center_crop(image, size).numpy())
    sample = _whole_image(image, *read_annotation(index, position), size, keeps_proportions=True)
    return sample._replace(image=resize.letterbox(image, size).numpy())


def _whole_image(
    pixels: np.ndarray, objects: Objects | None, mask: np.ndarray | None, size: int, keeps_proportions: bool
) -> Sample:
    """A whole image with its annotation, in proportion and padded, or else stretched to a square."""
    height, width = pixels.shape[:2]
    frame = resize.letterbox_placement((height, width), size) if keeps_proportions else np.array([0, 0, size, size])
    return Sample(
        crops.place(pixels, frame.tolist(), size),
        None if objects is None else geometry.into_frame(geometry.in_view(objects), frame, size),
        None if mask is None else crops.place(mask, frame.tolist(), size, is_mask=True),
    )


def _through_window(
    index: Index, position: int, objects: Objects | None, mask: np.ndarray | None, params: EpochParams, size: int
) -> tuple[Objects | None, np.ndarray | None]:
    """Objects and mask as they lie in the sample's window."""
    if objects is not None:
        info = index.infos[position]
        objects = geometry.through_window(objects, params.windows[position], (info.height, info.width))
    if mask is not None:
        top, left, height, width = params.parts[position]
        cut = mask[top : top + height, left : left + width]
        mask = crops.place(cut, params.frames[position].tolist(), size, is_mask=True)
    return objects, mask


def _mirrored(sample: Sample) -> Sample:
    """The sample with mirrored objects and mask; ``pixelwise`` mirrors the image."""
    objects = None if sample.objects is None else geometry.mirrored(sample.objects)
    return sample._replace(objects=objects, mask=None if sample.mask is None else cv2.flip(sample.mask, 1))
