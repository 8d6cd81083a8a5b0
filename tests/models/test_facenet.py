"""FaceNet embeds on the unit sphere, and facenet-pytorch's weights give its embeddings; siamese networks are symmetric."""

from pathlib import Path

import keras
import numpy as np
import pytest
import safetensors.numpy

from tests.conftest import sweep
from tests.models.small_backbones import small_backbone
from tests.weights import torch_peers
from tests.weights.torch_files import legacy_file, saved, zip_file
from visionkit import models
from visionkit.errors import UserError
from visionkit.models.cost import without_weights
from visionkit.models.facenet import absolute_difference, chi_square, facenet, siamese


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def small(dimensions=6, **options) -> keras.Model:
    keras.utils.set_random_seed(0)
    return facenet(None, dimensions, **{"backbone": small_backbone((32, 32)), "pretrained": False} | options)


def write_safetensors(tensors, path):
    safetensors.numpy.save_file({key: np.ascontiguousarray(array) for key, array in tensors.items()}, path)


def write_zip(tensors, path):
    path.write_bytes(zip_file(*saved(tensors)))


def write_legacy(tensors, path):
    path.write_bytes(legacy_file(*saved(tensors)))


@pytest.fixture(scope="module")
def peer() -> dict:
    return torch_peers.peer(torch_peers.FACENET)


@pytest.fixture(scope="module")
def tensors(peer) -> dict[str, np.ndarray]:
    """A state dict with a classifier, as in facenet-pytorch's published files, for fewer people."""
    return torch_peers.state_dict(peer["state_dict"] | {"logits": [[9, 512], [9]]})


@pytest.fixture(scope="module")
def file(tensors, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("facenet") / "a.safetensors"
    write_safetensors(tensors, path)
    return path


def test_a_vector_without_direction_becomes_an_embedding_of_zeros():
    model = small()
    head = model.get_layer("embedding")
    head.set_weights([np.zeros_like(weight) for weight in head.get_weights()])
    np.testing.assert_array_equal(model(pixels(2, 32, 32, 3)), np.zeros((2, 6)))


def test_the_default_input_is_that_of_facenet():
    model = without_weights(facenet)
    assert model.input_shape == (None, 160, 160, 3) and model.output_shape == (None, 512) and model.name == "facenet"
    rescaling = model.get_layer("rescaling")
    np.testing.assert_allclose(127.5 * rescaling.scale + rescaling.offset, 0, atol=1e-6)
    assert rescaling.scale == 1 / 128


@pytest.mark.parametrize("shape", [(128, 2), (80, 80, 80, 1)], ids=["signal", "volume"])
def test_signals_and_volumes_are_embedded(shape):
    assert without_weights(lambda: facenet(shape, 128)).output_shape == (None, 128)
    base = without_weights(lambda: models.build("resnet8", shape, None))
    assert without_weights(lambda: facenet(None, 16, backbone=base, pretrained=False)).output_shape == (None, 16)


@pytest.mark.parametrize("pretrained", [True, False])
@pytest.mark.parametrize("shape", [None, (64, 48, 3)])
def test_embeddings_over_a_backbone_lie_on_the_unit_sphere(pretrained, shape):
    model = facenet(shape, 6, backbone=small_backbone(batch_norm=True), pretrained=pretrained)
    embeddings = model(pixels(3, 64, 48, 3))
    assert embeddings.dtype == "float32" and model.name == "facenet_small"
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=-1), 1, atol=1e-5)
    assert np.std(embeddings, axis=0).max() > 1e-3


@pytest.mark.parametrize("pretrained", [True, False])
def test_the_statistics_of_a_pretrained_backbone_do_not_change(pretrained):
    base = small_backbone((32, 32), batch_norm=True)
    model = facenet(None, 6, backbone=base, pretrained=pretrained)
    before = base.get_layer("bn_8").get_weights()[2]
    model(pixels(4, 32, 32, 3), training=True)
    assert (base.get_layer("bn_8").get_weights()[2] == before).all() == pretrained


def test_a_classifier_is_not_a_backbone():
    with pytest.raises(ValueError, match="not a backbone"):
        facenet(backbone=models.build("resnet8", (32, 32, 3), 2))


@pytest.mark.parametrize(
    ("build", "side"), [pytest.param(lambda: facenet((80, 80, 3), 8), 80, marks=pytest.mark.exhaustive), (small, 32)]
)
def test_every_weight_gets_a_gradient(build, side):
    import tensorflow as tf

    model = build()
    with tf.GradientTape() as tape:
        loss = keras.ops.sum(keras.ops.square(model(pixels(4, side, side, 3), training=True)[:, 0]))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(gradient is not None and np.any(gradient) for gradient in gradients)


