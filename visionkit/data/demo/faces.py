"""Drawn faces of people who do not exist, split by person: data for verification that needs no internet and shows nobody.

The geometry and the colors of a face identify a person and are random per person; pose, light, expression and background are
random per image. The set shows that everything works, but not how well real faces are distinguished.
"""

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from visionkit.data.demo.photographs import write_once
from visionkit.progress import bar

VERSION = "1"  # of the drawing code: a cached copy of another version is not used
SIDE, FINER = 112, 2  # side of an image in pixels, and the factor by which it is drawn larger
SKINS = ((255, 219, 190), (241, 194, 160), (224, 172, 125), (198, 134, 92), (141, 85, 54), (92, 58, 40))
HAIRS = ((30, 26, 24), (75, 50, 35), (120, 80, 45), (190, 150, 95), (150, 70, 40), (150, 150, 150))
EYES = ((60, 40, 30), (90, 130, 170), (80, 120, 80), (110, 90, 60))


class Person(NamedTuple):
    """The features that identify a person; lengths are shares of the image's side."""

    width: float
    height: float
    jaw: float
    eye_distance: float
    eye_height: float
    eye_width: float
    brow_gap: float
    brow_slope: float
    brow_thickness: float
    nose_length: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    lip: float
    hairline: float
    ear: float
    skin: tuple[float, ...]
    hair: tuple[float, ...]
    eye: tuple[float, ...]


LENGTHS = {  # bounds of the uniform distribution of each length
    "width": (0.27, 0.36),
    "height": (0.36, 0.44),
    "jaw": (0.55, 0.95),
    "eye_distance": (0.11, 0.17),
    "eye_height": (-0.10, -0.02),
    "eye_width": (0.045, 0.075),
    "brow_gap": (0.05, 0.09),
    "brow_slope": (-0.03, 0.03),
    "brow_thickness": (0.008, 0.024),
    "nose_length": (0.10, 0.19),
    "nose_width": (0.025, 0.06),
    "mouth_height": (0.20, 0.27),
    "mouth_width": (0.07, 0.14),
    "lip": (0.012, 0.032),
    "hairline": (0.12, 0.26),
    "ear": (0.03, 0.07),
}


def make_face_demo(folder: str | Path, *, num_train: int = 48, num_val: int = 16, images: int = 10, seed: int = 0) -> Path:
    """Write the set unless it is already written.

    Args:
        folder: target folder, which gets ``train/<person>/*.png`` and ``val/<person>/*.png`` with different people.
        num_train: number of people in training.
        num_val: number of people in validation.
        images: number of images of each person.
        seed: seed of the random people and images.

    Returns:
        the folder.
    """

    def write(to: Path) -> None:
        to.mkdir()
        people = [("train", number) for number in range(num_train)] + [("val", num_train + n) for n in range(num_val)]
        for split, number in bar(people, "drawing faces", unit=" people"):
            rng = np.random.default_rng([seed, number])
            person, person_folder = draw_person(rng), to / split / f"synthetic_{number:03d}"
            person_folder.mkdir(parents=True)
            for image in range(images):
                Image.fromarray(draw_face(person, rng)).save(person_folder / f"{image:02d}.png")

    return write_once(folder, f"{VERSION} {num_train} {num_val} {images} {seed}", write)


def draw_person(rng: np.random.Generator) -> Person:
    """Draw the features of a person who does not exist."""
    lengths = {name: rng.uniform(*limits) for name, limits in LENGTHS.items()}
    colors = [np.array(table[rng.integers(len(table))]) + rng.uniform(-12, 12, 3) for table in (SKINS, HAIRS, EYES)]
    skin, hair, eye = (tuple(color.clip(0, 255)) for color in colors)
    return Person(**lengths, skin=skin, hair=hair, eye=eye)


def draw_face(person: Person, rng: np.random.Generator) -> np.ndarray:
    """Draw one image of a person, uint8 ``(SIDE, SIDE, 3)``, with random pose, expression, light and background."""
    yaw, smile, opened, raised = rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0, 1), rng.uniform(-0.015, 0.015)
    canvas = _background(rng)
    _features(canvas, person, yaw=yaw, smile=smile, opened=opened, raised=raised, blink=rng.uniform(0.35, 1))
    angle, scale = rng.uniform(-14, 14), rng.uniform(0.88, 1.1)
    middle = canvas.shape[1] / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), angle, scale)
    matrix[:, 2] += rng.uniform(-0.04, 0.04, 2) * canvas.shape[0]
    canvas = cv2.warpAffine(canvas, matrix, canvas.shape[1::-1], borderMode=cv2.BORDER_REFLECT_101)
    image = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return (_lit(image, rng) + rng.normal(0, rng.uniform(1, 6), image.shape)).clip(0, 255).astype(np.uint8)


