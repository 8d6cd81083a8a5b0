"""The explained part of a prediction is a class, the best box, the pixels of a class, or the length of features."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.tasks.segmentation.color_segmenter import DARK, export_color_segmenter, image_of
from visionkit.errors import UserError
from visionkit.explain.model import open_explained
from visionkit.ops.colors import PADDING
from visionkit.tasks.classification.ensemble import export_ensemble
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.detection.export import export_detector
from visionkit.tasks.embedding.export import export_embedder
from visionkit.tasks.segmentation.predict import TILE


def quarter_detector() -> keras.Model:
    """A box for each quarter of the image; its scores are the quarter's brightest red, green and blue."""
    image = keras.Input((32, 32, 3))
    convolution = keras.layers.Conv2D(3, 1, activation="relu")
    x = convolution(image)
    convolution.set_weights([np.eye(3).reshape(1, 1, 3, 3) / 255, np.zeros(3)])
    scores = ops.reshape(keras.layers.MaxPooling2D(16)(x), (-1, 4, 3))
    boxes = np.array([[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]], "float32")
    return keras.Model(image, {"boxes": 0 * scores[..., :1] + boxes, "scores": scores})


def test_the_box_with_the_highest_score_of_a_detector_is_explained(tmp_path):
    folder = export_detector(
        quarter_detector(), tmp_path / "m", class_names=("red", "green", "blue"), threshold=0.3, metadata={}
    )
    model = open_explained(str(folder))
    pixels = np.zeros((32, 32, 3), np.float32)
    pixels[20, 5, 1], pixels[4, 24, 0] = 204, 102
    target = model.target(pixels)
    assert (target.label, target.box) == ("green", (0, 16, 16, 32)) and target.score == pytest.approx(0.8)
    gradient = model.probe.explain(pixels, target.weights).pixels
    assert list(zip(*np.nonzero(gradient), strict=True)) == [(20, 5, 1)]
    named = model.target(pixels, "red")
    assert named.box == (16, 0, 32, 16) and named.score == pytest.approx(0.4)
    assert model.probe.scores(pixels[None], named.weights)[0] == pytest.approx(0.4)


def test_the_pixels_of_a_class_of_a_segmenter_are_explained(tmp_path):
    model = open_explained(str(export_color_segmenter(tmp_path / "m")))
    mask = np.zeros((TILE + 20, TILE + 20), int)
    mask[50:90, 30:100], mask[100:110, 30:40] = 2, 1
    pixels = model.seen(image_of(mask))
    assert pixels.shape == (TILE, TILE, 3)
    small = model.seen(np.full((TILE - 2, TILE + 9, 3), 7, np.uint8))
    assert (small[0] == PADDING).all() and (small[1:-1] == 7).all() and (small[-1] == PADDING).all()
    target = model.target(pixels)
    assert target.label == "green" and target.score == pytest.approx(1)
    assert target.weights.sum() == pytest.approx(1)
    gradient = model.probe.explain(pixels, target.weights).pixels
    np.testing.assert_allclose(gradient[40:80, 20:90, 1], 1 / (40 * 70), rtol=1e-4)  # 10 pixels are cut off before
    assert np.count_nonzero(gradient) == 40 * 70
    red = model.target(pixels, "red")
    assert model.probe.scores(pixels[None], red.weights)[0] == pytest.approx(200)
    assert model.target(np.full((TILE, TILE, 3), DARK / 2, np.float32)).label == "background"


def test_the_features_of_an_embedder_and_of_the_mirror_image_are_explained(tmp_path, rng):
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, activation="relu")(image)
    x = keras.layers.UnitNormalization()(keras.layers.GlobalAveragePooling2D()(x))
    model = open_explained(str(export_embedder(keras.Model(image, x), tmp_path / "m", metadata={}, mirror=True)))
    assert model.kind == "features" and model.labels == ()
    pixels = rng.uniform(0, 255, (16, 16, 3)).astype(np.float32)
    target = model.target(pixels)
    features = model.probe.answers(pixels[None])[-1]
    assert features.shape == (2, 4) and target.score == pytest.approx(np.linalg.norm(features, axis=1).mean(), rel=1e-5)
    assert model.probe.scores(pixels[None], target.weights)[0] == pytest.approx(target.score, rel=1e-5)


def test_a_model_that_does_not_take_a_single_image_is_refused(tmp_path, small_classifier):
    from visionkit.tasks.classification.export import export_classifier

    with pytest.raises(UserError, match="takes a volume"):
        open_explained(str(export_color_segmenter(tmp_path / "volumes", rank=3)))
    member = export_classifier(small_classifier, tmp_path / "one", class_names=("a", "b", "c"), metadata={}, flips=False)
    with pytest.raises(UserError, match="ensemble of 2 models"):
        open_explained(str(export_ensemble([member, member], tmp_path / "many")))
    assert open_explained(str(member)).probe.layers[0].channels == 4  # without a nonlinearity, the convolution is the layer
    with pytest.raises(UserError, match="did you mean 'vgg16'"):
        open_explained("vgg-161")


def test_the_logit_of_a_class_is_explained_where_each_has_a_sigmoid(tmp_path, small_classifier, rng):
    options = {"class_names": ("a", "b", "c"), "metadata": {}, "flips": True, "multi_label": True}
    model = open_explained(str(export_classifier(small_classifier, tmp_path / "m", **options)))
    pixels = rng.uniform(0, 255, (32, 32, 3)).astype(np.float32)
    target = model.target(pixels, "c")
    logits = small_classifier.predict_on_batch(np.stack([pixels, pixels[:, ::-1]]))[:, 2]
    assert target.label == "c" and target.score == pytest.approx((1 / (1 + np.exp(-logits))).mean(), rel=1e-4)
    assert model.probe.scores(pixels[None], target.weights)[0] == pytest.approx(logits.mean(), rel=1e-3)
