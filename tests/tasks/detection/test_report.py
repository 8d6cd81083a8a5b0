"""The report of a detector shows what it found, missed and invented; and names of strangers do nothing."""

import re

import numpy as np
import pytest

from tests.conftest import write_classes
from visionkit.data.index import Skipped
from visionkit.metrics.detection import Detections, GroundTruth, evaluate
from visionkit.tasks.detection.report import CURVES, AnchorScale, DetectionReport, write_detection_report
from visionkit.viz import plots

NAMES = ("<b>cell", "$^$ 猫", "unseen")
SIZE = (48, 64)
LEFT, RIGHT = [0.1, 0.1, 0.4, 0.5], [0.5, 0.1, 0.8, 0.5]
HISTORY = [
    {"phase": "all", "epoch": 1, "loss": 3.0, "box_loss": 1.0, "object_loss": 1.0, "class_loss": 1.0},
    {
        "phase": "all",
        "epoch": 2,
        "loss": 2.0,
        "box_loss": 1.0,
        "object_loss": 0.5,
        "class_loss": 0.5,
        "val_map50": 0.4,
        "val_map": 0.2,
    },
]
TRUTH = [GroundTruth(np.array([LEFT, RIGHT]), np.array([0, 1]), SIZE)] * 3
PERFECT = [Detections(one.boxes, np.array([0.9, 0.8]), one.classes) for one in TRUTH]
WRONG = [
    PERFECT[0],
    Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)),
    Detections(np.array([LEFT, RIGHT]), np.array([0.9, 0.95]), np.array([0, 2])),
]
SCALES = (AnchorScale(8, np.array([[10, 12], [20, 30]]), 30, 2), AnchorScale(16, np.array([[60.0, 80.0]]), 9, 1))


def report(folder, found=PERFECT, truth=TRUTH, names=NAMES, **changes) -> DetectionReport:
    paths = [str(path) for path in sorted(write_classes(folder, {"<script>x": 3}).rglob("*.jpg"))][: len(truth)]
    measured = evaluate(truth, found, names)
    options = {
        "title": "A <run>",
        "sentences": ["It went <well>."],
        "metrics": measured.numbers(),
        "history": HISTORY,
        "measured": measured,
        "paths": paths,
        "truth": truth,
        "found": found,
        "skipped": [Skipped("evil<script>.jpg", "empty file")],
        "config": {"epochs": 2},
        "train_counts": np.arange(5, 5 + len(names)),
    }
    return DetectionReport(**(options | changes))


def page_of(given, folder) -> str:
    return write_detection_report(given, folder / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("names", [(), NAMES])
def test_a_run_without_anything_has_a_page(tmp_path, names):
    page = page_of(report(tmp_path, [], [], names, history=[], skipped=[]), tmp_path)
    assert "everything was found" in page and "every file could be read" in page
    assert "Training</h2>" not in page and "Anchors</h2>" not in page and "data:image" not in page


def test_a_perfect_run_shows_images_and_no_faults(tmp_path):
    page = page_of(report(tmp_path), tmp_path)
    assert "everything was found" in page and page.count("data:image/jpeg") == 3 and "Other images" in page
    assert page.count("data:image/png") == 2  # history, precision over recall
    assert [path.name for path in tmp_path.glob("*r.html*")] == ["r.html"]


def test_the_worst_image_comes_first_and_says_what_is_wrong(tmp_path):
    page = page_of(report(tmp_path, WRONG), tmp_path)
    says = re.findall(r"<figcaption>(.*?)<br>", page)
    assert says == ["2 missed", "1 found, 1 of a wrong class", "2 found"]
    assert "2 of 3 validation images have something" in page


def test_the_matrix_and_the_table_are_what_was_measured(tmp_path):
    given = report(tmp_path, WRONG)
    page = page_of(given, tmp_path)
    cells = [int(cell or 0) for cell in re.findall(r'<td class="(?:right|wrong)".*?>(\d*)</td>', page, re.DOTALL)]
    assert cells == given.measured.matrix.ravel().tolist()
    last = page[page.index("unseen</td>") :].split("</tr>")[0]
    assert re.findall(r'<td class="n">(.*?)</td>', last) == ["7", "0", "", "", "0.000", "", "", ""]


def test_anchors_are_shown_where_there_are_any(tmp_path):
    sides = np.array([[5.0, 8.0], [40.0, 30.0]])
    page = page_of(report(tmp_path, scales=SCALES, sides=sides, unmatched=4), tmp_path)
    assert "Of 18 training objects, 4 fit no anchor and\n  3 share" in page and "10 x 12, 20 x 30" in page
    assert page.count("data:image/png") == 3


def test_more_objects_than_count_are_spoken_of(tmp_path):
    low = np.stack(np.meshgrid(np.arange(12), np.arange(10)), axis=-1).reshape(-1, 2) / 12
    crowd = GroundTruth(np.concatenate([low, low + 0.05], axis=1), np.zeros(120, int), SIZE)
    page = page_of(report(tmp_path, [Detections(crowd.boxes, np.linspace(0.1, 1, 120), crowd.classes)], [crowd]), tmp_path)
    assert "up to 120\n  objects of a class; the 100 surest" in page and "100 found, 20 missed" in page


def test_names_are_escaped_and_nothing_comes_from_outside(tmp_path):
    page = page_of(report(tmp_path, WRONG), tmp_path)
    assert "<script>" not in page and "<b>cell" not in page and "<run>" not in page and "$^$ 猫" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_a_image_that_is_gone_is_named(tmp_path):
    page = page_of(report(tmp_path, paths=["gone.jpg"] * 3), tmp_path)
    assert page.count("gone.jpg") == 3 and "data:image/jpeg" not in page


def test_epochs_that_were_not_validated_are_passed_over():
    assert plots.curves(HISTORY[:1], CURVES).startswith(b"\x89PNG")
    assert plots.curves([row | {"val_map": None} for row in HISTORY], CURVES).startswith(b"\x89PNG")


def test_many_classes_and_no_boxes_can_be_drawn():
    assert plots.precision_recall(np.ones((50, 101)), ()).startswith(b"\x89PNG")
    assert plots.anchors([("s", np.array([[3.0, 4.0]]))], np.zeros((0, 2))).startswith(b"\x89PNG")
