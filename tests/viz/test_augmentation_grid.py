"""The grid shows what training sees; files that hold augmentations are looked through before they are loaded."""

import json
import re
from dataclasses import replace
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
from PIL import Image

from visionkit.data.augmentation import presets
from visionkit.data.augmentation.preset_files import find_augmentation, load_augmentation
from visionkit.data.formats.class_folders import find_class_folders
from visionkit.data.index import Annotation, DataError, Index, Objects, SkippedFiles
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet
from visionkit.errors import UserError
from visionkit.viz import annotate
from visionkit.viz import augmentation_grid as grids
from visionkit.viz.augmentation_grid import augmentation_grid, check_target, save, task_of, with_mixing
from visionkit.viz.sample_choice import choose, spread, training_split

SYSTEM = {"transform": {"__class_fullname__": "os.system"}}
BOX_PARAMS = {"transform": {"__class_fullname__": "BboxParams", "p": 1, "format": "coco"}}
TENSOR = {"transform": {"__class_fullname__": "Compose", "transforms": [{"__class_fullname__": "ToTensorV2", "p": 1}]}}
OWN = {"transform": {"__class_fullname__": "visionkit.data.augmentation.warps.Elastic", "p": 1}}
NONSENSE = {"transform": {"__class_fullname__": "Blur", "p": "often"}}


def test_a_data_set_without_images_is_an_error():
    empty = Index(("a",), (), np.zeros(0, np.int32))
    with pytest.raises(DataError, match="No images"):
        training_split(DataSet({WHOLE: empty}))


def chosen(class_folders, number=4) -> Index:
    return choose(training_split(find_class_folders(class_folders)), number, seed=0)


def test_samples_are_spread_over_the_classes_and_broken_ones_are_named(class_folders):
    for name in ("00.jpg", "01.jpg", "02.jpg"):
        (class_folders / "blue" / name).write_bytes(b"")
    skipped = SkippedFiles()
    index = choose(training_split(find_class_folders(class_folders)), 10, seed=0)
    assert len(index.infos) == 10 and set(np.bincount(index.labels)) <= {4, 5, 6}
    assert all("empty file" in file.reason for file in skipped.list())


def test_the_first_column_is_what_is_served_and_the_rest_is_drawn_by_the_seed(class_folders):
    index, options = (
        chosen(class_folders),
        {
            "size": 160,
            "columns": 3,
        },
    )
    assert task_of(index) == "classification"
    grid = augmentation_grid(index, presets.preset("strong"), seed=1, **options)
    again = augmentation_grid(index, presets.preset("strong"), seed=1, **options)
    other = augmentation_grid(index, presets.preset("strong"), seed=2, **options)
    np.testing.assert_array_equal(grid, again)
    first = slice(0, 170)
    np.testing.assert_array_equal(grid[:, first], other[:, first])
    assert (grid != other).any() and grid.shape[1] == 3 * 160 + 2 * 6 + 2 * 6


def annotated(tmp_path) -> Index:
    """Six images with boxes of three classes, of which the third is rare; the last shows nothing."""
    shown = [[0, 1], [0, 1], [0, 1], [0, 2], [0], []]
    paths = []
    for number in range(len(shown)):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("RGB", (60, 40), (40 * number, 90, 90)).save(paths[-1])
    objects = [Objects(np.tile([0.1, 0.2, 0.6, 0.7], (len(c), 1)), np.array(c, np.int32)) for c in shown]
    return Index(
        ("a", "b", "c"), tuple(paths), np.full(6, -1, np.int32), annotations=tuple(Annotation(objects=one) for one in objects)
    )


def test_rare_classes_come_early_and_empty_images_last(tmp_path):
    index = annotated(tmp_path)
    for seed in range(5):
        order = spread(index, seed).tolist()
        assert 3 in order[:3] and 4 in order[:3] and order[-1] == 5 and sorted(order) == list(range(6))
    assert spread(index, 0).tolist() == spread(index, 0).tolist()


def test_boxes_are_drawn_on_mosaics_and_labels_that_are_not_there_are_not_mixed(tmp_path):
    index = choose(annotated(tmp_path), 4, seed=0)
    strong = presets.preset("strong", task=task_of(index))
    grid = augmentation_grid(index, strong, size=160, columns=2, seed=0)
    for column in (slice(0, 166), slice(172, None)):
        assert (grid[:-40, column] == annotate.color_of(0)).all(axis=-1).sum() > 100
    assert with_mixing(strong, None, index) is strong and with_mixing(strong, "none", index).mix is None
    with pytest.raises(UserError, match="mixes labels"):
        with_mixing(strong, "cutmix", index)


