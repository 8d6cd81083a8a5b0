"""The recipe for segmentation as a person runs it: masks of all kinds, volumes, an interruption, bad input."""

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI
from visionkit.metrics.segmentation import confusion_matrix, segmentation_metrics
from visionkit.tasks.segmentation import evaluate

RECIPE = Path(__file__).parents[2] / "recipes" / "unet_segmentation.py"
QUICK = ("--base", "none", "--filters", 4, 8, "--size", 16, "--batch-size", 4, "--epochs", 1)  # networks are tested elsewhere
NAMES = ("background", "ant", "bee")


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


def scene(rng, shape=(40, 48)) -> tuple[np.ndarray, np.ndarray]:
    """An image of noise with a bright thing of each class, and its mask."""
    mask = np.zeros(shape, np.uint8)
    for label in (1, 2):
        top, left = rng.integers(0, shape[0] - 14), rng.integers(0, shape[1] // 2 - 14) + (label - 1) * shape[1] // 2
        mask[top : top + 12, left : left + 12] = label
    pixels = rng.integers(0, 80, (*shape, 3))
    pixels[..., 0] += 160 * (mask == 1)
    pixels[..., 1] += 160 * (mask == 2)
    return pixels.astype(np.uint8), mask


def write_masks(folder: Path, counts=(("train", 5), ("val", 2))) -> Path:
    """Images and index masks of three classes, in which a row is to be ignored."""
    rng = np.random.default_rng(0)
    for split, count in counts:
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels, mask = scene(rng, (40 + number, 60))
            mask[20] = 255
            Image.fromarray(pixels).save(folder / "images" / split / f"{number}.png")
            Image.fromarray(mask).save(folder / "masks" / split / f"{number}.png")
    (folder / "classes.txt").write_text("\n".join(NAMES))
    return folder


def measured_by_hand(out: Path, data: Path, program, tmp_path: Path):
    """The metrics of the masks that ``visionkit predict`` writes for the validation images."""
    done = program(CLI, "predict", out, data / "images" / "val", "--json", "--draw", tmp_path / "predicted")
    assert done.returncode == 0, done.stderr
    matrix = np.zeros((3, 3), np.int64)
    for line in map(json.loads, done.stdout.splitlines()):
        truth = np.asarray(Image.open(data / "masks" / "val" / Path(line["path"]).name))
        matrix += confusion_matrix(truth, np.asarray(Image.open(line["mask"])), 3)
    return segmentation_metrics(matrix, NAMES)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_masks(tmp_path_factory.mktemp("data"))


ELABORATE = (*QUICK[:-1], 2, "--supervised", 1, "--losses", "cross_entropy", "dice", "--borders", 5)
ELABORATE += ("--class-weights", "balanced")


def test_masks_in_a_folder_and_the_metrics_are_those_of_predict(run, program, data, tmp_path):
    done = run("--out", tmp_path / "whole", "--data", data, *ELABORATE)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "whole"
    assert done.stdout.splitlines()[-2:] == [f"report   {out / 'report.html'}", f"model    {out / 'model'}"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"mean_iou", "pixel_error", "dice", "pixel_accuracy", "seconds"} <= set(metrics)
    expected = measured_by_hand(out, data, program, tmp_path)
    for name in ("mean_iou", "pixel_error", "pixel_accuracy"):
        assert metrics[name] == pytest.approx(getattr(expected, name), abs=1e-9)
    assert metrics["dice"] == pytest.approx(expected.foreground_dice, abs=1e-9)
    assert visionkit.load(out).metadata["metrics"]["mean_iou"] == metrics["mean_iou"]
    assert "data:image/" in (out / "report.html").read_text()


@pytest.mark.exhaustive
def test_after_an_interruption_the_same_weights(run, data, tmp_path, monkeypatch):
    options = ("--data", data, *ELABORATE)
    assert run("--out", tmp_path / "whole", *options).returncode == 0
    metrics = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    calls, measure = [], evaluate.measure

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments)

    monkeypatch.setattr(evaluate, "measure", interrupted)
    out = tmp_path / "parts"
    done = run("--out", out, *options)
    assert done.returncode == 130 and f"--resume {out}" in done.stderr
    resumed = run("--resume", out)
    assert resumed.returncode == 0, resumed.stderr
    assert "Resumed after epoch 1" in resumed.stdout + resumed.stderr
    texts = [(tmp_path / name / "history.csv").read_text().splitlines() for name in ("whole", "parts")]
    histories = [list(csv.DictReader(lines)) for lines in texts]
    for one, other in zip(*histories, strict=True):
        assert one.keys() == other.keys() and [one[key] for key in ("phase", "epoch")] == [other["phase"], other["epoch"]]
        for name in one.keys() - {"phase", "epoch", "seconds"}:
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-3, abs=1e-4)
    again = json.loads((out / "metrics.json").read_text())
    assert again["mean_iou"] == pytest.approx(metrics["mean_iou"], abs=2e-3)


