"""Training patches of labelled volumes: drawn, turned, bent and cut in threads, in one resampling.

Patches are standardised by the mean and the deviation of the whole volume that they come from, before they are varied. So a
network sees the same values in training and where whole volumes are standardised (``volumes.standardized``) and then
tiled; standardised by itself, a patch would not tell whether it is bright or dark in its volume.
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
BATCHES_AHEAD = 2  # made while the network works on one
NEAR_FOREGROUND = 0.5  # share of the patches that are drawn near a voxel of a class: small parts are met
WAVES = np.arange(1, 4)  # half waves a side, as of images (warps.Elastic)


class VolumeVariation(NamedTuple):
    """How far patches are varied; nothing by default.

    Attributes:
        degrees: largest rotation about each axis, in voxels: of a scan with thick slices it bends what it turns.
        scale: things become up to ``1 + scale`` times as large, or as small.
        elastic: strength of the first wave of a smooth random field, as a share of the patch's sides; up to 0.03 nothing folds
            over.
        contrast: a value's distance from the volume's mean is raised to a power of up to ``1 + contrast``, or as far below.
        noise: largest deviation of added noise, in deviations of the volume.
        flip: whether each axis may be mirrored: only where a mirrored volume has the same labels.
    """

    degrees: float = 0.0
    scale: float = 0.0
    elastic: float = 0.0
    contrast: float = 0.0
    noise: float = 0.0
    flip: bool = False


ORDINARY = VolumeVariation(degrees=15, scale=0.15, elastic=0.02, contrast=0.2, noise=0.1)


class PatchSource(NamedTuple):
    """A volume, and what has to be known of the whole of it before parts of it are cut.

    Attributes:
        volume: as it was read.
        mean, deviation: of each channel, float64 ``(channels,)``.
        voxels: of each class in it but the background, the flat places of its voxels, int64.
    """

    volume: Volume
    mean: np.ndarray
    deviation: np.ndarray
    voxels: tuple[np.ndarray, ...]


def patch_sources(volumes: Sequence[Volume]) -> tuple[PatchSource, ...]:
    """Look through each volume once; this is not for each epoch to do again."""
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
    """One epoch of patches; every volume gives as many, or one more.

    What is drawn comes from ``seed``, ``epoch`` and the number of the patch alone, whatever the threads.

    Args:
        sources: from ``patch_sources``; volumes may be smaller than a patch.
        sides: of a patch in voxels.
        batch_size: patches a batch.
        num_batches: batches an epoch.
        variation: how far patches are varied.
        seed, epoch: draw places and variations.
        targets: what is computed from the labels of a patch.
        num_threads: that make patches.

    Yields:
        values, float32 ``(batch_size, *sides, channels)``, standardised by their volume; beyond it, its border goes on. Labels
        by name: ``mask``, uint8 ``(batch_size, *sides)``, ``IGNORE`` where there is none and beyond the volume; and what
        ``targets.of_mask`` makes of it.
    """
    num_patches = batch_size * num_batches
    rng = np.random.default_rng([seed, epoch])
    order = rng.permuted(np.tile(np.arange(len(sources)), (-(-num_patches // len(sources)), 1)), axis=1).ravel()

    def make(place: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        values, mask = patch(sources[order[place]], sides, variation, np.random.default_rng([seed, epoch, place]))
        return values, {"mask": mask} | of_mask(mask, targets)

    threads = ThreadPoolExecutor(num_threads, "visionkit-patches")
    under_way: deque[list[Future]] = deque()
    try:
        for start in range(0, num_patches, batch_size):
            under_way.append([threads.submit(make, place) for place in range(start, start + batch_size)])
            if len(under_way) > BATCHES_AHEAD:
                yield _stacked(under_way.popleft())
        while under_way:
            yield _stacked(under_way.popleft())
    finally:  # also where whoever asks breaks off
        threads.shutdown(cancel_futures=True)


def _stacked(patches: list[Future]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    values, labels = zip(*(made.result() for made in patches), strict=True)
    return np.stack(values), {name: np.stack([each[name] for each in labels]) for name in labels[0]}


def patch(
    source: PatchSource, sides: tuple[int, int, int], variation: VolumeVariation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One patch of a volume and its mask, as ``patch_batches`` says: float32 ``(*sides, channels)`` and uint8 ``(*sides)``."""
    values, labels = source.volume.values, source.volume.labels
    places = _bent_grid(sides, variation, rng) + _center(source, sides, rng)[:, None, None, None]
    channels = [
        map_coordinates(values[..., channel], places, np.float32, order=1, mode="nearest")
        for channel in range(values.shape[-1])
    ]
    cut = ((np.stack(channels, axis=-1) - source.mean) / source.deviation).astype(np.float32)
    cut = with_contrast_and_noise(cut, variation.contrast, variation.noise, rng).astype(np.float32)
    return cut, map_coordinates(labels, places, np.uint8, order=0, mode="grid-constant", cval=IGNORE)


def _center(source: PatchSource, sides: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Where the middle of a patch lies, ``(3,)`` in voxels: such that it fits in, where it can; else in the volume's middle.

    Near the foreground each class that is there is as likely, however small it is.
    """
    room = np.array(source.volume.labels.shape) - sides
    corner = np.where(room > 0, rng.integers(0, np.maximum(room, 0) + 1), room / 2)
    if source.voxels and rng.random() < NEAR_FOREGROUND:
        voxels = source.voxels[rng.integers(len(source.voxels))]
        voxel = np.array(np.unravel_index(voxels[rng.integers(len(voxels))], source.volume.labels.shape))
        near = voxel - np.floor(np.array(sides) * rng.uniform(0.25, 0.75, 3))  # the voxel is in the inner half of the patch
        corner = np.where(room > 0, near.clip(0, np.maximum(room, 0)), corner)
    return corner + (np.array(sides) - 1) / 2


def _bent_grid(sides: tuple[int, int, int], variation: VolumeVariation, rng: np.random.Generator) -> np.ndarray:
    """Where each voxel of a patch comes from, seen from the place in its middle: float32 ``(3, *sides)`` in voxels."""
    angles = rng.uniform(-1, 1, 3) * variation.degrees
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() / (1 + variation.scale) ** rng.uniform(-1, 1)
    mirrored = np.where(variation.flip & (rng.random(3) < 0.5), -1, 1)
    amplitudes = rng.uniform(-1, 1, (3, len(WAVES), len(WAVES), len(WAVES))) * variation.elastic
    amplitudes *= np.reshape(sides, (3, 1, 1, 1)) / (WAVES * WAVES[:, None] * WAVES[:, None, None])
    grid = np.stack(np.meshgrid(*(np.arange(side) - (side - 1) / 2 for side in sides), indexing="ij")).astype(np.float32)
    if variation.elastic:
        # Axis by axis; in einsum, since NumPy's matrix product would start threads of its own.
        for side in sides:
            waves = np.sin(np.pi * WAVES[:, None] * (np.arange(side) + 0.5) / side)
            amplitudes = np.einsum("cw...,ws->c...s", amplitudes, waves)
        grid += amplitudes
    return np.einsum("dc,cijk->dijk", (matrix * mirrored).astype(np.float32), grid)
