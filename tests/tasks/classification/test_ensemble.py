"""An ensemble is one bundle that predicts the mean of its members."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import sweep
from visionkit import load
from visionkit.errors import UserError
from visionkit.export.bundle import LITERT_FILE, read_metadata
from visionkit.tasks.classification.ensemble import export_ensemble
from visionkit.tasks.classification.evaluate import litert_difference
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.tta import NUM_VIEWS, views_of

NAMES = ("a", "b", "c")


def network(side: int, channels: int = 3) -> keras.Model:
    image = keras.Input((side, side, channels))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """Three bundles: one of them grey and smaller, one with its labels in another order."""
    keras.utils.set_random_seed(5)
    folder = tmp_path_factory.mktemp("members")
    networks = [(network(32), NAMES), (network(32), ("c", "a", "b")), (network(24, 1), NAMES)]
    for number, (model, names) in enumerate(networks):
        path = folder / f"run{number}" / "model"
        export_classifier(model, path, class_names=names, metadata={"base": f"net{number}"}, whole=number == 2)
    return [folder / f"run{number}" for number in range(3)]


def probabilities_of(folder, images) -> np.ndarray:
    model = load(folder)
    return np.array([[dict(model.predict(image).top)[name] for name in NAMES] for image in images])


@pytest.fixture(scope="module")
def pair(members, tmp_path_factory):
    """An ensemble of two members of one size."""
    return export_ensemble(members[:2], tmp_path_factory.mktemp("pair") / "model")


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 40, 60, 3), np.uint8)


def test_nothing_to_average_is_an_error(members, tmp_path):
    for models, views, message in (
        ([], "one", "0 models"),
        (members[:1], "one", "nothing to average"),
        (members[:1] * 16, "one", "1 to 15"),
        (members, "many", "ten_crop"),
        ([tmp_path, *members], "one", "not a model that visionkit exported"),
    ):
        with pytest.raises(UserError, match=message):
            export_ensemble(models, tmp_path / "model", views=views)
        assert not (tmp_path / "model").exists()


def test_it_predicts_the_mean_of_its_members_whatever_their_size_color_and_order(members, images, tmp_path):
    folder = export_ensemble(members, tmp_path / "model")
    expected = np.mean([probabilities_of(member, images) for member in members], axis=0)
    np.testing.assert_allclose(probabilities_of(folder, images), expected, atol=1e-6)
    model = tf.saved_model.load(str(folder))
    np.testing.assert_allclose(model.serve_images(images)["probabilities"], expected, atol=1e-6)
    assert [member["base"] for member in read_metadata(folder)["members"]] == ["net0", "net1", "net2"]
    assert "different sizes" in read_metadata(folder)["litert"] and not (folder / LITERT_FILE).exists()


def test_encoded_files_get_the_same_predictions(pair, images):
    files = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        files.append(buffer.getvalue())
    model = tf.saved_model.load(str(pair))
    plain, encoded = model.serve_images(images), model.serve_encoded(files)
    np.testing.assert_allclose(encoded["probabilities"], plain["probabilities"], atol=1e-6)
    assert encoded["label"].numpy().tolist() == plain["label"].numpy().tolist()


@pytest.mark.parametrize("views", sweep(["flips", "ten_crop", "multi_crop"], ["ten_crop"]))
def test_views_of_one_network_are_averaged(members, images, tmp_path, views):
    folder = export_ensemble(members[:1], tmp_path / "model", views=views)
    member = tf.saved_model.load(str(members[0] / "model"))
    outputs = [member.serve_pixels(views_of(image, 32, views)).numpy() for image in images]
    assert outputs[0].shape == (NUM_VIEWS[views], 3)
    np.testing.assert_allclose(probabilities_of(folder, images), np.mean(outputs, axis=1), atol=1e-6)


def test_images_that_a_member_mirrors_are_not_mirrored_again(images, tmp_path):
    """The mean is that of all views, for half the work."""
    keras.utils.set_random_seed(6)
    model = network(32)
    export_classifier(model, tmp_path / "member", class_names=NAMES, metadata={}, flips=True)
    folder = export_ensemble([tmp_path / "member"], tmp_path / "model", views="ten_crop")
    outputs = [keras.ops.softmax(model(views_of(image, 32, "ten_crop"))) for image in images]
    np.testing.assert_allclose(probabilities_of(folder, images), np.mean(outputs, axis=1), atol=1e-6)


def test_members_of_one_size_have_a_litert_model(pair, images):
    assert litert_difference(pair, list(images), probabilities_of(pair, images)) < 1e-2


def test_an_ensemble_is_no_member(pair, members, tmp_path):
    with pytest.raises(UserError, match="an ensemble itself"):
        export_ensemble([pair, members[0]], tmp_path / "outer")


def test_other_labels_are_an_error(members, small_classifier, tmp_path):
    export_classifier(small_classifier, tmp_path / "other", class_names=("a", "b", "z"), metadata={})
    with pytest.raises(UserError, match="different labels: c, z"):
        export_ensemble([members[0], tmp_path / "other"], tmp_path / "model")


def test_models_of_several_labels_are_refused(members, small_classifier, tmp_path):
    export_classifier(small_classifier, tmp_path / "several", class_names=("a", "b", "c"), metadata={}, multi_label=True)
    with pytest.raises(UserError, match="multi-label models cannot be averaged"):
        export_ensemble([members[0], tmp_path / "several"], tmp_path / "model")
