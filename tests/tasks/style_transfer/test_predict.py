"""Stylizers from Python: styles by name and in shares, images in any form, and errors."""

import io

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.tasks.style_transfer.painters import STYLES, by_hand, export_hand_painter
from visionkit.data.images.decode import ImageError
from visionkit.errors import UserError
from visionkit.inference.predictor import Unreadable
from visionkit.tasks.style_transfer.predict import StyleResult, Stylizer


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Stylizer:
    folder = tmp_path_factory.mktemp("run")
    export_hand_painter(folder / "model")
    return visionkit.load(folder)


def test_no_images_no_results(model):
    assert list(model.predict_many([])) == []


def test_a_name_or_shares_or_the_first_style(model, rng, tmp_path):
    assert isinstance(model, Stylizer) and model.labels == STYLES
    pixels = rng.integers(0, 256, (7, 45, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for style, negative in (
        (None, 1),
        (STYLES[0], 1),
        (STYLES[1], 0),
        ({STYLES[0]: 1.0, STYLES[1]: 3.0}, 0.25),
        ({STYLES[1]: 0.2}, 0),
    ):
        result = model.predict(tmp_path / "a.png", style)
        assert isinstance(result, StyleResult) and result.path == str(tmp_path / "a.png")
        np.testing.assert_allclose(result.pixels, by_hand(pixels, negative), atol=1)
    assert model.predict(pixels).path == "" and model.predict(pixels, style=STYLES[1]).pixels.dtype == np.uint8


def test_many_in_order_and_unreadable_files_are_named(model, rng, tmp_path):
    images = rng.integers(0, 256, (3, 33, 40, 3), np.uint8)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    paths = [tmp_path / name for name in ("0.png", "none.png", "1.png", "2.png")]
    first, broken, *others = model.predict_many(paths, style=STYLES[1])
    assert isinstance(broken, Unreadable) and broken.path == str(paths[1])
    for result, pixels in zip((first, *others), images, strict=True):
        np.testing.assert_array_equal(result.pixels, by_hand(pixels, 0))


@pytest.mark.parametrize(
    ("style", "message"),
    [
        ("negatif", r"Unknown style 'negatif'; did you mean 'negative'\? Styles: negative, dark <ü>"),
        ("", "Unknown style ''"),
        ({"negative": 1, "bright": 2}, "Unknown style 'bright'"),
        ({"negative": -1.0}, "A share of -1.0 of the style negative"),
        ({"negative": float("nan")}, "A share of nan"),
        ({"negative": float("inf")}, "A share of inf"),
        ({"negative": 0.0}, "sum to 0.0"),
        ({}, "sum to 0"),
    ],
)
def test_bad_styles_are_reported(model, style, message):
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(UserError, match=message):
        model.predict(pixels, style)
    with pytest.raises(UserError, match=message):
        model.predict_many([], style)


def test_pixels_of_another_dtype_are_refused(model):
    with pytest.raises(ImageError, match="received float32 pixels; expected uint8"):
        model.predict(np.zeros((4, 4, 3), np.float32))


def test_images_in_any_form_and_folders(model, rng, tmp_path):
    pixels = rng.integers(0, 256, (9, 40, 3), np.uint8)
    image, file = Image.fromarray(pixels), tmp_path / "a.png"
    image.save(file)
    for source in (file, str(file), pixels, image, file.read_bytes(), io.BytesIO(file.read_bytes())):
        np.testing.assert_array_equal(model.predict(source, STYLES[1]).pixels, by_hand(pixels, 0))
    (result,) = model.predict_many(tmp_path, STYLES[1])
    assert result.path == str(file)


def test_a_result_draws_itself_becomes_a_dict_and_says_its_styles(model, rng, tmp_path):
    pixels = rng.integers(0, 256, (9, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    result = model.predict(tmp_path / "a.png", {STYLES[0]: 1, STYLES[1]: 3})
    np.testing.assert_array_equal(np.asarray(result.plot()), result.pixels)
    assert result.shares == {STYLES[0]: 0.25, STYLES[1]: 0.75}
    assert result.to_dict() == {"path": str(tmp_path / "a.png")}
    assert result.to_dict(tmp_path / "b.png") == {"path": str(tmp_path / "a.png"), "stylized": str(tmp_path / "b.png")}
    assert repr(result) == f"StyleResult({tmp_path / 'a.png'}: 40 x 9 pixels in negative 25%, dark <ü> 75%)"
    assert repr(model.predict(pixels)) == "StyleResult(pixels: 40 x 9 pixels in negative)"


def test_a_stylizer_cannot_be_explained(model):
    with pytest.raises(UserError, match="paints images"):
        model.explained()
