"""Answers drawn on pictures."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def draw_label(pixels: np.ndarray, lines: list[str]) -> Image.Image:
    """A copy of a picture with lines of text in a dark band along its foot.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        lines: the first is the largest.
    """
    picture = Image.fromarray(pixels)
    scale = max(10, round(0.045 * max(picture.size)))
    fonts = [ImageFont.load_default(scale if number == 0 else 0.75 * scale) for number in range(len(lines))]
    heights = [round(1.35 * font.size) for font in fonts]
    band = Image.new("RGB", (max(picture.width, 8 * scale), picture.height + sum(heights) + scale // 2), (24, 26, 31))
    band.paste(picture, ((band.width - picture.width) // 2, 0))
    pen, y = ImageDraw.Draw(band), picture.height + scale // 4
    for line, font, height in zip(lines, fonts, heights, strict=True):
        pen.text((scale // 2, y), line, fill=(255, 255, 255) if y < picture.height + height else (190, 195, 205), font=font)
        y += height
    return band


def save_drawing(drawing: Image.Image, folder: Path, source: str) -> Path:
    """Save under the source's name as a PNG; a number follows the name where two sources share it."""
    folder.mkdir(parents=True, exist_ok=True)
    stem, number = Path(source).stem, 1
    target = folder / f"{stem}.png"
    while target.exists():
        number += 1
        target = folder / f"{stem}_{number}.png"
    drawing.save(target)
    return target
