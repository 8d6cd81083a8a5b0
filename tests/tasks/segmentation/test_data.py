"""What is trained on: images whose masks can be used, and volumes, with as many patches as cover them."""

import numpy as np
import pytest
from PIL import Image

from tests.data.scenes import NAMES, scene, write_scenes
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.demo.volumes import demo_label_volumes
from visionkit.data.index import SkippedFiles
from visionkit.data.mask_targets import MaskTargets
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.tasks.segmentation.data import MOST_PATCHES, ImageData, VolumeData, usable
from visionkit.tasks.segmentation.plan import variation_of
from visionkit.tasks.segmentation.train import Schedule
from visionkit.training.recipe import Story
from visionkit.training.run_folder import RunFolder


@pytest.fixture
def splits(tmp_path, rng) -> Splits:
    made = []
    for name, count in (("train", 3), ("val", 2)):
        (tmp_path / name).mkdir()
        scenes = [scene(rng, (40, 64)) for _ in range(count)]
        made.append(write_scenes(tmp_path / name, [(image, None, mask) for image, _, mask in scenes]))
    return Splits(*made)


def use(splits, tmp_path, skipped):
    run = RunFolder(tmp_path / "run")
    story = Story(run)
    try:
        return usable(splits, "there", run.path / "masks", skipped, story), story.sentences
    finally:
        run.release()


def test_without_one_usable_mask_there_is_nothing_to_train_on(splits, tmp_path):
    for mask in (tmp_path / "train").glob("*_mask.png"):
        Image.new("L", (5, 6)).save(mask)
    with pytest.raises(UserError, match=r"no training image can be used .*its mask is 5 x 6, it is 64 x 40"):
        use(splits, tmp_path, SkippedFiles())


def test_images_without_a_usable_mask_are_left_out_and_named(splits, tmp_path):
    (tmp_path / "train" / "1_mask.png").write_text("text")
    skipped = SkippedFiles()
    (scanned, listed, counts), sentences = use(splits, tmp_path, skipped)
    assert [len(scanned.train), len(scanned.val), len(listed.train)] == [2, 2, 3]
    assert [file.path for file in skipped.list()] == [splits.train.paths[1]]
    assert any("1.png: its mask " in sentence and "1_mask.png' cannot be used" in sentence for sentence in sentences)
    plain = Splits.from_plain(listed.to_plain())
    assert [each.mask for each in plain.train.annotations] == [each.mask for each in splits.train.annotations]
    masks = [np.asarray(Image.open(each.mask)) for each in scanned.train.annotations]
    np.testing.assert_array_equal(counts, np.bincount(np.ravel(masks), minlength=5))


def test_images_are_covered(splits):
    data = ImageData(splits, np.ones(len(NAMES), np.int64), Augmentation("none", scale=(1.0, 1.0)), "none", SkippedFiles())
    assert data.patches(16).tolist() == [10] * 3 and data.patches(1).tolist() == [MOST_PATCHES] * 3
    assert data.patches(500).tolist() == [1] * 3 and data.sides(16) == (16, 16) and data.class_names == NAMES


def test_volumes_are_the_same_to_the_recipe():
    data = VolumeData(demo_label_volumes(num_train=2, num_val=1), variation_of("light", flip=False))
    assert data.channels == (3, 1) and data.patches(20).tolist() == [8, 8] and data.class_counts.sum() == 2 * 40**3
    schedule = Schedule(1, 3, 1e-3, 16, np.array([2, 3]))
    feed = data.feeder(schedule, MaskTargets(0.0, 3), 0, lambda _: None)
    made = [(np.array(values), labels) for values, labels in feed(0)]
    assert len(made) == schedule.steps_per_epoch == 2
    for values, labels in made:
        assert values.shape == (3, 16, 16, 16, 1) and labels["mask"].shape == (3, 16, 16, 16)
        assert labels["distances"].shape == (3, 16, 16, 16, 3)
    seen = data.evaluated(lambda values: np.zeros(values.shape[:-1], np.uint8), are_cells=False)
    assert len(seen.outcomes) == 1 and seen.seen(0).pixels.ndim == 3
