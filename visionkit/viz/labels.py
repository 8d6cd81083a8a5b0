"""Predictions written below images."""

import io

import numpy as np
from PIL import ExifTags, Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from visionkit.outputs import MARK
from visionkit.printable import printable


def draw_label(pixels: np.ndarray, lines: list[str]) -> Image.Image:
    """Add lines of text below a copy of an image, in a dark band.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        lines: lines of text; the first is the largest.
    """
    image = Image.fromarray(pixels)
    scale = max(10, round(0.045 * max(image.size)))
    lines = list(map(printable, lines))
    fonts = [ImageFont.load_default(scale if number == 0 else 0.75 * scale) for number in range(len(lines))]
    heights = [round(1.35 * font.size) for font in fonts]
    band = Image.new("RGB", (max(image.width, 8 * scale), image.height + sum(heights) + scale // 2), (24, 26, 31))
    band.paste(image, ((band.width - image.width) // 2, 0))
    pen, y = ImageDraw.Draw(band), image.height + scale // 4
    for number, (line, font, height) in enumerate(zip(lines, fonts, heights, strict=True)):
        pen.text((scale // 2, y), line, fill=(190, 195, 205) if number else (255, 255, 255), font=font)
        y += height
    return band


def image_png(pixels: np.ndarray) -> bytes:
    """Encode uint8 ``(H, W, 3)`` as a PNG."""
    return encode_png(Image.fromarray(pixels))


def encode_png(image: Image.Image) -> bytes:
    """Encode an image of any mode as a PNG, which says that visionkit wrote it."""
    return encode(image, ".png")


def encode(image: Image.Image, suffix: str) -> bytes:
    """Encode an image in the format of a suffix. PNG, JPEG and WebP say that visionkit wrote them, so that it may do so again.

    Raises:
        OSError: the format cannot hold the image.
        ValueError: likewise, in other words of Pillow.
    """
    buffer, kind, options = io.BytesIO(), Image.registered_extensions()[suffix.lower()], {}
    if kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_text("Software", MARK)
    elif kind in ("JPEG", "WEBP"):
        exif = Image.Exif()
        exif[ExifTags.Base.Software] = MARK
        options = {"exif": exif, "quality": 92}
    image.save(buffer, kind, **options)
    return buffer.getvalue()
