"""``visionkit predict`` with a segmenter: masks in files, drawings, and counts of things."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from tests.conftest import CLI
from tests.tasks.segmentation.color_segmenter import export_color_segmenter, image_of
from visionkit.viz.annotate import color_of


@pytest.fixture
def run(program):
    return partial(program, CLI)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return export_color_segmenter(tmp_path_factory.mktemp("colors") / "model")


@pytest.fixture(scope="module")
def volume_bundle(tmp_path_factory) -> Path:
    return export_color_segmenter(tmp_path_factory.mktemp("volumes") / "model", rank=3)


def two_reds() -> np.ndarray:
    """A mask of 20 x 30 pixels with two red things, a green one, and a speck."""
    mask = np.zeros((20, 30), np.uint8)
    mask[2:8, 3:9] = mask[10:18, 4:14] = 1
    mask[5:15, 20:28] = 2
    mask[0, 29] = 3
    return mask


@pytest.fixture
def images(tmp_path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(image_of(two_reds())).save(folder / "a.png")
    Image.fromarray(image_of(np.zeros((1, 1), np.uint8))).save(folder / "b.png")
    (folder / "c.png").write_text("text")
    return folder


def lines_of(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_json_lines_masks_in_predictions_and_the_exit_status(run, bundle, images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("predict", bundle, images, "nowhere.png", "--json")
    things, nothing, broken, nowhere = lines_of(done)
    assert done.returncode == 1 and done.stderr == "2 of 4 images cannot be read.\n"
    assert set(broken) == set(nowhere) == {"path", "error"}
    assert things == {"path": str(images / "a.png"), "mask": "predictions/a_mask.png"}
    assert nothing == {"path": str(images / "b.png"), "mask": "predictions/b_mask.png"}
    assert sorted(path.name for path in Path("predictions").iterdir()) == ["a_mask.png", "b_mask.png"]
    with Image.open("predictions/a_mask.png") as mask:
        assert mask.mode == "P" and mask.getpalette()[:12] == [0, 0, 0, *color_of(1), *color_of(2), *color_of(3)]
        np.testing.assert_array_equal(np.asarray(mask), two_reds())
    assert np.asarray(Image.open("predictions/b_mask.png")).shape == (1, 1)


def test_the_table_and_the_drawing(run, bundle, images, tmp_path):
    out = tmp_path / "deep" / "drawn"
    done = run("predict", bundle.parent, images / "a.png", "--draw", out, "--top", "2")
    shares = np.bincount(two_reds().ravel()) / two_reds().size
    first, *lines, file = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == "" and first == str(images / "a.png")
    assert lines == [f"    {shares[0]:6.1%}  background", f"    {shares[1]:6.1%}  red"] and file.strip() == str(
        out / "a_mask.png"
    )
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "a_mask.png"]
    drawn, image = np.asarray(Image.open(out / "a.png")), image_of(two_reds())
    assert drawn.shape == image.shape and (drawn[19] == image[19]).all() and (drawn[12, 6] != image[12, 6]).any()


@pytest.mark.parametrize("how", ["components", "watershed"])
def test_things_are_counted(run, bundle, images, tmp_path, how):
    done = run("predict", bundle, images / "a.png", images / "b.png", "--json", "--instances", how, "--draw", tmp_path / "o")
    things, nothing = lines_of(done)
    assert set(things) == {"path", "mask", "instances", "instance_mask"} and nothing["instances"] == []
    listed = [(each["label"], each["area"], each["xyxy"]) for each in things["instances"]]
    assert listed == [("red", 36, [3, 2, 9, 8]), ("red", 80, [4, 10, 14, 18]), ("green", 80, [20, 5, 28, 15])]  # no specks
    with Image.open(things["instance_mask"]) as numbers:
        assert numbers.mode.startswith("I;16") and np.bincount(np.asarray(numbers).ravel()).tolist()[1:] == [36, 80, 80]
    assert (tmp_path / "o" / "a.png").is_file()
    text = run("predict", bundle, images / "a.png", "--instances", how, "--draw", tmp_path / "o").stdout
    assert f"2 x red, 1 x green: {tmp_path / 'o' / 'a_instances.png'}" in text


def test_no_name_is_used_twice(run, bundle, tmp_path):
    for name in ("a.jpg", "a.png", "a_mask.jpg", "sub/A.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_of(two_reds())).save(tmp_path / "in" / name)
    out = tmp_path / "out"
    done = run("predict", bundle, tmp_path / "in", "--json", "--draw", out, "--instances", "components")
    written = [name for line in lines_of(done) for name in (line["mask"], line["instance_mask"])]
    assert len({name.lower() for name in written}) == 8 and len(list(out.iterdir())) == 12


def test_no_source_is_overwritten(run, bundle, tmp_path):
    file = tmp_path / "a.png"
    Image.fromarray(image_of(two_reds())).save(file)
    for name, names in (("a.png", ["a.png"]), ("a_mask.png", ["a_mask.png", "a.png"])):
        if name != "a.png":
            file.rename(tmp_path / "kept.png")
            Image.open(tmp_path / "kept.png").save(file)
            Image.open(file).save(tmp_path / name)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        done = run("predict", bundle, *(tmp_path / each for each in names), "--draw", tmp_path)
        assert done.returncode == 2 and "would be written over" in done.stderr and len(done.stderr.splitlines()) == 1
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("suffix", [".npy", ".nii.gz", ".tif"])
def test_masks_volume_bundle_come_in_the_format_of_their_file(run, volume_bundle, tmp_path, rng, suffix):
    inside = np.zeros((6, 9, 11), bool)
    inside[1:4, 2:7, 3:8] = True
    values = np.where(inside, 900, 100).astype(np.int16)
    source, affine = tmp_path / f"scan.old{suffix}", np.diag([-1.0, 2, 3, 1])
    if suffix == ".npy":
        np.save(source, values)
    elif suffix == ".tif":
        first, *others = (Image.fromarray(page.astype(np.uint16)) for page in values)
        first.save(source, save_all=True, append_images=others)
    else:
        nibabel.Nifti1Image(values, affine).to_filename(source)
    done = run("predict", volume_bundle, source, "--json", "--draw", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    (line,) = lines_of(done)
    file = Path(line["mask"])
    assert (
        set(line) == {"path", "mask"} and file.name.endswith(f"_mask{suffix}") and (tmp_path / "out" / "scan.old.png").is_file()
    )
    if suffix == ".npy":
        written = np.load(file)
    elif suffix == ".tif":
        with Image.open(file) as stack:
            written = np.stack([np.asarray(stack.seek(page) or stack) for page in range(stack.n_frames)])
    else:
        image = nibabel.load(file)
        written = nibabel.as_closest_canonical(image).get_fdata()
        np.testing.assert_allclose(image.affine, nibabel.as_closest_canonical(nibabel.load(source)).affine)
        inside = inside[::-1]
    np.testing.assert_array_equal(written, inside)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threshold", "0.5"), "--threshold is for detection; this model does segmentation"),
        (("--tile", "64"), "--tile is for detection"),
        (("--coco", "x.json"), "--coco is for detection"),
    ],
)
def test_options_for_detectors_are_refused(run, bundle, images, options, message):
    done = run("predict", bundle, images, *options)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1


def test_things_are_counted_only_in_masks_of_images(run, volume_bundle, square_bundle, images):
    messages = {
        volume_bundle: "--instances counts things in masks of images; this model makes none.",
        square_bundle: "--instances is for segmentation of images; this model does detection.",
    }
    for model, message in messages.items():
        done = run("predict", model, images / "a.png", "--instances", "components")
        assert done.returncode == 2 and done.stderr == f"visionkit: {message}\n"


@pytest.mark.exhaustive
def test_a_closed_pipe_is_no_error(bundle, tmp_path):
    """visionkit predict ... | head -1"""
    for number in range(40):
        Image.fromarray(image_of(two_reds())).save(tmp_path / f"{number:02d}.png")
    command = [sys.executable, "-m", "visionkit.cli", "predict", bundle, tmp_path, "--json", "--draw", tmp_path / "out"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = json.loads(process.stdout.readline())
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0 and complaint == "" and first["path"].endswith("00.png")
