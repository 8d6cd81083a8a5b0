"""Built-in volumes with a label for every voxel that need no network: real tissue with bodies set into it.

They show that everything works, not how well a network generalises: there is one head.
"""

from importlib.resources import files

import nibabel
import numpy as np
from scipy.ndimage import zoom
from scipy.spatial.transform import Rotation

from visionkit.data.arrays.volumes import BACKGROUND, Volume, VolumeSplits
from visionkit.data.demo.arrays import TISSUE

SIDE = 40  # voxels of a volume
CLASS_NAMES = (BACKGROUND, "ellipsoid", "bar")
MOST_BODIES = 3  # of each class in a volume; at least one
BRIGHTER = (150, 350)  # than the tissue they lie in, which deviates by about 200
SEMI_AXES = (3, 7)  # of ellipsoids, in voxels
HALF_LENGTH, HALF_WIDTH = (8, 13), (1.5, 2.5)  # of bars
ATTEMPTS = 50  # to find a free place in tissue for a body


def demo_label_volumes(*, num_train: int = 24, num_val: int = 8, seed: int = 0) -> VolumeSplits:
    """Parts of a human brain, from the MRI scan that nibabel carries, with ellipsoids and bars set into them.

    Bodies of both classes are brighter than what was there, by the same amounts, and keep its texture: bright tissue looks
    like them, and only their shape tells one class from the other. Their places, sizes and turns are drawn; where they lie is
    known exactly. Training volumes come from one half of the head, validation volumes from the other, seen from the middle
    outwards as the first is, with a gap between.

    Args:
        num_train: volumes of 40 voxels a side for training.
        num_val: volumes for validation.
        seed: draws parts and bodies.
    """
    scan = nibabel.load(str(files("nibabel.tests.data") / "example4d.nii.gz"))
    both = scan.get_fdata(dtype=np.float32)  # (128, 96, 24) at two times; the middle of the head is at 62 of the first axis
    both = zoom(both, (1, 1, (SIDE + 4) / both.shape[2], 1), order=1)  # deep enough to be cut at different heights
    parts = []
    for number, (split, half, count) in enumerate((("train", both[60::-1], num_train), ("val", both[64:], num_val))):
        parts.append(tuple(_volume(half, f"{split} {i}", np.random.default_rng([seed, number, i])) for i in range(count)))
    return VolumeSplits(CLASS_NAMES, *parts)


def _volume(half: np.ndarray, name: str, rng: np.random.Generator) -> Volume:
    """A part of half a head, mostly tissue, with bodies."""
    while True:
        corner = [int(rng.integers(side - SIDE + 1)) for side in half.shape[:3]]
        values = half[(*(slice(c, c + SIDE) for c in corner), int(rng.integers(half.shape[3])))].copy()
        if (values > TISSUE).mean() > 0.5:
            break
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
    """Voxels whose middles lie in an ellipsoid, bool ``(SIDE, SIDE, SIDE)``."""
    return np.square(_seen_from_a_body(rng) / rng.uniform(*SEMI_AXES, 3)).sum(axis=-1) <= 1


def _bar(rng: np.random.Generator) -> np.ndarray:
    """Voxels whose middles lie in a bar, bool ``(SIDE, SIDE, SIDE)``."""
    half_sides = (rng.uniform(*HALF_LENGTH), rng.uniform(*HALF_WIDTH), rng.uniform(*HALF_WIDTH))
    return (np.abs(_seen_from_a_body(rng)) <= half_sides).all(axis=-1)


def _seen_from_a_body(rng: np.random.Generator) -> np.ndarray:
    """Each voxel in the coordinates of a body whose middle and turn are drawn: ``(SIDE, SIDE, SIDE, 3)`` in voxels."""
    grid = np.stack(np.meshgrid(*[np.arange(SIDE, dtype=np.float32)] * 3, indexing="ij"), axis=-1)
    turn = Rotation.from_quat(rng.normal(size=4)).as_matrix().astype(np.float32)  # every turn is as likely
    return (grid - rng.uniform(4, SIDE - 4, 3).astype(np.float32)) @ turn
