"""Detectors of keras-cv: they learn with its losses, and its decoding returns the right boxes."""

import math
import runpy
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import sweep
from visionkit.errors import UserError
from visionkit.tasks.detection import detectors, keras_cv_adapter
from visionkit.tasks.detection.trainable import TrainableDetector

SIDE = 64


@pytest.fixture(scope="module", params=sweep(["yolo_v8_xs", "retinanet_resnet18"], ["yolo_v8_xs"]))
def built(request) -> TrainableDetector:
    """The smallest detector of each kind, for two classes; building it takes seconds."""
    keras.utils.set_random_seed(0)
    return detectors.build(f"keras_cv:{request.param}", 2, [], size=SIDE)


@pytest.fixture
def detector(built):
    """The same detector; its initial weights are restored afterwards."""
    weights = built.network.get_weights()
    yield built
    built.network.set_weights(weights)


only_yolo = pytest.mark.parametrize("built", ["yolo_v8_xs"], indirect=True)
only_retinanet = pytest.mark.parametrize("built", ["retinanet_resnet18"], indirect=True)


def no_objects(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and classes of two images, as the pipeline pads them."""
    return np.zeros((2, rows, 4), np.float32), np.full((2, rows), -1, np.int32)


def two_images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A blue box on one image, a red one on the other."""
    pixels = np.full((2, SIDE, SIDE, 3), 90, np.float32)
    boxes, classes = no_objects(rows=2)
    boxes[:, 0], classes[:, 0] = [(0.125, 0.25, 0.625, 0.75), (0.5, 0.375, 1, 0.875)], [1, 0]
    for image, box, color in zip(pixels, boxes[:, 0], [(0, 0, 255), (255, 0, 0)], strict=True):
        x1, y1, x2, y2 = (box * SIDE).astype(int)
        image[y1:y2, x1:x2] = color
    return pixels, boxes, classes


def predict_always(layer: keras.layers.Conv2D, numbers: np.ndarray) -> None:
    """Make a convolution return the same numbers for every cell."""
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    layer.bias.assign(numbers)


def test_images_without_objects_give_finite_losses_and_gradients(detector):
    pixels = two_images()[0]
    with tf.GradientTape() as tape:
        predictions = detector.network(pixels, training=True)
        without_rows, with_padding = (detector.losses(predictions, *no_objects(rows)) for rows in (0, 3))
        total = sum(with_padding.values())
    assert tuple(with_padding) == detector.parts == ("box", "class")
    assert with_padding["box"] == without_rows["box"] == 0
    assert with_padding["class"] == without_rows["class"] and np.isfinite(with_padding["class"])
    gradients = tape.gradient(total, detector.network.trainable_variables)
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)


def test_losses_are_the_same_in_a_graph_with_unknown_shapes(detector):
    pixels, boxes, classes = two_images()
    boxes[0, 1], classes[0, 1] = 0.1, 0  # an object without area
    predictions = detector.network(pixels)
    unknown = {key: tf.TensorSpec([None, None, value.shape[-1]]) for key, value in predictions.items()}
    signature = [unknown, tf.TensorSpec([None, None, 4]), tf.TensorSpec([None, None], tf.int32)]
    in_graph = tf.function(detector.losses, input_signature=signature)(predictions, boxes, classes)
    for part, value in detector.losses(predictions, boxes, classes).items():
        assert value > 0
        np.testing.assert_allclose(in_graph[part], value, rtol=1e-3)


@pytest.mark.exhaustive
def test_two_images_are_learnt(detector):
    pixels, boxes, classes = two_images()
    optimizer, totals = keras.optimizers.Adam(1e-3), []
    for _ in range(5):
        with tf.GradientTape() as tape:
            total = sum(detector.losses(detector.network(pixels, training=True), boxes, classes).values())
        weights = detector.network.trainable_variables
        optimizer.apply(tape.gradient(total, weights), weights)
        totals.append(float(total))
    assert totals[-1] < 0.95 * totals[0], totals


@only_yolo
def test_yolo_decodes_distances_from_the_middle_of_cells(detector):
    distances = np.zeros((4, 16))
    distances[[0, 1, 2, 3], [1, 2, 3, 4]] = 50  # in strides: left, up, right, down
    for scale in (1, 2, 3):
        predict_always(detector.network.get_layer(f"yolo_v8_head_{scale}_box_3_conv"), distances.ravel())
        predict_always(detector.network.get_layer(f"yolo_v8_head_{scale}_class_3_conv"), [0, math.log(3)])
    decoded = detector.at_size(SIDE)(two_images()[0])
    assert decoded["boxes"].shape == (2, 8 * 8 + 4 * 4 + 2 * 2, 4)
    np.testing.assert_allclose(decoded["boxes"][1, 8 * 3 + 2], np.array([20 - 8, 28 - 16, 20 + 24, 28 + 32]) / SIDE, atol=1e-5)
    np.testing.assert_allclose(decoded["boxes"][0, -1], np.array([48 - 32, 48 - 64, 48 + 96, 48 + 128]) / SIDE, atol=1e-5)
    np.testing.assert_allclose(decoded["scores"][0], np.full((84, 2), [0.5, 0.75]), atol=1e-5)


@only_retinanet
def test_retinanet_decodes_shifts_and_scalings_of_anchors(detector):
    heads = {layer.output_filters: layer for layer in detector.network.layers if hasattr(layer, "output_filters")}
    shifts = np.zeros((9, 4))
    shifts[1] = 1, 0, 0, math.log(2) / 0.2  # the square anchor: a tenth of its height down, twice as wide
    predict_always(heads[9 * 4].prediction_layer, shifts.ravel())
    predict_always(heads[9 * 2].prediction_layer, np.tile([0, math.log(3)], 9))
    decoded = detector.at_size(SIDE)(two_images()[0])
    assert decoded["boxes"].shape == (2, 9 * (8 * 8 + 4 * 4 + 2 * 2 + 1 + 1), 4)
    x, y = 36, 28 + 3.2  # of the fourth row's fifth cell
    expected = np.array([x - 32, y - 16, x + 32, y + 16]) / SIDE
    np.testing.assert_allclose(decoded["boxes"][1, 9 * (8 * 3 + 4) + 1], expected, atol=1e-5)
    np.testing.assert_allclose(decoded["scores"][0, :, 1], 0.75, atol=1e-5)


def test_names_are_known_without_keras_cv(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)  # to import it fails
    assert runpy.run_path(keras_cv_adapter.__file__)["NAMES"] == keras_cv_adapter.NAMES


def test_a_misspelt_name_gets_the_nearest():
    with pytest.raises(UserError, match=r"did you mean 'keras_cv:yolo_v8_\w+'.*keras_cv:retinanet_resnet50"):
        detectors.find("keras_cv:yolo_v8_z")
    for name in keras_cv_adapter.NAMES:
        assert detectors.find(f"keras_cv:{name}") == f"keras_cv:{name}"
