"""Draw faces on their image, and chips in a grid."""

import math
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

import cv2
import numpy as np

from visionkit.faces.detector import Face
from visionkit.viz import annotate, boxes

SMALLEST_CHIP = 96  # pixels: smaller chips are enlarged, so that captions can be read
GAP = 6  # pixels between chips
GREY: annotate.Color = (150, 150, 150)  # of people who are not recognized
UNKNOWN = len(annotate.PALETTE)  # the place of that color
SAME, DIFFERENT = (200, 240, 200), (250, 205, 205)  # backgrounds of verdicts
LETTER = 0.55  # mean width of a letter by the height of the font


def draw_faces(
    pixels: np.ndarray,
    faces: Sequence[Face],
    names: Sequence[str] = (),
    distances: Sequence[str] = (),
    *,
    people: Sequence[int | None] | None = None,
    caption: str = "",
) -> np.ndarray:
    """Draw each face: a box in the color of the person, the five points, and the name.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        faces: faces from a ``FaceFinder``.
        names: names of the faces, in order; a face with an empty name or beyond the names is numbered, from 1.
        distances: written after the names.
        people: number of each face's person, which decides the color; None is grey, for somebody unknown. Default: all differ.
        caption: text below the image.

    Returns:
        uint8; as large as the image, or a whole number of times larger where that is below ``boxes.SMALLEST`` pixels; higher by
        the caption.
    """
    height, width = pixels.shape[:2]
    labels = [boxes.short(names[row] if row < len(names) and names[row] else str(row + 1)) for row in range(len(faces))]
    labels = [f"{label}  {distance}" if distance else label for label, distance in zip_longest(labels, distances)]
    numbers = range(len(faces)) if people is None else people
    kinds = np.array([UNKNOWN if number is None else number % UNKNOWN for number in numbers], int)
    corners = np.array([face.xyxy for face in faces], np.float64).reshape(-1, 4) / (width, height, width, height)
    drawn = boxes.draw(pixels, corners, kinds, (*annotate.PALETTE, GREY), labels, labels_share=1.0)  # all names count
    scale = len(drawn) / height
    largest = math.ceil(max(drawn.shape[:2]) / 130)
    for face, (left, top, right, bottom) in zip(faces, corners.tolist(), strict=True):
        side = max(abs(right - left) * width, abs(bottom - top) * height) * scale
        radius = round(max(1, min(largest, side / 40)))  # points must not cover small faces
        for number, center in enumerate(annotate.in_pixels((face.points + 0.5) / (width, height), drawn).tolist()):
            cv2.circle(drawn, center, radius + 1, annotate.INK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, center, radius, annotate.color_of(number), cv2.FILLED, cv2.LINE_AA)
    return _above(drawn, caption, annotate.PAPER) if caption else drawn


def draw_pair(chips: Sequence[np.ndarray], captions: Sequence[str], verdict: str, same: bool) -> np.ndarray:
    """Draw two chips side by side above the verdict, which is on green if they show the same person, else on red.

    Args:
        chips: uint8 ``(size, size, 3)``, both of one size.
        captions: one for each chip.
        verdict: text below both.
        same: whether they show the same person.
    """
    return _above(draw_chips(chips, captions), verdict, SAME if same else DIFFERENT)


def draw_chips(chips: Sequence[np.ndarray], captions: Sequence[str] = (), *, columns: int = 8) -> np.ndarray:
    """Draw chips in a grid, each above its caption.

    Args:
        chips: uint8 ``(size, size, 3)``, all of one size.
        captions: one for each chip, or none at all; a caption that does not fit ends in "…".
        columns: chips in a row, at least 1.

    Returns:
        uint8 ``(h, w, 3)`` on white; ``(0, 0, 3)`` without chips.

    Raises:
        ValueError: the number of captions differs from the number of chips.
    """
    if captions and len(captions) != len(chips):
        raise ValueError(f"{len(captions)} captions for {len(chips)} chips: expected one for each, or none.")
    if not chips:
        return np.zeros((0, 0, 3), np.uint8)
    times = -(-SMALLEST_CHIP // len(chips[0]))
    chips = [cv2.resize(chip, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST) for chip in chips]
    size = len(chips[0])
    tags = [annotate.text_image(caption, max(11, size // 11), max_width=size) for caption in captions]
    step = size + (len(tags[0]) if tags else 0) + GAP
    rows, columns = -(-len(chips) // columns), min(columns, len(chips))
    drawn = np.full((rows * step - GAP, columns * (size + GAP) - GAP, 3), annotate.PAPER, np.uint8)
    for number, chip in enumerate(chips):
        top, left = number // columns * step, number % columns * (size + GAP)
        drawn[top : top + size, left : left + size] = chip
        if tags:
            tag = tags[number]
            drawn[top + size : top + size + len(tag), left : left + tag.shape[1]] = tag
    return drawn


def _above(drawn: np.ndarray, text: str, background: annotate.Color) -> np.ndarray:
    """Put an image above a text, in as many lines as it needs."""
    width = drawn.shape[1]
    size = min(annotate.text_size(drawn), 20)
    lines = [
        annotate.text_image(line, size, background=background, max_width=width)
        for line in textwrap.wrap(text, max(8, int(width / (LETTER * size))))
    ]
    below = np.full((sum(map(len, lines)), width, 3), background, np.uint8)
    for number, line in enumerate(lines):
        below[number * len(line) : (number + 1) * len(line), : line.shape[1]] = line
    return np.concatenate([drawn, below])
