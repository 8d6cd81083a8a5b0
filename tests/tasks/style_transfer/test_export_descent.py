"""A bundle that paints by gradient descent as the recipe does, for images of any size, with TensorFlow alone."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.ops.color_transfer import with_colors_of
from visionkit.tasks import load
from visionkit.tasks.style_transfer.descent import DescentSettings, Scale, StyleImage, prepare_scale, stylize
from visionkit.tasks.style_transfer.export_descent import Painter, export_painting
from visionkit.tasks.style_transfer.objective import FeatureExtractor, LossWeights, StyleTarget

WEIGHTS = LossWeights(style=50.0)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A bundle of two styles, the extractor, and the style images."""
    features, rng = small_features(), np.random.default_rng(3)
    extractor = FeatureExtractor(features, LAYERS)
    styles = [rng.integers(0, most, (64, 64, 3), np.uint8) for most in (255, 60)]
    targets = [
        StyleTarget(extractor.grams(style.astype(np.float32)), share) for style, share in zip(styles, (1, 3), strict=True)
    ]
    painter = Painter(features, LAYERS, targets, WEIGHTS, steps=(4, 4, 6))
    named = {"styles": ("light", "dark"), "metadata": {"base": "small"}}
    return export_painting(painter, tmp_path_factory.mktemp("run") / "model", **named), extractor, styles


def test_no_images_give_no_images(exported):
    model = tf.saved_model.load(str(exported[0]))
    assert model.signatures["serving_default"](images=tf.zeros([0, 40, 40, 3], tf.uint8))["stylized"].shape == (0, 40, 40, 3)


def test_the_loss_falls_as_in_the_recipe(exported, photograph):
    folder, extractor, styles = exported
    content = photograph[:96, :128]
    painted = load(folder).predict(content, style="light").pixels
    assert painted.shape == content.shape
    settings = DescentSettings((Scale(32, 4), Scale(64, 4), Scale(128, 6)), "adam")
    slow = stylize(content, [StyleImage(styles[0])], extractor, settings, WEIGHTS)
    objective = prepare_scale(content, [StyleImage(styles[0])], extractor, Scale(128, 1), 0.5, WEIGHTS).objective
    before, bundle, recipe = (objective.loss(each.astype(np.float32)).total for each in (content, painted, slow))
    assert bundle < 0.5 * before and bundle == pytest.approx(recipe, rel=0.5)


def test_styles_differ_and_a_strip_is_painted_too(exported, photograph):
    model = load(exported[0])
    light, dark = (model.predict(photograph[:48, :48], style=name).pixels for name in ("light", "dark"))
    assert light.mean() > dark.mean() + 5
    assert model.predict(photograph[:1, :70]).pixels.shape == (1, 70, 3)


def test_an_image_keeps_its_colors_if_only_the_luminance_is_painted(photograph):
    features = small_features()
    style = StyleTarget(FeatureExtractor(features, LAYERS).grams(np.full((64, 64, 3), (20.0, 60.0, 240.0), np.float32)))
    painter = Painter(features, LAYERS, [style], WEIGHTS, steps=(1, 1, 1), luminance_only=True)
    content = photograph[:40, :48]
    painted = painter.paint(tf.constant(content[None], tf.float32), tf.ones([1, 1]))[0].numpy().round().astype(np.uint8)
    assert np.abs(painted.astype(int) - content).mean() > 3
    np.testing.assert_allclose(with_colors_of(painted, content).astype(int), painted, atol=2)


def test_the_shares_of_its_styles_are_the_default(exported, photograph):
    model = load(exported[0])
    blended = model.predict(photograph[:40, :40], style={"light": 1, "dark": 3}).pixels
    np.testing.assert_array_equal(model.predict(photograph[:40, :40]).pixels, blended)
    plain = tf.saved_model.load(str(exported[0])).signatures["serving_default"]
    np.testing.assert_array_equal(plain(images=tf.constant(photograph[None, :40, :40]))["stylized"][0], blended)


def test_its_metadata_say_how_it_paints_and_why_it_has_no_litert_model(exported):
    metadata = json.loads((exported[0] / "assets.extra" / "bundle.json").read_text())
    assert metadata["task"] == "stylization" and metadata["by"] == "descent" and metadata["labels"] == ["light", "dark"]
    assert metadata["litert"].startswith("not converted")
