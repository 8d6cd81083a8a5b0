"""A detector in three lines of Python."""

import io

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
    result = model.predict(image_of((1, 1)))
    assert isinstance(result, DetectionResult)
    assert (result.path, result.size, result.boxes, result.classes) == ("", (1, 1), (), ())
    assert result.to_dict() == {"path": "", "boxes": []} and repr(result) == "DetectionResult(pixels: nothing found)"
    assert result.plot().size[0] == result.plot().size[1] >= 1  # enlarged, and without a box
    empty = result.to_supervision()
    assert len(empty) == 0 and empty.xyxy.shape == (0, 4)


def test_an_image_gets_labels_scores_and_boxes_in_pixels(model, tmp_path):
    pixels = image_of((60, 90), *OBJECTS)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    result = model.predict(tmp_path / "a.png")
    assert result.path == str(tmp_path / "a.png") and result.size == (60, 90) and model.labels == NAMES
    assert [box.label for box in result.boxes] == ["green", "red"] and result.classes == (1, 0)
    for (label, score, xyxy), (channel, expected, brightness) in zip(result.boxes, (OBJECTS[1], OBJECTS[0]), strict=True):
        assert label == NAMES[channel] and score == pytest.approx(brightness, abs=0.02)
        np.testing.assert_allclose(xyxy, expected, atol=1)
    of_pixels = model.predict(pixels)
    assert (of_pixels.size, of_pixels.boxes, of_pixels.classes) == (result.size, result.boxes, result.classes)
    record = result.to_dict()["boxes"][0]
    assert set(record) == {"label", "score", "xyxy"} and record["label"] == "green"
    np.testing.assert_allclose(record["xyxy"], result.boxes[0].xyxy, atol=0.006)
    assert repr(result) == f"DetectionResult({tmp_path / 'a.png'}: 1 green, 1 red)"
    np.testing.assert_allclose(result.relative_boxes() * (90, 60, 90, 60), [box.xyxy for box in result.boxes])


def test_a_result_draws_itself_from_any_source_of_its_image(model, tmp_path):
    pixels, encoded = image_of((60, 90), *OBJECTS), io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    (tmp_path / "a.png").write_bytes(encoded.getvalue())
    sources = [pixels, Image.fromarray(pixels), encoded.getvalue(), io.BytesIO(encoded.getvalue()), tmp_path / "a.png"]
    results = [model.predict(source) for source in sources]
    assert len({result.boxes for result in results}) == 1
    drawings = [np.asarray(result.plot()) for result in results]
    assert all((drawing == drawings[0]).all() for drawing in drawings)
    enlarged = np.asarray(Image.fromarray(pixels).resize(drawings[0].shape[1::-1], Image.Resampling.NEAREST))
    assert (drawings[0] != enlarged).any()


def test_understand_gets_the_boxes_and_scores_of_letterboxed_pixels(model):
    explained = model.explained()
    assert explained.kind == "boxes" and explained.labels == NAMES and explained.size == 64
    square = np.asarray(explained.see(image_of((30, 60), (1, (10, 5, 50, 25), 1.0)), 64))
    boxes, scores = explained.outputs(square[None])
    assert square.shape == (64, 64, 3) and boxes.shape[::2] == (1, 4) and scores.shape[::2] == (1, 3)
    assert int(np.asarray(scores)[0].max(axis=0).argmax()) == 1


def test_another_threshold(model):
    pixels = image_of((60, 90), *OBJECTS)
    assert [len(model.predict(pixels, threshold=each).boxes) for each in (0.1, None, 0.95, 1)] == [3, 2, 1, 0]
    detections = model.detect(pixels, 0.1)
    assert detections.classes.tolist() == [1, 0, 2] and (detections.boxes <= 1).all()
    np.testing.assert_allclose(detections.boxes[0] * (90, 60, 90, 60), OBJECTS[1][1], atol=1)


def test_results_become_detections_of_supervision(model):
    detections = model.predict(image_of((60, 90), *OBJECTS)).to_supervision()
    assert detections.data["class_name"].tolist() == ["green", "red"] and detections.class_id.tolist() == [1, 0]
    np.testing.assert_allclose(detections.xyxy[1], OBJECTS[0][1], atol=1)
    np.testing.assert_allclose(detections.confidence, (1.0, 0.9), atol=0.02)


def test_many_come_in_order_and_unreadable_files_are_named(model, tmp_path):
    paths = [str(tmp_path / f"{number}.png") for number in range(6)]
    for number, path in enumerate(paths):
        Image.fromarray(image_of((20 + number, 90), (number % 3, (10, 5, 60, 15), 0.8))).save(path)
    (tmp_path / "3.png").write_bytes(b"")
    results = list(model.predict_many(paths, threshold=0.5))
    assert [result.path for result in results] == paths
    assert [result.path for result in model.predict_many(tmp_path, threshold=0.5)] == paths
    assert results[3] == Unreadable(paths[3], "empty file")
    assert [result.classes for result in results if isinstance(result, DetectionResult)] == [(0,), (1,), (2,), (1,), (2,)]
    with pytest.raises(ImageError, match="empty file"):
        model.predict(paths[3])


def test_tiles_find_what_the_whole_image_loses(model):
    pixels = image_of((640, 500), (0, (300, 401, 306, 407), 1.0), (1, (40, 20, 460, 600), 0.9))
    assert [box.label for box in model.predict(pixels).boxes] == ["green"]
    result = model.predict(pixels, tile=128)
    small = [box for box in result.boxes if box.label == "red"]
    assert len(small) == 1
    np.testing.assert_allclose(small[0].xyxy, (300, 401, 306, 407), atol=2)
    large = [box for box in result.boxes if box.label == "green"]
    assert len(large) == 1
    np.testing.assert_allclose(large[0].xyxy, (40, 20, 460, 600), atol=10)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"threshold": 1.5}, "threshold of 1.5: expected 0 to 1"), ({"tile": 31}, "Tiles of 31 pixels: expected at least 32")],
)
def test_invalid_options_are_refused(model, options, message):
    with pytest.raises(ValueError, match=message):
        model.predict(image_of((9, 9)), **options)
    with pytest.raises(ValueError, match=message):
        model.predict_many(["a.jpg"], **options)
