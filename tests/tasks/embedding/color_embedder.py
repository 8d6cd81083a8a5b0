"""An embedder whose embeddings can be computed by hand, the colors of an image's quarters; and a finder of colored squares."""

from pathlib import Path

import cv2
import keras
import numpy as np
from PIL import Image

from visionkit.faces.detector import Face
from visionkit.tasks.embedding.export import export_embedder

SIDE = 32
GREY = 128
PEOPLE = {"Ada": (200, 40, 40), "Bob": (40, 200, 40), "Zoë <b>": (40, 40, 200)}


def color_bundle(folder: Path, *, alignment: str | None = None, gain: float = 1.0, **metadata) -> Path:
    """A bundle with embeddings float32 ``(N, 12)``: red, green and blue of each quarter of an image, 0..``gain``."""
    image = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = keras.layers.Rescaling(gain / 255)(image)
    x = keras.layers.AveragePooling2D(SIDE // 2)(x)
    network = keras.Model(image, keras.layers.Flatten()(x), name="colors")
    return export_embedder(network, folder, metadata={"threshold": 0.2, "alignment": alignment, **metadata})


def portrait(color: tuple[int, int, int], brighter: int = 0) -> np.ndarray:
    """An image of one color."""
    return np.full((48, 48, 3), np.array(color) + brighter, np.uint8)


def write_people(folder: Path, counts: dict[str, int] | None = None) -> Path:
    """Write a folder for each of ``PEOPLE``, with images that differ a little."""
    for name, count in (counts or dict.fromkeys(PEOPLE, 2)).items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(portrait(PEOPLE[name], 5 * number)).save(folder / name / f"{number}.png")
    return folder


def group_photo(*places: tuple[str, int, int, int]) -> np.ndarray:
    """A grey image with a square in the person's color for each ``(name, left, top, side)``."""
    pixels = np.full((100, 160, 3), GREY, np.uint8)
    for name, left, top, side in places:
        pixels[top : top + side, left : left + side] = PEOPLE[name]
    return pixels


class SquareFinder:
    """Finds squares that are not grey, the largest first; it has the methods of a ``FaceFinder``."""

    def find_many(self, images):
        """The squares on each image."""
        for pixels in images:
            _, _, boxes, _ = cv2.connectedComponentsWithStats((pixels != GREY).any(axis=2).astype(np.uint8))
            squares = [Face((x, y, x + w, y + h), 1.0, np.zeros((5, 2))) for x, y, w, h, _ in boxes[1:].tolist()]
            yield sorted(squares, key=lambda face: face.xyxy[0] - face.xyxy[2])

    def chip(self, pixels, face, size):
        """Cut out a square."""
        left, top, right, bottom = face.xyxy
        return cv2.resize(pixels[top:bottom, left:right], (size, size), interpolation=cv2.INTER_NEAREST)
