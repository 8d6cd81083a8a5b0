"""Images of a batch mixed with each other: MixUp, CutMix and Mosaic.

``sample_mixture`` draws the parameters of MixUp and CutMix, ``mix`` applies them on the processor, and
``visionkit.layers.BatchAugmentation`` on the accelerator. ``mosaic`` also moves boxes, masks and keypoints, on the processor.
"""

from typing import NamedTuple

import cv2
import numpy as np

from visionkit.data.augmentation import geometry
from visionkit.data.index import NO_OBJECTS, Objects
from visionkit.data.pipeline.samples import Sample

MIXUP_ALPHA = 0.2  # parameter of the beta distribution of shares, as for ImageNet in the paper
CENTER = (0.3, 0.7)  # where the four images of a mosaic meet, in both directions
SHRUNK = (0.5, 1.0)  # range of the factors by which the images of a mosaic are shrunk


class Mixture(NamedTuple):
    """How the images of a batch are mixed, one row per sample.

    Attributes:
        partners: int32 ``(N,)``, the row of the image that is mixed in.
        shares: float32 ``(N,)``, the weight of the sample's own pixels (MixUp).
        patches: float32 ``(N, 4)``, the relative box that shows the partner (CutMix); empty without one.
    """

    partners: np.ndarray
    shares: np.ndarray
    patches: np.ndarray

    def own_shares(self) -> np.ndarray:
        """The weight of each sample's own label, float32 ``(N,)``."""
        return self.shares * (1 - np.prod(self.patches[:, 2:] - self.patches[:, :2], axis=1))


def sample_mixture(kind: str, num_samples: int, rng: np.random.Generator) -> Mixture:
    """Draw partners, shares and patches for a batch.

    Args:
        kind: "mixup" (https://arxiv.org/abs/1710.09412) or "cutmix" (https://arxiv.org/abs/1905.04899).
        num_samples: size of the batch.
        rng: the generator of this batch.
    """
    partners = rng.permutation(num_samples).astype(np.int32)
    if kind == "mixup":
        shares = rng.beta(MIXUP_ALPHA, MIXUP_ALPHA, num_samples).astype(np.float32)
        return Mixture(partners, np.maximum(shares, 1 - shares), np.zeros((num_samples, 4), np.float32))
    sides = np.sqrt(rng.random((num_samples, 1)))  # the patch's area is uniform, as a beta distribution of 1 and 1 is
    corners = rng.random((num_samples, 2)) * (1 - sides)
    return Mixture(
        partners, np.ones(num_samples, np.float32), np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    )


def mix(images: np.ndarray, mixture: Mixture) -> np.ndarray:
    """MixUp or CutMix of uint8 ``(N, H, W, 3)``; the result is a new array of the same kind."""
    mixed = images.copy()
    for row, (partner, share) in enumerate(zip(mixture.partners, mixture.shares, strict=True)):
        if share < 1:
            cv2.addWeighted(images[row], float(share), images[partner], float(1 - share), 0, dst=mixed[row])
        left, top, right, bottom = pixel_box(mixture.patches[row], images.shape[1:3])
        mixed[row, top:bottom, left:right] = images[partner, top:bottom, left:right]
    return mixed