def test_a_missing_mask_is_named_and_what_is_ignored_is_explained(tmp_path):
    index = annotated(tmp_path).take([0, 1])
    Image.fromarray(np.tile(np.arange(60, dtype=np.uint8) // 20, (40, 1))).save(tmp_path / "mask.png")
    masks = [str(tmp_path / "mask.png"), str(tmp_path / "none.png")]
    index = replace(index, annotations=tuple(Annotation(mask=mask) for mask in masks))
    index = choose(index, 2, seed=0)
    assert len(index) == 1
    assert ["none.png" in file.reason and "No such file" in file.reason for file in index.skipped.list()] == [True]
    grid = augmentation_grid(index, presets.preset("segmentation-light"), size=64, columns=2, seed=0)
    colors = {tuple(color) for color in grid.reshape(-1, 3).tolist()}
    assert {annotate.color_of(number) for number in range(3)} <= colors and grid.shape[1] == 2 * 192 + 3 * 6


def test_mixed_labels_stand_in_the_caption(class_folders, monkeypatch):
    said = []
    text_image = annotate.text_image
    monkeypatch.setattr(annotate, "text_image", lambda text, *a, **k: said.append(text) or text_image(text, *a, **k))
    index = chosen(class_folders, 6)
    mixed = with_mixing(presets.preset("light"), "mixup", index)
    augmentation_grid(index, mixed, size=32, columns=4, seed=0)
    assert any(re.fullmatch(r"(blue|red) \d+% \+ (blue|red) \d+%", text) for text in said) and "blue  00.jpg" in said
    assert "classification-light, mix mixup" in said


def test_a_wide_grid_is_shrunk_and_one_column_is_enough(class_folders):
    index = chosen(class_folders, 2)
    wide = augmentation_grid(index, presets.preset("light"), size=300, columns=24, seed=0)
    assert wide.shape[1] <= grids.WIDEST + 2 * grids.GAP
    assert augmentation_grid(index, presets.preset("light"), size=300, columns=1, seed=0).shape[1] == 312


def test_a_file_that_vanishes_leaves_its_cells_empty(class_folders):
    index = chosen(class_folders, 2)
    Path(index.paths[1]).unlink()
    grid = augmentation_grid(index, presets.preset("light"), size=160, columns=2, seed=0)
    assert len(index.skipped) == 1 and (grid[260:380] == 255).all()


def test_a_composition_that_cannot_be_carried_out_is_one_sentence(class_folders):
    large = presets.from_compose(A.Compose([A.RandomCrop(900, 900)]), "own.json")
    with pytest.raises(UserError, match=r"own\.json") as raised:
        augmentation_grid(chosen(class_folders), large, size=64, columns=2, seed=0)
    assert "Traceback" not in str(raised.value)


def test_it_is_written_whole_or_not_at_all(tmp_path):
    pixels = np.zeros((5, 5, 3), np.uint8)
    save(pixels, tmp_path / "deep" / "grid.png")
    with Image.open(tmp_path / "deep" / "grid.png") as image:
        assert image.size == (5, 5)
    for path, words in ((tmp_path / "grid.txt", "suffix"), (tmp_path / "deep", "folder")):
        with pytest.raises(UserError, match=words):
            check_target(path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        save(pixels, tmp_path / "file" / "grid.png")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_saved_composition_is_loaded(tmp_path, suffix):
    A.save(A.Compose([A.HorizontalFlip(p=1.0)]), str(tmp_path / f"own.{suffix}"), data_format=suffix)
    loaded = find_augmentation(str(tmp_path / f"own.{suffix}"), task="classification")
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    np.testing.assert_array_equal(presets.seeded(loaded.transforms)(image, None, None, 0)[0], image[:, ::-1])
    with pytest.raises(UserError, match="--no-flip"):
        find_augmentation(str(tmp_path / f"own.{suffix}"), task="classification", flip=False)


@pytest.mark.parametrize(
    "saved",
    [
        None,
        [],
        {},
        SYSTEM,
        BOX_PARAMS,
        TENSOR,
        OWN,
        NONSENSE,
        {"transform": {"__class_fullname__": "Compose", "transforms": [{}]}},
    ],
)
def test_a_file_that_names_anything_else_is_refused(tmp_path, saved):
    (tmp_path / "own.json").write_text(json.dumps(saved))
    with pytest.raises(UserError, match=r"own\.json"):
        load_augmentation(tmp_path / "own.json")


@pytest.mark.parametrize("text", ["&a {transform: *a, more: [*a]}", "a: !!python/object/apply:os.system [ls]", "[" * 5000])
def test_yaml_that_holds_itself_or_would_run_something_is_refused(tmp_path, text):
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(UserError, match=r"own\.yaml"):
        load_augmentation(tmp_path / "own.yaml")


def test_aliases_that_multiply_are_refused(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "own.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="values"):
        load_augmentation(tmp_path / "own.yaml")


def test_a_file_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        load_augmentation(tmp_path / "own.json")
    with pytest.raises(UserError, match="no such file"):
        load_augmentation(tmp_path / "none.yaml")
