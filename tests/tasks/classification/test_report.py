"""The report of a classifier shows the run, and markup in file names does nothing."""

import re
from pathlib import Path

import numpy as np
from sklearn.metrics import confusion_matrix

from tests.conftest import write_classes
from visionkit.data.index import Index, Skipped
from visionkit.metrics.multi_label import multi_label_metrics
from visionkit.tasks.classification.evaluate import Evaluation
from visionkit.tasks.classification.report import report

HISTORY = [
    {"phase": phase, "epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": 2 / e, "val_accuracy": 0.4}
    for phase in ("head", "last")
    for e in (1, 2)
]
LABELS = np.array([0, 0, 1, 1])
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]])


def page_of(folder: Path, *, class_names=("<b>blue", "red"), probabilities=PROBABILITIES, history=HISTORY, **options) -> str:
    """The page of a run on four validation images."""
    names = [str(path) for path in sorted(write_classes(folder, {"<b>blue": 2, "red": 2}).rglob("*.jpg"))]
    train = Index(class_names, ("x",) * 11, np.array([0] * 5 + [1] * 6, np.int32))
    evaluation = Evaluation({"accuracy": 0.75}, names, LABELS, probabilities)
    skipped = [Skipped("evil<script>.jpg", "empty file")]
    written = report(evaluation, train, history, **({"title": "A run", "skipped": skipped} | options))
    path = written.write(folder / "r.html", notes=["It went <well>."], metrics=evaluation.metrics, config={"epochs": 2})
    return path.read_text(encoding="utf-8")


def test_a_run_without_history_mistakes_or_skipped_files_has_a_page(tmp_path):
    page = page_of(tmp_path, history=[], probabilities=np.eye(2)[LABELS], skipped=())
    assert "every validation image is classified correctly" in page and "every file could be read" in page
    assert "Training</h2>" not in page


def test_the_page_shows_curves_classes_mistakes_skipped_files_and_configuration(tmp_path):
    page = page_of(tmp_path)
    assert (
        page.count("data:image/png") == 2
        and "calibration error, the mean distance" in page
        and page.count("data:image/jpeg") == 1
    )
    assert "red 80%" in page and "0.75" in page and "empty file" in page and "epochs" in page
    assert "1 of 4 validation images" in page
    assert [path.name for path in tmp_path.glob("*r.html*")] == ["r.html"]


def test_names_are_escaped(tmp_path):
    page = page_of(tmp_path)
    assert "<script>" not in page and "<b>blue" not in page and "&lt;b&gt;blue" in page


def test_the_page_needs_nothing_from_outside(tmp_path):
    assert re.findall(r'(?:src|href)="(?!data:)', page_of(tmp_path)) == []


def test_the_surest_mistake_comes_first(tmp_path):
    probabilities = np.array([[0.4, 0.6], [0.01, 0.99], [0.7, 0.3], [0.1, 0.9]])
    page = page_of(tmp_path, probabilities=probabilities)
    assert page.index("red 99%") < page.index("blue 70%") < page.index("red 60%")


def test_the_confusion_matrix_counts_predictions_by_true_class(tmp_path):
    page = page_of(tmp_path)
    cells = [int(cell or 0) for cell in re.findall(r'<td class="(?:right|wrong)".*?>(\d*)</td>', page, re.DOTALL)]
    assert cells == confusion_matrix(LABELS, PROBABILITIES.argmax(axis=1)).ravel().tolist()


def test_names_with_dollars_and_of_any_script_are_drawn(tmp_path):
    page = page_of(tmp_path, class_names=("$^$", "猫"))
    assert "$^$" in page and "猫" in page


def test_many_classes_have_no_matrix(tmp_path):
    many = 61
    names = tuple(f"class {i}" for i in range(many))
    assert "Confusion matrix" not in page_of(tmp_path, class_names=names, probabilities=np.eye(many)[[0, 1, 2, 3]])


def test_images_in_memory_are_shown(tmp_path, rng):
    train = Index(("a", "b"), ("x",) * 2, np.array([0, 1], np.int32))
    names = [f"validation image {number}" for number in range(4)]
    evaluation = Evaluation({}, names, LABELS, PROBABILITIES, rng.integers(0, 256, (4, 8, 8), np.uint8))
    wrong = report(evaluation, train, [], title="x").shown["wrong"]
    assert [each["path"] for each in wrong] == ["validation image 1"] and wrong[0]["image"].startswith("data:image/jpeg")


def several(folder: Path, scores) -> str:
    """The page of a run on three validation images with several labels: of classes 0 and 1, of class 0, of none."""
    names = [str(path) for path in sorted(write_classes(folder, {"x": 3}).rglob("*.jpg"))]
    truth, scores = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0]], bool), np.array(scores, float)
    measured = multi_label_metrics(truth, scores, [0.5, 0.25, 0.5])
    train = Index(("<b>red", "green", "blue"), ("x",) * 3, np.full(3, -1, np.int32), label_sets=truth)
    evaluation = Evaluation(measured.numbers(), names, truth, scores, measured=measured)
    history = [{"phase": "head", "epoch": 1, "loss": 0.5, "val_loss": 0.5, "val_map": 0.5}]
    written = report(evaluation, train, history, title="Several")
    return written.write(folder / "r.html", notes=[], metrics=evaluation.metrics, config={}).read_text(encoding="utf-8")


def test_the_page_of_several_labels_has_thresholds_and_no_confusion_matrix(tmp_path):
    page = several(tmp_path, [[0.9, 0.3, 0.1], [0.8, 0.1, 0.1], [0.2, 0.1, 0.1]])
    assert "all labels of every validation image are right" in page and "Confusion matrix" not in page
    assert '<td class="n">0.250</td>' in page and "no label, and none predicted" in page and page.count("data:image/jpeg") == 3
    assert "nan" not in page and "<b>red" not in page


def test_images_with_wrong_labels_come_first_by_their_loss(tmp_path):
    page = several(tmp_path, [[0.9, 0.2, 0.1], [0.8, 0.1, 0.99], [0.2, 0.1, 0.1]])
    assert "2 of 3 validation images have a label that is missed, or one too many" in page
    assert page.index("blue 99%") < page.index("green 20%") < page.index("no label, and none predicted")
    assert "</span> missed" in page and "is not its label" in page
