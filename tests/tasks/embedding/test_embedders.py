"""The networks that are trained to embed: which base they have, and in which mode it runs."""

import keras
import numpy as np
import pytest

from tests.models.small_backbones import small_backbone
from visionkit.models.endpoints import strides_of
from visionkit.tasks.embedding import embedders

SIDE = 64


def flat() -> keras.Model:
    """A FaceNet of a few layers, which are all in one model."""
    keras.utils.set_random_seed(0)
    base = small_backbone((SIDE, SIDE), batch_norm=True)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(base.output["stride_32"])
    x = keras.layers.Dense(4, use_bias=False, name="embedding")(keras.layers.Dropout(0.4)(x))
    x = keras.layers.BatchNormalization(name="embedding_bn")(x)
    return keras.Model(base.input, keras.layers.UnitNormalization()(x), name="facenet")


def test_a_pretrained_facenet_keeps_the_statistics_of_its_base_and_learns_those_of_its_embedding(monkeypatch):
    monkeypatch.setattr(embedders, "facenet", lambda shape, dimensions, *, weights: flat())
    built = embedders.build("inception_resnet_v1", SIDE, 4, weights="vggface2")
    pixels = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 3)).astype("float32")
    np.testing.assert_allclose(built(pixels), flat()(pixels), atol=1e-5)
    base = embedders.base_of(built)
    assert strides_of(base) == [4, 8, 16, 32]
    statistics = [base.get_layer(f"bn_{stride}").moving_mean for stride in (8, 16, 32)]
    before = [np.array(each) for each in statistics]
    of_embedding = np.array(built.get_layer("embedding_bn").moving_mean)
    built.compile("sgd", "mse", run_eagerly=True)
    built.train_on_batch(pixels, np.ones((4, 4), "float32"))
    for old, new in zip(before, statistics, strict=True):
        np.testing.assert_array_equal(old, new)
    assert (of_embedding != np.array(built.get_layer("embedding_bn").moving_mean)).any()


def test_without_weights_it_is_as_it_was(monkeypatch):
    monkeypatch.setattr(embedders, "facenet", lambda shape, dimensions, *, weights: flat())
    assert embedders.build("inception_resnet_v1", SIDE, 4).get_layer("bn_8")


@pytest.mark.exhaustive
def test_the_base_of_a_real_facenet_has_stages(tmp_path):
    path = tmp_path / "facenet.weights.h5"
    embedders.build("inception_resnet_v1", 96, 8).save_weights(path)
    built = embedders.build("inception_resnet_v1", 96, 8, weights=str(path))
    base = embedders.base_of(built)
    assert len(strides_of(base)) >= 4 and strides_of(base)[-1] == 32
    assert len(base.trainable_variables) > 200
