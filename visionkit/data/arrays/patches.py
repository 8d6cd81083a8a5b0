"""Random training patches of labelled volumes: rotated, scaled, warped and cropped in one resampling, by several threads.

Patches are standardized by the mean and the deviation of their whole volume, before they are varied. So a network sees the same
values in training as in prediction, where whole volumes are standardized (``volumes.standardized``) and then tiled. If a patch
were standardized by itself, it would not show whether it is bright or dark within its volume.
"""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from visionkit.data.arrays.augment import with_contrast_and_noise
from visionkit.data.arrays.volumes import Volume, statistics
from visionkit.data.index import IGNORE
from visionkit.data.mask_targets import NO_TARGETS, MaskTargets, of_mask

THREADS = os.cpu_count() or 1
BATCHES_AHEAD = 2  # prepared while the network trains on one
NEAR_FOREGROUND = 0.5  # share of patches near a voxel of some class, so that small objects are seen often
WAVES = np.arange(1, 4)  # half waves a side, as in warps.Elastic for images


class VolumeVariation(NamedTuple):
    """How far patches are varied; by default, not at all.

    Attributes:
        degrees: largest rotation about each axis. It is applied to voxels, so a scan with thick slices is also sheared.
        scale: objects are scaled by a factor between ``1 / (1 + scale)`` and ``1 + scale``.
        elastic: amplitude of the lowest frequency of a smooth displacement field, as a share of the patch's sides; up to 0.03
            the field does not fold.
        contrast: each value's distance from the volume's mean is raised to a power between ``1 / (1 + contrast)`` and
            ``1 + contrast``.
        noise: largest standard deviation of added noise, in standard deviations of the volume.
        flip: whether each axis may be mirrored; a mirrored volume must then have the same labels.
    """

    degrees: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    flip: bool = False


ORDINARY = VolumeVariation(degrees=15, scale=0.15, elastic=0.02, contrast=0.2, noise=0.1)


class PatchSource(NamedTuple):
    """A volume, and statistics of it that patches need.

    Attributes:
        volume: the values, not standardized, and the labels.
        mean, deviation: those of each channel, float64 ``(channels,)``.
        voxels: the flat positions of each class' voxels, int64, for the classes it has besides the background.
    """

    volume: Volume
    mean: np.ndarray
    deviation: np.ndarray
    voxels: tuple[np.ndarray, ...]


def patch_sources(volumes: Sequence[Volume]) -> tuple[PatchSource, ...]:
    """Compute the statistics of each volume, once for all epochs."""
    return tuple(PatchSource(volume, *statistics(volume.values), _voxels(volume.labels)) for volume in volumes)


def _voxels(labels: np.ndarray) -> tuple[np.ndarray, ...]:
    labels = labels.ravel()
    present = np.flatnonzero(np.bincount(labels, minlength=256))
    return tuple(np.flatnonzero(labels == label) for label in present if label not in (0, IGNORE))


