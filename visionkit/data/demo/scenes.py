"""Small sets with exact boxes, masks and landmarks that need no internet: cut-outs of real objects on real photographs.

Coins, handwritten digits and faces differ between training and validation, and the backgrounds share no pixel. There is only
one cat, cup, flower and retina each, in many sizes, rotations and places. The sets show that a network learns to detect
objects, but not how well it would detect them in a street.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import yaml
from PIL import Image

from visionkit.data.demo.cutouts import CAT_POINTS, CLASS_NAMES, backgrounds, cat, cut_outs
from visionkit.data.demo.photographs import write_once
from visionkit.progress import bar

VERSION = "1"  # of the drawing code: a cached copy of another version is not used
SIDES = (240, 320)  # bounds of the sides of an image in pixels
CROWD, CROWD_SIZE, CROWD_EXTENT = 14, (384, 512), (20, 30)  # small objects on a large image, for sliding windows
MOST_OBJECTS = 8
EMPTY, EMPTY_OF_ONE = 0.1, 0.25  # share of the images without an object
EXTENT, EXTENT_OF_ONE = (18, 150), (60, 200)  # bounds of an object's longer side in pixels
TURN = 20  # largest rotation in degrees, in either direction
LIGHT = (0.7, 1.2)  # bounds of the factor of brightness
CENTERED = 0.3  # distance of an object's center from the border, in sides of the object: some reach beyond it
LEAST_VISIBLE = 0.5  # share of an object's pixels that must be visible
MOST_OVER_OTHERS = 0.3  # share of a new object's pixels that may hide others
TRIES = 20  # attempts to place an object
OPAQUE = 128  # alpha from which a pixel belongs to an object
QUALITY = 92  # of the JPEG files
SPLITS = ("train", "val")


class Material(NamedTuple):
    """The parts that images of a split are composed of; see ``cutouts.backgrounds`` and ``cutouts.cut_outs``."""

    backgrounds: list[np.ndarray]
    cuts: dict[str, list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Scene:
    """A composed image.

    Attributes:
        image: uint8 ``(H, W, 3)``.
        owners: int ``(H, W)``: the number of the object that a pixel shows; -1 for the background.
        boxes: int ``(N, 4)``, xyxy in pixels, half-open: the extent of the visible part of each object.
        classes: int ``(N,)``, positions in ``CLASS_NAMES``.
        maps: float64 ``(N, 2, 3)``, affine maps of x and y from pixels of each object's cut-out to pixels of the image.
    """

    image: np.ndarray
    owners: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray
    maps: np.ndarray


def make_detection_demo(folder: str | Path, *, num_train: int = 240, num_val: int = 60, seed: int = 0) -> Path:
    """Write images of 0 to ``MOST_OBJECTS`` objects in YOLO's layout, unless they are already written.

    Args:
        folder: target folder, which gets ``data.yaml``, ``images/{train,val}`` and ``labels/{train,val}``.
        num_train: number of training images.
        num_val: number of validation images.
        seed: seed of the random images. Each is drawn on its own, so a smaller set is the beginning of a larger one.

    Returns:
        the folder.
    """
    return _write_set(folder, "detection", _write_yolo, num_train, num_val, seed)


def make_localization_demo(folder: str | Path, *, num_train: int = 600, num_val: int = 150, seed: int = 0) -> Path:
    """Write images of at most one object; otherwise like ``make_detection_demo``."""
    return _write_set(folder, "localization", _write_yolo, num_train, num_val, seed)


def make_landmark_demo(folder: str | Path, *, num_train: int = 300, num_val: int = 80, seed: int = 0) -> Path:
    """Write images of a cat, and a table of its eyes, nose and mouth; otherwise like ``make_detection_demo``.

    Args:
        folder: target folder, which gets ``landmarks.csv`` and ``images/``.
    """
    return _write_set(folder, "landmarks", _write_table, num_train, num_val, seed)


def make_window_demo(folder: str | Path, *, num_train: int = 80, num_val: int = 20, seed: int = 0) -> Path:
    """Write large images of small objects of nearly the same size; otherwise like ``make_detection_demo``."""
    return _write_set(folder, "windows", _write_yolo, num_train, num_val, seed)


def make_segmentation_demo(folder: str | Path, *, num_train: int = 160, num_val: int = 40, seed: int = 0) -> Path:
    """Write the images of ``make_detection_demo`` with masks that are exact to the pixel.

    Args:
        folder: target folder, which gets ``classes.txt`` (background, then ``CLASS_NAMES``), ``images/{train,val}`` and
            ``masks/{train,val}``.
    """
    return _write_set(folder, "segmentation", _write_masks, num_train, num_val, seed)


def _write_set(folder: str | Path, kind: str, write: Callable, num_train: int, num_val: int, seed: int) -> Path:
    stamp = f"{kind} {VERSION} {num_train} {num_val} {seed}"
    return write_once(folder, stamp, lambda to: write(to, partial(scene, kind, seed=seed), (num_train, num_val)))


@cache
def material(split: str) -> Material:
    """The parts that images of "train" or "val" are composed of."""
    return Material(backgrounds(split), cut_outs(split))


def scene(kind: str, split: str, number: int, *, seed: int = 0) -> Scene:
    """One image of a set.

    Args:
        kind: "detection", "segmentation" (the same images), "localization", "landmarks" or "windows".
        split: "train" or "val".
        number: number of the image in the split.
        seed: seed of the set.
    """
    rng = np.random.default_rng([seed, SPLITS.index(split), number])
    size = tuple(rng.integers(*SIDES, 2, endpoint=True).tolist())
    if kind == "windows":
        return compose(material(split), rng.choice(CLASS_NAMES, CROWD).tolist(), CROWD_SIZE, rng, extent=CROWD_EXTENT)
    if kind in ("detection", "segmentation"):
        count = 0 if rng.random() < EMPTY else rng.integers(1, MOST_OBJECTS, endpoint=True)
        return compose(material(split), rng.choice(CLASS_NAMES, count).tolist(), size, rng, extent=EXTENT)
    names = ["cat"] if kind == "landmarks" else [] if rng.random() < EMPTY_OF_ONE else [str(rng.choice(CLASS_NAMES))]
    return compose(material(split), names, size, rng, extent=EXTENT_OF_ONE)


def compose(
    material: Material, names: list[str], size: tuple[int, int], rng: np.random.Generator, *, extent: tuple[int, int]
) -> Scene:
    """Put objects on a background, one after the other; a later one may hide a part of an earlier one.

    Args:
        material: backgrounds and cut-outs of a split.
        names: class of each object; an object without a free place is left out.
        size: height and width in pixels.
        rng: generator of all random numbers.
        extent: bounds of an object's longer side in pixels, whose logarithm is uniform.
    """
    image, owners = _background(material.backgrounds, size, rng), np.full(size, -1)
    maps, classes, num_pixels = [], [], []  # of each object; its number of pixels includes hidden ones
    for name in names:
        cut = _premultiplied(material.cuts[name][rng.integers(len(material.cuts[name]))], name, rng)
        for _ in range(TRIES):
            longest = np.exp(rng.uniform(*np.log(extent)))
            matrix = _random_map(cut.shape[:2], longest, size, rng)
            placed = _warped(cut, matrix, size)
            covered = placed[..., 3] >= OPAQUE
            new_owners = np.where(covered, len(maps), owners)
            whole = (cut[..., 3] >= OPAQUE).sum() * abs(np.linalg.det(matrix[:, :2]))
            visible = np.bincount(new_owners.ravel() + 1, minlength=len(maps) + 2)[1:]
            enough = (visible >= LEAST_VISIBLE * np.array([*num_pixels, whole])).all()
            if enough and (owners[covered] >= 0).mean() <= MOST_OVER_OTHERS:
                image, owners = placed[..., :3] + (1 - placed[..., 3:] / 255) * image, new_owners
                maps.append(matrix)
                classes.append(CLASS_NAMES.index(name))
                num_pixels.append(whole)
                break
    boxes = [extent_of(owners == number) for number in range(len(maps))]
    return Scene(
        np.clip(np.round(image), 0, 255).astype(np.uint8),
        owners,
        np.array(boxes, int).reshape(-1, 4),
        np.array(classes, int),
        np.array(maps, float).reshape(-1, 2, 3),
    )


def extent_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The box of a non-empty mask: x1, y1, x2, y2 in pixels, half-open."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return x, y, x + width, y + height


def _background(regions: list[np.ndarray], size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A part of a photograph in the image's proportions, possibly mirrored: float32 ``(H, W, 3)``."""
    region = regions[rng.integers(len(regions))]
    fits = min(region.shape[0] / size[0], region.shape[1] / size[1])
    height, width = (int(rng.uniform(0.5, 1) * fits * side) for side in size)
    top, left = rng.integers(region.shape[0] - height + 1), rng.integers(region.shape[1] - width + 1)
    part = region[top : top + height, left : left + width][:, :: rng.choice([-1, 1])]
    shrinks = height > size[0]
    resized = cv2.resize(np.ascontiguousarray(part), size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return resized.astype(np.float32) * np.float32(rng.uniform(*LIGHT))


def _premultiplied(cut: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """A cut-out with colors multiplied by alpha, lighter or darker, float32 ``(h, w, 4)``; ink gets a random color."""
    colors = np.broadcast_to(rng.uniform(0, 255, 3), (*cut.shape[:2], 3)) if name == "digit" else cut[..., :3]
    lit = np.clip(colors * rng.uniform(*LIGHT), 0, 255) * (cut[..., 3:] / 255)
    return np.dstack([lit, cut[..., 3]]).astype(np.float32)


def _random_map(shape: tuple[int, int], longest: float, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A random affine map ``(2, 3)`` of a cut-out's pixels: scale, rotation and translation."""
    scale, turn = longest / max(shape), np.deg2rad(rng.uniform(-TURN, TURN))
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    center = [rng.uniform(CENTERED * longest, max(CENTERED * longest, side - CENTERED * longest)) for side in size[::-1]]
    return np.column_stack([linear, center - linear @ (np.array(shape[::-1]) / 2)])


def _warped(cut: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A cut-out at its place in a transparent image, float32 ``(H, W, 4)``."""
    scale = min(1.0, float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
    sides = [max(1, round(scale * side)) for side in cut.shape[1::-1]]
    shrunk = cv2.resize(cut, sides, interpolation=cv2.INTER_AREA)  # cv2.warpAffine alone would skip pixels
    back = np.diag(np.array(cut.shape[1::-1]) / sides)
    linear = matrix[:, :2] @ back
    center_map = np.column_stack([linear, matrix[:, 2] + linear @ (0.5, 0.5) - 0.5])  # OpenCV counts from pixel centers
    return cv2.warpAffine(shrunk, center_map, size[::-1], flags=cv2.INTER_LINEAR)


def _write_yolo(folder: Path, make: Callable[[str, int], Scene], counts: tuple[int, int]) -> None:
    for split, number, name in _numbered(counts):
        sample = make(split, number)
        _save(sample.image, folder / "images" / split / f"{name}.jpg")
        corners = sample.boxes.reshape(-1, 2, 2) / sample.image.shape[1::-1]
        rows = np.column_stack([corners.mean(axis=1), corners[:, 1] - corners[:, 0]]).tolist()
        lines = [" ".join(map(str, [label, *row])) for label, row in zip(sample.classes, rows, strict=True)]
        label_file = folder / "labels" / split / f"{name}.txt"
        label_file.parent.mkdir(parents=True, exist_ok=True)
        label_file.write_text("".join(f"{line}\n" for line in lines))
    config = {split: f"images/{split}" for split in SPLITS} | {"names": list(CLASS_NAMES)}
    (folder / "data.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def _write_masks(folder: Path, make: Callable[[str, int], Scene], counts: tuple[int, int]) -> None:
    for split, number, name in _numbered(counts):
        sample = make(split, number)
        _save(sample.image, folder / "images" / split / f"{name}.jpg")
        classes = np.append(sample.classes + 1, 0).astype(np.uint8)  # the last is for owner -1, the background
        _save(classes[sample.owners], folder / "masks" / split / f"{name}.png")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in ("background", *CLASS_NAMES)))


def _write_table(folder: Path, make: Callable[[str, int], Scene], counts: tuple[int, int]) -> None:
    lines = [",".join(["image", "split", *(f"{point.replace(' ', '_')}_{axis}" for point in CAT_POINTS for axis in "xy")])]
    _, points = cat()
    for split, number, name in _numbered(counts):
        sample = make(split, number)
        _save(sample.image, folder / "images" / f"{name}.jpg")
        for matrix in sample.maps:
            moved = points @ matrix[:, :2].T + matrix[:, 2]
            lines.append(",".join([f"{name}.jpg", split, *(f"{value:.3f}" for value in moved.ravel())]))
    (folder / "landmarks.csv").write_text("\n".join(lines) + "\n")


def _numbered(counts: tuple[int, int]) -> list[tuple[str, int, str]]:
    """Split, number and name of each image to write, with a progress bar."""
    todo = [(split, i, f"{split}_{i:04d}") for split, count in zip(SPLITS, counts, strict=True) for i in range(count)]
    return bar(todo, "composing images", unit=" images")


def _save(image: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(file, quality=QUALITY)
