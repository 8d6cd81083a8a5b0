"""Images of 10, 12 or 14 bits in 16 are scaled by the bits in use, alike in files, arrays and graphs; and that is reported."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from visionkit.data.images import bit_depth
from visionkit.data.images.bit_depth import Depth, how_floats_are_scaled, in_eight_bits, unused_bits
from visionkit.data.images.decode import ImageError, decode, decode_and_judge, decode_in_graph, read_image
from visionkit.data.images.deep_color import in_rgb
from visionkit.data.images.scan import inspect
from visionkit.data.images.stacks import read_page
from visionkit.data.images.to_pixels import to_pixels


def deep(shape, bits=12) -> np.ndarray:
    """Random uint16 values that use all of ``bits``."""
    values = np.random.default_rng(0).integers(0, 2**bits, shape, dtype=np.uint16)
    values.flat[0] = 2**bits - 1
    return values


def written(values: np.ndarray, suffix: str) -> bytes:
    """An RGB or RGBA array as a file."""
    return cv2.imencode(suffix, in_rgb(values))[1].tobytes()


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def traced(contents):
    return decode_in_graph(contents)


def in_graph(contents: bytes) -> np.ndarray:
    return traced(tf.constant(contents)).numpy()


def test_an_image_without_pixels_uses_8_bits():
    pixels, depth = in_eight_bits(np.zeros((0, 4), np.uint16))
    assert pixels.shape == (0, 4) and depth.used == 8


@pytest.mark.parametrize(
    ("largest", "bits"),
    [(0, 8), (255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, 16), (65535, 16)],
)
def test_the_bits_in_use_follow_from_the_largest_value(largest, bits):
    values = np.array([[0, largest // 2, largest]], np.uint16)
    pixels, depth = in_eight_bits(values)
    assert depth == Depth(16, bits, 2**bits - 1) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, values >> (bits - 8))
    same, used = bit_depth.in_eight_bits_in_graph(tf.constant(values))
    np.testing.assert_array_equal(same, pixels)
    assert int(used) == bits


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize(
    ("suffix", "channels"),
    [(".png", None), (".png", 3), (".png", 4), (".tiff", None), (".tiff", 3), (".tiff", 4), (".ppm", None), (".ppm", 3)],
)
def test_every_reader_sees_the_same_pixels(tmp_path, suffix, channels, bits):
    values = deep((20, 30) if channels is None else (20, 30, channels), bits)
    if channels == 4:
        values[..., 3] = 65535  # opaque
    contents = written(values, ".pgm" if suffix == ".ppm" and channels is None else suffix)
    colors = values[..., None] if channels is None else values[..., :3]
    expected = np.broadcast_to((colors >> (bits - 8)).astype(np.uint8), (20, 30, 3))
    (tmp_path / f"x{suffix}").write_bytes(contents)
    np.testing.assert_array_equal(read_image(tmp_path / f"x{suffix}"), expected)
    np.testing.assert_array_equal(to_pixels(values), expected)
    np.testing.assert_array_equal(to_pixels(Image.open(io.BytesIO(contents))), expected)
    np.testing.assert_array_equal(to_pixels(contents), expected)
    assert inspect(str(tmp_path / f"x{suffix}")).depth.used == bits
    if suffix == ".png":
        np.testing.assert_array_equal(in_graph(contents), expected)


def test_alpha_has_bits_of_its_own():
    values = np.full((4, 6, 4), 4095, np.uint16)
    values[:, :3, :3] = 2048
    values[..., 3] = [[65535, 0, 65535, 65535, 0, 65535]] * 4
    expected = np.full((4, 6, 3), 255)
    expected[:, [0, 2]] = 128
    for pixels in (decode(written(values, ".png")), in_graph(written(values, ".png")), to_pixels(values)):
        np.testing.assert_array_equal(pixels, expected)
    np.testing.assert_array_equal(decode(written(values, ".tiff")), expected)


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_color_is_turned_upright_once(kind, orientation):
    values = deep((8, 12, 3))
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "PNG":
        chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        plain = written(values, ".png")
        contents = plain[:33] + (len(chunk) - 4).to_bytes(4) + chunk + zlib_crc(chunk) + plain[33:]
    else:
        buffer = io.BytesIO()
        tifffile = pytest.importorskip("tifffile")
        tifffile.imwrite(buffer, values, photometric="rgb", extratags=[(0x0112, "H", 1, orientation, True)])
        contents = buffer.getvalue()
    expected = np.rot90(values >> 4, {3: 2, 6: -1}[orientation])
    np.testing.assert_array_equal(decode(contents), expected)


def zlib_crc(chunk: bytes) -> bytes:
    import zlib

    return zlib.crc32(chunk).to_bytes(4)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_a_truncated_deep_file_is_an_error(suffix):
    contents = written(deep((200, 300, 3)), suffix)
    with pytest.raises(ImageError):
        decode(contents[: len(contents) // 2])


def test_planes_of_16_bits_are_refused_and_not_mixed_up():
    tifffile = pytest.importorskip("tifffile")
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, deep((3, 8, 12)), photometric="rgb", planarconfig="separate")
    with pytest.raises(ImageError, match="a plane for each channel"):
        decode(buffer.getvalue())


def test_big_endian_arrays_are_read():
    values = deep((4, 5))
    np.testing.assert_array_equal(to_pixels(values.astype(">u2")), to_pixels(values))


def test_color_pages_of_16_bits_keep_their_bits(tmp_path):
    pages = [deep((8, 12, 3)), deep((8, 12, 3), 10)]
    cv2.imwritemulti(str(tmp_path / "x.tif"), [page[..., ::-1] for page in pages])
    for number, (page, bits) in enumerate(zip(pages, (12, 10), strict=True), 1):
        np.testing.assert_array_equal(read_image(f"{tmp_path / 'x.tif'}@page={number}"), page >> (bits - 8))
    from visionkit.data.images.stacks import Page

    with pytest.raises(OSError, match="no page 3"):
        read_page(Page(str(tmp_path / "x.tif"), 3))


@pytest.mark.parametrize(("dtype", "largest", "used"), [("i4", 4000, 12), ("i4", 200, 8), ("u4", 60000, 16), ("i2", 900, 10)])
def test_other_whole_numbers_are_scaled_alike(dtype, largest, used):
    tifffile = pytest.importorskip("tifffile")
    values = np.linspace(0, largest, 48).reshape(6, 8).astype(dtype)
    for stored in (values, np.repeat(values[..., None], 3, 2)):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, stored, photometric="minisblack" if stored.ndim == 2 else "rgb")
        decoded = decode_and_judge(buffer.getvalue())
        np.testing.assert_array_equal(decoded.pixels[..., 1], values >> (used - 8))
        assert decoded.depth.used == used


def as_float_tiff(values) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(values, np.float32)).save(buffer, "TIFF")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("values", "expected", "limit"), [([[0, 0.5, 1]], [0, 128, 255], 1), ([[0, 1.6, 254.9]], [0, 2, 255], 255)]
)
def test_floats_are_scaled_by_their_range(values, expected, limit):
    for decoded in (decode_and_judge(as_float_tiff(values)), decode_and_judge(written(np.array(values, np.float64), ".tiff"))):
        np.testing.assert_array_equal(decoded.pixels[0, :, 0], expected)
        assert decoded.depth.used == 0 and decoded.depth.largest == limit
    np.testing.assert_array_equal(to_pixels(Image.fromarray(np.float32(values)))[0, :, 2], expected)


@pytest.mark.parametrize("values", [[[-0.5, 1]], [[0, 300]], [[0, np.nan]], [[0, np.inf]]])
def test_floats_of_unknown_scale_are_refused_with_their_range(values):
    with pytest.raises(
        ImageError, match=r"floating-point pixels from .* to .*; expected 0 to 1 or 0 to 255: convert the image"
    ):
        decode(as_float_tiff(values))


@pytest.mark.parametrize("values", [[[-1000, 3000]], [[0, 70_000]]])
def test_whole_numbers_of_unknown_scale_are_refused_with_their_range(values):
    buffer = io.BytesIO()
    Image.fromarray(np.array(values, np.int32)).save(buffer, "TIFF")
    with pytest.raises(ImageError, match=f"pixels of 32 bits from {values[0][0]} to {values[0][1]}; expected 0 to 65535"):
        decode(buffer.getvalue())


def test_images_of_8_bits_are_not_mentioned(tmp_path):
    Image.new("L", (3, 3)).save(tmp_path / "x.png")
    assert inspect(str(tmp_path / "x.png")).depth is None
    assert unused_bits([]) is None and unused_bits([None, Depth(16, 16, 65535)]) is None
    assert how_floats_are_scaled([None, Depth(16, 12, 4095)]) is None


def test_the_sentence_counts_images_and_bits():
    ten, twelve, all_bits = (Depth(16, bits, 2**bits - 1) for bits in (10, 12, 16))
    assert unused_bits([twelve] * 4 + [None] * 4) == (
        "4 of 8 images hold 16 bits and use 12 of them (no value above 4095 of 65535): they are scaled by the bits in use"
    )
    mixed = unused_bits([ten, twelve, twelve])
    assert "3 of 3 images hold 16 bits and use fewer of them (1 use 10, 2 use 12)" in mixed and "not equally bright" in mixed
    assert "1 of 2 images" in unused_bits([twelve, all_bits]) and ", and 1 use all 16. " in unused_bits([twelve, all_bits])


def test_the_sentence_on_floats_names_both_scales():
    sentence = how_floats_are_scaled([Depth(32, 0, 1), Depth(32, 0, 255), Depth(32, 0, 1)])
    assert sentence.startswith(
        "3 images hold floating-point numbers, of which 2 have values within 0..1 and are multiplied by 255"
    )
    assert "1 have values within 0..255 and are kept" in sentence
