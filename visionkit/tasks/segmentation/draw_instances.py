"""Draw the things in a mask on an image: each has a color and a number of its own."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from visionkit.tasks.segmentation.instances import MOST, Instances
from visionkit.viz.annotate import INK, OVERLAY, PALETTE, PAPER, color_of, font_of, line_width, text_size

NEAR = (1, 4, 12)  # distances in pixels at which things are neighbors, which have different colors
SMALLEST = 9  # pixels: smaller digits cannot be read
FITS = 0.95  # a number is drawn if this share of its pixels lies on its thing


def draw_instances(image: np.ndarray, instances: Instances) -> np.ndarray:
    """Draw things as translucent colors with outlines, and their numbers where they fit; neighbors differ in color.

    Args:
        image: uint8 ``(H, W, 3)``.
        instances: the things in a mask of the same size.

    Returns:
        uint8 ``(H, W, 3)``, a new one.
    """
    labels = instances.labels
    if not instances.things:
        return image.copy()
    side = float(np.median([thing.area for thing in instances.things])) ** 0.5
    colors = np.array([INK, *map(color_of, _colors(labels, len(instances.things)))], np.uint8)[labels]
    drawn = np.where(labels[..., None] > 0, cv2.addWeighted(image, 1 - OVERLAY, colors, OVERLAY, 0), image)
    width = 2 * round(max(1, min(line_width(image), side / 20))) + 1
    around = np.ones((width, width), np.uint8)
    numbers = labels.astype(np.float32)  # exact, and a type that OpenCV erodes
    # An outline covers only the thing's own outermost pixels, so that neighbors do not paint over each other.
    edge = (labels > 0) & ((cv2.erode(numbers, around) < labels) | (cv2.dilate(numbers, around) > labels))
    drawn[edge] = colors[edge]
    return _numbered(drawn, instances, side)


def _colors(labels: np.ndarray, count: int) -> list[int]:
    """The number of each thing's color, one that the fewest of its neighbors have."""
    neighbors: list[set[int]] = [set() for _ in range(count + 1)]
    for far in NEAR:
        shifted = ((labels[far:], labels[:-far]), (labels[:, far:], labels[:, :-far]))
        diagonal = ((labels[far:, far:], labels[:-far, :-far]), (labels[far:, :-far], labels[:-far, far:]))
        for one, other in (*shifted, *diagonal):
            touching = (one > 0) & (other > 0) & (one != other)
            for a, b in np.unique(np.stack([one[touching], other[touching]], axis=1), axis=0).tolist():
                neighbors[a].add(b)
                neighbors[b].add(a)
    colors = [-1] * (count + 1)
    for number in range(1, count + 1):
        taken = [colors[other] for other in neighbors[number]]
        turn = [(number - 1 + step) % len(PALETTE) for step in range(len(PALETTE))]
        colors[number] = min(turn, key=taken.count)
    return colors[1:]


def _numbered(drawn: np.ndarray, instances: Instances, side: float) -> np.ndarray:
    """``drawn`` with numbers, whose size suits things of ``side`` pixels."""
    font = font_of(round(max(SMALLEST, min(text_size(drawn), side / 3))))
    # Digits are equally wide, and measuring takes as long as drawing.
    extents = [font.getbbox("0" * count, anchor="mm", stroke_width=1) for count in range(len(str(MOST)) + 1)]
    image = Image.fromarray(drawn)
    pen = ImageDraw.Draw(image)
    for number, thing in enumerate(instances.things, start=1):
        x1, y1, x2, y2 = thing.xyxy
        left, top, right, bottom = map(int, extents[len(str(number))])
        if right - left > x2 - x1 or bottom - top > y2 - y1:
            continue
        inside = np.pad(instances.labels[y1:y2, x1:x2] == number, 1).astype(np.uint8)
        _, _, _, (x, y) = cv2.minMaxLoc(cv2.distanceTransform(inside, cv2.DIST_L2, 3))  # the deepest point
        below = inside[max(0, y + top) : y + bottom, max(0, x + left) : x + right]
        if below.sum() >= FITS * (right - left) * (bottom - top):
            pen.text((x1 + x - 1, y1 + y - 1), str(number), PAPER, font, anchor="mm", stroke_width=1, stroke_fill=INK)
    return np.asarray(image).copy()