def test_keras_files_give_the_same_embeddings(tmp_path):
    model, images = small(backbone=small_backbone((32, 32), batch_norm=True), pretrained=True), pixels(2, 32, 32, 3)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(images), model(images))
    for name in ("model.keras", "model.weights.h5"):
        other = facenet(None, 6, backbone=small_backbone((32, 32), batch_norm=True), weights=tmp_path / name)
        np.testing.assert_array_equal(other(images), model(images))


@pytest.mark.parametrize("write", sweep([write_safetensors, write_zip, write_legacy], [write_safetensors]))
def test_the_weights_of_facenet_pytorch_give_its_embeddings(write, peer, tensors, tmp_path):
    write(tensors, tmp_path / "a.pt")
    model = facenet((None, None, 3), weights=tmp_path / "a.pt")
    for side, expected in peer["logits"].items():
        embeddings = model(torch_peers.pixels(int(side)))
        np.testing.assert_allclose(embeddings[:, : torch_peers.LOGITS], expected, rtol=0, atol=2e-6)


OTHERS = [(facenet, 128), (models.inception_resnet_v1, None), (models.inception_resnet_v1, 5)]


@pytest.mark.parametrize("other", sweep(OTHERS, OTHERS[:1]))
def test_other_dimensions_and_networks_load_the_trunk(other, tensors, file):
    build, outputs = other
    kernel = build((80, 80, 3), outputs, weights=file).get_layer("block_c6_2_axis1_conv").get_weights()[0]
    np.testing.assert_array_equal(kernel, tensors["block8.branch1.2.conv.weight"].transpose(2, 3, 1, 0))


LACKING = ["mixed_6a.branch0.conv.weight", "repeat_2.9.conv2d.bias", "repeat_1.0.branch2.1.bn.running_var"]


@pytest.mark.parametrize("key", sweep(LACKING, LACKING[:1]))
def test_the_key_that_a_file_lacks_is_named(tensors, tmp_path, key):
    write_safetensors({name: array for name, array in tensors.items() if name != key}, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=rf"does not fit facenet: it lacks {key}"):
        facenet((80, 80, 3), weights=tmp_path / "a.safetensors")


def test_a_network_over_a_backbone_refuses_them(file):
    with pytest.raises(UserError, match="does not fit facenet_small"):
        small(weights=file)


@pytest.mark.parametrize("head", ["absolute", "chi_square"])
def test_siamese_networks_are_symmetric_and_share_their_encoder(head, tmp_path):
    encoder = small()
    model = siamese(encoder, head)
    first, second = pixels(3, 32, 32, 3), pixels(6, 32, 32, 3)[3:]
    logits = model([first, second])
    assert logits.shape == (3, 1) and model.name == "facenet_small_siamese"
    np.testing.assert_allclose(model([second, first]), logits, atol=1e-6)
    assert len(model.trainable_variables) == len(encoder.trainable_variables) + 2
    a, b = (np.asarray(encoder(each)) for each in (first, second))
    differences = {"absolute": np.abs(a - b), "chi_square": (a - b) ** 2 / (np.abs(a) + np.abs(b))}
    kernel, bias = model.get_layer("same").get_weights()
    np.testing.assert_allclose(logits, differences[head] @ kernel + bias, atol=1e-5)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")([first, second]), logits)


@pytest.mark.parametrize("head", ["absolute", "chi_square"])
def test_the_encoder_learns_from_both_images(head):
    import tensorflow as tf

    model = siamese(small(), head)
    images = [pixels(2, 32, 32, 3), pixels(4, 32, 32, 3)[2:]]
    with tf.GradientTape() as tape:
        loss = keras.ops.mean(model(images, training=True))
    assert all(np.any(gradient) for gradient in tape.gradient(loss, model.trainable_variables))


def test_encodings_of_the_same_image_do_not_differ():
    model = siamese(small(dropout=0.0), "chi_square")
    np.testing.assert_allclose(model([pixels(2, 32, 32, 3)] * 2), np.zeros((2, 1)), atol=1e-6)


def test_differences_by_hand():
    a, b = np.array([[1.0, 0.0, 3.0, 0.0]], "float32"), np.array([[3.0, 0.0, 1.0, 2.0]], "float32")
    np.testing.assert_allclose(absolute_difference(a, b), [[2, 0, 2, 2]])
    np.testing.assert_allclose(chi_square(a, b), [[1, 0, 1, 2]])
    np.testing.assert_allclose(chi_square(a, -a), [[2, 0, 6, 0]])


def test_an_unknown_head_and_a_model_that_is_no_encoder_are_errors():
    with pytest.raises(UserError, match="head='euclidean': expected one of 'absolute', 'chi_square'"):
        siamese(small(), "euclidean")
    with pytest.raises(UserError, match="small does not return one vector per image"):
        siamese(small_backbone((32, 32)))
