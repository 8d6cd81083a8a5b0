"""From the bytes of an image file to pixels.

``decode_in_graph`` is TensorFlow alone, and is exported inside every bundle; ``read_image`` calls the very same function, so
that training and serving see the same pixels. It adds the formats, flavours and checks that TensorFlow lacks, through Pillow.
"""

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, features

from visionkit.data.images import bit_depth, budget, heic, limits
from visionkit.data.images.contents import ImageError as ImageError
from visionkit.data.images.contents import read_contents
from visionkit.data.images.deep_color import is_deep_color, read_deep_color, tags_of
from visionkit.data.images.gif import first_frame
from visionkit.data.images.limits import MAX_PIXELS as MAX_PIXELS

IMAGE_SUFFIXES = frozenset(
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"),
        *(".avif", ".heic", ".heif", ".hif", ".jp2", ".tga", ".ico"),
    ]
)
DECODED_BY_TENSORFLOW = ("JPEG", "MPO", "PNG", "GIF", "BMP")
JPEG_START, PNG_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
PIXELS_OF_BAND = 2**20  # that are blended and converted at once
DCT = "INTEGER_ACCURATE"
PNG_BITS = 24  # offset of the byte with the bits of each channel; the next byte is the kind of color
HEADER_BYTES = 65_536  # bytes from the start of a file in which its EXIF header and other facts are looked for
TAG_SEARCHED = 4_096  # bytes of that header in which the orientation tag is looked for
DECODER = 2  # the number of the rules in this file, for caches of pixels; larger when some files are read as other pixels


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: uint8 ``(H, W, 3)``.
        plain_jpeg: whether a window of it can be decoded alone: in a sound grey or RGB JPEG that is not to be rotated.
        depth: how its pixels are stored; None for 8 bits.
    """

    pixels: np.ndarray
    plain_jpeg: bool = False
    depth: bit_depth.Depth | None = None


def read_image(path: str | Path) -> np.ndarray:
    """Read any image file as it is meant to be seen.

    Grey, palette, CMYK and 16-bit images become 8-bit RGB (16 bits by those in use, see ``bit_depth``); EXIF rotation is
    carried out; transparency is blended with white; of an animation, the first frame is read.

    Args:
        path: a JPEG, PNG, GIF, BMP, WebP, TIFF, HEIC, ... file.

    Returns:
        ``(H, W, 3)`` uint8.

    Raises:
        ImageError: the file is missing, empty, damaged or not an image.
    """
    with budget.decoding().kept():
        return decode(_contents(path))


def read_size(path: str | Path) -> tuple[int, int]:
    """Height and width in pixels of an image as it is meant to be seen; only its header is read.

    Raises:
        ImageError: the file is missing, empty or not an image.
    """
    contents = _contents(path)
    header = open_header(contents)
    if header is None:
        return _decode_deep_color(contents, None).pixels.shape[:2]
    height, width = stored_size(header)
    return (width, height) if _orientation(header) >= 5 else (height, width)


def stored_size(header: Image.Image) -> tuple[int, int]:
    """Height and width in pixels before the EXIF rotation. Pillow gives those of TIFF files, alone, after it."""
    turned = header.format == "TIFF" and _orientation(header) >= 5
    return (header.width, header.height) if turned else (header.height, header.width)


def _contents(path: str | Path) -> bytes:
    try:
        return read_contents(path)
    except OSError as error:
        raise ImageError(error.strerror or str(error)) from error


def decode(contents: bytes) -> np.ndarray:
    """The pixels of an encoded image; see ``read_image``."""
    return decode_and_judge(contents).pixels


def decode_and_judge(contents: bytes) -> Decoded:
    """The pixels of an encoded image, see ``read_image``, and how they are stored."""
    header = open_header(contents)
    if header is None:
        needed = limits.bytes_of_tiff(tags_of(contents, None), len(contents))
        with budget.decoding().taken(needed):
            return _decode_deep_color(contents, None)
    with limits.memory_for(header, len(contents)):
        return _decode(contents, header)


def _decode(contents: bytes, header: Image.Image) -> Decoded:
    orientation = _orientation(header)
    if _graph_decodes_correctly(header, contents, orientation):
        try:
            plain = header.format in ("JPEG", "MPO") and header.mode in ("L", "RGB") and orientation == 1
            if header.format in ("PNG", "JPEG", "MPO") and header.width * header.height > 4 * PIXELS_OF_BAND:
                is_png = header.format == "PNG"
                return _large_png(contents, orientation) if is_png else _large_jpeg(contents, orientation, plain)
            first = first_frame(contents) if header.format == "GIF" else contents
            pixels, bits = _decode_in_graph(tf.constant(first))
            return Decoded(pixels.numpy(), plain, _depth_of_png(contents, bits) if header.format == "PNG" else None)
        except tf.errors.InvalidArgumentError:
            pass  # a rare flavour, which Pillow may know; if it is damage, Pillow says which
    try:
        if is_deep_color(header):
            header.load()  # raises if the file is damaged, where OpenCV would return a part
            return _decode_deep_color(contents, header, 1 if header.format == "TIFF" else orientation)
        header.load()  # turns a TIFF
        pixels, depth = _pixels_and_depth(header if _orientation(header) == 1 else ImageOps.exif_transpose(header))
        return Decoded(pixels, depth=depth)
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        raise ImageError(f"damaged {header.format} file ({error})") from error


def _large_jpeg(contents: bytes, orientation: int, plain: bool) -> Decoded:
    """As ``decode_in_graph`` decodes it, turned outside of TensorFlow, which would keep the memory of each copy."""
    return Decoded(_oriented(np.asarray(tf.io.decode_jpeg(contents, 3, dct_method=DCT)), orientation), plain)


def _large_png(contents: bytes, orientation: int) -> Decoded:
    """As ``decode_in_graph`` decodes it, without copies of the whole image in 32 bits."""
    is_deep, channels = contents[PNG_BITS] == 16, 4 if _png_has_alpha(tf.constant(contents)) else 3
    values = np.asarray(tf.io.decode_png(contents, channels, tf.uint16 if is_deep else tf.uint8))
    values, depth = bit_depth.blended_in_eight_bits(values) if is_deep else (values, None)
    return Decoded(_oriented(opaque_rgb(values) if channels == 4 else values, orientation), depth=depth)


def orientation_of(contents: bytes) -> int:
    """The EXIF orientation of an encoded image, 1 to 8; 1 where there is none, or it is not carried out.

    Raises:
        ImageError: see ``open_header``.
    """
    header = open_header(contents)
    return 1 if header is None else _orientation(header)


def _depth_of_png(contents: bytes, bits: tf.Tensor) -> bit_depth.Depth | None:
    if contents[PNG_BITS] != 16:
        return None
    used = int(bits)
    return bit_depth.Depth(16, used, 2**used - 1)


def _orientation(header: Image.Image) -> int:
    try:
        orientation = header.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF, which does not spoil the pixels
        return 1
    return orientation if orientation in range(1, 9) else 1


def _graph_decodes_correctly(header: Image.Image, contents: bytes, orientation: int) -> bool:
    """TensorFlow reads a BMP's palette as greys and a GIF's transparency as black; our graph misses EXIF in unusual places."""
    if header.format not in DECODED_BY_TENSORFLOW:
        return False
    if header.format == "BMP":
        return header.mode == "RGB"
    if header.format == "GIF":
        return "transparency" not in header.info
    if orientation == 1 and b"Exif" not in contents[:HEADER_BYTES] and b"eXIf" not in contents[:HEADER_BYTES]:
        return True
    return int(_orientation_in_graph(contents)) == orientation


def open_header(contents: bytes) -> Image.Image | None:
    """The lazily opened image, of which only the header has been read; None for a TIFF that Pillow does not know.

    Raises:
        ImageError: the file is empty, not an image, larger than ``MAX_PIXELS``, or a HEIC image without pillow-heif.
    """
    if not contents:
        raise ImageError("empty file")
    kind = heic.kind_of(contents)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large images and odd metadata; we judge below
            header = heic.open_heic(contents) if kind == "HEIC" else Image.open(io.BytesIO(contents))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(f"more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:
        if contents[:4] in (b"II*\0", b"MM\0*"):
            return None
        if kind == "AVIF" and not features.check("avif"):
            raise ImageError("an AVIF image, whatever its name says: pip install 'pillow>=11.3', or convert it") from error
        raise ImageError("not an image, whatever its name says") from error
    if header.width * header.height > MAX_PIXELS:
        raise ImageError(f"{header.width} x {header.height} pixels; at most {MAX_PIXELS:,} are read")
    return header


def decode_in_graph(contents: tf.Tensor) -> tf.Tensor:
    """Decode one JPEG, PNG, GIF or BMP inside a TensorFlow graph.

    Args:
        contents: scalar string, the encoded image.

    Returns:
        ``(H, W, 3)`` uint8, rotated by its EXIF header, transparency on white (on black in a GIF), first frame of an animation.

    Raises:
        tf.errors.InvalidArgumentError: it is damaged, of another format, or a BMP with a palette.
    """
    return _decode_in_graph(contents)[0]


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def _decode_in_graph(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """``decode_in_graph``, and the bits in use."""
    eight = tf.constant(8)

    def jpeg():
        return orient(tf.io.decode_jpeg(contents, 3, dct_method=DCT), exif_orientation(contents)), eight

    def png():
        is_deep = tf.io.decode_raw(tf.strings.substr(contents, PNG_BITS, 1), tf.uint8)[0] == 16
        image, bits = tf.cond(is_deep, lambda: _deep_png(contents), lambda: (_shallow_png(contents), eight))
        return orient(image, exif_orientation(contents, marker="eXIf")), bits

    def other():
        bits = tf.io.decode_raw(tf.strings.substr(contents + " " * 30, 28, 1), tf.uint8)[0]
        has_palette = (tf.strings.substr(contents, 0, 2) == "BM") & (bits < 24)
        palette_is_unknown = tf.debugging.Assert(~has_palette, ["a BMP with a palette; convert it to PNG"])
        with tf.control_dependencies([palette_is_unknown]):
            return tf.io.decode_image(contents, 3, expand_animations=False), eight

    is_jpeg = tf.strings.substr(contents, 0, len(JPEG_START)) == JPEG_START
    is_png = tf.strings.substr(contents, 0, len(PNG_START)) == PNG_START
    return tf.case([(is_jpeg, jpeg), (is_png, png)], default=other, exclusive=True)


def _shallow_png(contents: tf.Tensor) -> tf.Tensor:
    return tf.cond(
        _png_has_alpha(contents), lambda: _on_white(tf.io.decode_png(contents, 4)), lambda: tf.io.decode_png(contents, 3)
    )


def _deep_png(contents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A PNG of 16 bits by those in use; its alpha channel by those that it uses itself."""

    def blended():
        rgba = tf.io.decode_png(contents, 4, tf.uint16)
        colors, bits = bit_depth.in_eight_bits_in_graph(rgba[..., :3])
        return _on_white(tf.concat([colors, bit_depth.in_eight_bits_in_graph(rgba[..., 3:])[0]], 2)), bits

    def opaque():
        return bit_depth.in_eight_bits_in_graph(tf.io.decode_png(contents, 3, tf.uint16))

    return tf.cond(_png_has_alpha(contents), blended, opaque)


