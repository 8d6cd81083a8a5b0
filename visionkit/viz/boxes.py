"""Boxes drawn by supervision's annotators, with names and scores.

Classes have the colors that ``annotate`` gives them. Where names would overlap, boxes with higher scores are named first,
and each class is named once before any is named twice.
"""

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
import supervision
from PIL import Image

from visionkit.viz import annotate

SMALLEST = 480  # pixels of the longer side: smaller images are enlarged, so that names can be read
LABELS_SHARE = 0.15  # largest share of the image that labels may cover
LONGEST = 32  # letters of a name


def draw_boxes(
    pixels: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
    *,
    smallest: int = SMALLEST,
) -> np.ndarray:
    """Draw boxes in the colors of their classes, with names and scores.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        boxes: ``(N, 4)``, xyxy, relative.
        classes: int ``(N,)``; rows with -1 are padding.
        class_names: names by class; a box of a class beyond them has no name.
        scores: ``(N,)`` in 0..1; None draws names alone.
        smallest: longer side in pixels below which the image is enlarged; 1 enlarges none.

    Returns:
        uint8; as large as the image, or a whole number of times larger where that is below ``smallest`` pixels.
    """
    classes = np.asarray(classes, int)
    rows = np.flatnonzero(classes >= 0)
    if scores is not None:
        rows = rows[np.argsort(-np.asarray(scores)[rows], kind="stable")]
    percentages = [""] * len(classes) if scores is None else [f" {score:.0%}" for score in np.asarray(scores).tolist()]
    names = [short(name) for name in class_names]
    labels = [names[classes[row]] + percentages[row] if classes[row] < len(names) else "" for row in rows]
    boxes = np.asarray(boxes).reshape(-1, 4)[rows]
    return draw(pixels, boxes, classes[rows], annotate.PALETTE, labels, smallest=smallest)


def draw(
    pixels: np.ndarray,
    boxes: np.ndarray,
    kinds: np.ndarray,
    palette: Sequence[annotate.Color],
    labels: Sequence[str],
    *,
    smallest: int = SMALLEST,
    labels_share: float = LABELS_SHARE,
) -> np.ndarray:
    """Draw boxes in the colors of their kinds, later kinds on top, and the first labels, as many as fit.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        boxes: ``(N, 4)``, xyxy, relative.
        kinds: int ``(N,)``, positions in ``palette``, which is repeated beyond its end.
        palette: colors of the kinds.
        labels: one per box; an empty one is not drawn.
        smallest: see ``draw_boxes``.
        labels_share: largest share of the image that labels may cover.

    Returns:
        uint8; see ``draw_boxes``.
    """
    if (times := -(-smallest // max(pixels.shape[:2]))) > 1:
        pixels = cv2.resize(pixels, None, fx=times, fy=times, interpolation=cv2.INTER_NEAREST)
    if not len(boxes):
        return pixels.copy()
    corners = annotate.in_pixels(np.asarray(boxes, float).reshape(-1, 2, 2), pixels).reshape(-1, 4)
    side = np.median(np.sqrt(np.abs((corners[:, 2:] - corners[:, :2]).prod(axis=1))))
    colors, inks = _palette(palette), _palette([annotate.text_color(color) for color in palette])
    text_size = round(max(11, min(max(pixels.shape[:2]) / 36, side / 4)))
    detections = supervision.Detections(xyxy=corners.astype(np.float32), class_id=np.asarray(kinds, int))
    image = Image.fromarray(pixels)
    lines = supervision.BoxAnnotator(colors, thickness=round(max(1, min(annotate.line_width(pixels), side / 40))))
    image = lines.annotate(image, detections[np.argsort(kinds, kind="stable")])
    named = _rows_with_room(labels, corners, _in_turns(kinds), text_size, pixels.shape, labels_share)
    if named:
        tags = supervision.RichLabelAnnotator(
            colors,
            text_color=inks,
            font_path=str(annotate.font_file()),
            font_size=text_size,
            text_padding=_padding(text_size),
            smart_position=True,
        )
        image = tags.annotate(image, detections[named], [labels[row] for row in named])
    return np.asarray(image).copy()


def short(name: str) -> str:
    """A class name of at most ``LONGEST`` letters, in one line."""
    name = " ".join(name.split())
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _in_turns(kinds: np.ndarray) -> list[int]:
    """Rows in an order in which the kinds take turns; rows of one kind keep their order."""
    counts: Counter[int] = Counter()
    turns = []
    for kind in np.asarray(kinds).tolist():
        counts[kind] += 1
        turns.append(counts[kind])
    return np.argsort(turns, kind="stable").tolist()


def _rows_with_room(
    labels: Sequence[str], corners: np.ndarray, rows: Sequence[int], size: int, shape: tuple[int, ...], share: float
) -> list[int]:
    """Rows whose labels, above the left corner of their boxes, cover no other label and not too much of the image."""
    height, width = shape[:2]
    taken: list[tuple[int, int, int, int]] = []
    named, covered = [], 0
    for row in rows:
        if not labels[row]:
            continue
        left, top, right, bottom = annotate.font_of(size).getbbox(labels[row])
        wide, high = right - left + 2 * _padding(size), bottom - top + 2 * _padding(size)
        x = int(np.clip(corners[row, 0], 0, max(0, width - wide)))
        y = int(np.clip(corners[row, 1] - high, 0, max(0, height - high)))
        free = all(x > right or x + wide < left or y > bottom or y + high < top for left, top, right, bottom in taken)
        if free and covered + wide * high <= share * height * width:
            named.append(row)
            taken.append((x - 2, y - 2, x + wide + 2, y + high + 2))
            covered += wide * high
    return named


def _padding(text_size: int) -> int:
    return max(2, text_size // 5)


def _palette(colors: Sequence[annotate.Color]) -> supervision.ColorPalette:
    return supervision.ColorPalette([supervision.Color(*color) for color in colors])