@pytest.mark.exhaustive
def test_polygons_of_coco_become_masks(run, tmp_path):
    rng = np.random.default_rng(1)
    for split in ("train", "val"):
        images, annotations = [], []
        (tmp_path / "coco" / split).mkdir(parents=True)
        for number in range(3):
            pixels, mask = scene(rng)
            Image.fromarray(pixels).save(tmp_path / "coco" / split / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": 48, "height": 40})
            for label in (1, 2):
                rows, columns = np.nonzero(mask == label)
                (y1, y2), (x1, x2) = ((int(axis.min()), int(axis.max()) + 1) for axis in (rows, columns))
                box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]]}
                which = {"id": len(annotations), "image_id": number, "category_id": label, "iscrowd": 0}
                annotations.append(which | box | {"area": (x2 - x1) * (y2 - y1)})
        categories = [{"id": number, "name": name} for number, name in enumerate(NAMES)][1:]
        tree = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / "coco" / split / "_annotations.coco.json").write_text(json.dumps(tree))
    out = tmp_path / "run"
    done = run("--data", tmp_path / "coco", "--out", out, *QUICK)
    assert done.returncode == 0, done.stderr
    assert tuple(visionkit.load(out).labels) == NAMES and "3 training and 3 validation images" in done.stdout
    masks = json.loads((out / "plan.json").read_text())["data"]["train"]["masks"]
    assert len(masks) == 3 and all(set(np.unique(np.asarray(Image.open(mask)))) == {0, 1, 2} for mask in masks)


def write_stacks(folder: Path) -> Path:
    """Volumes of six pages in two classes, in images/ and labels/."""
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for number in range(3):
        label = np.zeros((16, 24, 20), np.uint8)
        label[4:12, 4:14, 6:15] = 1
        values = (rng.integers(0, 60, label.shape) + 150 * label).astype(np.uint8)
        for kind, pages in (("images", values), ("labels", label)):
            first, *others = (Image.fromarray(page) for page in pages)
            first.save(folder / kind / f"{number}.tif", save_all=True, append_images=others)
    return folder


def test_pages_of_stacks_are_images(run, tmp_path):
    folder = write_stacks(tmp_path / "stacks")
    done = run("--data", folder, "--out", tmp_path / "pages", "--membranes", *QUICK)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((tmp_path / "pages" / "metrics.json").read_text())
    assert {"rand_error", "warping_error", "challenge_pixel_error"} <= set(metrics)
    assert visionkit.load(tmp_path / "pages").predict(np.zeros((5, 6, 3), np.uint8)).mask.shape == (5, 6)


@pytest.mark.exhaustive
def test_pages_of_stacks_are_volumes_where_that_is_said(run, tmp_path):
    folder = write_stacks(tmp_path / "stacks")
    done = run("--data", folder, "--volumes", "--out", tmp_path / "volumes", *QUICK)
    assert done.returncode == 0, done.stderr
    model = visionkit.load(tmp_path / "volumes")
    assert model.predict(folder / "images" / "0.tif").mask.shape == (16, 24, 20)