def exif_orientation(contents: tf.Tensor, marker: str = "Exif\0\0") -> tf.Tensor:
    """The EXIF orientation, 1 to 8, of an encoded image inside a graph; 1 where there is none.

    The tag is found by its bytes: number 0x0112, type 3 (short), count 1, value; in the header's own byte order.
    """
    parts = tf.strings.split(tf.strings.substr(contents, 0, HEADER_BYTES), marker, maxsplit=1)
    header = tf.cond(tf.size(parts) > 1, lambda: tf.strings.substr(parts[1], 0, TAG_SEARCHED), lambda: "")
    values = tf.cast(tf.io.decode_raw(header, tf.uint8), tf.int32)
    values = tf.concat([values, tf.zeros([10], tf.int32)], 0)  # so that short or missing headers have windows
    little_endian = values[0] == ord("I")
    tag = tf.where(little_endian, [0x12, 0x01, 3, 0, 1, 0, 0, 0], [0x01, 0x12, 0, 3, 0, 0, 0, 1])
    windows = tf.signal.frame(values, 10, 1)
    matches = windows[tf.reduce_all(windows[:, :8] == tag, axis=1)]
    orientation = tf.cond(
        tf.shape(matches)[0] > 0, lambda: tf.where(little_endian, matches[0, 8], matches[0, 9]), lambda: tf.constant(1)
    )
    return tf.where((orientation >= 1) & (orientation <= 8), orientation, 1)


