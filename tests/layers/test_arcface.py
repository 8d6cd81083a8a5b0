"""ArcFace's layer: cosines, logits, files, and that it teaches."""

import keras
import numpy as np

from visionkit.layers.arcface import ArcFaceLogits
from visionkit.ops.embeddings import arcface_logits


def drawn(*shape):
    return np.random.default_rng(3).normal(size=shape).astype("float32")


def test_no_embeddings_have_no_logits():
    layer = ArcFaceLogits(5)
    assert layer(np.zeros((0, 4), "float32")).shape == (0, 5)
    assert layer([np.zeros((0, 4), "float32"), np.zeros(0, "int32")]).shape == (0, 5)


def test_without_labels_embeddings_of_any_length_give_cosines():
    layer, x = ArcFaceLogits(3), drawn(6, 4)
    cosines = np.array(layer(x))
    centers = np.array(layer.centers)
    expected = [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in centers.T] for a in x]
    np.testing.assert_allclose(cosines, expected, atol=1e-6)
    np.testing.assert_allclose(layer(10 * x), cosines, atol=1e-6)
    assert np.isfinite(layer(0 * x)).all()


def test_with_labels_there_is_a_margin():
    layer, x, labels = ArcFaceLogits(3, margin=0.4, scale=20.0), drawn(6, 4), np.array([0, 1, 2, 0, 1, 2])
    np.testing.assert_allclose(layer([x, labels]), arcface_logits(layer(x), labels, 0.4, 20.0), rtol=1e-6)


def test_the_layer_computes_in_full_precision():
    layer = ArcFaceLogits(3)
    assert keras.backend.standardize_dtype(layer(drawn(2, 4).astype("float16")).dtype) == "float32"
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        assert ArcFaceLogits(3).compute_dtype == "float32"
    finally:
        keras.config.set_dtype_policy(policy)


def test_a_keras_file_round_trip(tmp_path):
    embeddings, labels = keras.Input((4,)), keras.Input((), dtype="int32")
    logits = ArcFaceLogits(3, margin=0.3, scale=8.0)([embeddings, labels])
    assert logits.shape == (None, 3)
    model = keras.Model([embeddings, labels], logits)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = [drawn(5, 4), np.array([0, 1, 2, 1, 0])]
    np.testing.assert_allclose(loaded(inputs), model(inputs), rtol=1e-6)
    cosines = keras.Model(embeddings, ArcFaceLogits(3)(embeddings))
    assert cosines.output_shape == (None, 3)


def test_the_margin_pulls_embeddings_of_a_class_together():
    """Of directions that training may choose freely, with and without a margin."""
    keras.utils.set_random_seed(1)
    labels = np.repeat(np.arange(3), 8)
    start = drawn(24, 8)

    def spread_after(margin: float) -> float:
        embeddings = keras.layers.Embedding(24, 8)
        embeddings.build()
        embeddings.embeddings.assign(start)
        rows, truth = keras.Input((), dtype="int32"), keras.Input((), dtype="int32")
        logits = ArcFaceLogits(3, margin=margin, scale=4.0)([embeddings(rows), truth])
        model = keras.Model([rows, truth], logits)
        model.compile(keras.optimizers.Adam(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit([np.arange(24), labels], labels, epochs=30, batch_size=24, verbose=0)
        x = np.array(embeddings.embeddings)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        within = np.mean([x[labels == k] @ x[labels == k].mean(0) for k in range(3)])
        return 1 - within

    with_margin, without = spread_after(0.5), spread_after(0.0)
    assert with_margin < without and with_margin < 0.2


def test_the_output_shape_with_and_without_labels():
    layer = ArcFaceLogits(7)
    assert layer.compute_output_shape((None, 4)) == layer.compute_output_shape([(None, 4), (None,)]) == (None, 7)
