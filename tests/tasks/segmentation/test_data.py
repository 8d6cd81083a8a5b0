"""What is trained on: images whose masks can be used, and volumes, with as many patches as cover them."""

import numpy as np
import pytest
from PIL import Image

from tests.data.scenes import NAMES, scene, write_scenes
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.demo.volumes import demo_label_volumes
from visionkit.data.index import Skipped
from visionkit.data.mask_targets import MaskTargets
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.tasks.segmentation.data import MOST_PATCHES, ImageData, VolumeData
from visionkit.tasks.segmentation.plan import open_data, variation_of
from visionkit.tasks.segmentation.train import Schedule
from visionkit.training.config import TrainConfig
from visionkit.training.recipe import Run


@pytest.fixture
def splits(tmp_path, rng) -> Splits:
    indexes = []
    for name, count in (("train", 3), ("val", 2)):
        (tmp_path / name).mkdir()
        scenes = [scene(rng, (40, 64)) for _ in range(count)]
        indexes.append(write_scenes(tmp_path / name, [(image, None, mask) for image, _, mask in scenes]))
    return Splits(*indexes)


@pytest.fixture
def run(tmp_path, splits):
    """A run that has listed its images before."""
    run = Run(tmp_path / "run")
    run.write_json("plan.json", {"data": splits.to_plain()})
    yield run
    run.release()


def open_images(run, **options) -> ImageData:
    config = TrainConfig(data="there", augment="medium", cache="none")
    return open_data(run, config, volumes=False, any_way_up=False, are_membranes=False, **options)


def test_without_one_usable_mask_there_is_nothing_to_train_on(run, tmp_path):
    for mask in (tmp_path / "train").glob("*_mask.png"):
        Image.new("L", (5, 6)).save(mask)
    with pytest.raises(UserError, match=r"no training image can be used .*its mask has 5 x 6 pixels, the image has 64 x 40"):
        open_images(run)


def test_images_without_a_usable_mask_are_left_out_and_named(run, splits, tmp_path):
    (tmp_path / "train" / "1_mask.png").write_text("text")
    data = open_images(run)
    train, val = data.splits.train, data.splits.val
    assert [len(train), len(val)] == [2, 2]
    assert [file.path for file in data.skipped] == [splits.train.paths[1]]
    assert any("1.png: its mask " in note and "1_mask.png' cannot be used" in note for note in run.notes)
    assert "2 training and 2 validation images with masks of 5 classes, in there." in run.notes
    masks = [np.asarray(Image.open(each.mask)) for each in train.annotations]
    np.testing.assert_array_equal(data.class_counts, np.bincount(np.ravel(masks), minlength=5))


def test_a_resumed_run_keeps_to_its_images_with_the_broken_ones(tmp_path, splits, monkeypatch):
    (tmp_path / "train" / "1_mask.png").write_text("text")
    run = Run(tmp_path / "new")
    monkeypatch.setattr("visionkit.data.sources.read", lambda source, **options: None)
    monkeypatch.setattr("visionkit.tasks.segmentation.plan.train_and_val", lambda data_set, seed: splits)
    open_images(run)
    stored = Splits.from_plain(run.read_json("plan.json")["data"])
    assert [each.mask for each in stored.train.annotations] == [each.mask for each in splits.train.annotations]
    monkeypatch.undo()
    again = open_images(run)
    assert len(again.splits.train) == 2 and [file.path for file in again.skipped] == [splits.train.paths[1]]
    run.release()


def test_images_are_covered(splits):
    data = ImageData(splits, np.ones(len(NAMES), np.int64), Augmentation("none", scale=(1.0, 1.0)), "none")
    assert data.patches(16).tolist() == [10] * 3 and data.patches(1).tolist() == [MOST_PATCHES] * 3
    assert data.patches(500).tolist() == [1] * 3 and data.sides(16) == (16, 16) and data.class_names == NAMES


def test_validation_images_that_are_gone_are_skipped_and_named(splits):
    data = ImageData(splits, np.ones(len(NAMES), np.int64), Augmentation("none"), "none")
    (pixels, truth), path = data.read_val(1), splits.val.paths[0]
    assert data.as_image(pixels, truth)[0] is pixels and pixels.shape[:2] == truth.shape
    Image.new("RGB", (5, 6)).save(path)
    assert data.map_val(lambda values, mask: (values == pixels).all() and (mask == truth).all()) == [None, True]
    assert data.skipped == [Skipped(path, "its mask has 64 x 40 pixels, the image has 5 x 6")]


def test_volumes_have_the_same_interface():
    data = VolumeData(demo_label_volumes(num_train=2, num_val=1), variation_of("light", flip=False))
    assert data.channels == (3, 1) and data.patches(20).tolist() == [8, 8] and data.class_counts.sum() == 2 * 40**3
    options = {"size": 16, "patches": np.array([2, 3])}
    schedule = Schedule(epochs=1, batch_size=3, learning_rate=1e-3, **options)
    batches = data.batches(schedule, MaskTargets(0.0, 3), 0, lambda _: None)
    first_epoch = [(np.array(values), labels) for values, labels in batches(0)]
    assert len(first_epoch) == schedule.steps_per_epoch == 2
    for values, labels in first_epoch:
        assert values.shape == (3, 16, 16, 16, 1) and labels["mask"].shape == (3, 16, 16, 16)
        assert labels["distances"].shape == (3, 16, 16, 16, 3)
    assert data.map_val(lambda values, truth: (values.shape, truth.shape)) == [((40, 40, 40, 1), (40, 40, 40))]
    values, truth = data.read_val(0)
    image, first, second = data.as_image(values, truth, np.zeros_like(truth))
    assert image.ndim == 3 and image.shape[:2] == first.shape == second.shape and first.any() and not second.any()
    assert data.skipped == () and len(data.val_names) == 1
