"""Draw faces on their image, and chips in a grid."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from visionkit.faces.detector import Face
from visionkit.viz import annotate, boxes

SMALLEST_CHIP = 96  # pixels: smaller chips are enlarged, so that captions can be read
GAP = 6  # pixels between chips


def draw_faces(pixels: np.ndarray, faces: Sequence[Face], names: Sequence[str] = ()) -> np.ndarray:
    """Draw each face: a box in its own color, the five points, and the name.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        faces: faces from a ``FaceFinder``.
        names: names of the faces, in order; a face with an empty name or beyond the names is numbered, from 1.

    Returns:
        uint8; as large as the image, or a whole number of times larger where that is below ``boxes.SMALLEST`` pixels.
    """
    height, width = pixels.shape[:2]
    labels = [names[row] if row < len(names) and names[row] else str(row + 1) for row in range(len(faces))]
    corners = np.array([face.xyxy for face in faces], np.float64).reshape(-1, 4) / (width, height, width, height)
    drawn = boxes.draw_boxes(pixels, corners, np.arange(len(faces)), labels)
    scale = len(drawn) / height
    largest = math.ceil(max(drawn.shape[:2]) / 130)
    for face, (left, top, right, bottom) in zip(faces, corners.tolist(), strict=True):
        side = max(abs(right - left) * width, abs(bottom - top) * height) * scale
        radius = round(max(1, min(largest, side / 40)))  # points must not cover small faces
        for number, center in enumerate(annotate.in_pixels((face.points + 0.5) / (width, height), drawn).tolist()):
            cv2.circle(drawn, center, radius + 1, annotate.INK, cv2.FILLED, cv2.LINE_AA)
            cv2.circle(drawn, center, radius, annotate.color_of(number), cv2.FILLED, cv2.LINE_AA)
    return drawn


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
