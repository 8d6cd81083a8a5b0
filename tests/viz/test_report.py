"""Figures and drawings; the pages of reports are tested with the tasks that fill them."""

import re
from pathlib import Path

import numpy as np
import pytest

import visionkit
from visionkit.printable import metric_text
from visionkit.viz import plots
from visionkit.viz.labels import draw_label
from visionkit.viz.report import (
    MAX_OTHERS,
    MAX_WORST,
    Report,
    Status,
    class_list,
    measure_panels,
    worst_and_others,
)

PACKAGE = Path(visionkit.__file__).parent
TEMPLATES = sorted(path for path in PACKAGE.rglob("*.html.j2") if '{% extends "base.html.j2" %}' in path.read_text())
HISTORY = [
    {"phase": phase, "epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": 2 / e, "val_accuracy": 0.4}
    for phase in ("head", "last")
    for e in (1, 2)
]


def test_figures_are_pngs():
    assert plots.curves(HISTORY).startswith(b"\x89PNG")


def drawn(monkeypatch, history, panels=plots.CLASSIFICATION):
    """The axes of the curves of a history."""
    figures = []
    monkeypatch.setattr(plots, "to_png", figures.append)
    plots.curves(history, panels)
    return figures[0].axes


def test_a_single_epoch_is_drawn_as_points_with_their_values(monkeypatch):
    loss, accuracy = drawn(monkeypatch, HISTORY[:1])
    assert [line.get_markersize() for line in loss.lines[:2]] == [8, 8] and loss.lines[0].get_marker() == "o"
    assert [text.get_text() for text in loss.texts][:2] == ["1", "2"] and "0.5" in [text.get_text() for text in accuracy.texts]
    low, high = loss.get_ylim()
    assert low < 1 < 2 < high  # neither lies on the border


def test_several_epochs_have_small_points_and_no_values(monkeypatch):
    loss, _ = drawn(monkeypatch, HISTORY)
    assert loss.lines[0].get_markersize() == 3 and [text.get_text() for text in loss.texts] == ["head", "last"]


def test_without_a_choice_each_measure_is_drawn_with_that_of_validation(monkeypatch):
    assert measure_panels([]) is None
    rows = [{"phase": "a", "epoch": 1, "box_loss": 2.0, "loss": 3.0, "val_map50": 0.5, "seconds": 1.0}]
    assert measure_panels(rows) == {
        "loss": {"training": "loss"},
        "box loss": {"training": "box_loss"},
        "map50": {"validation": "val_map50"},
    }
    assert len(measure_panels([{f"m{n}": 1.0 for n in range(9)}])) == 4


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("accuracy", 0.9666666865, "0.9667"),
        ("accuracy", None, "not measured"),
        ("accuracy", 1.0, "1"),
        ("style_loss", 123456.7, "123,457"),
        ("seconds", 95.3, "1 min 35 s"),
    ],
)
def test_metrics_have_sensible_digits(name, value, text):
    assert metric_text(name, value) == text


def test_the_page_of_a_run_that_is_not_finished(tmp_path):
    options = {"notes": ["A <note>."], "metrics": {}, "config": {"seed": "0"}, "facts": {"device": "CPU"}}
    phases = {"head": {"epochs": 2, "steps_per_epoch": 1200, "batch_size": None, "learning_rate": 0.001, "weights_trained": 5}}
    for reload in (10, None):
        status = Status("Epoch 1 is running.", "2026-11-30 12:00:00", "visionkit train x --resume 'a run'", reload)
        page = Report("Title", None, {}, [], ()).write(
            tmp_path / "page.html", **options, phases=phases, status=status, warning="Meaningless."
        )
        text = page.read_text()
        assert ('<meta http-equiv="refresh" content="10">' in text) == (reload is not None)
        for part in (
            "Epoch 1 is running.",
            "2026-11-30 12:00:00",
            "--resume &#39;a run&#39;",
            "A &lt;note&gt;.",
            "Meaningless.",
        ):
            assert part in text
        assert "1,200" in text and "<td>device</td>" in text and "Skipped files" not in text and "None" not in text


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
