"""The report of segmentation shows what is in the masks, and what was taken for what; and names of strangers do nothing."""

import re
from typing import NamedTuple

import numpy as np
import pytest

from visionkit.data.index import IGNORE, Skipped
from visionkit.metrics.segmentation import segmentation_metrics
from visionkit.tasks.segmentation.evaluate import Comparison, Evaluation
from visionkit.tasks.segmentation.report import (
    LONGER_SIDE,
    LONGER_SIDE_OF_WIDE,
    MISTAKE,
    _resized,
    draw_mistakes,
    report,
)
from visionkit.viz.report import MAX_OTHERS, MAX_WORST, Report

NAMES = ("Background", "<b>cat", "$^$ 猫")
MATRIX = np.array([[6_000_000_000, 2_000_000_000, 1], [1_000_000_000, 3_000_000_000, 0], [0, 0, 0]])
HISTORY = [
    {"phase": "all", "epoch": 1, "loss": 3.0},
    {"phase": "all", "epoch": 2, "loss": 2.0, "val_mean_iou": 0.5, "val_pixel_error": 0.1, "seconds": 1.0},
]
SKIPPED = [Skipped("evil<script>.png", "empty file")]


class Data(NamedTuple):
    """What the report needs of ``SegmentationData``."""

    class_names: tuple[str, ...]
    class_counts: np.ndarray
    skipped: list[Skipped]


def comparison(shape=(30, 40), wrong=0) -> Comparison:
    truth = np.zeros(shape, np.uint8)
    truth[:, shape[1] // 2 :] = 1
    prediction = truth.copy()
    prediction.ravel()[:wrong] = 1
    return Comparison(np.full((*shape, 3), 120, np.uint8), truth, prediction)


def report_of(
    errors=(0.0, 0.25, 0.1), names=NAMES, *, folder="<script>", matrix=MATRIX, history=HISTORY, skipped=SKIPPED, **changes
) -> Report:
    options = {
        "metrics": {"mean_iou": 0.5},
        "measured": segmentation_metrics(matrix[: len(names), : len(names)], names),
        "names": [f"{folder}{number}.png" for number in range(len(errors))],
        "errors": np.array(errors),
        "compare": lambda number: comparison(),
    }
    data = Data(names, np.array([75, 25, 0])[: len(names)] * matrix.any(), skipped)
    return report(Evaluation(**(options | changes)), data, history)


def page_of(written: Report, folder) -> str:
    options = {"notes": ["It went <well>."], "metrics": {"mean_iou": 0.5}, "config": {"epochs": 2}}
    return written.write(folder / "r.html", **options).read_text(encoding="utf-8")


@pytest.mark.parametrize("names", [(), NAMES])
def test_a_run_without_anything_has_a_page(tmp_path, names):
    page = page_of(report_of((), names, history=[], skipped=[], matrix=np.zeros((3, 3), np.int64)), tmp_path)
    assert "every pixel of every validation image was predicted right" in page and "every file could be read" in page
    assert "Training</h2>" not in page and "data:image" not in page


def test_the_worst_image_comes_first_and_then_others(tmp_path):
    page = page_of(report_of(), tmp_path)
    assert re.findall(r"<figcaption>(.*?)<br>", page) == [
        f"{share} of the pixels are wrong" for share in ("25.00%", "10.00%", "0.00%")
    ]
    assert "2 of 3 validation images have wrong pixels" in page and "Other images" in page
    assert page.count("data:image/jpeg") == 9 and page.count("data:image/png") == 1
    assert [path.name for path in tmp_path.glob("*r.html*")] == ["r.html"]


def test_only_images_that_are_shown_are_opened(tmp_path):
    opened = []

    def compare(number):
        opened.append(number)
        return comparison((10, 10))

    errors = np.linspace(0, 1, 100)
    page_of(report_of(errors, folder="", compare=compare), tmp_path)
    assert opened[:MAX_WORST] == list(range(99, 99 - MAX_WORST, -1))
    assert opened[MAX_WORST] == 99 - MAX_WORST and opened[-1] == 0 and len(opened) == MAX_WORST + MAX_OTHERS


def test_the_table_and_the_matrix_are_what_was_counted(tmp_path):
    page = page_of(report_of(boundary_f1=np.array([0.5, 0.25, np.nan])), tmp_path)
    rows = [
        re.findall(r'<td class="n">(.*?)</td>', row) for row in re.findall(r'<tr><td><i class="swatch.*?</tr>', page, re.DOTALL)
    ]
    assert rows == [
        ["75.0", "66.7", "0.667", "0.800", "0.857", "0.750", "0.500"],
        ["25.0", "33.3", "0.500", "0.667", "0.600", "0.750", "0.250"],
        ["", "", "0.000", "0.000", "0.000", "", ""],
    ]
    cells = re.findall(r'<td class="(?:right|wrong)".*?>([^>]*)</td>', page, re.DOTALL)
    assert cells == ["75.0", "25.0", "&lt;0.1", "25.0", "75.0", "", "", "", ""]
    assert "boundary F1" in page and "boundary F1" not in page_of(report_of(), tmp_path)


@pytest.mark.parametrize(
    ("names", "background"),
    [(NAMES, (0,)), (("cell", "membrane"), (0,)), (("sky", "road", "car"), ()), (("a", "background"), (1,))],
)
def test_the_background_is_not_colored(names, background):
    classes = report_of(names=names).shown["classes"]
    assert tuple(number for number, row in enumerate(classes) if row["color"] is None) == background


def test_names_are_escaped_and_nothing_comes_from_outside(tmp_path):
    page = page_of(report_of(), tmp_path)
    assert "<script>" not in page and "<b>cat" not in page and "<well>" not in page and "$^$ 猫" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_an_image_that_is_gone_or_has_no_labels_is_named(tmp_path):
    page = page_of(report_of((0.2, np.nan), compare=lambda number: None), tmp_path)
    assert page.count("&lt;script&gt;0.png") == 1 and "no pixel has a label" in page and "data:image/jpeg" not in page


def test_mistakes_stand_out_and_what_is_ignored_is_none():
    image = comparison(wrong=5)
    image.truth[0, :2] = IGNORE
    drawn = draw_mistakes(image)
    assert (drawn == MISTAKE).all(axis=2).sum() == 3 and (drawn[0, 2:5] == MISTAKE).all()
    assert len(np.unique(drawn[1:].reshape(-1, 3), axis=0)) == 1


def test_masks_keep_their_classes_in_the_size_that_is_shown(tmp_path):
    image = comparison((1000, 900))
    image.truth[::2] = IGNORE
    small = _resized(image, LONGER_SIDE)
    assert small.pixels.shape == (360, 324, 3) and set(np.unique(small.truth)) <= {0, 1, IGNORE}
    assert _resized(comparison((30, 40)), LONGER_SIDE).prediction.shape == (270, 360)  # enlarged by a whole number
    assert _resized(comparison((1, 5000)), LONGER_SIDE_OF_WIDE).truth.shape == (1, LONGER_SIDE_OF_WIDE)
    page = page_of(report_of((0.1, 0.2), compare=lambda number: comparison((30, 90) if number else (30, 40))), tmp_path)
    assert page.count('class="three wide"') == 1 and page.count('class="three"') == 1
