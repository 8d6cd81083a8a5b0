"""Stylizers from Python: styles by name and in shares, and what is told of others."""

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.tasks.style_transfer.painters import STYLES, by_hand, export_hand_painter
from visionkit.errors import UserError
from visionkit.inference.predictor import Unreadable
from visionkit.tasks.style_transfer.predict import StyleResult, Stylizer


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Stylizer:
    folder = tmp_path_factory.mktemp("run")
    export_hand_painter(folder / "model")
    return visionkit.load(folder)


def test_no_images_no_answers(model):
    assert list(model.predict_many([])) == []


def test_a_name_shares_and_the_first(model, rng, tmp_path):
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
        answer = model.predict(tmp_path / "a.png", style)
        assert isinstance(answer, StyleResult) and answer.path == str(tmp_path / "a.png")
        np.testing.assert_allclose(answer.pixels, by_hand(pixels, negative), atol=1)
    assert model.predict(pixels).path == "" and model.predict(pixels, style=STYLES[1]).pixels.dtype == np.uint8


def test_many_in_order_and_what_cannot_be_read_is_told(model, rng, tmp_path):
    images = rng.integers(0, 256, (3, 33, 40, 3), np.uint8)
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    paths = [tmp_path / name for name in ("0.png", "none.png", "1.png", "2.png")]
    first, broken, *others = model.predict_many(paths, style=STYLES[1])
    assert isinstance(broken, Unreadable) and broken.path == str(paths[1])
    for answer, pixels in zip((first, *others), images, strict=True):
        np.testing.assert_array_equal(answer.pixels, by_hand(pixels, 0))


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
def test_styles_that_cannot_be_are_told(model, style, message):
    pixels = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(UserError, match=message):
        model.predict(pixels, style)
    with pytest.raises(UserError, match=message):
        model.predict_many([], style)


def test_pixels_of_another_kind_are_told(model):
    with pytest.raises(ValueError, match=r"Expected uint8 pixels \(H, W, 3\), received float32"):
        model.predict(np.zeros((4, 4, 3), np.float32))
