"""Attribution maps equal reference values from a few lines of NumPy."""

import cv2
import keras
import numpy as np
from keras import layers

from visionkit.explain.attribution import as_heat, as_light, grad_cam, occlusion, saliency, smooth, speaks
from visionkit.explain.network_graph import before_softmax, network_graph
from visionkit.explain.probe import Explained, Probe


def test_grad_cam_of_a_network_with_global_pooling_is_a_weighted_sum_of_maps(rng):
    keras.utils.set_random_seed(4)
    image = keras.Input((16, 16, 3))
    maps = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu")(layers.Rescaling(1 / 255)(image))
    head = layers.Dense(3)
    model = keras.Model(image, head(layers.GlobalAveragePooling2D()(maps)))
    network = network_graph(lambda pixels: keras.ops.softmax(model(pixels)), 16)
    probe = Probe(network, before_softmax(network))
    pixels = rng.uniform(0, 255, (16, 16, 3)).astype(np.float32)
    activations = keras.ops.convert_to_numpy(keras.Model(image, maps)(pixels[None]))[0]
    kernel = head.get_weights()[0]
    heat = np.maximum((activations * kernel[:, 2] / 64).sum(axis=-1), 0)  # the mean of 64 places has gradient 1 / 64
    expected = np.maximum(cv2.resize(heat, (16, 16), interpolation=cv2.INTER_CUBIC), 0)
    found = grad_cam(probe.explain(pixels, np.array([[0, 0, 1]])), 16)
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_maps_of_a_mirror_image_are_mirrored_back():
    maps = np.zeros((2, 4, 4, 1), np.float32)
    maps[0, 1, 0], maps[1, 1, 3] = 1, 1
    heat = grad_cam(Explained(0.0, np.zeros((4, 4, 3)), maps, np.ones_like(maps)), 4)
    assert np.unravel_index(heat.argmax(), heat.shape) == (1, 0) and heat[1, 0] == 2 and heat[1, 3] == 0


def test_saliency_is_the_largest_gradient_of_three_colors():
    gradient = np.array([[[1.0, -3.0, 2.0], [0.0, 0.0, 0.0]]])
    np.testing.assert_array_equal(saliency(gradient), [[3, 0]])


def test_occlusion_is_strongest_at_the_object():
    pixels = np.zeros((40, 40, 3), np.float32)
    pixels[24:32, 8:16] = 255
    fall, most = occlusion(pixels, lambda images: np.array([(image > 250).mean() for image in images]))
    y, x = np.unravel_index(fall.argmax(), fall.shape)
    assert 24 <= y < 32 and 8 <= x < 16
    assert fall[:10].max() == 0 and fall[:, 28:].max() == 0
    assert pixels[24:32, 8:16].min() == 255
    assert abs(most - 64 / 1600) < 1e-6 and fall.max() <= most


def test_occlusion_is_negative_where_the_image_lowers_the_score():
    pixels = np.full((30, 30, 3), 255, np.float32)
    fall, most = occlusion(pixels, lambda images: np.array([-(image > 250).mean() for image in images]))
    assert most < 0 and fall.max() < 0


def test_empty_maps_are_drawn_too(rng):
    empty, pixels = np.zeros((8, 8), np.float32), rng.uniform(0, 255, (8, 8, 3))
    assert as_light(empty).max() == 0
    assert as_heat(pixels, empty).shape == (8, 8, 3) and as_heat(pixels, empty - 1).dtype == np.uint8
    assert smooth(empty).max() == 0 and not speaks(empty) and not speaks(empty + 0.3)
    hot = empty.copy()
    hot[2, 3] = 1
    assert speaks(hot)
    drawn = as_heat(np.full((8, 8, 3), 100.0), hot).astype(int)
    assert drawn[2, 3, 0] > drawn[2, 3, 2] and drawn[5, 5, 2] >= drawn[5, 5, 0]
