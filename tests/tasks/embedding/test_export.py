"""The bundle of an embedder returns the embeddings of its network for letterboxed images; it needs TensorFlow alone."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import visionkit
from visionkit.data.images.resize import letterbox
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE
from visionkit.tasks.embedding.export import export_embedder, whole_embeddings


def tiny(*, unit: bool) -> keras.Model:
    keras.utils.set_random_seed(0)
    pixels = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(8, 3, activation="relu")(keras.layers.Rescaling(1 / 128, -1)(pixels))
    x = keras.layers.Dense(5)(keras.layers.Flatten()(x))
    return keras.Model(pixels, keras.layers.UnitNormalization()(x) if unit else x)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return tiny(unit=True)


@pytest.fixture(scope="module")
def bundle(network, tmp_path_factory):
    return export_embedder(network, tmp_path_factory.mktemp("bundle") / "model", metadata={"threshold": 1.1})


def test_no_images_have_no_embeddings(bundle):
    assert visionkit.load(bundle).embed(np.zeros((0, 9, 9, 3), np.uint8)).shape == (0, 5)


def test_embeddings_are_those_of_the_network_for_letterboxed_images(bundle, network, rng):
    images = rng.integers(0, 256, (3, 20, 11, 3), np.uint8)
    expected = network(letterbox(tf.constant(images), 16)).numpy()
    model = visionkit.load(bundle)
    np.testing.assert_allclose(model.embed(images), expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(expected, axis=1), 1, atol=1e-5)
    assert model.metadata["dimensions"] == 5 and model.metadata["unit"] and model.labels == ()


def test_validation_during_training_uses_the_embeddings_of_the_bundle(bundle, network, rng):
    images = rng.integers(0, 256, (2, 7, 25, 3), np.uint8)
    np.testing.assert_allclose(whole_embeddings(network)(images), visionkit.load(bundle).embed(images), atol=1e-5)


@pytest.mark.parametrize("unit", [True, False])
def test_a_mirror_image_has_the_same_embedding_where_both_are_averaged(unit, tmp_path, rng):
    network = tiny(unit=unit)
    model = visionkit.load(export_embedder(network, tmp_path / "model", metadata={}, mirror=True))
    images = rng.integers(0, 256, (2, 16, 16, 3), np.uint8)
    embeddings = model.embed(images)
    np.testing.assert_allclose(embeddings, model.embed(images[:, :, ::-1]), atol=1e-5)
    mean = (network(images.astype(np.float32)) + network(images[:, :, ::-1].astype(np.float32))) / 2
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True) if unit else mean
    np.testing.assert_allclose(embeddings, expected, atol=1e-4)


def test_the_litert_model_embeds_a_square_alike(bundle, network, rng):
    square = rng.integers(0, 256, (16, 16, 3)).astype(np.float32)
    (embedding,) = litert.LiteRTModel(bundle / LITERT_FILE).answer(square).values()
    np.testing.assert_allclose(np.ravel(embedding), network(square[None])[0], atol=2e-2)  # weights of 16 bits


def test_encoded_files_need_tensorflow_alone(bundle, network, rng, tensorflow_alone):
    pixels = rng.integers(0, 256, (30, 16, 3), np.uint8)
    code = (
        "import numpy as np\n"
        f"serve = tf.saved_model.load({str(bundle)!r}).signatures['serving_encoded']\n"
        f"png = tf.io.encode_png(np.frombuffer(bytes.fromhex({pixels.tobytes().hex()!r}), np.uint8).reshape(30, 16, 3))\n"
        "print(serve(image_bytes=png[None])['embedding'].numpy().tolist())"
    )
    numbers = tensorflow_alone(code)
    expected = network(letterbox(tf.constant(pixels), 16)[None]).numpy()
    np.testing.assert_allclose(np.array(json.loads(numbers)), expected, atol=1e-5)
