"""The report shows what happened, and what a stranger put into a file name does nothing."""

import re

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from tests.conftest import write_classes
from visionkit.data.index import Skipped
from visionkit.tasks.classification.report import ClassificationReport, write_report
from visionkit.viz import plots
from visionkit.viz.labels import draw_label, drawing_names

HISTORY = [
    {"phase": phase, "epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": 2 / e, "val_accuracy": 0.4}
    for phase in ("head", "last")
    for e in (1, 2)
]


def report(folder, **changes) -> ClassificationReport:
    paths = [str(path) for path in sorted(write_classes(folder, {"<b>blue": 2, "red": 2}).rglob("*.jpg"))]
    options = {
        "title": "A run",
        "sentences": ["It went <well>."],
        "metrics": {"accuracy": 0.75},
        "history": HISTORY,
        "class_names": ("<b>blue", "red"),
        "paths": paths,
        "truth": np.array([0, 0, 1, 1]),
        "probabilities": np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]]),
        "skipped": [Skipped("evil<script>.jpg", "empty file")],
        "config": {"epochs": 2},
        "train_counts": np.array([5, 6]),
    }
    return ClassificationReport(**(options | changes))


def test_a_run_without_history_mistakes_or_skipped_files_has_a_page(tmp_path):
    perfect = np.eye(2)[[0, 0, 1, 1]]
    page = write_report(report(tmp_path, history=[], skipped=[], probabilities=perfect), tmp_path / "r.html").read_text()
    assert "every validation image was answered right" in page and "every file could be read" in page
    assert "Training</h2>" not in page


def test_the_page_shows_curves_classes_mistakes_skipped_files_and_configuration(tmp_path):
    page = write_report(report(tmp_path), tmp_path / "r.html").read_text()
    assert page.count("data:image/png") == 1 and page.count("data:image/jpeg") == 1
    assert "red 80%" in page and "0.75" in page and "empty file" in page and "epochs" in page
    assert [path.name for path in tmp_path.glob("*r.html*")] == ["r.html"]


def test_names_are_escaped(tmp_path):
    page = write_report(report(tmp_path), tmp_path / "r.html").read_text()
    assert "<script>" not in page and "<b>blue" not in page and "&lt;b&gt;blue" in page


def test_the_page_needs_nothing_from_outside(tmp_path):
    page = write_report(report(tmp_path), tmp_path / "r.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_the_surest_mistake_comes_first(tmp_path):
    probabilities = np.array([[0.4, 0.6], [0.01, 0.99], [0.7, 0.3], [0.1, 0.9]])
    page = write_report(report(tmp_path, probabilities=probabilities), tmp_path / "r.html").read_text()
    assert page.index("red 99%") < page.index("blue 70%") < page.index("red 60%")


def test_the_matrix_counts_what_was_taken_for_what(tmp_path):
    page = write_report(report(tmp_path), tmp_path / "r.html").read_text()
    cells = [int(cell or 0) for cell in re.findall(r'<td class="(?:right|wrong)".*?>(\d*)</td>', page, re.DOTALL)]
    given = report(tmp_path)
    assert cells == confusion_matrix(given.truth, given.probabilities.argmax(axis=1)).ravel().tolist()


def test_names_with_dollars_and_of_any_script_are_drawn(tmp_path):
    page = write_report(report(tmp_path, class_names=("$^$", "猫")), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "$^$" in page and "猫" in page


def test_many_classes_have_no_matrix(tmp_path):
    many = 61
    page = write_report(
        report(
            tmp_path,
            class_names=tuple(f"class {i}" for i in range(many)),
            probabilities=np.eye(many)[[0, 1, 2, 3]],
            train_counts=np.ones(many, int),
        ),
        tmp_path / "r.html",
    ).read_text()
    assert "What was taken for what" not in page


def test_figures_are_pngs():
    assert plots.curves(HISTORY).startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(1, 1), (20, 400), (300, 20)])
def test_a_drawing_holds_the_image_and_its_lines(shape):
    pixels = np.full((*shape, 3), 200, np.uint8)
    drawing = draw_label(pixels, ["cat  93.1%", "dog  4.2%"])
    assert drawing.height > shape[0] and drawing.width >= shape[1]
    left = (drawing.width - shape[1]) // 2
    assert (np.asarray(drawing)[: shape[0], left : left + shape[1]] == 200).all()


def test_drawings_of_one_name_get_numbers():
    assert drawing_names([]) == []
    assert drawing_names(["a/cat.jpg", "b/cat.png", "dog.gif", "cat_2.jpg"]) == [
        "cat.png",
        "cat_2.png",
        "dog.png",
        "cat_2_2.png",
    ]
