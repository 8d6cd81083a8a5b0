"""Images of which everything is known: the blue of each pixel tells what the mask says, and each box is filled."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from visionkit.data.images.scan import scan
from visionkit.data.index import Annotation, Index, Objects

NAMES = ("ground", "ant", "bee", "cat", "dog")
BLUES = np.array([10, 60, 160, 210, 250], np.uint8)  # of each class; the padding's 114 is none of them
KERNEL = np.ones((5, 5), np.uint8)


def scene(rng: np.random.Generator, shape: tuple[int, int] = (64, 64)) -> tuple[np.ndarray, Objects, np.ndarray]:
    """An image with an object of each class (1 to 4) in a quarter of its own, or without some of them."""
    mask = np.zeros(shape, np.uint8)
    half = np.array(shape) // 2
    boxes, classes = [], []
    for label in rng.permutation(4)[: rng.integers(1, 5)] + 1:
        corner = np.array(divmod(label - 1, 2)) * half
        sides = rng.integers(half // 4, half + 1)
        top, left = corner + rng.integers(0, half - sides + 1)
        mask[top : top + sides[0], left : left + sides[1]] = label
        boxes.append([left, top, left + sides[1], top + sides[0]])
        classes.append(label)
    image = np.full((*shape, 3), 114, np.uint8)
    image[..., 2] = BLUES[mask]
    return image, Objects(np.array(boxes) / np.tile(shape[::-1], 2), np.array(classes, np.int32)), mask


def write_scenes(folder: Path, scenes: list[tuple], suffix: str = ".png") -> Index:
    """The scanned index of scenes ``(image, objects, mask)`` that are written to files; any part but the image may be None."""
    paths, annotations = [], []
    for number, (image, objects, mask) in enumerate(scenes):
        paths.append(str(folder / f"{number}{suffix}"))
        Image.fromarray(image).save(paths[-1], **({"quality": 95, "subsampling": 0} if suffix == ".jpg" else {}))
        mask_path = None if mask is None else str(folder / f"{number}_mask.png")
        if mask is not None:
            Image.fromarray(mask).save(mask_path)
        annotations.append(Annotation(objects, mask_path))
    index = Index(NAMES, tuple(paths), np.full(len(paths), -1, np.int32), annotations=tuple(annotations))
    return scan(index)


def check_boxes(objects: Objects, mask: np.ndarray, *, slack: float, spare: float | None = None) -> None:
    """Each box holds the pixels of its class.

    Args:
        slack: pixels by which they may stand out.
        spare: pixels by which the box may be larger on each side; None is not checked.
    """
    sides = np.tile(mask.shape[::-1], 2)
    assert (objects.boxes >= 0).all() and (objects.boxes <= 1).all()
    assert (objects.boxes[:, 2:] > objects.boxes[:, :2]).all()
    for box, label in zip(objects.boxes * sides, objects.classes, strict=True):
        ys, xs = np.nonzero(mask == label)
        if len(ys):
            rest = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) - box
            inwards = rest * (1, 1, -1, -1)
            assert inwards.min() >= -slack, (label, box, rest)
            assert spare is None or inwards.max() <= spare, (label, box, rest)


def check_none_is_lost(objects: Objects, mask: np.ndarray, full: dict[int, float], share: float) -> None:
    """No object of which at least ``share`` is to be seen is missing; ``full`` has the pixels that would be all of each."""
    for label, pixels in full.items():
        seen = np.count_nonzero(mask == label)
        assert label in objects.classes or seen < max(share * pixels, 6), (label, seen, pixels)


def check_mask(image: np.ndarray, mask: np.ndarray) -> None:
    """Away from edges the blue tells the label, and the padding's grey that there is none."""
    levels = np.append(BLUES, 114).astype(int)
    labels = np.append(np.arange(len(BLUES)), 255)
    told = labels[np.abs(image[..., 2, None].astype(int) - levels).argmin(axis=2)].astype(np.uint8)
    differ = (told != mask) & (cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, KERNEL) == 0)
    differ = differ[2:-2, 2:-2]  # the rim blends with what is beyond it
    assert np.count_nonzero(differ) <= 0.005 * differ.size, np.argwhere(differ)[:5] + 2
