"""Small labelled sets of real signals and volumes that need no internet.

They show that everything works, not how well a network generalises: there is only one photograph per class, and one head.
"""

from importlib.resources import files
from itertools import permutations

import nibabel
import numpy as np

from visionkit.data.arrays.samples import Sample
from visionkit.data.demo.photographs import PHOTOGRAPHS, split_in_two

LENGTH = 256  # samples of a signal
SIDE = 14  # side of a cube in voxels
AXES = ("middle-side", "back-front", "down-up")  # axes of one half of the head
TISSUE = 150  # intensity above which a voxel of the scan is not air


def demo_signals(*, num_train: int = 100, num_val: int = 40, seed: int = 0) -> list[Sample]:
    """Scan lines of photographs, 256 pixels long; the label is the photograph.

    A line runs down a photograph at a random place. Training and validation lines come from two sides of it, with a gap
    between.

    Args:
        num_train: number of training lines of each photograph.
        num_val: number of validation lines of each photograph.
        seed: seed of the random places.
    """
    samples = []
    for number, (name, photograph) in enumerate(PHOTOGRAPHS.items()):
        rng = np.random.default_rng([seed, number])
        pixels = photograph()
        grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
        if min(grey.shape) < LENGTH:  # too small to have lines across its parts
            continue
        for split, region, count in zip(("train", "val"), split_in_two(grey), (num_train, num_val), strict=True):
            across = region.T if _is_split_by_rows(grey) else region  # lines run parallel to the cut
            for _ in range(count):
                top, column = int(rng.integers(across.shape[0] - LENGTH + 1)), int(rng.integers(across.shape[1]))
                line = across[top : top + LENGTH, column, None].astype(np.float32)
                samples.append(Sample(f"{name} {split} line {column}, from {top}", name, split, line))
    return _numbered(samples)


def _is_split_by_rows(grey: np.ndarray) -> bool:
    """Whether ``split_in_two`` cuts the photograph into top and bottom instead of left and right."""
    return grey.shape[0] > grey.shape[1]


def demo_volumes(*, num_train: int = 150, num_val: int = 60, seed: int = 0) -> list[Sample]:
    """Cubes of a human brain from the MRI scan that comes with nibabel; the label is the order of their axes, one of six.

    The task needs no annotators, like RotNet (https://arxiv.org/abs/1803.07728): the axes of each cube are permuted in one of
    six ways, which the network has to recognise from the contents. Training cubes come from one half of the brain, validation
    cubes from the mirror image of the other, with a gap between.

    Args:
        num_train: number of training cubes of each order.
        num_val: number of validation cubes of each order.
        seed: seed of the random places.
    """
    train_half, val_half = halves(head_scan())
    rng = np.random.default_rng(seed)
    samples = []
    for split, half, count in (("train", train_half, num_train), ("val", val_half, num_val)):
        for order in permutations(range(3)):
            name = ", ".join(AXES[axis] for axis in order)
            num_cubes = 0
            while num_cubes < count:
                corner, cube = random_cube(half, SIDE, rng)
                if (cube > TISSUE).mean() < 0.5:  # mostly air
                    continue
                num_cubes += 1
                samples.append(Sample(f"{split} cube at {corner}", name, split, cube.transpose(order)[..., None]))
    return _numbered(samples)


def head_scan() -> np.ndarray:
    """The MRI scan of a head that comes with nibabel: float32 ``(128, 96, 24, 2)``, at two times."""
    return nibabel.load(str(files("nibabel.tests.data") / "example4d.nii.gz")).get_fdata(dtype=np.float32)


def halves(scan: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both halves of ``head_scan`` from the middle (62 on the first axis) outwards, with a gap between."""
    return scan[60::-1], scan[64:]


def random_cube(half: np.ndarray, side: int, rng: np.random.Generator) -> tuple[list[int], np.ndarray]:
    """The corner and the values of a random cube of ``(D, H, W, times)``, at a random time."""
    corner = [int(rng.integers(length - side + 1)) for length in half.shape[:3]]
    return corner, half[(*(slice(start, start + side) for start in corner), int(rng.integers(half.shape[3])))]


def _numbered(samples: list[Sample]) -> list[Sample]:
    """The samples with unique names."""
    return [sample._replace(name=f"{number}: {sample.name}") for number, sample in enumerate(samples)]
