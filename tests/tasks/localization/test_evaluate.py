"""Bundles with known predictions, measured on annotated images."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.scan import scan
from visionkit.data.index import NO_OBJECTS, Annotation, Index, Objects
from visionkit.errors import UserError
from visionkit.export.bundle import read_metadata
from visionkit.inference.measuring import EvaluateOptions, Opened, opened_model, task_of
from visionkit.tasks.localization.evaluate import (
    annotated_landmarks,
    annotated_objects,
    evaluate,
    evaluate_data,
    locate,
    read_data,
)
from visionkit.tasks.localization.predict import LandmarkPredictor, ObjectLocalizer
from visionkit.tasks.localization.report import report_on

FULL, HALF = [0.25, 0.25, 0.75, 0.75], [0.25, 0.25, 0.5, 0.75]  # the box that the localizer finds; the left half of it


def objects(box: list[float], label: int, keypoints: list | None = None) -> Objects:
    points = None if keypoints is None else np.array([keypoints], float)
    return Objects(np.array([box]), np.array([label], np.int32), keypoints=points)


def index_of(folder, *samples: tuple[int, Objects]) -> Index:
    """Images of 60 x 120 pixels of one brightness, each with its objects."""
    folder.mkdir()
    paths = tuple(str(folder / f"{number}.png") for number in range(len(samples)))
    for path, (brightness, _) in zip(paths, samples, strict=True):
        Image.fromarray(np.full((60, 120, 3), brightness, np.uint8)).save(path)
    annotations = tuple(Annotation(objects=each) for _, each in samples)
    return scan(Index(("cup", "key"), paths, np.full(len(paths), -1, np.int32), annotations=annotations))


@pytest.fixture
def train(tmp_path):
    return index_of(tmp_path / "train", (250, objects(FULL, 1)), (250, objects(FULL, 1)), (0, NO_OBJECTS))


def test_images_that_have_vanished_are_skipped_and_without_any_there_is_no_evaluation(localizer_bundle, train, tmp_path):
    (tmp_path / "train" / "0.png").unlink()
    readable, outputs = locate(localizer_bundle, train)
    assert readable.paths == train.paths[1:] and outputs["label"].tolist() == ["key", "key"]
    assert [each.path for each in train.skipped.list()] == [train.paths[0]]
    for path in readable.paths:
        (tmp_path / "train" / path).unlink()
    with pytest.raises(UserError, match="None of 3 images"):
        locate(localizer_bundle, train)


def test_a_bundle_is_opened_by_the_predictor_of_its_task(localizer_bundle, landmark_bundle, train):
    assert task_of(landmark_bundle) == "landmarks" and task_of(localizer_bundle) == "localization"
    assert isinstance(opened_model(LandmarkPredictor, landmark_bundle), LandmarkPredictor)
    with pytest.raises(UserError, match="does 'landmarks'; expected a model for localization"):
        opened_model(ObjectLocalizer, landmark_bundle)
    with pytest.raises(UserError, match="does 'landmarks'; expected a model for localization"):
        opened_model(ObjectLocalizer, LandmarkPredictor.open(landmark_bundle, read_metadata(landmark_bundle)))
    assert set(locate(landmark_bundle, train)[1]) == {"points"}


def test_a_localizer_is_measured_beside_the_mean_answer(localizer_bundle, train, tmp_path):
    samples = (250, objects(FULL, 1)), (250, objects(HALF, 0)), (0, NO_OBJECTS), (250, NO_OBJECTS), (0, objects(FULL, 1))
    evaluation = evaluate(localizer_bundle, index_of(tmp_path / "val", *samples), train)
    assert list(evaluation.metrics)[:3] == ["mean_iou", "accuracy", "presence_accuracy"]
    assert evaluation.metrics == pytest.approx(
        {
            "mean_iou": (1 + 0.5 + 1) / 3,
            "accuracy": 2 / 3,
            "presence_accuracy": 3 / 5,  # one is imagined, one is missed
            "mean_iou_of_the_mean_answer": (1 + 0.5 + 1) / 3,
            "accuracy_of_the_mean_answer": 2 / 3,
            "presence_accuracy_of_the_mean_answer": 3 / 5,
        },
        abs=0.01,
    )
    np.testing.assert_allclose(evaluation.overlaps, [1, 0.5, np.nan, np.nan, 1], atol=0.02)
    assert evaluation.worst.tolist() == [4, 3, 1, 0, 2]  # a wrong presence first, then by overlap


def test_a_landmark_finder_is_measured_beside_the_mean_shape(landmark_bundle, tmp_path):
    right, shifted = [[0.25, 0.5, 2], [0.75, 0.5, 2]], [[0.5, 0.5, 2], [1, 0.5, 2]]
    train = index_of(tmp_path / "train", (0, objects(FULL, 0, shifted)))
    val = index_of(tmp_path / "val", *((0, objects(FULL, 0, points)) for points in (right, shifted, right)))
    evaluation = evaluate(landmark_bundle, val, train)
    np.testing.assert_allclose(evaluation.errors, [0, 0.5, 0], atol=1e-3)
    assert evaluation.metrics == pytest.approx(
        {
            "median_error": 0,
            "mean_error": 0.5 / 3,
            "median_error_of_the_mean_shape": 0.5,
            "mean_error_of_the_mean_shape": 1 / 3,
        },
        abs=1e-3,
    )
    assert evaluation.worst[0] == 1


def test_annotations_are_relative_and_landmarks_outside_of_the_image_are_not_visible(train):
    np.testing.assert_allclose(annotated_objects(train), [[1, 0.5, 0.5, 0.5, 0.5, 0, 1]] * 2 + [[0] * 7])
    outside = Annotation(objects=objects(FULL, 0, [[0.5, 0.5, 2], [1.25, 0.5, 2]]))
    points = annotated_landmarks(replace(train, annotations=(outside,)))
    np.testing.assert_array_equal(points, [[[0.5, 0.5, 2], [0, 0, 0]]])


def measured(bundle, source, **options):
    options = EvaluateOptions(**options)
    return evaluate_data(bundle, read_data(str(source), read_metadata(bundle), options), options)


def test_images_that_do_not_show_one_thing_are_an_error(localizer_bundle, tmp_path):
    Image.new("RGB", (120, 60)).save(tmp_path / "a.png")
    (tmp_path / "boxes.csv").write_text("image,xmin,ymin,xmax,ymax,label\n" + "a.png,1,2,30,40,key\n" + "a.png,1,2,40,50,key\n")
    with pytest.raises(UserError, match="none of 1 measured images can be used: expected at most one box on each"):
        measured(localizer_bundle, tmp_path / "boxes.csv")


def test_a_finished_localizer_is_measured_without_training_images(localizer_bundle, tmp_path):
    """The box that it finds is right in one image; another shows a class that it does not know."""
    rows = ["image,xmin,ymin,xmax,ymax,label"]
    for name, label in (("a", "key"), ("b", "cup"), ("c", "tree")):
        Image.fromarray(np.full((60, 120, 3), 250, np.uint8)).save(tmp_path / f"{name}.png")
        rows.append(f"{name}.png,30,15,90,45,{label}")
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    result = measured(localizer_bundle, tmp_path / "boxes.csv")
    assert result.metrics == pytest.approx({"mean_iou": 1, "accuracy": 0.5, "presence_accuracy": 1}, abs=0.01)
    assert result.images == 2 and "left out: 1 image of tree, which the model does not know" in result.notes
    galleries = report_on(result, "T").shown["galleries"]
    assert galleries[0].heading == "Measured images" and len(galleries[0].figures) == 2


def test_finished_landmark_finders_need_as_many_landmarks(landmark_bundle, tmp_path):
    points = [[0.25, 0.5, 2], [0.75, 0.5, 2], [0.5, 0.5, 2]]
    for count in (2, 3):
        index = index_of(tmp_path / str(count), (0, objects(FULL, 0, points[:count])))
        opened = Opened("DATA", "all", index, "")
        if count == 2:
            result = evaluate_data(landmark_bundle, opened, EvaluateOptions())
            assert result.metrics == pytest.approx({"median_error": 0, "mean_error": 0}, abs=0.01)
        else:
            with pytest.raises(UserError, match="The data has 3 landmarks, and the model finds 2"):
                evaluate_data(landmark_bundle, opened, EvaluateOptions())
