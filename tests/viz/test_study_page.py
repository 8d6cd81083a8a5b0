"""The page of a search for hyperparameters."""

import pytest

from visionkit.viz import study_page
from visionkit.viz.study_page import best_so_far, history_figure, importance_figure, write_study_page


def row(number: int, value: float | None, state: str = "finished", **more) -> dict:
    known = {"number": number, "values": f"augment <{number}>", "state": state, "value": value, "metric": "accuracy"}
    return known | {"epochs": 3, "seconds": 1.5, "error": "", "is_best": False} | more


def page(path, trials, importances=(), **changes) -> str:
    options = {"title": "Search", "command": "visionkit train x", "model": "trial_001/model", "searched": "--augment (light)"}
    options |= {"caution": "It is optimistic.", "is_maximized": True, "importances": dict(importances)} | changes
    return write_study_page(path / "report.html", trials=trials, **options).read_text()


def test_a_page_without_trials(tmp_path):
    text = page(tmp_path, [], command=None, model=None, caution=None)
    assert "No trial has finished." in text and "<img" not in text and "nothing can be said" in text


def test_the_page_has_a_row_a_trial_the_best_command_and_the_figures(tmp_path):
    trials = [row(1, 0.5, is_best=True), row(2, 0.25, "pruned"), row(3, None, "failed", error="no <images>")]
    text = page(tmp_path, trials, {"--augment": 0.75, "--mix": 0.25})
    assert "<code>visionkit train x</code>" in text and "It is optimistic." in text and 'href="trial_001/model"' in text
    assert 'href="trial_001/report.html">1<' in text and "trial_002/" not in text
    assert text.count('<tr class="best">') == 1 and "0.2500" in text and "failed: no &lt;images&gt;" in text
    assert "augment &lt;1&gt;" in text and text.count("data:image/png;base64,") == 2


def test_the_best_so_far_is_drawn_up_to_the_last_trial():
    trials = [row(1, 0.5), row(2, 0.25), row(3, 0.9, "pruned"), row(4, 0.75), row(5, None, "failed")]
    assert best_so_far([], is_maximized=True) == ([], [])
    assert best_so_far(trials[4:], is_maximized=True) == ([], [])
    assert best_so_far(trials, is_maximized=True) == ([1, 2, 4, 5], [0.5, 0.5, 0.75, 0.75])
    assert best_so_far(trials, is_maximized=False) == ([1, 2, 4, 5], [0.5, 0.25, 0.25, 0.25])


@pytest.mark.parametrize("trials", [[row(1, None, "failed")], [row(1, 0.5)], [row(1, 0.5), row(2, 0.1, "pruned")]])
def test_figures_of_few_trials(trials):
    assert history_figure(trials, is_maximized=True).startswith(b"\x89PNG")


def test_importances_are_drawn_from_the_most_important_down(monkeypatch):
    drawn = []
    monkeypatch.setattr(study_page, "to_png", lambda figure: drawn.append(figure) or b"")
    importance_figure({"--augment": 0.25, "--mix": 0.75})
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == ["--augment", "--mix"]  # from below
