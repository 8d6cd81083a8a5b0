"""The loss of style transfer follows the formula; its gradient is that of the loss, also tile by tile."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.conftest import sweep
from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.errors import UserError
from visionkit.models.style_features import StyleLayers
from visionkit.tasks.style_transfer.objective import FeatureExtractor, LossWeights, Objective, StyleTarget


@pytest.fixture(scope="module")
def features():
    return small_features()


@pytest.fixture
def images(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Content, style and a painted image; the sides of the first are no multiples of anything."""
    content = rng.uniform(0, 255, (53, 75, 3)).astype(np.float32)
    style = rng.uniform(0, 120, (40, 37, 3)).astype(np.float32)
    painted = (content + rng.normal(0, 30, content.shape)).clip(0, 255).astype(np.float32)
    return content, style, painted


def half(shape) -> np.ndarray:
    mask = np.zeros(shape, np.float32)
    mask[:, : shape[1] // 2] = 1
    return mask


def by_hand(features, content, style, painted, weights: LossWeights) -> float:
    """The formula, in NumPy."""

    def maps(image):
        return {name: ops.convert_to_numpy(each)[0].astype(float) for name, each in features(image[None]).items()}

    def mean_gram(each):
        flat = each.reshape(-1, each.shape[-1])
        return flat.T @ flat / len(flat)

    painted_maps, content_maps, style_maps = maps(painted), maps(content), maps(style)
    squares = (painted_maps["deep"] - content_maps["deep"]) ** 2
    content_loss = squares.sum() / (4 * squares.size) / (content_maps["deep"] ** 2).mean()
    style_loss = 0.0
    for name, share in LAYERS.style.items():
        target = mean_gram(style_maps[name])
        layer_loss = ((mean_gram(painted_maps[name]) - target) ** 2).sum() / (4 * len(target) ** 2)
        style_loss += share * layer_loss / (target**2).mean()
    down, across = np.diff(painted / 255, axis=0), np.diff(painted / 255, axis=1)
    smooth = ((down**2).sum() + (across**2).sum()) / painted.size
    return weights.content * content_loss + weights.style * style_loss + weights.smoothness * smooth


def test_an_image_that_is_its_own_content_and_style_costs_nothing(features, images):
    content = images[0]
    extractor = FeatureExtractor(features, LAYERS)
    objective = Objective(extractor, content, [StyleTarget(extractor.grams(content))], LossWeights(smoothness=0))
    loss, gradient = objective.loss_and_gradient(content)
    assert loss.total == pytest.approx(0, abs=1e-9) and np.abs(gradient).max() < 1e-6


@pytest.mark.parametrize("weights", [LossWeights(), LossWeights(2.0, 0.0, 0.0), LossWeights(0.0, 7.0, 0.0)])
def test_the_loss_is_the_formula(features, images, weights):
    content, style, painted = images
    extractor = FeatureExtractor(features, LAYERS)
    loss = Objective(extractor, content, [StyleTarget(extractor.grams(style))], weights).loss(painted)
    assert loss.total == pytest.approx(by_hand(features, content, style, painted, weights), rel=1e-4)


def test_the_gradient_is_that_of_the_loss(features, images, rng):
    content, style, painted = images
    extractor = FeatureExtractor(features, LAYERS)
    objective = Objective(extractor, content, [StyleTarget(extractor.grams(style))])
    _, gradient = objective.loss_and_gradient(painted)
    direction = gradient / np.abs(gradient).max()
    ahead, behind = (objective.loss(painted + step * direction).total for step in (0.2, -0.2))
    assert (ahead - behind) / 0.4 == pytest.approx((gradient * direction).sum(), rel=0.02)


@pytest.mark.parametrize("masked", sweep([False, True], [True]))
def test_tiles_have_the_loss_and_the_gradient_of_the_whole(features, images, masked):
    content, style, painted = images
    mask = half(content.shape[:2]) if masked else None
    results = []
    for largest in (128, 48):
        extractor = FeatureExtractor(features, LAYERS, largest=largest)
        assert (len(extractor.tiles(*content.shape[:2])) > 1) == (largest == 48)
        styles = [StyleTarget(extractor.grams(style), 0.7, mask), StyleTarget(extractor.grams(painted), 0.3)]
        results.append(Objective(extractor, content, styles).loss_and_gradient(painted))
    (whole, whole_gradient), (tiled, tiled_gradient) = results
    assert tiled == pytest.approx(whole, rel=1e-5)
    np.testing.assert_allclose(tiled_gradient, whole_gradient, rtol=0, atol=1e-4 * np.abs(whole_gradient).max())


def test_gram_matrices_of_tiles_are_those_of_the_whole(features, images):
    content = images[0]
    whole, tiled = (FeatureExtractor(features, LAYERS, largest=largest).grams(content) for largest in (128, 48))
    for name in LAYERS.style:
        np.testing.assert_allclose(tiled[name], whole[name], rtol=1e-4)


def test_tiles_fit_if_feature_maps_shrink_without_padding(rng):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, activation="relu")(image)
    for _ in range(3):
        x = keras.layers.MaxPooling2D(3, 2)(x)
    deep = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    features = keras.Model(image, {"deep": deep})
    layers = StyleLayers("deep", {"deep": 1.0})
    photo = rng.uniform(0, 255, (70, 460, 3)).astype(np.float32)
    whole, tiled = (FeatureExtractor(features, layers, largest=largest) for largest in (512, 128))
    assert len(tiled.tiles(70, 460)) > 4
    np.testing.assert_allclose(tiled.grams(photo)["deep"], whole.grams(photo)["deep"], rtol=1e-4)
    flat = ops.convert_to_numpy(features(photo[None])["deep"]).reshape(-1, 4)
    np.testing.assert_allclose(whole.grams(photo)["deep"][0], flat.T @ flat / len(flat), rtol=1e-4)


@pytest.mark.parametrize("sees_all", [False, True])
def test_a_receptive_field_larger_than_a_tile_allows_no_large_images(sees_all):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3 if sees_all else 61, padding="same")(image)
    if sees_all:
        x = keras.layers.Multiply()([x, keras.layers.GlobalAveragePooling2D(keepdims=True)(x)])
    extractor = FeatureExtractor(keras.Model(image, {"deep": x}), StyleLayers("deep", {"deep": 1.0}), largest=48)
    assert len(extractor.tiles(48, 40)) == 1
    with pytest.raises(UserError, match=r"Images of 49 pixels .* of 48 or less"):
        extractor.tiles(49, 40)


def test_a_style_under_a_mask_has_no_gradient_outside_the_mask(features, images):
    content, style, painted = images
    extractor = FeatureExtractor(features, LAYERS)
    styles = [StyleTarget(extractor.grams(style), 1.0, half(content.shape[:2]))]
    _, gradient = Objective(extractor, content, styles, LossWeights(content=0.0, smoothness=0.0)).loss_and_gradient(painted)
    assert np.abs(gradient[:, :30]).max() > 0
    assert np.abs(gradient[:, 50:]).max() == 0  # receptive fields at the mask's edge reach a few pixels beyond it


def test_black_images_have_a_finite_loss(features):
    black = np.zeros((32, 32, 3), np.float32)
    extractor = FeatureExtractor(features, LAYERS)
    loss, gradient = Objective(extractor, black, [StyleTarget(extractor.grams(black))]).loss_and_gradient(black + 9)
    assert np.isfinite(loss).all() and np.isfinite(gradient).all()
