"""Johnson's network: number of parameters, images of any size, no frame at the border, one style per image."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.tasks.style_transfer.painters import small_network
from visionkit.errors import UserError
from visionkit.models.style_network import MULTIPLE, SMALLEST, style_network


def painted(model: keras.Model, image: np.ndarray, weights=(1.0,)) -> np.ndarray:
    styles = np.broadcast_to(np.array(weights, "float32"), (len(image), len(weights)))
    return ops.convert_to_numpy(model([image.astype("float32"), styles], training=False))


@pytest.mark.parametrize("num_styles", [1, 4])
def test_the_parameters_are_those_of_the_paper(num_styles):
    """1,674,432 values in the kernels of table 1 of the supplement; the last layer's biases; scales and offsets per style.

    pytorch/examples' fast_neural_style has 1,679,235: it has a bias for each of the 1,600 normalised channels, too, which
    normalisation cancels.
    """
    kernels = 9 * 9 * 3 * 32 + 3 * 3 * (32 * 64 + 64 * 128 + 10 * 128 * 128 + 128 * 64 + 64 * 32) + 9 * 9 * 32 * 3
    channels = 32 + 64 + 128 + 10 * 128 + 64 + 32
    model = style_network(num_styles=num_styles)
    assert model.count_params() == kernels + 3 + 2 * channels * num_styles
    assert kernels == 1_674_432 and kernels + 3 + 2 * channels + channels == 1_679_235


@pytest.mark.parametrize("sides", [(SMALLEST, SMALLEST), (36, 64), (100, 44)])
def test_the_output_has_the_sides_of_the_image(rng, sides):
    assert all(side % MULTIPLE == 0 for side in sides)
    image = painted(small_network(), rng.uniform(0, 255, (2, *sides, 3)), (1, 0))
    assert image.shape == (2, *sides, 3) and image.min() >= 0 and image.max() <= 255 and image.dtype == np.float32


def test_an_image_of_one_color_has_no_frame():
    """A border of zeros would be visible."""
    image = painted(small_network(), np.full((1, 48, 64, 3), 90), (0.5, 0.5))
    np.testing.assert_allclose(image, np.broadcast_to(image[:, 24:25, 32:33], image.shape), atol=0.05)


def test_styles_differ_and_images_of_a_batch_are_independent(rng):
    model, images = small_network(), rng.uniform(0, 255, (2, 32, 40, 3)).astype("float32")
    first, second = painted(model, images, (1, 0)), painted(model, images, (0, 1))
    assert np.abs(first - second).mean() > 1
    mixed = ops.convert_to_numpy(model([images, np.eye(2, dtype="float32")], training=False))
    np.testing.assert_allclose(mixed, [first[0], second[1]], atol=0.05)


def test_every_weight_has_a_gradient(rng):
    import tensorflow as tf

    model, image = small_network(), tf.constant(rng.uniform(0, 255, (1, 32, 32, 3)), tf.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model([image, tf.constant([[0.5, 0.5]])])))
    for weight, gradient in zip(
        model.trainable_variables, tape.gradient(loss, [each.value for each in model.trainable_variables]), strict=True
    ):
        assert np.all(np.isfinite(gradient)) and np.any(gradient), weight.path


def test_files_restore_the_network(rng, tmp_path):
    model, image = small_network(), rng.uniform(0, 255, (1, 32, 36, 3))
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    options = {"num_styles": 2, "filters": 4, "num_residuals": 1}
    others = [keras.saving.load_model(tmp_path / "m.keras")]
    others += [style_network(weights=tmp_path / name, **options) for name in ("m.keras", "m.weights.h5")]
    for other in others:
        np.testing.assert_allclose(painted(other, image, (0.3, 0.7)), painted(model, image, (0.3, 0.7)), atol=1e-3)
    with pytest.raises(UserError, match="no such file"):
        style_network(weights=tmp_path / "none.keras")
