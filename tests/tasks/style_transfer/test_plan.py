"""Choices before an image is painted; bad input is reported before anything is written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visionkit.errors import UserError
from visionkit.models.style_features import VGG
from visionkit.tasks.style_transfer import plan
from visionkit.tasks.style_transfer.plan import check_trainable, choose_layers, choose_size, open_data, read_folder, read_inputs
from visionkit.training.config import RunConfig
from visionkit.training.run_folder import RunFolder


@pytest.fixture
def files(tmp_path, rng):
    names = {}
    for name, (height, width) in {"photo": (60, 80), "one": (30, 30), "one-2": (30, 30), "two": (20, 50)}.items():
        names[name] = str(tmp_path / f"{name}.png")
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(names[name])
    return names


def mask(path, size, value=255) -> str:
    Image.new("L", size, value).save(path)
    return str(path)


def test_an_empty_folder_cannot_be_learnt_from(tmp_path):
    with pytest.raises(UserError, match="holds 0 images: expected two at least"):
        read_folder(str(tmp_path), 0)
    with pytest.raises(UserError, match="no such folder"):
        read_folder(str(tmp_path / "none"), 0)


def test_built_in_images_are_found_by_name_and_are_the_defaults():
    assert list(read_inputs((), (), ()).styles) == [plan.DEFAULT_STYLE]
    inputs = read_inputs(("cat",), (), ())
    assert inputs.content.shape[2] == 3 and list(inputs.styles) == [plan.DEFAULT_STYLE]


def test_a_folder_of_the_same_name_does_not_hide_a_built_in_image(tmp_path, monkeypatch):
    (tmp_path / "cat").mkdir()
    monkeypatch.chdir(tmp_path)
    assert read_inputs(("cat",), (), ()).content.shape[2] == 3
    assert plan.is_built_in("cat")


def test_shares_sum_to_one(files):
    inputs = read_inputs((files["photo"], files["one"], files["two"]), (3, 1), ())
    assert list(inputs.styles) == ["one", "two"] and inputs.shares == (0.75, 0.25)
    assert read_inputs((files["photo"], files["one"], files["one"]), (), ()).shares == (0.5, 0.5)


def test_styles_of_one_name_get_numbers(files):
    assert list(read_inputs((files["photo"], files["one"], files["one"]), (), ()).styles) == ["one", "one-2"]
    assert list(read_inputs((files["photo"], files["one-2"], files["one"], files["one"]), (), ()).styles) == [
        "one-2",
        "one",
        "one-3",
    ]


def test_styles_with_masks_have_whole_shares(files, tmp_path):
    masks = (mask(tmp_path / "a.png", (80, 60)), mask(tmp_path / "b.png", (160, 120), 128))
    inputs = read_inputs((files["photo"], files["one"], files["two"]), (), masks)
    assert inputs.shares == (1.0, 1.0)
    assert inputs.masks[0].max() == 1 and inputs.masks[1].max() == pytest.approx(0.5, abs=0.01)
    assert [each.mask.shape for each in inputs.style_images("style")] == [(60, 80), (120, 160)]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": ("nowhere.jpg",)}, "The content nowhere.jpg cannot be read: .*Expected an image file"),
        ({"images": ("cat", "nowhere.jpg")}, "The style nowhere.jpg cannot be read.*strokes"),
        ({"shares": (1.0, 2.0)}, "--shares 1 2: expected 1 numbers"),
        ({"shares": (-1.0,)}, "none below 0"),
        ({"shares": (0.0,)}, "none below 0"),
        ({"shares": (float("nan"),)}, "none below 0"),
        ({"masks": ("a", "b")}, "--masks names 2 files: expected one for each of 1 styles"),
    ],
)
def test_inputs_that_do_not_fit_are_reported(change, says):
    arguments = {"images": ("cat",), "shares": (), "masks": ()} | change
    with pytest.raises(UserError, match=says):
        read_inputs(**arguments)


def test_masks_of_other_proportions_and_black_ones_are_refused(files, tmp_path):
    with pytest.raises(UserError, match="expected the same proportions"):
        read_inputs((files["photo"], files["one"]), (), (mask(tmp_path / "a.png", (50, 50)),))
    with pytest.raises(UserError, match="is black"):
        read_inputs((files["photo"], files["one"]), (), (mask(tmp_path / "b.png", (80, 60), 0),))


def test_layers_are_the_defaults_or_the_requested_ones():
    assert choose_layers(VGG, None, ()) == VGG
    layers = choose_layers(VGG, "stride_4", ("block1_conv1=3", "stride_2"))
    assert layers.content == "stride_4" and layers.style == {"block1_conv1": 0.75, "stride_2": 0.25}
    with pytest.raises(UserError, match="--style-layers stride_2=x: expected a layer and how much"):
        choose_layers(VGG, None, ("stride_2=x",))


def test_a_network_learns_neither_masks_nor_luminance():
    check_trainable((), "style", 256)
    for masks, colors in ((("a",), "style"), ((), "luminance")):
        with pytest.raises(UserError):
            check_trainable(masks, colors, 256)


def test_windows_can_be_halved_twice():
    with pytest.raises(UserError, match="--window 130: expected a multiple of 4, such as 128"):
        check_trainable((), "style", 130)


def test_results_are_as_large_as_the_content_but_not_huge():
    assert choose_size(np.zeros((30, 20, 3), np.uint8)) == 30
    assert choose_size(np.zeros((1, 1, 3), np.uint8)) == plan.SMALLEST
    assert choose_size(np.zeros((3000, 2000, 3), np.uint8)) == plan.LARGEST


def test_a_folder_is_split_by_the_seed(class_folders):
    splits = read_folder(str(class_folders), 0)
    assert len(splits.train) + len(splits.val) == 16 and not set(splits.train.paths) & set(splits.val.paths)
    assert read_folder(str(class_folders), 0).val.paths == splits.val.paths


def test_without_photographs_there_is_no_data(tmp_path):
    run = RunFolder.start(tmp_path / "run", {})
    assert open_data(run, RunConfig()) is None and run.read_json("plan.json") == {}


def test_a_resumed_run_keeps_to_its_photographs(class_folders, tmp_path):
    run, config = RunFolder.start(tmp_path / "run", {}), RunConfig(data=str(class_folders))
    splits = open_data(run, config)
    assert len(splits.train.infos) + len(splits.val.infos) == 16
    assert f"{len(splits.train)} images to learn from and {len(splits.val)} others to measure on" in run.notes[0]
    (class_folders / "blue" / "00.jpg").rename(class_folders / "blue" / "99.jpg")
    again = open_data(run, config)
    assert [Path(file.path).name for file in again.skipped] == ["00.jpg"] and len(again.train) + len(again.val) == 15


def test_only_photographs_that_are_used_are_opened(class_folders, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "NUM_VALIDATION", 2)
    run, config = RunFolder.start(tmp_path / "run", {}), RunConfig(data=str(class_folders))
    held_out = read_folder(config.data, config.seed).val.paths
    Path(held_out[-1]).write_bytes(b"no image")
    splits = open_data(run, config)
    assert len(held_out) > 2 and splits.val.paths == held_out[:2] and not splits.skipped
    assert run.read_json("plan.json")["data"]["val"]["paths"] == list(held_out[:2])


def test_photographs_of_which_none_can_be_read_are_reported(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"no image")
    run = RunFolder.start(tmp_path / "run", {})
    with pytest.raises(UserError, match=r"None of 1 images can be read; the first: .*\.jpg"):
        open_data(run, RunConfig(data=str(tmp_path)))
