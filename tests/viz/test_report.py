"""Figures and drawings; the pages of reports are tested with the tasks that fill them."""

import re
from pathlib import Path

import numpy as np
import pytest

import visionkit
from visionkit.viz import plots
from visionkit.viz.labels import draw_label
from visionkit.viz.report import MAX_OTHERS, MAX_WORST, class_list, worst_and_others

PACKAGE = Path(visionkit.__file__).parent
TEMPLATES = sorted(path for path in PACKAGE.rglob("*.html.j2") if '{% extends "base.html.j2" %}' in path.read_text())
HISTORY = [
    {"phase": phase, "epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": 2 / e, "val_accuracy": 0.4}
    for phase in ("head", "last")
    for e in (1, 2)
]


def test_figures_are_pngs():
    assert plots.curves(HISTORY).startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(1, 1), (20, 400), (300, 20)])
def test_a_drawing_holds_the_image_and_its_lines(shape):
    pixels = np.full((*shape, 3), 200, np.uint8)
    drawing = draw_label(pixels, ["cat  93.1%", "dog  4.2%"])
    assert drawing.height > shape[0] and drawing.width >= shape[1]
    left = (drawing.width - shape[1]) // 2
    assert (np.asarray(drawing)[: shape[0], left : left + shape[1]] == 200).all()


def test_the_pages_of_all_tasks_are_swept():
    assert {path.parent for path in (PACKAGE / "tasks").glob("*/predict.py")} <= {path.parent for path in TEMPLATES}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.parent.name)
def test_a_page_fills_blocks_of_the_base_alone(template):
    """Jinja2 silently leaves out what stands in a block of another name."""
    base, filled = (
        set(re.findall(r"{% block (\w+)", path.read_text())) for path in (PACKAGE / "viz" / "base.html.j2", template)
    )
    assert filled and filled <= base


def test_a_title_names_the_first_six_classes():
    assert class_list(("a",)) == "a" and class_list("abcdef") == "a, b, c, d, e, f"
    assert class_list("abcdefg", "; ") == "a; b; c; d; e; f; ..."


def test_the_worst_images_are_shown_and_some_others():
    assert worst_and_others(np.zeros(0)) == (0, [], [])
    assert worst_and_others(np.array([0, 2, 0, 3])) == (2, [3, 1], [0, 2])
    num_wrong, worst, others = worst_and_others(np.arange(100)[::-1] / 100)
    assert num_wrong == 99 and worst == list(range(MAX_WORST)) and others[0] == MAX_WORST and others[-1] == 99
    assert len(others) == MAX_OTHERS