def orient(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn and mirror ``(H, W, C)`` as EXIF ``orientation`` (1 to 8) asks."""
    # 5 to 8 exchange the axes; then two bits say which axes are mirrored.
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, [1, 0, 2]), lambda: image)
    mirrored_x = tf.reduce_any(orientation == [2, 3, 6, 7])
    mirrored_y = tf.reduce_any(orientation == [3, 4, 7, 8])
    image = tf.cond(mirrored_x, lambda: image[:, ::-1], lambda: image)
    return tf.cond(mirrored_y, lambda: image[::-1], lambda: image)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
def _orientation_in_graph(contents):
    is_png = tf.strings.substr(contents, 0, len(PNG_START)) == PNG_START
    return tf.cond(is_png, lambda: exif_orientation(contents, marker="eXIf"), lambda: exif_orientation(contents))


def _png_has_alpha(contents: tf.Tensor) -> tf.Tensor:
    """Whether a PNG has transparency: TensorFlow's four-channel decoding is wrong for those without, below 8 bits."""
    color_type = tf.io.decode_raw(tf.strings.substr(contents, PNG_BITS + 1, 1), tf.uint8)[0]
    before_pixels = tf.strings.split(tf.strings.substr(contents, 0, HEADER_BYTES), "IDAT", maxsplit=1)[0]
    has_transparent_color = tf.size(tf.strings.split(before_pixels, "tRNS", maxsplit=1)) > 1
    return has_transparent_color | tf.reduce_any(color_type == [4, 6])


def white_behind(rgba: np.ndarray) -> np.ndarray:
    """Uint8 ``(H, W, 4)`` on a white background, as a PNG of it is read: uint8 ``(H, W, 3)``."""
    blended = np.empty((*rgba.shape[:2], 3), np.uint8)
    for rows in _bands(*rgba.shape[:2]):
        blended[rows] = _on_white(tf.constant(rgba[rows])).numpy()
    return blended


def _on_white(rgba: tf.Tensor) -> tf.Tensor:
    """Blend uint8 ``(H, W, 4)`` with a white background; opaque images pass untouched."""

    def blend():
        alpha = tf.cast(rgba[..., 3:], tf.float32) / 255
        return tf.cast(tf.round(tf.cast(rgba[..., :3], tf.float32) * alpha + 255 * (1 - alpha)), tf.uint8)

    return tf.cond(tf.reduce_all(rgba[..., 3] == 255), lambda: rgba[..., :3], blend)


def pixels_of(image: Image.Image) -> np.ndarray:
    """The 8-bit RGB pixels of a PIL image of any mode; see ``read_image``.

    Raises:
        ImageError: its values have no known scale; see ``bit_depth.in_eight_bits``.
    """
    return _pixels_and_depth(image)[0]


def _pixels_and_depth(image: Image.Image) -> tuple[np.ndarray, bit_depth.Depth | None]:
    if image.mode[0] in "IF":
        grey, depth = bit_depth.in_eight_bits(np.asarray(image))
        return np.repeat(grey[..., None], 3, axis=2), depth
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for rows in _bands(*pixels.shape[:2]):  # so that no copy of a large image is whole
        band = image.crop((0, rows.start, image.width, rows.stop))
        if image.has_transparency_data:
            rgba = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        pixels[rows] = np.asarray(band.convert("RGB"))
    return pixels, None


def _bands(height: int, width: int) -> list[slice]:
    """Rows of about ``PIXELS_OF_BAND`` pixels."""
    step = max(1, PIXELS_OF_BAND // max(width, 1))
    return [slice(start, min(start + step, height)) for start in range(0, height, step)]


def _decode_deep_color(contents: bytes, header: Image.Image | None, orientation: int = 1) -> Decoded:
    """Decode a PNG, PPM or TIFF with several channels of more than 8 bits, or a TIFF that Pillow does not open."""
    pixels, depth = bit_depth.blended_in_eight_bits(read_deep_color(contents, header))
    pixels = opaque_rgb(pixels)
    return Decoded(_oriented(pixels, orientation), depth=depth)


def _oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """``orient`` outside of a graph; the result may be written to."""
    if orientation >= 5:
        pixels = cv2.transpose(pixels)
    mirrored_x, mirrored_y = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    if mirrored_x or mirrored_y:
        pixels = cv2.flip(pixels, -1 if mirrored_x and mirrored_y else int(mirrored_x))
    return np.require(pixels, requirements="W")


def opaque_rgb(pixels: np.ndarray) -> np.ndarray:
    """Uint8 grey, RGB or RGBA, ``(H, W)`` or ``(H, W, 1 to 4)``, as uint8 RGB ``(H, W, 3)``."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] == 2:
        pixels = pixels[..., [0, 0, 0, 1]]
    if pixels.shape[2] == 4:
        return white_behind(pixels)
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
