"""Built-in volumes with a label for every voxel that need no internet: real tissue with bodies inserted into it.

They show that everything works, not how well a network generalises: there is only one head.
"""

import numpy as np
from scipy.ndimage import zoom
from scipy.spatial.transform import Rotation

from visionkit.data.arrays.volumes import BACKGROUND, Volume, VolumeSplits
from visionkit.data.demo.arrays import TISSUE, halves, head_scan, random_cube

SIDE = 40  # side of a volume in voxels
CLASS_NAMES = (BACKGROUND, "ellipsoid", "bar")
MOST_BODIES = 3  # of each class in a volume; there is at least one
BRIGHTER = (150, 350)  # intensity added to the tissue, whose standard deviation is about 200
SEMI_AXES = (3, 7)  # of ellipsoids, in voxels
HALF_LENGTH, HALF_WIDTH = (8, 13), (1.5, 2.5)  # of bars, in voxels
ATTEMPTS = 50  # attempts to find a free place in tissue for a body


def demo_label_volumes(*, num_train: int = 24, num_val: int = 8, seed: int = 0) -> VolumeSplits:
    """Parts of a human brain, from the MRI scan that comes with nibabel, with ellipsoids and bars inserted.

    Bodies of both classes brighten the tissue by the same amounts and keep its texture: bright tissue looks like them, and only
    their shape distinguishes the classes. Their places, sizes and rotations are random, but known exactly. Training volumes
    come from one half of the head, validation volumes from the mirror image of the other, with a gap between.

    Args:
        num_train: number of training volumes, with sides of 40 voxels.
        num_val: number of validation volumes.
        seed: seed of the random parts and bodies.
    """
    scan = head_scan()
    scan = zoom(scan, (1, 1, (SIDE + 4) / scan.shape[2], 1), order=1)  # deep enough to be cropped at different heights
    train_half, val_half = halves(scan)
    parts = []
    for number, (split, half, count) in enumerate((("train", train_half, num_train), ("val", val_half, num_val))):
        parts.append(tuple(_volume(half, f"{split} {i}", np.random.default_rng([seed, number, i])) for i in range(count)))
    return VolumeSplits(CLASS_NAMES, *parts)


def _volume(half: np.ndarray, name: str, rng: np.random.Generator) -> Volume:
    """A part of half a head, mostly tissue, with bodies."""
    while True:
        corner, values = random_cube(half, SIDE, rng)
        if (values > TISSUE).mean() > 0.5:
            break
    values = values.copy()
    labels = np.zeros(values.shape, np.uint8)
    for label, body in ((1, _ellipsoid), (2, _bar)):
        for _ in range(rng.integers(1, MOST_BODIES + 1)):
            for _ in range(ATTEMPTS):
                inside = body(rng)
                if not labels[inside].any() and (values[inside] > TISSUE).mean() > 0.5:
                    values[inside] += rng.uniform(*BRIGHTER)
                    labels[inside] = label
                    break
    return Volume(f"{name}, from {corner}", values[..., None], labels)


def _ellipsoid(rng: np.random.Generator) -> np.ndarray:
    """Voxels whose centers lie in a random ellipsoid, bool ``(SIDE, SIDE, SIDE)``."""
    return np.square(_body_coordinates(rng) / rng.uniform(*SEMI_AXES, 3)).sum(axis=-1) <= 1


def _bar(rng: np.random.Generator) -> np.ndarray:
    """Voxels whose centers lie in a random bar, bool ``(SIDE, SIDE, SIDE)``."""
    half_sides = (rng.uniform(*HALF_LENGTH), rng.uniform(*HALF_WIDTH), rng.uniform(*HALF_WIDTH))
    return (np.abs(_body_coordinates(rng)) <= half_sides).all(axis=-1)


def _body_coordinates(rng: np.random.Generator) -> np.ndarray:
    """Each voxel in the coordinates of a body with random center and rotation: ``(SIDE, SIDE, SIDE, 3)`` in voxels."""
    grid = np.stack(np.meshgrid(*[np.arange(SIDE, dtype=np.float32)] * 3, indexing="ij"), axis=-1)
    rotation = Rotation.from_quat(rng.normal(size=4)).as_matrix().astype(np.float32)  # uniform over all rotations
    return (grid - rng.uniform(4, SIDE - 4, 3).astype(np.float32)) @ rotation
