"""The images of the input pipeline's benchmark: cut from photographs of scikit-image, or the user's own."""

from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image
from tqdm import tqdm

NUM_IMAGES = 400
PHOTOGRAPH, LARGE, SCENE = (492, 393), (4000, 3000), (640, 480)  # width and height in pixels
QUALITY = 90  # of the JPEGs
SHAPES = ("box", "disk", "triangle")  # classes of drawn objects


def cut_photographs(folder: Path, size: tuple[int, int], count: int = NUM_IMAGES) -> list[str]:
    """JPEGs of windows of real photographs, at several scales.

    Args:
        folder: gets them.
        size: width and height in pixels.
        count: how many.

    Returns:
        their paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / f"{number:04d}.jpg", window) for number, window in enumerate(_windows(size, count))]


def _windows(size: tuple[int, int], count: int):
    """Windows of four photographs, uint8 ``(height, width, 3)``."""
    rng = np.random.default_rng(0)
    sources = [skimage.data.retina(), skimage.data.hubble_deep_field(), skimage.data.astronaut(), skimage.data.rocket()]
    for number in tqdm(range(count), "cutting photographs", leave=False):
        source = sources[number % len(sources)]
        scale = rng.uniform(0.6, 1.0) * min(source.shape[0] / size[1], source.shape[1] / size[0])
        height, width = int(size[1] * scale), int(size[0] * scale)
        top, left = rng.integers(source.shape[0] - height + 1), rng.integers(source.shape[1] - width + 1)
        window = Image.fromarray(source[top : top + height, left : left + width])
        yield np.asarray(window.resize(size, Image.Resampling.BICUBIC))


def _write(path: Path, image: np.ndarray) -> str:
    Image.fromarray(image).save(path, quality=QUALITY)
    return str(path)


def enlarge(paths: list[str], folder: Path, count: int) -> list[str]:
    """The first images, each as a JPEG of 12 megapixels, whatever its proportions were."""
    folder.mkdir(parents=True, exist_ok=True)
    large = []
    for number, path in enumerate(tqdm(paths[:count], "enlarging photographs", leave=False)):
        image = Image.open(path).convert("RGB").resize(LARGE, Image.Resampling.BICUBIC)
        large.append(_write(folder / f"{number:04d}.jpg", np.asarray(image)))
    return large


def draw_scenes(boxes: Path, masks: Path, count: int = NUM_IMAGES) -> None:
    """Photographs with objects drawn onto them, as a YOLO data set, and the same images with masks.

    Args:
        boxes: gets images/, labels/ and data.yaml.
        masks: gets images/, masks/ and classes.txt; 0 is background.
        count: how many images.
    """
    for folder in (boxes / "images", boxes / "labels", masks / "images", masks / "masks"):
        folder.mkdir(parents=True)
    names = "".join(f"  {label}: {name}\n" for label, name in enumerate(SHAPES))
    (boxes / "data.yaml").write_text(f"train: images\nval: images\nnames:\n{names}")
    (masks / "classes.txt").write_text("\n".join(("background", *SHAPES)))
    rng = np.random.default_rng(1)
    for number, photograph in enumerate(_windows(SCENE, count)):
        image, mask, lines = photograph.copy(), np.zeros(SCENE[::-1], np.uint8), []
        for _ in range(rng.integers(3, 12)):
            label = int(rng.integers(len(SHAPES)))
            center, sides = rng.integers((60, 60), (SCENE[0] - 60, SCENE[1] - 60)), rng.integers(20, 110, 2)
            color = rng.integers(256, size=3).tolist()
            _draw(image, label, center, sides, color)
            _draw(mask, label, center, sides, label + 1)
            lines.append(" ".join(map(str, (label, *(center / SCENE).round(5), *(sides / SCENE).round(5)))))
        name = f"{number:04d}"
        _write(boxes / "images" / f"{name}.jpg", image)
        (boxes / "labels" / f"{name}.txt").write_text("\n".join(lines) + "\n")
        (masks / "images" / f"{name}.jpg").symlink_to(boxes.absolute() / "images" / f"{name}.jpg")
        Image.fromarray(mask).save(masks / "masks" / f"{name}.png")


def _draw(image: np.ndarray, label: int, center: np.ndarray, sides: np.ndarray, color: list[int] | int) -> None:
    (left, top), (right, bottom) = center - sides // 2, center + sides // 2
    if SHAPES[label] == "box":
        cv2.rectangle(image, (int(left), int(top)), (int(right), int(bottom)), color, -1)
    elif SHAPES[label] == "disk":
        cv2.ellipse(image, center.tolist(), (sides // 2).tolist(), 0, 0, 360, color, -1)
    else:
        cv2.fillPoly(image, [np.array([[left, bottom], [center[0], top], [right, bottom]], np.int32)], color)
