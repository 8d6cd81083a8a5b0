"""Every kind of image is read as it is meant to be seen, and alike in Python and in the exported graph."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from visionkit.data.images.decode import (
    ImageError,
    decode,
    decode_and_judge,
    decode_in_graph,
    open_header,
    read_image,
    read_size,
    stored_size,
)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def quarters() -> np.ndarray:
    """Four flat quarters, so that rotations and mirroring show: uint8 (32, 48, 3)."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :24], image[:16, 24:], image[16:, :24], image[16:, 24:] = (200, 0, 0), (0, 200, 0), (0, 0, 200), (99, 99, 99)
    return image


def test_an_empty_file_is_reported_as_empty(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(ImageError, match="empty file"):
        read_image(tmp_path / "a.jpg")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "a.jpg")


def test_text_named_jpg_is_not_an_image():
    with pytest.raises(ImageError, match="not an image"):
        decode(b"these are my holiday notes")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_a_truncated_file_is_an_error(photograph, kind):
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    whole = encoded(Image.fromarray(photograph), kind, **options)
    with pytest.raises(ImageError):
        decode(whole[: len(whole) // 2])


def test_an_image_that_declares_too_many_pixels_is_refused():
    header = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    with pytest.raises(ImageError, match="pixels"):
        decode(header)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_keep_every_pixel(photograph, kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(photograph), kind, **options)), photograph)


def test_jpeg_equals_pillows_decoding(photograph):
    contents = encoded(Image.fromarray(photograph), "JPEG")
    np.testing.assert_array_equal(decode(contents), np.asarray(Image.open(io.BytesIO(contents))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_carried_out(quarters, kind, orientation):
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x0112] = orientation
    contents = encoded(Image.fromarray(quarters), kind, exif=exif)
    turned = {1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1]}
    turned |= {5: lambda x: x.transpose(1, 0, 2), 6: lambda x: np.rot90(x, -1), 8: lambda x: np.rot90(x, 1)}
    turned |= {7: lambda x: x[::-1, ::-1].transpose(1, 0, 2)}
    expected = turned[orientation](quarters)
    image = decode(contents)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 8  # JPEG and WebP lose a little at the edges


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_exif_of_either_byte_order_is_read(quarters, byte_order):
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x0112] = 6
    assert decode(encoded(Image.fromarray(quarters), "JPEG", exif=exif)).shape == (48, 32, 3)


def test_exif_that_the_graph_does_not_find_is_still_carried_out(quarters):
    tiff = b"MM\0*" + (8).to_bytes(4) + (1).to_bytes(2) + b"\x01\x12\0\x04" + (1).to_bytes(4) + (6).to_bytes(4) + bytes(4)
    contents = encoded(Image.fromarray(quarters), "JPEG", exif=b"Exif\0\0" + tiff)  # a long, where a short is due
    pixels, plain, _ = decode_and_judge(contents)
    assert pixels.shape == (48, 32, 3) and not plain


def test_only_what_tensorflow_decodes_is_a_plain_jpeg(photograph, monkeypatch):
    contents = encoded(Image.fromarray(photograph), "JPEG")
    assert decode_and_judge(contents)[1]
    assert not decode_and_judge(encoded(Image.fromarray(photograph).convert("CMYK"), "JPEG"))[1]
    assert not decode_and_judge(encoded(Image.fromarray(photograph), "PNG"))[1]

    def refuses(contents):
        raise tf.errors.InvalidArgumentError(None, None, "damaged, but not for Pillow")

    monkeypatch.setattr("visionkit.data.images.decode._decode_in_graph", refuses)
    pixels, plain, _ = decode_and_judge(contents)
    assert not plain and pixels.shape == photograph.shape


def test_whole_numbers_of_32_bits_may_be_bytes():
    grey = np.full((4, 5), 200, np.int32)
    assert (decode(encoded(Image.fromarray(grey, "I"), "TIFF")) == 200).all()


def test_cmyk_looks_like_its_rgb_source(quarters):
    image = decode(encoded(Image.fromarray(quarters).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(image.astype(int) - quarters).mean() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF"])
def test_grey_has_three_equal_channels(photograph, kind):
    image = decode(encoded(Image.fromarray(photograph).convert("L"), kind))
    assert image.shape == photograph.shape
    np.testing.assert_array_equal(image[..., 0], image[..., 2])


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF"])
def test_palette_shows_its_colors(quarters, kind):
    palette = Image.fromarray(quarters).quantize(8)
    np.testing.assert_array_equal(decode(encoded(palette, kind)), np.asarray(palette.convert("RGB")))


def test_the_graph_refuses_a_bmp_with_a_palette(quarters):
    contents = encoded(Image.fromarray(quarters).quantize(8), "BMP")
    with pytest.raises(tf.errors.InvalidArgumentError, match="palette"):
        tf.function(decode_in_graph)(tf.constant(contents))


def test_bilevel_is_black_and_white():
    assert set(np.unique(decode(encoded(Image.fromarray(np.eye(20) > 0), "PNG")))) == {0, 255}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_upper_half(rng, kind):
    deep = rng.integers(0, 2**16, (20, 30), dtype=np.uint16)
    image = decode(encoded(Image.fromarray(deep), kind))
    np.testing.assert_array_equal(image, np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_color_keeps_its_upper_half(rng, suffix):
    deep = rng.integers(0, 2**16, (20, 30, 3), dtype=np.uint16)
    contents = cv2.imencode(suffix, deep[..., ::-1])[1].tobytes()
    np.testing.assert_array_equal(decode(contents), (deep >> 8).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_blended_with_white(quarters, kind):
    rgba = np.dstack([quarters, np.zeros((32, 48), np.uint8)])
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    assert (decode(encoded(Image.fromarray(rgba), kind, **options)) == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_is_read_as_its_first_frame(kind):
    frames = [Image.new("RGB", (20, 10), color) for color in ("red", "blue", "green")]
    options = {"lossless": True} if kind == "WEBP" else {}
    image = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    np.testing.assert_array_equal(image, np.broadcast_to([255, 0, 0], (10, 20, 3)))


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1)])
def test_extreme_shapes(size):
    assert decode(encoded(Image.new("RGB", size, "red"), "JPEG")).shape == (size[1], size[0], 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_the_graph_alone_sees_the_same_pixels(photograph, kind):
    contents = encoded(Image.fromarray(photograph), kind)
    np.testing.assert_array_equal(tf.function(decode_in_graph)(tf.constant(contents)), decode(contents))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_size_of_a_header_is_that_of_the_image(quarters, tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "x").write_bytes(encoded(Image.fromarray(quarters), kind, exif=exif))
    assert read_size(tmp_path / "x") == read_image(tmp_path / "x").shape[:2]
    assert stored_size(open_header((tmp_path / "x").read_bytes())) == (32, 48)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_the_transparent_color_of_a_palette_is_white(quarters, kind):
    palette = Image.fromarray(quarters).quantize(4)
    transparent = int(np.asarray(palette)[0, 0])
    image = decode(encoded(palette, kind, transparency=transparent))
    np.testing.assert_array_equal(image[:16, :24], 255)
    np.testing.assert_array_equal(image[16:], quarters[16:])
