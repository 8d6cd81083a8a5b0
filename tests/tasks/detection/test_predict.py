"""A detector in three lines of Python."""

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.tasks.detection.square_detector import NAMES, image_of
from visionkit.data.images.decode import ImageError
from visionkit.inference.predictor import Unreadable
from visionkit.inference.results import DetectionResult
from visionkit.tasks.detection.predict import Detector

OBJECTS = ((0, (5, 10, 40, 50), 0.9), (1, (30, 5, 80, 30), 1.0), (2, (10, 30, 85, 55), 0.2))


@pytest.fixture(scope="module")
def model(square_bundle) -> Detector:
    return visionkit.load(square_bundle)


def test_nothing_gives_nothing(model):
    assert list(model.predict_many([])) == []
    answer = model.predict(image_of((1, 1)))
    assert answer == DetectionResult("", (1, 1), (), ()) and answer.to_plain() == {"path": "", "boxes": []}
    empty = answer.to_supervision()
    assert len(empty) == 0 and empty.xyxy.shape == (0, 4)


def test_a_image_gets_labels_scores_and_boxes_in_pixels(model, tmp_path):
    pixels = image_of((60, 90), *OBJECTS)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    answer = model.predict(tmp_path / "a.png")
    assert answer.path == str(tmp_path / "a.png") and answer.size == (60, 90) and model.labels == NAMES
    assert [box.label for box in answer.boxes] == ["green", "red"] and answer.classes == (1, 0)
    for (label, score, xyxy), (channel, expected, brightness) in zip(answer.boxes, (OBJECTS[1], OBJECTS[0]), strict=True):
        assert label == NAMES[channel] and score == pytest.approx(brightness, abs=0.02)
        np.testing.assert_allclose(xyxy, expected, atol=1)
    assert model.predict(pixels)[1:] == answer[1:]
    plain = answer.to_plain()["boxes"][0]
    assert set(plain) == {"label", "score", "xyxy"} and plain["label"] == "green"
    np.testing.assert_allclose(plain["xyxy"], answer.boxes[0].xyxy, atol=0.006)


def test_another_threshold(model):
    pixels = image_of((60, 90), *OBJECTS)
    assert [len(model.predict(pixels, threshold=each).boxes) for each in (0.1, None, 0.95, 1)] == [3, 2, 1, 0]
    found = model.found(pixels, 0.1)
    assert found.classes.tolist() == [1, 0, 2] and (found.boxes <= 1).all()
    np.testing.assert_allclose(found.boxes[0] * (90, 60, 90, 60), OBJECTS[1][1], atol=1)


def test_supervision_takes_them(model):
    detections = model.predict(image_of((60, 90), *OBJECTS)).to_supervision()
    assert detections.data["class_name"].tolist() == ["green", "red"] and detections.class_id.tolist() == [1, 0]
    np.testing.assert_allclose(detections.xyxy[1], OBJECTS[0][1], atol=1)
    np.testing.assert_allclose(detections.confidence, (1.0, 0.9), atol=0.02)


def test_many_come_in_order_and_the_unreadable_are_told(model, tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(6)]
    for number, path in enumerate(paths):
        Image.fromarray(image_of((20 + number, 90), (number % 3, (10, 5, 60, 15), 0.8))).save(path)
    (tmp_path / "3.png").write_bytes(b"")
    answers = list(model.predict_many(paths, threshold=0.5))
    assert [answer.path for answer in answers] == paths
    assert answers[3] == Unreadable(paths[3], "empty file")
    assert [answer.classes for answer in answers if isinstance(answer, DetectionResult)] == [(0,), (1,), (2,), (1,), (2,)]
    with pytest.raises(ImageError, match="empty file"):
        model.predict(paths[3])


def test_tiles_find_what_the_whole_image_loses(model):
    pixels = image_of((640, 500), (0, (300, 401, 306, 407), 1.0), (1, (40, 20, 460, 600), 0.9))
    assert [box.label for box in model.predict(pixels).boxes] == ["green"]
    answer = model.predict(pixels, tile=128)
    small = [box for box in answer.boxes if box.label == "red"]
    assert len(small) == 1
    np.testing.assert_allclose(small[0].xyxy, OBJECTS and (300, 401, 306, 407), atol=2)
    large = [box for box in answer.boxes if box.label == "green"]
    assert len(large) == 1
    np.testing.assert_allclose(large[0].xyxy, (40, 20, 460, 600), atol=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"threshold": 1.5}, "threshold of 1.5: expected 0 to 1"), ({"tile": 31}, "Tiles of 31 pixels: expected at least 32")],
)
def test_what_cannot_be_is_told(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.predict(image_of((9, 9)), **options)
    with pytest.raises(ValueError, match=message):
        model.predict_many(["a.jpg"], **options)
