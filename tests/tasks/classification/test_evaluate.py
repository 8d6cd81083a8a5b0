"""Bundles are measured on files and on images in memory alike."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.index import Index, SmallImages
from visionkit.errors import UserError
from visionkit.export.bundle import read_metadata
from visionkit.inference.measuring import EvaluateOptions
from visionkit.tasks.classification.evaluate import accuracy_of, evaluate, evaluate_data, keep_thresholds, read_data
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.report import report_on
from visionkit.training.run_folder import RunFolder

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def bundle(small_classifier, tmp_path_factory):
    return export_classifier(
        small_classifier, tmp_path_factory.mktemp("run") / "model", class_names=NAMES, metadata={}, whole=True
    )


def test_without_an_image_that_can_be_read_there_is_no_accuracy(bundle, tmp_path):
    val = Index(NAMES, (str(tmp_path / "gone.png"),), np.array([0], np.int32))
    with pytest.raises(UserError, match="None of 1 images can be read"):
        evaluate(bundle, val)


def test_files_that_cannot_be_read_are_skipped_and_the_others_are_predicted(bundle, tmp_path, rng):
    pixels = rng.integers(0, 256, (3, 20, 20)).astype(np.uint8)
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    in_memory = evaluate(bundle, SmallImages(NAMES, pixels, np.arange(3, dtype=np.int32)))
    val = Index(NAMES, (*paths, str(tmp_path / "gone.png")), np.array([0, 1, 2, 0], np.int32))
    from_files = evaluate(bundle, val)
    assert from_files.labels.tolist() == [0, 1, 2] and list(from_files.names) == paths
    assert [file.path for file in val.skipped.list()] == [str(tmp_path / "gone.png")]
    np.testing.assert_allclose(from_files.probabilities, in_memory.probabilities, atol=1e-6)
    np.testing.assert_allclose(in_memory.probabilities.sum(axis=1), 1, atol=1e-5)
    assert in_memory.names[2] == "validation image 2" and in_memory.images is pixels
    expected = (in_memory.probabilities.argmax(axis=1) == [0, 1, 2]).mean()
    assert in_memory.metrics == from_files.metrics
    assert list(in_memory.metrics) == ["accuracy", "calibration_error"]
    assert in_memory.metrics["accuracy"] == pytest.approx(expected)


def test_classes_are_matched_by_name_and_unknown_ones_are_an_error(bundle, rng):
    pixels = rng.integers(0, 256, (4, 20, 20)).astype(np.uint8)
    best = evaluate(bundle, SmallImages(NAMES, pixels, np.zeros(4, np.int32))).probabilities.argmax(axis=1)
    reordered = SmallImages(("c", "a", "b"), pixels, ((best + 1) % 3).astype(np.int32))
    assert accuracy_of(bundle, reordered) == 1
    with pytest.raises(UserError, match="does not know z; it knows a, b, c"):
        accuracy_of(bundle, SmallImages(("a", "z"), pixels, np.zeros(4, np.int32)))


@pytest.fixture
def several(small_classifier, tmp_path):
    return export_classifier(small_classifier, tmp_path / "several", class_names=NAMES, metadata={}, multi_label=True)


@pytest.fixture
def labelled(tmp_path, rng) -> Index:
    paths = [str(tmp_path / f"{number}.png") for number in range(4)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)).save(path)
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    return Index(NAMES, tuple(paths), np.full(4, -1, np.int32), label_sets=sets)


def test_several_labels_have_thresholds_that_are_chosen_once_and_a_class_without_images_is_named(several, labelled, tmp_path):
    evaluation = evaluate(several, labelled)
    assert list(evaluation.metrics) == ["map", "macro_f1", "exact_match"] and evaluation.measured.thresholds[2] == 0.5
    run = RunFolder(tmp_path / "run")
    keep_thresholds(run, several, evaluation, NAMES)
    assert read_metadata(several)["thresholds"] == dict(zip(NAMES, evaluation.measured.thresholds.tolist(), strict=True))
    assert "its F1 is best on these same validation images" in run.notes[0]
    assert run.notes[1].startswith("No validation image has the label c: the threshold there is 0.5")
    again = evaluate(several, labelled.take([3]))
    assert again.measured.thresholds.tolist() == evaluation.measured.thresholds.tolist() and np.isnan(again.metrics["map"])


def test_nothing_is_said_of_f1_where_no_image_has_a_label(several, labelled, tmp_path):
    run = RunFolder(tmp_path / "run")
    keep_thresholds(run, several, evaluate(several, labelled.take([3])), NAMES)
    assert len(run.notes) == 1 and run.notes[0].startswith("No validation image has the label a, b, c")


def test_one_label_and_several_are_not_compared(bundle, several, labelled):
    with pytest.raises(UserError, match=r"have several labels each, and .* predicts one label"):
        evaluate(bundle, labelled)
    with pytest.raises(UserError, match=r"have one label each, and .* predicts several labels"):
        evaluate(several, Index(NAMES, labelled.paths, np.zeros(4, np.int32)))


def measured(bundle, source, **options):
    options = EvaluateOptions(**options)
    return evaluate_data(bundle, read_data(str(source), read_metadata(bundle), options), options)


@pytest.mark.parametrize(("split", "count"), [("auto", 357), ("train", 1440), ("all", 1797)])
def test_images_in_memory_are_measured(small_classifier, tmp_path, split, count):
    names = tuple("210")
    bundle = export_classifier(small_classifier, tmp_path / "model", class_names=names, metadata={}, whole=True)
    result = measured(bundle, "digits", split=split)
    assert result.images < count / 3 and result.labels == names and result.evaluation.labels.max() == 2
    assert "images of 3, 4, 5, 6, 7, 8, 9, which the model does not know" in result.notes[-1]


def test_several_labels_are_measured_and_an_unknown_one_is_left_out(several, tmp_path, rng):
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)).save(tmp_path / f"{number}.png")
    table = tmp_path / "labels.csv"
    table.write_text("image,a,b,oak\n0.png,1,0,1\n1.png,1,1,0\n2.png,0,0,1\n")
    result = measured(several, table)
    assert list(result.metrics) == ["map", "macro_f1", "exact_match"] and result.images == 3
    assert result.evaluation.labels.tolist() == [[True, False, False], [True, True, False], [False, False, False]]
    assert "left out: 2 labels of oak, which the model does not know" in result.notes
    page = report_on(result, "T").write(tmp_path / "r.html", notes=[], metrics=result.metrics, config={}).read_text()
    assert "the validation images of its training" in page and "measured image" in page


def test_a_split_without_an_image_of_a_known_class_is_an_error(bundle, tmp_path):
    for name in ("train/a", "val/z"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name / "0.png")
    (tmp_path / "train" / "z").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "train" / "z" / "0.png")
    with pytest.raises(UserError, match="none of 1 images is of a class that"):
        measured(bundle, tmp_path)
