"""A bundle that paints by descent: the same descent as the recipe's, for images of any size, with TensorFlow alone."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.ops.color_transfer import with_colors_of
from visionkit.tasks import load
from visionkit.tasks.style_transfer.descent import How, Scale, Wanted, prepared, stylize
from visionkit.tasks.style_transfer.export_descent import Painter, export_painting
from visionkit.tasks.style_transfer.objective import LossWeights, Maps, Style

SHARES = LossWeights(style=50.0)


@pytest.fixture(scope="module")
def painted_in(tmp_path_factory):
    """A bundle of two styles, and the styles."""
    features, rng = small_features(), np.random.default_rng(3)
    maps = Maps(features, LAYERS)
    styles = [rng.integers(0, most, (64, 64, 3), np.uint8) for most in (255, 60)]
    known = [Style(maps.grams(style.astype(np.float32))) for style in styles]
    painter = Painter(features, LAYERS, known, SHARES, steps=(4, 4, 6))
    named = {"styles": ("light", "dark"), "facts": {"base": "small"}, "usual": (0.25, 0.75)}
    return export_painting(painter, tmp_path_factory.mktemp("run") / "model", **named), maps, styles


def test_no_images_are_painted_as_none(painted_in):
    model = tf.saved_model.load(str(painted_in[0]))
    assert model.signatures["serving_default"](images=tf.zeros([0, 40, 40, 3], tf.uint8))["stylized"].shape == (0, 40, 40, 3)


def test_the_loss_falls_as_in_the_recipe(painted_in, photograph):
    folder, maps, styles = painted_in
    content = photograph[:96, :128]
    painted = load(folder).predict(content, style="light").pixels
    assert painted.shape == content.shape
    how = How((Scale(32, 4), Scale(64, 4), Scale(128, 6)), "adam")
    slow = stylize(content, [Wanted(styles[0])], maps, how, SHARES)
    objective = prepared(content, [Wanted(styles[0])], maps, Scale(128, 1), 0.5, SHARES).objective
    before, bundle, recipe = (objective.loss(each.astype(np.float32)).total for each in (content, painted, slow))
    assert bundle < 0.5 * before and bundle == pytest.approx(recipe, rel=0.5)


def test_styles_differ_and_a_strip_is_painted_too(painted_in, photograph):
    model = load(painted_in[0])
    light, dark = (model.predict(photograph[:48, :48], style=name).pixels for name in ("light", "dark"))
    assert light.mean() > dark.mean() + 5
    assert model.predict(photograph[:1, :70]).pixels.shape == (1, 70, 3)


def test_a_image_keeps_its_colors_where_only_the_luminance_is_painted(photograph):
    features = small_features()
    style = Style(Maps(features, LAYERS).grams(np.full((64, 64, 3), (20.0, 60.0, 240.0), np.float32)))
    painter = Painter(features, LAYERS, [style], SHARES, steps=(1, 1, 1), luminance_only=True)
    content = photograph[:40, :48]
    painted = painter.paint(tf.constant(content[None], tf.float32), tf.ones([1, 1]))[0].numpy().round().astype(np.uint8)
    assert np.abs(painted.astype(int) - content).mean() > 3
    np.testing.assert_allclose(with_colors_of(painted, content).astype(int), painted, atol=2)


def test_shares_that_it_was_made_with_are_the_default(painted_in, photograph):
    model = load(painted_in[0])
    blended = model.predict(photograph[:40, :40], style={"light": 1, "dark": 3}).pixels
    np.testing.assert_array_equal(model.predict(photograph[:40, :40]).pixels, blended)
    plain = tf.saved_model.load(str(painted_in[0])).signatures["serving_default"]
    np.testing.assert_array_equal(plain(images=tf.constant(photograph[None, :40, :40]))["stylized"][0], blended)


def test_it_says_how_it_paints_and_why_it_has_no_litert_model(painted_in):
    metadata = json.loads((painted_in[0] / "assets.extra" / "bundle.json").read_text())
    assert metadata["task"] == "stylization" and metadata["by"] == "descent" and metadata["labels"] == ["light", "dark"]
    assert metadata["litert"].startswith("not converted")
