"""The last layers of a detector: in a network, in a file, in half precision."""

import keras
import numpy as np
import pytest

from visionkit.layers.detection import NonMaxSuppression
from visionkit.ops.non_max_suppression import nms

OPTIONS = {"score_threshold": 0.3, "iou_threshold": 0.5, "max_detections": 6, "num_candidates": 9}


@pytest.fixture
def predictions(rng):
    low = rng.uniform(0, 0.5, (2, 30, 2))
    boxes = np.concatenate([low, low + 0.4], axis=-1)
    return {"boxes": boxes.astype("float32"), "scores": rng.uniform(0, 1, (2, 30, 3)).astype("float32")}


def test_an_empty_batch_stays_empty():
    detections = NonMaxSuppression(**OPTIONS)(
        {"boxes": np.zeros((0, 5, 4), "float32"), "scores": np.zeros((0, 5, 3), "float32")}
    )
    assert {name: tuple(part.shape) for name, part in detections.items()} == {
        "boxes": (0, 6, 4),
        "scores": (0, 6),
        "classes": (0, 6),
    }


def test_in_a_network_and_in_a_file(predictions, tmp_path):
    inputs = {name: keras.Input(part.shape[1:], name=name) for name, part in predictions.items()}
    model = keras.Model(inputs, NonMaxSuppression(**OPTIONS)(inputs))
    assert {name: part.shape for name, part in model.output.items()} == {
        "boxes": (None, 6, 4),
        "scores": (None, 6),
        "classes": (None, 6),
    }
    model.save(tmp_path / "nms.keras")
    expected = nms(**predictions, **OPTIONS)._asdict()
    for one in (model, keras.models.load_model(tmp_path / "nms.keras")):
        detections = one.predict(predictions, verbose=0)
        for name, part in expected.items():
            np.testing.assert_array_equal(detections[name], part)
            assert detections[name].dtype == model.output[name].dtype


def test_boxes_stay_exact_in_a_network_of_half_precision(predictions):
    detections = NonMaxSuppression(**OPTIONS, dtype="mixed_float16")(predictions)
    np.testing.assert_array_equal(detections["boxes"], nms(**predictions, **OPTIONS).boxes)
