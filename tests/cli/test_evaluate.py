"""``visionkit evaluate`` as a person calls it."""

import json
import re
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI, write_classes
from tests.tasks.detection.square_detector import image_of
from visionkit.tasks.classification.export import export_classifier

NAMES = ("red", "Blue", "green")


@pytest.fixture(scope="module")
def model(small_classifier, tmp_path_factory):
    return export_classifier(small_classifier, tmp_path_factory.mktemp("run") / "model", class_names=NAMES, metadata={})


@pytest.fixture
def run(program):
    return partial(program, CLI, "evaluate")


def accuracy_on(model, folder) -> float:
    results = list(visionkit.load(model).predict_many(folder))
    return np.mean([result.label.lower() in result.path for result in results])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Expected one model or several, and then the data"),
        (("data",), "Expected one model or several, and then the data"),
        (("nowhere", "data"), "nowhere is not a model that visionkit exported"),
        (("{model}", "nothere"), "nothere: no such file or folder. The last argument is the data"),
        (("{model}", "{squares}", "."), "cannot be measured on the same data: task is classification and detection"),
        (("{model}", ".", "--html", "."), "--html .: this is a folder"),
        (("{model}", ".", "--spilt", "val"), "has no option --spilt. Did you mean --split?"),
    ],
)
def test_bad_input_ends_in_one_line(run, model, square_bundle, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    done = run(*(argument.format(model=model, squares=square_bundle) for argument in arguments))
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1 and done.stdout == ""


def test_a_missing_model_and_missing_data_are_reported_before_anything_heavy_is_imported(model, tmp_path):
    for arguments in (["nowhere", str(tmp_path)], [str(model), "nothere"], ["--help"]):
        code = f"import sys; sys.argv = ['visionkit', 'evaluate', *{arguments}]\nfrom visionkit.cli import main\n"
        code += "try: main()\nexcept SystemExit: pass\n"
        code += "print('heavy', sorted({'tensorflow', 'keras', 'numpy', 'cv2'} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "heavy []"


def test_a_model_is_measured_and_its_page_is_written(run, model, class_folders, tmp_path):
    done = run(model, class_folders, "--html", tmp_path / "pages" / "r.html")
    assert done.returncode == 0, done.stderr
    assert (
        f"{class_folders} is read as class folders; it has no splits, so all of it is measured: 16 images of 2 classes."
        in done.stdout
    )
    assert "Note: 'blue' of the data is taken for 'Blue' of the model" in done.stdout
    assert "Note: the data has nothing of green, which the model knows, too." in done.stdout
    numbers = dict(reversed(line.split(maxsplit=1)) for line in done.stdout.splitlines() if re.match(r" *[\d.]+  ", line))
    assert set(numbers) == {"accuracy", "calibration error", "images", "megabytes", "seconds an image"}
    assert float(numbers["accuracy"]) == pytest.approx(accuracy_on(model, class_folders), abs=1e-3)
    page = (tmp_path / "pages" / "r.html").read_text()
    for part in ("Confusion matrix", "Calibration", "measured images", "16", str(model), "every file could be read"):
        assert part in page
    assert "validation" not in page and "training" not in page and ">Training<" not in page


def test_json_is_one_object_a_model_and_nothing_else(run, model, class_folders, tmp_path):
    (class_folders / "red" / "00.jpg").write_text("text")
    other = shutil.copytree(model, tmp_path / "other")
    done = run(model, other, class_folders, "--json", "--html", tmp_path / "r.html")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [record["model"] for record in records] == [str(model), str(other)]
    assert list(records[0])[:5] == ["model", "data", "split", "images", "skipped"]
    assert records[0]["images"] == 15 and records[0]["skipped"] == 1 and records[0]["split"] == "all"
    assert {"accuracy", "calibration_error"} < set(records[0])
    assert done.stderr.count("00.jpg") == 1 and "1 files cannot be used" in done.stderr
    page = (tmp_path / "r.html").read_text()
    assert 'href="r-1.html"' in page and (tmp_path / "r-2.html").is_file()


def test_several_models_are_rows_in_their_order(run, model, class_folders, tmp_path):
    other = shutil.copytree(model, tmp_path / "other")
    done = run(other, model, class_folders)
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith((str(other), str(model), "model "))]
    assert [row[0] for row in rows] == ["model", str(other), str(model)] and rows[1][1:5] == rows[2][1:5]


def test_what_one_model_cannot_use_is_not_left_out_of_another(run, model, class_folders, monkeypatch):
    from visionkit.tasks.classification import evaluate

    def adding(bundle, opened, options):
        opened.part.skipped.add(f"of {len(made)}", "of another size")
        made.append(measure(bundle, opened, options))
        return made[-1]

    made, measure = [], evaluate.evaluate_data
    monkeypatch.setattr(evaluate, "evaluate_data", adding)
    done = run(model, model, class_folders, "--json")
    assert [json.loads(line)["skipped"] for line in done.stdout.splitlines()] == [1, 1]
    assert done.stderr.count("of another size") == 2 and "2 files cannot be used" in done.stderr


def test_a_split_is_chosen_and_an_unknown_one_is_an_error(run, model, tmp_path):
    for split, count in (("train", 5), ("val", 3)):
        write_classes(tmp_path / "data" / split, {"blue": count, "red": count})
    for options, count in (((), 6), (("--split", "train"), 10), (("--split", "all"), 16)):
        done = run(model, tmp_path / "data", "--json", *options)
        assert done.returncode == 0 and json.loads(done.stdout)["images"] == count
    done = run(model, tmp_path / "data", "--split", "test")
    assert done.returncode == 2 and "has no such split; it has train, val, and all." in done.stderr


def test_classes_that_are_not_shared_are_an_error_and_unknown_ones_are_left_out(run, model, tmp_path):
    write_classes(tmp_path / "data", {"oak": 3, "pine": 2})
    done = run(model, tmp_path / "data")
    assert done.returncode == 2 and "has the classes oak, pine" in done.stderr and "knows red, Blue, green" in done.stderr
    write_classes(tmp_path / "data", {"red": 2})
    done = run(model, tmp_path / "data", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["images"] == 2
    assert "left out: 5 images of oak, pine, which the model does not know" in done.stderr


def test_one_image_of_one_class_has_numbers_and_a_page(run, model, tmp_path):
    write_classes(tmp_path / "data", {"red": 1})
    (tmp_path / "data" / "labels.csv").write_text("image,label\nred/00.jpg,red\n")
    done = run(model, tmp_path / "data" / "labels.csv", "--json", "--html", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["images"] == 1 and (tmp_path / "r.html").read_text().count("data:image/png") == 1


def test_what_cannot_be_measured_is_null(run, square_bundle, tmp_path):
    """A data set whose only box has no area: there is nothing that a detection could match."""
    Image.fromarray(image_of((64, 64))).save(tmp_path / "a.png")
    (tmp_path / "boxes.csv").write_text("image,xmin,ymin,xmax,ymax,label\na.png,5,5,5,9,red\n")
    done = run(square_bundle, tmp_path / "boxes.csv", "--json", "--html", tmp_path / "r.html")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["map50"] is None and "have no boxes" in (tmp_path / "r.html").read_text()