def test_volumes_are_recognized_by_their_file_names_and_measured_as_they_are_predicted(run, tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "data"
    for split, count in (("train", 3), ("val", 2)):
        for kind in ("images", "labels"):
            (folder / split / kind).mkdir(parents=True)
        for number in range(count):
            label = np.zeros((17, 20 + number, 24), np.uint8)
            label[4:12, 4:14, 6 : 12 + number] = 1
            np.save(folder / split / "images" / f"{number}.npy", (rng.normal(size=label.shape) + 3 * label).astype(np.float32))
            np.save(folder / split / "labels" / f"{number}.npy", label)
    out = tmp_path / "run"
    done = run("--data", folder, "--out", out, *QUICK)
    assert done.returncode == 0, done.stderr
    assert "3 training and 2 validation volumes of 17 to 17 x 20 to 22 x 24 to 24 voxels" in done.stdout
    model, metrics = visionkit.load(out), json.loads((out / "metrics.json").read_text())
    matrices = []
    for number in range(2):
        label = np.load(folder / "val" / "labels" / f"{number}.npy")
        matrices.append(confusion_matrix(label, model.predict(folder / "val" / "images" / f"{number}.npy").mask, 2))
    together = segmentation_metrics(sum(matrices), ("background", "1"))
    assert metrics["mean_iou"] == pytest.approx(together.mean_iou) and model.metadata["input"] == "volume"
    dice = [segmentation_metrics(each, ("background", "1")).dice[1] for each in matrices]
    assert metrics["dice"] == pytest.approx(np.mean(dice))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--data", "{tmp}/nowhere"), "no such"),
        (("--data", "{tmp}/empty"), "no layout that is known"),
        (("--data", "{tmp}/classes"), "has no masks: expected images/ and masks/"),
        (("--data", "{tmp}/boxes"), "boxes, but no outlines"),
        (("--data", "{tmp}/other"), "its mask has 5 x 6 pixels, the image has 20 x 20"),
        (("--data", "{data}", "--base", "efficientnet_lite9"), "did you mean 'efficientnet_lite"),
        (("--data", "{data}", "--size", "17"), "--size 17: expected a multiple of 2"),
        (("--data", "{data}", "--weights", "nowhere.h5", "--base", "mobilenet"), "no such file"),
        (("--data", "{data}", "--filters", "8"), "at least two levels"),
        (("--data", "{data}", "--membranes"), "--membranes is for masks of two classes"),
        (("--data", "{stacks}", "--volumes", "--shrink", "2"), "--shrink is for images"),
        (("--data", "{stacks}", "--volumes", "--membranes"), "--membranes is for images"),
        (("--data", "{stacks}", "--volumes", "--base", "mobilenet", "--weights", "none"), "--base mobilenet"),
        (("--data", "{stacks}", "--volumes", "--base", "resnet18"), "--base resnet18"),
        (("--data", "{data}", "--volumes"), "without a label for every voxel"),
    ],
    ids=lambda value: value.strip("-").split()[0][:20] if isinstance(value, str) else "",
)
def test_bad_input_ends_in_one_line(run, data, tmp_path, arguments, says):
    grey = Image.new("RGB", (20, 20))
    for name in ("empty", "classes/a", "classes/b", "boxes/images", "boxes/labels", "other/images", "other/masks"):
        (tmp_path / name).mkdir(parents=True)
    for number in range(3):
        for name in ("classes/a", "classes/b", "boxes/images", "other/images"):
            grey.save(tmp_path / name / f"{number}.png")
        (tmp_path / "boxes" / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
        Image.fromarray(np.arange(30, dtype=np.uint8).reshape(6, 5) % 2).save(tmp_path / "other" / "masks" / f"{number}.png")
    (tmp_path / "boxes" / "data.yaml").write_text("train: images\nval: images\nnames: [a]\n")
    stacks = write_stacks(tmp_path / "stacks") if any("{stacks}" in each for each in arguments) else None
    arguments = [each.format(tmp=tmp_path, data=data, stacks=stacks) for each in arguments]
    done = run("--out", tmp_path / "run", *QUICK, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ") and says in done.stderr.splitlines()[-1]
