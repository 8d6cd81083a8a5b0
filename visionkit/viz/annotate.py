"""Boxes, masks, keypoints and names on images: uint8 ``(H, W, 3)`` RGB in, a new one of that size out.

A class has the same color everywhere, by its number. Coordinates are relative to the image (0..1). Nothing that a data set
may hold is refused: what lies outside, is padded (class -1) or not visible is not drawn.
"""

import functools
import math
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visionkit.data.index import IGNORE
from visionkit.metrics.segmentation import background_of

Color = tuple[int, int, int]
# Far from each other by eye, the first of them farthest; none so pale or so dark that it is lost on a photograph.
PALETTE: tuple[Color, ...] = (
    (255, 150, 30),
    (50, 100, 255),
    (255, 70, 200),
    (60, 215, 60),
    (0, 195, 255),
    (215, 25, 50),
    (240, 220, 30),
    (130, 60, 225),
    (0, 115, 50),
    (255, 175, 205),
    (60, 225, 190),
    (150, 100, 20),
    (20, 60, 150),
    (165, 200, 80),
    (140, 0, 90),
    (185, 150, 255),
    (255, 110, 90),
    (30, 130, 165),
    (225, 190, 130),
    (190, 70, 150),
)
INK, PAPER = (24, 26, 31), (255, 255, 255)
NAMES_SHARE = 0.07  # of the image that the names of its objects may cover
HEAT: Color = (255, 40, 0)
OVERLAY = 0.4  # how much of a mask's color covers the image
HATCH = 8  # pixels between the lines across what a mask ignores
LONGEST = 500  # letters of a text
OUTSIDE = 2.0  # sides of the image beyond which nothing is followed


def color_of(number: int) -> Color:
    """The color of a class; after ``len(PALETTE)`` classes they recur."""
    return PALETTE[number % len(PALETTE)]


def uncolored(class_names: Sequence[str]) -> tuple[int, ...]:
    """Classes of masks that stay as the image is: the background, or the first of two, which the other shows as well."""
    background = background_of(class_names)
    if background is not None:
        return (background,)
    return (0,) if len(class_names) == 2 else ()


def text_color(background: Color) -> Color:
    """Dark or white, whichever can be read better on a color (contrast as WCAG 2.2 defines it)."""
    light = _luminance(background)
    on_dark, on_light = (light + 0.05) / (_luminance(INK) + 0.05), (1 + 0.05) / (light + 0.05)
    return INK if on_dark > on_light else PAPER


def draw_boxes(image: np.ndarray, boxes: np.ndarray, classes: np.ndarray, class_names: Sequence[str] = ()) -> np.ndarray:
    """Boxes in the colors of their classes, each with its name.

    In a crowd, names that would hide the image or each other are left out; the color says the class. Each class is named
    once before any is named twice.

    Args:
        image: uint8 ``(H, W, 3)``.
        boxes: ``(N, 4)``, xyxy, relative.
        classes: int ``(N,)``; rows with -1 are padding.
        class_names: names by class; a class beyond them has a box without a name.
    """
    drawn = np.ascontiguousarray(image).copy()
    width = line_width(image)
    corners = in_pixels(np.asarray(boxes, np.float64).reshape(-1, 2, 2), image).reshape(-1, 4)
    sides = corners[:, 2:] - corners[:, :2]
    rows = [row for row in np.argsort(-np.abs(sides).prod(axis=1), kind="stable").tolist() if classes[row] >= 0]
    for row in rows:
        x1, y1, x2, y2 = corners[row].tolist()
        cv2.rectangle(drawn, (x1, y1), (x2, y2), color_of(int(classes[row])), width)
    taken: list[tuple[int, int, int, int]] = []
    for row in in_turns(rows, classes):
        number = int(classes[row])
        if number < len(class_names):
            color = color_of(number)
            size, most = text_size(image), image.shape[1]
            tag = text_image(class_names[number], size, color=text_color(color), background=color, max_width=most)
            _put_tag(drawn, tag[: image.shape[0]], corners[row].tolist(), taken)
        if sum((right - left) * (bottom - top) for left, top, right, bottom in taken) > NAMES_SHARE * image[..., 0].size:
            break
    return drawn


def draw_mask(image: np.ndarray, mask: np.ndarray, *, background: Collection[int] = ()) -> np.ndarray:
    """A mask as a translucent overlay with contours; what it ignores is hatched.

    Args:
        image: uint8 ``(H, W, 3)``.
        mask: uint8 ``(H, W)``, a class for each pixel; ``IGNORE`` has none.
        background: classes that stay as they are.
    """
    present = [int(number) for number in np.unique(mask) if number != IGNORE and number not in background]
    table = np.zeros((256, 3), np.uint8)
    for number in present:
        table[number] = color_of(number)
    blended = cv2.addWeighted(image, 1 - OVERLAY, table[mask], OVERLAY, 0)
    drawn = np.where(np.isin(mask, present)[..., None], blended, image)
    for number in present:
        inside = (mask == number).astype(np.uint8)
        # A contour runs on the class's own outermost pixels, so that neighbors do not paint over each other.
        edge = inside - cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
        drawn[edge > 0] = color_of(number)
    y, x = np.indices(mask.shape, sparse=True)
    ignored = mask == IGNORE
    drawn[ignored & ((x + y) % HATCH == 0)] = INK
    drawn[ignored & ((x + y) % HATCH == 1)] = PAPER
    return drawn


