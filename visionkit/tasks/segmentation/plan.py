"""What is decided before a segmenter is trained: patches, epochs, augmentation, weights; and what is said of it in the end."""

import dataclasses
from collections.abc import Callable, Sequence

import albumentations as A  # noqa: N812
import numpy as np

from visionkit.data.arrays.patches import ORDINARY, VolumeVariation
from visionkit.data.augmentation.presets import Augmentation, preset
from visionkit.data.mask_targets import MaskTargets
from visionkit.metrics.segmentation import SegmentationMetrics, background_of, mean_dice_of_cases
from visionkit.tasks.segmentation.evaluate import Outcome
from visionkit.tasks.segmentation.train import LossName, Objective
from visionkit.training.recipe import Story

FILTERS = {2: (16, 32, 64, 128, 256), 3: (16, 32, 64, 128)}  # by rank: what two cores train in minutes
SIZES = {2: 256, 3: 32}  # by rank, sides of patches
SHOWN, EPOCHS = {2: 12_800, 3: 5_000}, (8, 400)  # patches in all, by rank; bounds of how often each image is shown
FEW = 100  # training images: fewer are warped elastically, the point of U-Net's paper
SCALES = {"light": (0.85, 1.15), "medium": (0.75, 1.33), "strong": (0.75, 1.33)}  # windows in sides of a patch
LARGEST_WEIGHT = 10.0  # of a rare class, in those of the middle one


def choose_size(shapes: np.ndarray, multiple: int, rank: int) -> tuple[int, str]:
    """The side of a patch, a multiple of ``multiple``, and the reason.

    Args:
        shapes: of the training images or volumes, int ``(N, rank)``.
    """
    median = int(np.median(shapes.min(axis=1)))
    largest = max(SIZES[rank], 2 * multiple)
    if median >= largest:
        return largest // multiple * multiple, "so much is seen at once"
    return max(-(-median // multiple), 1) * multiple, f"half of them have a side of no more than {median}"


def choose_epochs(num_patches: int, rank: int) -> tuple[int, str]:
    """How long to train, and the reason."""
    epochs = int(np.clip(round(SHOWN[rank] / num_patches), *EPOCHS))
    return epochs, f"about {epochs * num_patches:,} are shown"


def augmentation_of(
    strength: str, num_images: int, *, flip: bool, any_way_up: bool, say: Callable[[str], None]
) -> Augmentation:
    """What happens to a training patch.

    Args:
        strength: "auto", or of a preset.
        num_images: to train on.
        flip: whether a mirror image shows the same.
        any_way_up: whether a turned one does.
        say: takes what was chosen, and why.
    """
    if strength == "auto":
        strength = "strong" if num_images < FEW else "medium"
        say(f"Augmentation {strength!r}: {num_images} images are {'few' if num_images < FEW else 'not few'}.")
    chosen = preset(strength, task="segmentation", flip=flip)
    chosen = dataclasses.replace(chosen, name=f"{chosen.name}, patches", zoom=None, scale=SCALES[strength])
    if any_way_up:
        transforms = (A.D4(p=1.0), *chosen.transforms)
        chosen = dataclasses.replace(chosen, name=f"{chosen.name}, any way up", transforms=transforms)
    return chosen


def variation_of(strength: str, *, flip: bool) -> VolumeVariation:
    """How far patches of volumes are varied."""
    share = {"light": 0.4, "medium": 0.7}.get(strength, 1.0)
    return VolumeVariation(*(share * float(value) for value in ORDINARY[:-1]), flip=flip)


def objective_of(losses: Sequence[LossName], counts: np.ndarray, class_weights: str, borders: float) -> Objective:
    """What is made small.

    Args:
        losses: names.
        counts: training pixels of each class.
        class_weights: "none" or "balanced".
        borders: strength of U-Net's weights of gaps.
    """
    distances = len(counts) if "boundary" in losses else 0
    weights = tuple(balanced(counts).tolist()) if class_weights == "balanced" else ()
    return Objective(tuple(losses), weights, MaskTargets(borders, distances))


def balanced(counts: np.ndarray) -> np.ndarray:
    """Median-frequency weights (https://arxiv.org/abs/1411.4734), float ``(C,)``, within reason; 0 of an absent class."""
    present = counts > 0
    middle = np.median(counts[present]) if present.any() else 1.0
    return np.where(present, np.minimum(middle / np.maximum(counts, 1), LARGEST_WEIGHT), 0.0)


def tell_counts(counts: np.ndarray, class_names: Sequence[str], story: Story) -> None:
    """Say how much of each class there is to learn from."""
    shares = counts / max(counts.sum(), 1)
    shown = ", ".join(f"{name} {share:.1%}" for name, share in zip(class_names, shares, strict=True))
    if len(class_names) <= 12:
        story.tell(f"Shares of the training pixels: {shown}.")
    never = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if never:
        story.tell(f"Note: no training pixel is {', '.join(never[:20])}: the network cannot learn of it.")


def numbers(measured: SegmentationMetrics, outcomes: Sequence[Outcome], *, cases: bool) -> dict[str, float]:
    """What ``metrics.json`` holds.

    Args:
        cases: whether Dice is the mean of that of each volume, as of medical volumes, or of all pixels together.
    """
    found = measured.numbers()
    if cases and "dice" in found:
        of_each = mean_dice_of_cases((each.matrix for each in outcomes), len(measured.class_names))
        background = background_of(measured.class_names)
        found["dice"] = float(np.nanmean(of_each if background is None else np.delete(of_each, background)))
    return found