def patch_batches(
    sources: Sequence[PatchSource],
    sides: tuple[int, int, int],
    *,
    batch_size: int,
    num_batches: int,
    variation: VolumeVariation,
    seed: int,
    epoch: int,
    targets: MaskTargets = NO_TARGETS,
    num_threads: int = THREADS,
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """One epoch of patches, equally many of each volume, or one more.

    Random draws depend on ``seed``, ``epoch`` and the number of the patch alone, not on the threads.

    Args:
        sources: volumes from ``patch_sources``, which may be smaller than a patch.
        sides: sides of a patch in voxels.
        batch_size: patches a batch.
        num_batches: batches an epoch.
        variation: how far patches are varied.
        seed, epoch: seed of the positions and variations.
        targets: which targets are computed from the mask of a patch.
        num_threads: threads that crop patches.

    Yields:
        values, float32 ``(batch_size, *sides, channels)``, standardized; beyond the volume, its border is repeated. Labels by
        name: ``mask``, uint8 ``(batch_size, *sides)``, ``IGNORE`` where a voxel has no label or is beyond the volume; and the
        targets that ``mask_targets.of_mask`` computes.
    """
    num_patches = batch_size * num_batches
    rng = np.random.default_rng([seed, epoch])
    order = rng.permuted(np.tile(np.arange(len(sources)), (-(-num_patches // len(sources)), 1)), axis=1).ravel()

    def make(place: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        values, mask = patch(sources[order[place]], sides, variation, np.random.default_rng([seed, epoch, place]))
        return values, {"mask": mask} | of_mask(mask, targets)

    threads = ThreadPoolExecutor(num_threads, "visionkit-patches")
    pending: deque[list[Future]] = deque()
    try:
        for start in range(0, num_patches, batch_size):
            pending.append([threads.submit(make, place) for place in range(start, start + batch_size)])
            if len(pending) > BATCHES_AHEAD:
                yield _stacked(pending.popleft())
        while pending:
            yield _stacked(pending.popleft())
    finally:  # also when the consumer stops early
        threads.shutdown(cancel_futures=True)


def _stacked(patches: list[Future]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    values, labels = zip(*(future.result() for future in patches), strict=True)
    return np.stack(values), {name: np.stack([each[name] for each in labels]) for name in labels[0]}


def patch(
    source: PatchSource, sides: tuple[int, int, int], variation: VolumeVariation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One patch and its mask, float32 ``(*sides, channels)`` and uint8 ``(*sides)``; see ``patch_batches``."""
    values, labels = source.volume.values, source.volume.labels
    places = _warped_grid(sides, variation, rng) + _center(source, sides, rng)[:, None, None, None]
    channels = [
        map_coordinates(values[..., channel], places, np.float32, order=1, mode="nearest")
        for channel in range(values.shape[-1])
    ]
    cut = ((np.stack(channels, axis=-1) - source.mean) / source.deviation).astype(np.float32)
    cut = with_contrast_and_noise(cut, variation.contrast, variation.noise, rng).astype(np.float32)
    return cut, map_coordinates(labels, places, np.uint8, order=0, mode="grid-constant", cval=IGNORE)


def _center(source: PatchSource, sides: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """The center of a patch, ``(3,)`` in voxels.

    The patch lies inside the volume; along axes where it is too large, it is centered. Patches near the foreground choose among
    the volume's classes with equal probability, however small they are.
    """
    slack = np.array(source.volume.labels.shape) - sides
    corner = np.where(slack > 0, rng.integers(0, np.maximum(slack, 0) + 1), slack / 2)
    if source.voxels and rng.random() < NEAR_FOREGROUND:
        voxels = source.voxels[rng.integers(len(source.voxels))]
        voxel = np.array(np.unravel_index(voxels[rng.integers(len(voxels))], source.volume.labels.shape))
        near = voxel - np.floor(np.array(sides) * rng.uniform(0.25, 0.75, 3))  # the voxel is in the inner half of the patch
        corner = np.where(slack > 0, near.clip(0, np.maximum(slack, 0)), corner)
    return corner + (np.array(sides) - 1) / 2


def _warped_grid(sides: tuple[int, int, int], variation: VolumeVariation, rng: np.random.Generator) -> np.ndarray:
    """The source of each voxel of a patch, relative to the center: float32 ``(3, *sides)`` in voxels."""
    angles = rng.uniform(-1, 1, 3) * variation.degrees
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() / (1 + variation.scale) ** rng.uniform(-1, 1)
    mirrored = np.where(variation.flip & (rng.random(3) < 0.5), -1, 1)
    amplitudes = rng.uniform(-1, 1, (3, len(WAVES), len(WAVES), len(WAVES))) * variation.elastic
    amplitudes *= np.reshape(sides, (3, 1, 1, 1)) / (WAVES * WAVES[:, None] * WAVES[:, None, None])
    grid = np.stack(np.meshgrid(*(np.arange(side) - (side - 1) / 2 for side in sides), indexing="ij")).astype(np.float32)
    if variation.elastic:
        # Axis by axis, and with einsum: NumPy's matrix product would start threads of its own.
        for side in sides:
            waves = np.sin(np.pi * WAVES[:, None] * (np.arange(side) + 0.5) / side)
            amplitudes = np.einsum("cw...,ws->c...s", amplitudes, waves)
        grid += amplitudes
    return np.einsum("dc,cijk->dijk", (matrix * mirrored).astype(np.float32), grid)