def draw_keypoints(image: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Keypoints as dots, colored by their number within the object; hidden ones (visibility 1) are rings.

    Args:
        image: uint8 ``(H, W, 3)``.
        keypoints: ``(N, K, 3)``: x, y (relative) and visibility; 0 is not drawn.
    """
    drawn = np.ascontiguousarray(image).copy()
    radius = math.ceil(max(image.shape[:2]) / 130)
    for points in np.asarray(keypoints, np.float64):
        for number, (x, y) in enumerate(in_pixels(points[:, :2], image).tolist()):
            if points[number, 2] > 0:
                cv2.circle(drawn, (x, y), radius + 1, INK, cv2.FILLED, cv2.LINE_AA)
                cv2.circle(drawn, (x, y), radius, color_of(number), 1 if points[number, 2] == 1 else cv2.FILLED, cv2.LINE_AA)
    return drawn


def draw_heat(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """How sure something is, as a color that covers the image the more the surer it is.

    Args:
        image: uint8 ``(H, W, 3)``.
        heat: ``(H, W)``, 0..1.
    """
    share = OVERLAY * 1.5 * heat[..., None]
    return np.round((1 - share) * image + share * np.array(HEAT)).astype(np.uint8)


def line_width(image: np.ndarray) -> int:
    """Pixels: a sensible width of lines on an image."""
    return math.ceil(max(image.shape[:2]) / 250)


def text_size(image: np.ndarray) -> int:
    """Pixels: a sensible height of names on an image."""
    return max(10, round(max(image.shape[:2]) / 28))


def text_image(
    text: str, size: int, *, color: Color = INK, background: Color = PAPER, max_width: int | None = None
) -> np.ndarray:
    """One line of text on a plain background; what does not fit ends in "…".

    Args:
        text: any; line breaks become spaces, and what is no Unicode (odd file names) is escaped.
        size: of the font, in pixels.
        color: of the letters.
        background: around them.
        max_width: of the result in pixels.

    Returns:
        uint8 ``(h, w, 3)``; of texts of one size, ``h`` is the same.
    """
    font = font_of(size)
    text = " ".join(text.encode("utf-8", "backslashreplace").decode().split())[:LONGEST]
    margin = max(2, size // 4)
    if max_width is not None:
        text = _shortened(text, font, max_width - 2 * margin)
    ascent, descent = font.getmetrics()
    image = Image.new("RGB", (math.ceil(font.getlength(text)) + 2 * margin, ascent + descent), background)
    ImageDraw.Draw(image).text((margin, 0), text, fill=color, font=font)
    return np.asarray(image)[:, :max_width]


def legend(names: Sequence[str], colors: Sequence[Color], width: int, size: int) -> np.ndarray:
    """Names of classes on their colors, in as many lines as they need.

    Args:
        names: of the classes.
        colors: of each.
        width: of the result in pixels.
        size: of the font in pixels.

    Returns:
        uint8 ``(h, width, 3)`` on white; without names ``h`` is 0.
    """
    tags = [
        text_image(name, size, color=text_color(color), background=color, max_width=width)
        for name, color in zip(names, colors, strict=True)
    ]
    places, x, line = [], 0, 0
    for tag in tags:
        if x and x + tag.shape[1] > width:
            x, line = 0, line + 1
        places.append((line, x))
        x += tag.shape[1] + size
    height = tags[0].shape[0] if tags else 0
    drawn = np.full(((line + 1) * (height + size // 3) if tags else 0, width, 3), PAPER, np.uint8)
    for tag, (line, x) in zip(tags, places, strict=True):
        top = line * (height + size // 3)
        drawn[top : top + height, x : x + tag.shape[1]] = tag
    return drawn


def in_turns(rows: Sequence[int], classes: np.ndarray) -> list[int]:
    """Rows in an order in which the classes take turns, those of a class in the order given."""
    seen: Counter[int] = Counter()
    turns = []
    for row in rows:
        seen[int(classes[row])] += 1
        turns.append(seen[int(classes[row])])
    return [row for _, row in sorted(zip(turns, rows, strict=True), key=lambda pair: pair[0])]


def _put_tag(drawn: np.ndarray, tag: np.ndarray, box: Sequence[int], taken: list[tuple[int, int, int, int]]) -> None:
    """Lay a name above its box, inside it or below it: where it covers no other name, else nowhere."""
    (height, width), (rows, columns) = tag.shape[:2], drawn.shape[:2]
    x1, y1, x2, y2 = min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])
    if x2 < 0 or y2 < 0 or x1 > columns or y1 > rows:
        return
    x = min(max(x1, 0), columns - width)
    for y in (y1 - height, y1, y2 - height, y2):
        y = min(max(y, 0), rows - height)
        place = (x, y, x + width, y + height)
        if not any(place[0] < b[2] and b[0] < place[2] and place[1] < b[3] and b[1] < place[3] for b in taken):
            drawn[y : y + height, x : x + width] = tag
            taken.append(place)
            return


def in_pixels(points: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Relative ``(..., 2)`` x and y as int pixels; what is no number or far outside is moved to where it can be drawn."""
    sane = np.nan_to_num(points, nan=-OUTSIDE).clip(-OUTSIDE, 1 + OUTSIDE)
    return np.round(sane * (image.shape[1] - 1, image.shape[0] - 1)).astype(int)


def _luminance(color: Color) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (c / 255 for c in color)]
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    fits = next((length for length in range(len(text) - 1, 0, -1) if font.getlength(text[:length] + "…") <= width), 0)
    return text[:fits].rstrip() + "…"


@functools.cache
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """The font of everything that is drawn, in pixels of height."""
    return ImageFont.truetype(str(font_file()), size, layout_engine=ImageFont.Layout.BASIC)


def font_file() -> Path:
    """DejaVu Sans, which matplotlib brings along: it has the letters of most alphabets."""
    return Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
