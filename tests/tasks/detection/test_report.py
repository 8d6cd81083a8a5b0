"""The report of a detector shows what it found, what it missed and what is false; names in the data can do no harm."""

import re

import numpy as np
import pytest

from tests.conftest import write_classes
from visionkit.data.images.scan import ImageInfo
from visionkit.data.index import Annotation, Index, Objects
from visionkit.data.splits import Splits
from visionkit.metrics.detection import GroundTruth, detection_metrics
from visionkit.ops.detections import Detections
from visionkit.ops.matching import Collisions
from visionkit.tasks.detection.evaluate import Evaluation
from visionkit.tasks.detection.plan import AnchorFit, Plan
from visionkit.tasks.detection.report import CURVES, report
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
PLAN = Plan(320, 2, [[[10 / 320, 12 / 320], [20 / 320, 30 / 320]], [[60 / 320, 80 / 320]]])
FIT = AnchorFit([Collisions(30, 2, 0), Collisions(9, 1, 0)], unmatched=4, num_images=3)


def train_index(names) -> Index:
    """One image with five objects of the first class, six of the second, ..."""
    classes = np.repeat(np.arange(len(names), dtype=np.int32), np.arange(5, 5 + len(names)))
    annotation = Annotation(Objects(np.tile([0.1, 0.1, 0.3, 0.5], (len(classes), 1)), classes))
    infos = (ImageInfo("", 1, *SIZE, plain_jpeg=False),)
    return Index(names, ("train.png",), np.full(1, -1, np.int32), infos, (annotation,))


def evaluation_of(folder, detections=PERFECT, truth=TRUTH, names=NAMES, paths=None) -> Evaluation:
    paths = paths or [str(path) for path in sorted(write_classes(folder, {"<script>x": 3}).rglob("*.jpg"))][: len(truth)]
    index = Index(names, tuple(paths), np.full(len(paths), -1, np.int32))
    return Evaluation(index, list(truth), list(detections), detection_metrics(truth, detections, names), None, 0.5)


def page_of(evaluation, folder, *, history=HISTORY, skipped=("evil<script>.jpg",), fit=None) -> str:
    data = Splits(train_index(evaluation.index.class_names), evaluation.index)
    for path in skipped:
        data.train.skipped.add(path, "empty file")
    page = report(evaluation, data, PLAN, history, fit)
    options = {"notes": ["It went <well>."], "metrics": evaluation.metrics, "config": {"model": "<run>"}}
    return page.write(folder / "r.html", **options).read_text(encoding="utf-8")


@pytest.mark.parametrize("names", [(), NAMES])
def test_a_run_without_anything_has_a_page(tmp_path, names):
    page = page_of(evaluation_of(tmp_path, [], [], names), tmp_path, history=[], skipped=())
    assert "have no boxes, and nothing was found" in page and "every file could be read" in page
    assert "Training</h2>" not in page and "Anchors</h2>" not in page and "data:image" not in page


def test_a_perfect_run_shows_images_and_no_faults(tmp_path):
    page = page_of(evaluation_of(tmp_path), tmp_path)
    assert "everything was found" in page and page.count("data:image/jpeg") == 3 and "Other images" in page
    assert page.count("data:image/png") == 3  # history, precision over recall, and over the threshold
    assert [path.name for path in tmp_path.glob("*r.html*")] == ["r.html"]


def test_the_worst_image_comes_first_and_its_caption_counts_the_mistakes(tmp_path):
    page = page_of(evaluation_of(tmp_path, WRONG), tmp_path)
    captions = re.findall(r"<figcaption>(.*?)<br>", page)
    assert captions == ["2 missed", "1 found, 1 of a wrong class", "2 found"]
    assert "2 of 3 validation images have missed objects or false detections" in page


def test_the_matrix_and_the_table_are_what_was_measured(tmp_path):
    evaluation = evaluation_of(tmp_path, WRONG)
    page = page_of(evaluation, tmp_path)
    cells = [int(cell or 0) for cell in re.findall(r'<td class="(?:right|wrong)".*?>(\d*)</td>', page, re.DOTALL)]
    assert cells == evaluation.measured.matrix.ravel().tolist()
    last = page[page.index("unseen</td>") :].split("</tr>")[0]
    assert re.findall(r'<td class="n">(.*?)</td>', last) == ["7", "0", "", "", "0.000", "", "", ""]


def test_anchors_are_shown_where_there_are_any(tmp_path):
    page = page_of(evaluation_of(tmp_path), tmp_path, fit=FIT)
    assert "Of 18 training objects, 4 fit no anchor and\n  3 share" in page and "10 x 12, 20 x 30" in page
    assert page.count("data:image/png") == 4


def test_images_with_more_objects_than_are_counted_are_mentioned(tmp_path):
    low = np.stack(np.meshgrid(np.arange(12), np.arange(10)), axis=-1).reshape(-1, 2) / 12
    crowd = GroundTruth(np.concatenate([low, low + 0.05], axis=1), np.zeros(120, int), SIZE)
    detections = [Detections(crowd.boxes, np.linspace(0.1, 1, 120), crowd.classes)]
    page = page_of(evaluation_of(tmp_path, detections, [crowd]), tmp_path)
    assert "up to 120\n  objects of a class; the 100 detections" in page and "100 found, 20 missed" in page


def test_names_are_escaped_and_nothing_comes_from_outside(tmp_path):
    page = page_of(evaluation_of(tmp_path, WRONG), tmp_path)
    assert "<script>" not in page and "<b>cell" not in page and "<run>" not in page and "$^$ 猫" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_an_image_that_is_gone_is_named(tmp_path):
    page = page_of(evaluation_of(tmp_path, paths=["gone.jpg"] * 3), tmp_path)
    assert page.count("gone.jpg") == 3 and "data:image/jpeg" not in page


def test_epochs_without_validation_are_left_out_of_the_curves():
    assert plots.curves(HISTORY[:1], CURVES).startswith(b"\x89PNG")
    assert plots.curves([row | {"val_map": None} for row in HISTORY], CURVES).startswith(b"\x89PNG")


def test_many_classes_and_no_boxes_can_be_drawn():
    for classes in (1, 50):
        assert plots.threshold_curves(np.full((classes + 1, 3, 101), np.nan), 0.5, ()).startswith(b"\x89PNG")
    assert plots.precision_recall(np.ones((50, 101)), ()).startswith(b"\x89PNG")
    assert plots.anchors([("s", np.array([[3.0, 4.0]]))], np.zeros((0, 2))).startswith(b"\x89PNG")
