"""The page of a run: images with the ground truth and the predictions."""

from pathlib import Path

import numpy as np
import pytest

from tests.tasks.localization.test_evaluate import FULL, index_of, objects
from visionkit.data.index import NO_OBJECTS, Index, Skipped
from visionkit.data.splits import Splits
from visionkit.tasks.localization import report
from visionkit.tasks.localization.evaluate import evaluate
from visionkit.viz.report import Report

POINTS = [[0.25, 0.5, 2], [0.75, 0.6, 2]]
HISTORY = [{"phase": "training", "epoch": 1, "loss": 1.0, "val_loss": 2.0}]


@pytest.fixture
def val(tmp_path) -> Index:
    """An object that the localizer finds, and an image on which it imagines one."""
    return index_of(tmp_path / "val", (250, objects(FULL, 1, POINTS)), (250, NO_OBJECTS))


def written(page: Report, path: Path) -> str:
    return page.write(path, notes=[], metrics={"accuracy": 0.5}, config={}).read_text()


def test_without_images_there_is_a_page(tmp_path):
    skipped = [Skipped("gone.png", "no such file")]
    page = report.gallery_report("Title", [report.Gallery("Windows", "None.", [])], [], columns=("loss",), skipped=skipped)
    text = written(page, tmp_path / "report.html")
    assert "<h1>Title</h1>" in text and "Windows" in text and "gone.png" in text and "data:image/" not in text


def test_a_gallery_shows_images_with_captions_and_curves_of_both_splits(tmp_path):
    figures = [(np.zeros((40, 60, 3), np.uint8), "<first>")]
    gallery = report.Gallery("Windows", "What they show.", figures)
    text = written(report.gallery_report("Title", [gallery], HISTORY, columns=("loss",), skipped=[]), tmp_path / "report.html")
    assert text.count("data:image/jpeg") == 1 and "&lt;first&gt;" in text and "What they show." in text
    assert text.count("data:image/png") == 1


def test_objects_are_shown_first_ones_and_worst_ones(localizer_bundle, val, tmp_path):
    page = report.report(evaluate(localizer_bundle, val, val), Splits(val, val), HISTORY)
    first, worst = page.shown["galleries"]
    captions = [caption for _, caption in first.figures]
    assert captions == ["an object: 100%, IoU 1.00", "an object: 100%, none is there"]
    assert [caption for _, caption in worst.figures] == captions[::-1]
    assert written(page, tmp_path / "report.html").count("data:image/jpeg") == 4
    assert page.title == "Localization: object"


def test_landmarks_are_shown_and_a_vanished_image_is_left_out(landmark_bundle, val, tmp_path):
    faces = index_of(tmp_path / "faces", *[(0, objects(FULL, 0, POINTS))] * 3)
    evaluation = evaluate(landmark_bundle, faces, faces)
    Path(faces.paths[1]).unlink()
    page = report.report(evaluation, Splits(faces, faces), HISTORY)
    first, worst = page.shown["galleries"]
    assert len(first.figures) == len(worst.figures) == 2
    assert all(caption.startswith("error 0.0") for _, caption in first.figures)
    assert written(page, tmp_path / "report.html").count("data:image/jpeg") == 4
    assert page.title == "Localization: landmarks"
