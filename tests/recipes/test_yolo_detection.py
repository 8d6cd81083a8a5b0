"""The recipe for detection as a person runs it: smoke, boxes of all kinds, an interruption, bad input."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.recipes.conftest import SMALL_BASE
from visionkit.data import sources
from visionkit.data.images.scan import scan
from visionkit.data.splits import train_and_val
from visionkit.tasks.detection import train
from visionkit.tasks.detection.evaluate import evaluate

RECIPE = Path(__file__).parents[2] / "recipes" / "yolo_detection.py"
QUICK = ("--size", 64, *SMALL_BASE, "--batch-size", 4)


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


def write_boxes(folder, boxes_of, *, size=(80, 96), split="train"):
    """YOLO data of one class a label, on noise."""
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(boxes_of):
        pixels = rng.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "images" / split / f"{number}.png")
        (folder / "labels" / split / f"{number}.txt").write_text("".join(f"{' '.join(map(str, row))}\n" for row in rows))
    names = sorted({int(row[0]) for rows in boxes_of for row in rows} | {0})
    listed = "".join(f"  {name}: kind_{name}\n" for name in range(max(names) + 1))
    (folder / "data.yaml").write_text(f"path: .\ntrain: images/train\nval: images/val\nnames:\n{listed}")
    return folder


def test_the_bundle_has_the_threshold_and_the_litert_model_the_precision_of_the_recipe(smoke_run):
    done = smoke_run("yolo_detection")
    assert done.metrics["litert_map50"] == pytest.approx(done.metrics["map50"], abs=0.005)
    assert visionkit.load(done.out).threshold == pytest.approx(done.metrics["threshold"])
    plan = json.loads((done.out / "plan.json").read_text())
    assert len(plan["data"]["train"]["boxes"]) == len(plan["data"]["train"]["paths"]) == 24
    page = (done.out / "report.html").read_text()
    assert all(heading in page for heading in ("Anchors", "Confusion matrix", "Classes", "Configuration"))
    rows = list(csv.DictReader((done.out / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"] and rows[-1]["val_map50"]


def write_strange(folder, *, val):
    """Images without objects, with 300, with one at the border, with one that is smaller than a cell; one class."""
    rng = np.random.default_rng(1)
    crowd = [(0, *rng.uniform(0.1, 0.9, 2), 0.05, 0.05) for _ in range(300)]
    strange = [[], crowd, [(0, 0.98, 0.98, 0.2, 0.2)], [(0, 0.5, 0.5, 0.01, 0.01)], [(0, 0.5, 0.5, 1.0, 1.0)]]
    data = write_boxes(folder, strange)
    write_boxes(data, strange if val else [[], []], split="val")
    (data / "images" / "train" / "broken.jpg").write_bytes(b"no image")
    (data / "labels" / "train" / "broken.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    return data


@pytest.mark.exhaustive
def test_strange_boxes_are_all_trained_on_also_after_an_interruption(run, tmp_path, monkeypatch):
    data = write_strange(tmp_path / "data", val=True)
    val = scan(train_and_val(sources.read(data), seed=0).val)
    out, calls = tmp_path / "run", []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    measure = train.measure
    monkeypatch.setattr(train, "measure", interrupted)
    done = run("--data", data, "--epochs", 3, "--out", out, *QUICK)
    assert done.returncode == 130 and f"--resume {out}" in done.stderr
    assert "broken.jpg" in done.stdout and "1 classes" in done.stdout

    for label in (data / "labels").rglob("*.txt"):
        label.write_text("")  # what is on disk now is not what the run was begun with
    resumed = run("--resume", out)
    assert resumed.returncode == 0, resumed.stderr
    assert "Resumed after epoch 1" in resumed.stdout + resumed.stderr
    rows = csv.DictReader((out / "history.csv").read_text().splitlines())
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert evaluate(out / "model", val).measured.map50 == pytest.approx(metrics["map50"], abs=1e-6)


def test_strange_boxes_are_trained_on_and_without_boxes_in_validation_nothing_is_claimed(run, tmp_path):
    data = write_strange(tmp_path / "data", val=False)
    out = tmp_path / "run"
    done = run("--data", data, "--epochs", 1, "--out", out, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "broken.jpg" in done.stdout and "1 classes" in done.stdout
    (row,) = csv.DictReader((out / "history.csv").read_text().splitlines())
    assert np.isfinite(float(row["loss"]))
    notes = json.loads((out / "notes.json").read_text())
    note = (
        "Note: the validation images have no boxes: nothing can be measured, and the threshold stays at its default; move some "
        f"annotated images there ({data / 'images' / 'val'})."
    )
    assert note in notes[:4]
    assert (
        "The bundle was not measured, since the validation images have no boxes. Its threshold, 0.500, is the default." in notes
    )
    assert "map50 not measured in" in done.stdout
    page = (out / "report.html").read_text()
    metrics = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert (metrics["map50"], metrics["map"], metrics["threshold"]) == (None, None, 0.5) and "precision" not in metrics
    assert json.loads((out / "model" / "assets.extra" / "bundle.json").read_text(), parse_constant=pytest.fail)
    assert "not measured" in page and not any("F1 is best" in text or " nan" in text for text in (*notes, done.stdout))
    assert "F1 of all" not in page


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--data", "{empty}"), "no layout that is known"),
        (("--data", "{classes}"), "has no boxes: expected VOC, COCO or YOLO"),
        (("--model", "yolo_nona"), "did you mean 'yolo_nano'"),
        (("--base", "efficientnet_lite9"), "did you mean 'efficientnet_lite"),
        (("--size", "100"), "expected a multiple of 32"),
        (("--weights", "nowhere.h5"), "no such file"),
    ],
    ids=["an empty folder", "labels alone", "no such detector", "no such base", "an odd size", "no such weights"],
)
def test_bad_input_ends_in_one_line(run, tmp_path, arguments, says):
    (tmp_path / "empty").mkdir()
    for name in ("a", "b"):
        (tmp_path / "classes" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (32, 32)).save(tmp_path / "classes" / name / f"{number}.png")
    arguments = [argument.format(empty=tmp_path / "empty", classes=tmp_path / "classes") for argument in arguments]
    done = run("--out", tmp_path / "run", *arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ") and says in done.stderr