def _background(rng: np.random.Generator) -> np.ndarray:
    coarse = rng.uniform(30, 225, (1, 1, 3)) + rng.uniform(-30, 30, (3, 3, 3))
    side = SIDE * FINER
    return cv2.resize(coarse.clip(0, 255).astype(np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)


def _lit(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image lit from one side, brighter or darker, warmer or colder."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    slope = rng.uniform(0, 0.35) * (np.cos(angle) * columns + np.sin(angle) * rows)
    return image * (rng.uniform(0.65, 1.2) * (1 + slope))[..., None] * rng.uniform(0.92, 1.08, 3)


def _features(
    canvas: np.ndarray, person: Person, *, yaw: float, smile: float, opened: float, raised: float, blink: float
) -> None:
    """Draw a face in the middle of ``canvas``, in place; ``yaw`` moves the parts in front to a side."""
    side = canvas.shape[0]
    turn = 0.045 * yaw  # shift of parts in the plane of the eyes; the nose sticks out farther

    def at(x: float, y: float) -> tuple[int, int]:
        return int((0.5 + x) * side), int((0.5 + y) * side)

    def ellipse(center: tuple[float, float], axes: tuple[float, float], color, part=(0, 360), thick=-1) -> None:
        axes = tuple(max(int(length * side), 1) for length in axes)
        cv2.ellipse(canvas, at(*center), axes, 0, *part, color, thick, cv2.LINE_AA)

    def line(start: tuple[float, float], end: tuple[float, float], color, thickness: float) -> None:
        cv2.line(canvas, at(*start), at(*end), color, max(int(thickness * side), 1), cv2.LINE_AA)

    shade = tuple(0.72 * value for value in person.skin)
    ellipse((-0.3 * turn, -0.06), (person.width * 1.12, person.height * 1.08), person.hair)
    for which in (-1, 1):
        ellipse((which * person.width - 0.6 * turn, person.eye_height + 0.05), (person.ear, 1.5 * person.ear), shade)
    ellipse((0, -0.02), (person.width, person.height), person.skin, part=(180, 360))
    ellipse((0, -0.02), (person.width, person.height * 0.98), person.skin, part=(0, 180))
    chin = person.width * person.jaw
    corners = np.array([at(-person.width, 0.02), at(person.width, 0.02), at(0.7 * chin, 0.37), at(-0.7 * chin, 0.37)])
    cv2.fillConvexPoly(canvas, corners, person.skin, cv2.LINE_AA)
    ellipse((0, 0.05 - person.height), (person.width * 0.98, 0.55 * person.hairline + 0.03), person.hair)
    for which in (-1, 1):
        x, y = which * person.eye_distance + turn, person.eye_height
        ellipse((x, y), (person.eye_width, 0.55 * person.eye_width * blink), (245, 245, 240))
        ellipse((x + 0.4 * turn, y), (0.45 * person.eye_width, 0.5 * person.eye_width * blink), person.eye)
        brow, half = y - person.brow_gap - raised, which * person.eye_width
        inner, outer = (x - half, brow + person.brow_slope), (x + half, brow - person.brow_slope)
        line(inner, outer, person.hair, person.brow_thickness)
    tip = person.eye_height + person.nose_length
    line((turn, person.eye_height + 0.02), (1.9 * turn, tip), shade, 0.012)
    ellipse((1.9 * turn, tip), (person.nose_width, 0.5 * person.nose_width), shade)
    lips = (170, 80, 80) if sum(person.skin) > 400 else (120, 55, 55)
    mouth = (1.2 * turn, person.mouth_height)
    if opened > 0.6:
        ellipse(mouth, (0.8 * person.mouth_width, 0.05 * opened), (70, 25, 30))
    bow = 0.012 + 0.03 * abs(smile)
    part, middle = ((15, 165), mouth[1] - 0.5 * bow) if smile > 0 else ((195, 345), mouth[1] + 0.5 * bow)
    ellipse((mouth[0], middle), (person.mouth_width, bow), lips, part=part, thick=max(int(person.lip * side), 1))