def pixel_box(box: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A relative box in whole pixels: int ``[left, top, right, bottom]``."""
    return np.round(box * (shape[1], shape[0], shape[1], shape[0])).astype(int)


def mix_labels(labels: np.ndarray, mixture: Mixture, num_classes: int) -> np.ndarray:
    """Labels int ``(N,)``, or sets of labels ``(N, num_classes)``, as float32 ``(N, num_classes)``, mixed as the images are."""
    one_hot = labels if labels.ndim == 2 else np.eye(num_classes, dtype=np.float32)[labels]
    own = mixture.own_shares()[:, None]
    return own * one_hot + (1 - own) * one_hot[mixture.partners]


class Tiles(NamedTuple):
    """The layout of one mosaic.

    Attributes:
        sources: rows of the batch that it shows, int ``(4,)``: top left, top right, bottom left, bottom right.
        frames: where they are placed, in pixels, int ``(4, 4)``: top, left, height, width.
        cuts: the window of each source, in its pixels, int ``(4, 4)``.
    """

    sources: np.ndarray
    frames: np.ndarray
    cuts: np.ndarray


def sample_tiles(row: int, num_samples: int, size: int, rng: np.random.Generator) -> Tiles:
    """Draw one mosaic (https://arxiv.org/abs/2004.10934); one of its four images is the sample's own."""
    center_y, center_x = rng.integers(round(CENTER[0] * size), round(CENTER[1] * size), 2, endpoint=True)
    frames = np.array(
        [
            [0, 0, center_y, center_x],
            [0, center_x, center_y, size - center_x],
            [center_y, 0, size - center_y, center_x],
            [center_y, center_x, size - center_y, size - center_x],
        ]
    )
    sources = rng.permutation(np.concatenate([[row], rng.integers(num_samples, size=3)]))
    # A long frame shrinks its image less: no window is larger than the image, and all keep its proportions.
    shrunk = np.maximum(rng.uniform(*SHRUNK, (4, 1)), frames[:, 2:].max(axis=1, keepdims=True) / size)
    sides = np.round(frames[:, 2:] / shrunk).astype(int)
    corners = np.floor(rng.random((4, 2)) * (size - sides + 1)).astype(int)
    return Tiles(sources, frames, np.concatenate([corners, sides], axis=1))


def mosaic(samples: list[Sample], tiles: Tiles) -> Sample:
    """Put four windows of samples of one size together, with all that is annotated on them.

    Args:
        samples: all samples of the batch, with images uint8 ``(size, size, 3)``.
        tiles: the layout, from ``sample_tiles``.
    """
    four = [samples[source] for source in tiles.sources.tolist()]
    image = np.empty_like(four[0].image)
    mask = None if four[0].mask is None else np.empty_like(four[0].mask)
    for sample, frame, cut in zip(four, tiles.frames.tolist(), tiles.cuts.tolist(), strict=True):
        target, source, size = _slices(frame), _slices(cut), (frame[3], frame[2])
        image[target] = cv2.resize(sample.image[source], size, interpolation=cv2.INTER_LINEAR)
        if mask is not None:
            mask[target] = cv2.resize(sample.mask[source], size, interpolation=cv2.INTER_NEAREST_EXACT)
    objects = None if four[0].objects is None else _objects_of_tiles([sample.objects for sample in four], tiles, len(image))
    return Sample(image, objects, mask)


def _slices(window: list[int]) -> tuple[slice, slice]:
    top, left, height, width = window
    return slice(top, top + height), slice(left, left + width)


def _objects_of_tiles(objects_of_samples: list[Objects], tiles: Tiles, size: int) -> Objects:
    """All objects that the four windows show, computed at once, with a quarter of the NumPy calls."""
    tile = np.repeat(np.arange(len(objects_of_samples)), [len(objects) for objects in objects_of_samples])
    clipped, rows = geometry.clip(geometry.relative_to(joined(objects_of_samples), tiles.cuts[tile], (size, size)))
    return geometry.into_frame(clipped.take(rows), tiles.frames[tile[rows]], size)


def joined(parts: list[Objects]) -> Objects:
    """All objects of several images as one; outlines and attributes are dropped.

    Where only some have keypoints, those of the others are unlabelled.
    """
    parts = [part for part in parts if len(part)]
    if not parts:
        return NO_OBJECTS
    boxes, classes = (np.concatenate([getattr(part, name) for part in parts]) for name in ("boxes", "classes"))
    num_points = max(0 if part.keypoints is None else part.keypoints.shape[1] for part in parts)
    if num_points == 0:
        return Objects(boxes, classes)
    unlabelled = (np.zeros((len(part), num_points, 3)) for part in parts)
    keypoints = [none if part.keypoints is None else part.keypoints for part, none in zip(parts, unlabelled, strict=True)]
    return Objects(boxes, classes, keypoints=np.concatenate(keypoints))
