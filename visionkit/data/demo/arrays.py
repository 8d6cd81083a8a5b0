"""Small labelled sets of real signals and volumes that need no network.

They show that everything works, not how well a network generalises: there is one photograph a class, and one head.
"""

from importlib.resources import files
from itertools import permutations

import nibabel
import numpy as np

from visionkit.data.arrays.samples import Sample
from visionkit.data.demo.photographs import PHOTOGRAPHS, split_in_two

LENGTH = 256  # samples of a signal
SIDE = 14  # voxels of a cube
AXES = ("middle-side", "back-front", "down-up")  # of one half of the head
TISSUE = 150  # intensity above which a voxel of the scan is no air


def demo_signals(*, num_train: int = 100, num_val: int = 40, seed: int = 0) -> list[Sample]:
    """Scan lines of photographs: which of them is this line of 256 pixels from?

    A line runs down a photograph at a drawn place; training and validation lines come from two sides of it, with a gap between.

    Args:
        num_train: lines of each photograph for training.
        num_val: lines of each photograph for validation.
        seed: draws the places.
    """
    samples = []
    for number, (name, photograph) in enumerate(PHOTOGRAPHS.items()):
        rng = np.random.default_rng([seed, number])
        pixels = photograph()
        grey = pixels.mean(axis=2) if pixels.ndim == 3 else pixels
        if min(grey.shape) < LENGTH:  # too small to have lines across its parts
            continue
        for split, region, count in zip(("train", "val"), split_in_two(grey), (num_train, num_val), strict=True):
            across = region.T if _is_split_by_rows(grey) else region  # lines run along the shared side
            for _ in range(count):
                top, column = int(rng.integers(across.shape[0] - LENGTH + 1)), int(rng.integers(across.shape[1]))
                line = across[top : top + LENGTH, column, None].astype(np.float32)
                samples.append(Sample(f"{name} {split} line {column}, from {top}", name, split, line))
    return _numbered(samples)


def _is_split_by_rows(grey: np.ndarray) -> bool:
    """Whether ``split_in_two`` parts it above and below, and not left and right."""
    return grey.shape[0] > grey.shape[1]


def demo_volumes(*, num_train: int = 150, num_val: int = 60, seed: int = 0) -> list[Sample]:
    """Cubes of a human brain, cut from the MRI scan that nibabel carries: in which of six orders do their axes lie?

    A task without annotators, in the manner of RotNet (https://arxiv.org/abs/1803.07728): the axes of each cube are swapped in
    one of six possible ways, which has to be told from what is in it. Training cubes come from one half of the brain,
    validation cubes from the other, seen from the middle outwards as the first is, with a gap between.

    Args:
        num_train: cubes of each order for training.
        num_val: cubes of each order for validation.
        seed: draws their places.
    """
    scan = nibabel.load(str(files("nibabel.tests.data") / "example4d.nii.gz"))
    both = scan.get_fdata(dtype=np.float32)  # (128, 96, 24) at two times; the middle of the head is at 62 of the first axis
    halves = {"train": both[60::-1], "val": both[64:]}
    rng = np.random.default_rng(seed)
    samples = []
    for split, count in (("train", num_train), ("val", num_val)):
        half = halves[split]
        for order in permutations(range(3)):
            name = ", ".join(AXES[axis] for axis in order)
            drawn = 0
            while drawn < count:
                corner = [int(rng.integers(side - SIDE + 1)) for side in half.shape[:3]]
                cube = half[(*(slice(c, c + SIDE) for c in corner), int(rng.integers(half.shape[3])))]
                if (cube > TISSUE).mean() < 0.5:  # mostly air
                    continue
                drawn += 1
                samples.append(Sample(f"{split} cube at {corner}", name, split, cube.transpose(order)[..., None]))
    return _numbered(samples)


def _numbered(samples: list[Sample]) -> list[Sample]:
    """The samples with names that no two share."""
    return [sample._replace(name=f"{number}: {sample.name}") for number, sample in enumerate(samples)]
