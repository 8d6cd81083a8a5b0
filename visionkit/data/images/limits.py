"""Which images are too large to be decoded, as their headers say: before memory is taken for them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from PIL import Image

from visionkit.data.images.budget import LARGEST, decoding
from visionkit.data.images.contents import ImageError

MAX_PIXELS = 178_956_970  # a file may declare any size; like Pillow, we take a larger one for an attack
BYTES_PER_PIXEL = {  # at the peak of decoding, with the result: measured for each format and kind of color
    **dict.fromkeys(("JPEG", "MPO", "BMP", "DIB"), 13),
    **dict.fromkeys(("WEBP", "AVIF", "HEIF", "JPEG2000"), 20),
}
OF_OTHERS, OF_TIFF = 14, 10
OF_DEEP = 26  # where a channel has more than 8 bits
INFLATED = 1032  # the most bytes that one of zlib becomes
DEEP_TILES = (";16", "65535")  # in the arguments of Pillow's decoder
WIDTH, HEIGHT, BITS, COMPRESSION, COLORS, CHANNELS = 256, 257, 258, 259, 262, 277  # tags of a TIFF
ROWS_OF_STRIP, TILE_WIDTH, TILE_HEIGHT, STRIPS, TILES = 278, 322, 323, 273, 324
UNCOMPRESSED, SUBSAMPLED = 1, 6  # values of two of them


@contextmanager
def memory_for(header: Image.Image, num_bytes: int) -> Iterator[None]:
    """Decode an image inside, once the memory that it takes is free.

    Args:
        header: the opened image, not loaded yet.
        num_bytes: length of its file.

    Raises:
        ImageError: see ``bytes_needed``.
    """
    with decoding().taken(bytes_needed(header, num_bytes)):
        yield


def bytes_needed(header: Image.Image, num_bytes: int) -> int:
    """The memory that decoding takes at its peak, with the file and the result.

    Raises:
        ImageError: the image has more pixels than are read or than the file can hold, or would take more memory than one may.
    """
    tags = getattr(header, "tag_v2", None)
    if header.format == "TIFF" and tags is not None:
        return bytes_of_tiff(tags, num_bytes)
    width, height = header.size
    arguments = str([tile[3] for tile in getattr(header, "tile", None) or ()])
    if header.format == "PNG" and width * height // 8 > INFLATED * num_bytes:
        raise ImageError(f"damaged PNG file (it declares {width} x {height} pixels in {num_bytes:,} bytes)")
    is_deep = header.mode[0] in "IF" or any(mark in arguments for mark in DEEP_TILES)
    factor = OF_DEEP if is_deep else BYTES_PER_PIXEL.get(header.format, OF_OTHERS)
    return _checked(width, height, width * height * factor, num_bytes, header.format)


def bytes_of_tiff(tags: Mapping[int, Any], num_bytes: int) -> int:
    """As ``bytes_needed``, of a TIFF by its tags; memory is taken for whole tiles, whatever the size of the image."""
    try:
        width, height = int(tags[WIDTH]), int(tags[HEIGHT])
        bits, least = max(_all(tags.get(BITS, 1))), min(_all(tags.get(BITS, 1)))
        channels = int(tags.get(CHANNELS, 1))
        rows = min(int(tags.get(ROWS_OF_STRIP, height)), height)
        tile = int(tags.get(TILE_WIDTH, width)) * int(tags.get(TILE_HEIGHT, rows))
        places = _all(tags.get(STRIPS, tags.get(TILES, ())))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ImageError(f"damaged TIFF file ({error or 'no size'})") from error
    is_raw = tags.get(COMPRESSION, UNCOMPRESSED) == UNCOMPRESSED and tags.get(COLORS) != SUBSAMPLED
    if (is_raw and width * height * channels * least // 8 > num_bytes) or max(places, default=0) >= num_bytes:
        raise ImageError(f"damaged or cut off: it declares {width} x {height} pixels, and has only {num_bytes:,} bytes")
    stored = max(channels, 1) * max(bits, 8) // 8
    factor = OF_TIFF if stored <= 4 and bits <= 8 else max(OF_DEEP, 4 * stored)
    return _checked(width, height, max(width * height * factor, tile * stored), num_bytes, "TIFF")


def _checked(width: int, height: int, needed: int, num_bytes: int, kind: str | None) -> int:
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels; at most {MAX_PIXELS:,} are read")
    needed += num_bytes
    if needed > LARGEST:
        raise ImageError(
            f"{width} x {height} pixels take {needed / 1e9:.1f} GB of memory to decode from this kind of {kind or 'file'}; "
            f"at most {LARGEST / 1e9:.1f} GB are used: save it smaller, or as a JPEG or PNG of 8 bits"
        )
    return needed


def _all(value: Any) -> tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, (tuple, list)) else (int(value),)
