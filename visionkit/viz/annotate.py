"""Draw masks, keypoints and text on images: uint8 ``(H, W, 3)`` RGB in, a new image of that size out.

A class has the same color everywhere, by its number. Coordinates are relative to the image (0..1). No annotation is refused:
what lies outside of the image or is not visible is not drawn.
"""

import functools
import math
from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from visionkit.data.index import IGNORE
from visionkit.metrics.segmentation import background_of
from visionkit.printable import printable

Color = tuple[int, int, int]
# The colors are easy to tell apart, the first ones most easily; none is so pale or so dark that a photograph hides it.
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
HEAT: Color = (255, 40, 0)
OVERLAY = 0.4  # opacity of a mask's color
HATCH = 8  # pixels between the lines that hatch ignored pixels
LONGEST = 500  # letters of a text; the rest is cut off
OUTSIDE = 2.0  # image sides: points farther out are moved to this distance


def color_of(number: int) -> Color:
    """The color of a class; after ``len(PALETTE)`` classes they recur."""
    return PALETTE[number % len(PALETTE)]


def uncolored(class_names: Sequence[str]) -> tuple[int, ...]:
    """Classes of masks that are not colored: the background, or the first of two classes, which the second outlines anyway."""
    background = background_of(class_names)
    if background is not None:
        return (background,)
    return (0,) if len(class_names) == 2 else ()


def text_color(background: Color) -> Color:
    """Dark or white, whichever has more contrast on a color, as WCAG 2.2 defines contrast."""
    light = _luminance(background)
    on_dark, on_light = (light + 0.05) / (_luminance(INK) + 0.05), (1 + 0.05) / (light + 0.05)
    return INK if on_dark > on_light else PAPER


def draw_mask(image: np.ndarray, mask: np.ndarray, *, background: Collection[int] = ()) -> np.ndarray:
    """Draw a mask as a translucent overlay with contours; ignored pixels are hatched.

    Args:
        image: uint8 ``(H, W, 3)``.
        mask: uint8 ``(H, W)``, the class of each pixel, or ``IGNORE``.
        background: classes that are not colored.
    """
    present = [int(number) for number in np.unique(mask) if number != IGNORE and number not in background]
    table = np.zeros((256, 3), np.uint8)
    for number in present:
        table[number] = color_of(number)
    blended = cv2.addWeighted(image, 1 - OVERLAY, table[mask], OVERLAY, 0)
    drawn = np.where(np.isin(mask, present)[..., None], blended, image)
    for number in present:
        inside = (mask == number).astype(np.uint8)
        # A contour covers only the class's own outermost pixels, so that neighbors do not paint over each other.
        edge = inside - cv2.erode(inside, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
        drawn[edge > 0] = color_of(number)
    y, x = np.indices(mask.shape, sparse=True)
    ignored = mask == IGNORE
    drawn[ignored & ((x + y) % HATCH == 0)] = INK
    drawn[ignored & ((x + y) % HATCH == 1)] = PAPER
    return drawn


def draw_keypoints(image: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
    """Draw keypoints as dots, colored by their number within the object; hidden ones (visibility 1) are rings.

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
    """Draw a heat map as a color that is more opaque where the heat is higher.

    Args:
        image: uint8 ``(H, W, 3)``.
        heat: ``(H, W)``, 0..1.
    """
    share = OVERLAY * 1.5 * heat[..., None]
    return np.round((1 - share) * image + share * np.array(HEAT)).astype(np.uint8)


def line_width(image: np.ndarray) -> int:
    """Width of lines in pixels that suits the size of an image."""
    return math.ceil(max(image.shape[:2]) / 250)


def text_size(image: np.ndarray) -> int:
    """Height of names in pixels that suits the size of an image."""
    return max(10, round(max(image.shape[:2]) / 28))


def text_image(
    text: str, size: int, *, color: Color = INK, background: Color = PAPER, max_width: int | None = None
) -> np.ndarray:
    """Draw one line of text on a plain background; a text that does not fit ends in "…".

    Args:
        text: any text; line breaks become spaces, and bytes that are not Unicode (odd file names) are escaped.
        size: font size in pixels.
        color: color of the letters.
        background: color around them.
        max_width: largest width of the result in pixels.

    Returns:
        uint8 ``(h, w, 3)``; ``h`` depends on ``size`` alone.
    """
    font = font_of(size)
    text = printable(" ".join(text.split()))[:LONGEST]
    margin = max(2, size // 4)
    if max_width is not None:
        text = _shortened(text, font, max_width - 2 * margin)
    ascent, descent = font.getmetrics()
    image = Image.new("RGB", (math.ceil(font.getlength(text)) + 2 * margin, ascent + descent), background)
    ImageDraw.Draw(image).text((margin, 0), text, fill=color, font=font)
    return np.asarray(image)[:, :max_width]


def legend(names: Sequence[str], colors: Sequence[Color], width: int, size: int) -> np.ndarray:
    """Draw the names of classes on their colors, in as many lines as they need.

    Args:
        names: names of the classes.
        colors: one a name.
        width: width of the result in pixels.
        size: font size in pixels.

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


def in_pixels(points: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Relative ``(..., 2)`` x and y as int pixels; NaN and points far outside are moved to where they can be drawn."""
    finite = np.nan_to_num(points, nan=-OUTSIDE).clip(-OUTSIDE, 1 + OUTSIDE)
    return np.round(finite * (image.shape[1] - 1, image.shape[0] - 1)).astype(int)


def _luminance(color: Color) -> float:
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in (c / 255 for c in color)]
    return sum(share * value for share, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    longest = next((length for length in range(len(text) - 1, 0, -1) if font.getlength(text[:length] + "…") <= width), 0)
    return text[:longest].rstrip() + "…"


@functools.cache
def font_of(size: int) -> ImageFont.FreeTypeFont:
    """The font of all drawings, in pixels of height."""
    return ImageFont.truetype(str(font_file()), size, layout_engine=ImageFont.Layout.BASIC)


def font_file() -> Path:
    """DejaVu Sans, which matplotlib brings along: it has the letters of most alphabets."""
    return Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
