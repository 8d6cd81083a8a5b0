"""Three lines of Python."""

import numpy as np
import pytest
from PIL import Image

import visionkit
from visionkit.data.images.decode import ImageError
from visionkit.export.bundle import update_metadata
from visionkit.inference.predictor import Unreadable
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.predict import Classifier


@pytest.fixture(scope="module")
def run(small_classifier, tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    export_classifier(small_classifier, run / "model", class_names=("a", "b", "c"), metadata={})
    return run


@pytest.fixture(scope="module")
def model(run) -> Classifier:
    return visionkit.load(run)


def test_nothing_gives_nothing(model):
    assert list(model.predict_many([])) == []


def test_a_run_and_its_model_folder_are_the_same(run, model):
    assert visionkit.load(run / "model").labels == model.labels == ("a", "b", "c")


def test_a_file_and_its_pixels_get_the_same_answer(model, photograph, tmp_path):
    Image.fromarray(photograph).save(tmp_path / "cat.png")
    from_file, from_pixels = model.predict(tmp_path / "cat.png"), model.predict(photograph)
    assert from_file.top == from_pixels.top and from_file.path == str(tmp_path / "cat.png")
    assert (from_file.label, from_file.score) == from_file.top[0]
    assert sum(score for _, score in from_file.top) == pytest.approx(1, abs=1e-5)
    assert [score for _, score in from_file.top] == sorted((score for _, score in from_file.top), reverse=True)


def test_many_come_in_order_and_the_unreadable_are_told(model, class_folders):
    paths = sorted(class_folders.rglob("*.jpg"))
    paths[3].write_bytes(b"")
    answers = list(model.predict_many(paths))
    assert [answer.path for answer in answers] == [str(path) for path in paths]
    assert [type(answer) is Unreadable for answer in answers] == [i == 3 for i in range(len(paths))]
    assert answers[3].error == "empty file"
    with pytest.raises(ImageError, match="empty file"):
        model.predict(paths[3])


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 3), np.float32), np.zeros((1, 4, 4, 3), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_other_pixels_are_refused(model, pixels):
    with pytest.raises(ImageError, match="received"):
        model.predict(pixels)


def test_another_task_is_told(run, small_classifier, tmp_path):
    export_classifier(small_classifier, tmp_path / "model", class_names=("a", "b", "c"), metadata={})
    update_metadata(tmp_path / "model", task="divination")
    with pytest.raises(ValueError, match=r"'divination'.*classification"):
        visionkit.load(tmp_path)
