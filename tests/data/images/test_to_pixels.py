"""Images in memory become the pixels that a file of the same image has."""

import io

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.to_pixels import to_pixels


@pytest.mark.parametrize("empty", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 0), np.uint8), Image.new("RGB", (0, 4))])
def test_an_empty_crop_is_one_clear_error(empty):
    with pytest.raises(ImageError, match=r"received an empty image, \d x \d pixels; a crop must overlap the image"):
        to_pixels(empty)


@pytest.mark.parametrize("kind", ["grey", "grey channel", "rgb", "rgba", "sixteen bits"])
def test_arrays_are_converted_as_files_are(kind, tmp_path, rng):
    rgba = rng.integers(0, 256, (9, 7, 4)).astype(np.uint8)
    deep = rng.integers(0, 65536, (9, 7)).astype(np.uint16)
    array, stored = {
        "grey": (rgba[..., 0], rgba[..., 0]),
        "grey channel": (rgba[..., :1], rgba[..., 0]),
        "rgb": (rgba[..., :3], rgba[..., :3]),
        "rgba": (rgba, rgba),
        "sixteen bits": (deep, deep),
    }[kind]
    Image.fromarray(stored).save(tmp_path / "image.png")
    pixels = to_pixels(array)
    assert pixels.dtype == np.uint8 and pixels.shape == (9, 7, 3)
    np.testing.assert_array_equal(pixels, read_image(tmp_path / "image.png"))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "CMYK", "1", "LA"])
def test_pil_images_of_any_mode(mode, photograph, tmp_path):
    image = Image.fromarray(photograph).resize((20, 12)).convert(mode)
    image.save(tmp_path / "image.tif")
    np.testing.assert_array_equal(to_pixels(image), read_image(tmp_path / "image.tif"))


def test_pil_images_are_rotated_by_their_exif_header(photograph, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photograph).save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        np.testing.assert_array_equal(to_pixels(image), read_image(tmp_path / "turned.png"))


def test_encoded_bytes_and_file_objects(photograph, tmp_path):
    Image.fromarray(photograph).save(tmp_path / "cat.jpg")
    expected, contents = read_image(tmp_path / "cat.jpg"), (tmp_path / "cat.jpg").read_bytes()
    for image in (contents, bytearray(contents), memoryview(contents), io.BytesIO(contents)):
        np.testing.assert_array_equal(to_pixels(image), expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), r"received float32 pixels; expected uint8 in 0..255: convert floats"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"received an array of shape \(1, 4, 4, 3\); expected a path, uint8"),
        (np.zeros((4, 4, 2), np.uint8), r"received an array of shape \(4, 4, 2\)"),
        (5, "received int; expected a path"),
        (["a.jpg"], "received a list; expected a path.*: predict_many takes several images"),
        ((), "received a tuple; expected a path"),
        (b"", "empty file"),
        (b"text", "not an image"),
    ],
)
def test_values_that_are_no_image_are_refused_with_a_message(wrong, message):
    with pytest.raises(ImageError, match=message):
        to_pixels(wrong)
