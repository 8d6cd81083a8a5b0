"""What is decided before a detector is trained."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_classes
from visionkit.data.boxes import crowds, without_crowds
from visionkit.data.images.scan import ImageInfo
from visionkit.data.index import Annotation, Index, Objects
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.tasks.detection import plan as detection_plan
from visionkit.training.config import TrainConfig
from visionkit.training.recipe import Run


def index_of(*images, shape=(480, 640), attributes=()):
    """Images with boxes, each (class, left, top, right, bottom) relative to the image."""
    annotations = []
    for rows in images:
        table = np.array(rows, float).reshape(-1, 5)
        annotations.append(Annotation(Objects(table[:, 1:], table[:, 0].astype(np.int32), attributes=attributes)))
    infos = tuple(ImageInfo("", 1, *shape, plain_jpeg=False) for _ in images)
    paths = tuple(f"{number}.png" for number in range(len(images)))
    return Index(("a", "b"), paths, np.full(len(paths), -1, np.int32), infos, tuple(annotations))


def not_built_in(folder: Path) -> Path:
    raise AssertionError(f"the built-in data are not wanted in {folder}")


def test_data_without_boxes_are_refused(tmp_path):
    config = TrainConfig(data=str(write_classes(tmp_path / "data", {"a": 2, "b": 2})))
    with pytest.raises(UserError, match="has no boxes"):
        detection_plan.open_data(Run(tmp_path / "run"), config, built_in=not_built_in)


def test_a_resumed_run_keeps_its_first_boxes_and_notes_what_cannot_be_used(run_with_boxes):
    run, config, data = run_with_boxes
    splits = detection_plan.open_data(run, config, built_in=not_built_in)
    assert detection_plan.object_counts(splits.train).tolist() == [2, 0]
    assert [Path(file.path).name for file in splits.skipped] == ["2.png"]
    assert run.notes[0] == f"2 training images with 2 objects of 2 classes, and 1 validation images, in {data}."
    assert run.notes[1] == "Note: no training image shows b: the detector cannot learn to find it."
    assert run.notes[-1].startswith("Skipped") and "2.png" in run.notes[-1]
    for label in (data / "labels").rglob("*.txt"):
        label.write_text("")
    resumed = detection_plan.open_data(run, config, built_in=not_built_in)
    assert resumed.train.paths == splits.train.paths and detection_plan.object_counts(resumed.train).tolist() == [2, 0]


@pytest.fixture
def run_with_boxes(tmp_path):
    """A run, its options, and its data: two training images, a broken one, and one to validate with; two classes."""
    data = tmp_path / "data"
    for split, count in (("train", 3), ("val", 1)):
        for kind in ("images", "labels"):
            (data / kind / split).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (64, 48)).save(data / "images" / split / f"{number}.png")
            (data / "labels" / split / f"{number}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (data / "images" / "train" / "2.png").write_bytes(b"no image")
    (data / "data.yaml").write_text("path: .\ntrain: images/train\nval: images/val\nnames: [a, b]\n")
    return Run(tmp_path / "run"), TrainConfig(data=str(data)), data


def test_each_choice_is_noted_and_kept(tmp_path):
    index, run = index_of([(0, 0, 0, 0.25, 0.5), (1, 0.5, 0.5, 0.55, 0.6)]), Run(tmp_path)
    data = Splits(index, index)
    plan = run.plan(
        detection_plan.Plan,
        lambda: detection_plan.choose_plan(run, data, TrainConfig(size=320), num_levels=2),
    )
    assert plan.size == 320 and plan.epochs == 120 and [level.shape for level in plan.anchor_arrays] == [(3, 2), (3, 2)]
    assert run.notes[0] == "Input of 320 x 320 pixels: as requested." and run.notes[1].startswith("120 epochs: each of 1")
    assert run.plan(detection_plan.Plan, lambda: pytest.fail("the plan is kept")) == plan
    assert detection_plan.choose_plan(run, data, TrainConfig(size=64, epochs=1), num_levels=0).anchors == []


def test_how_objects_fit_the_anchors_is_noted_for_each_stride(tmp_path):
    index, run = index_of([(0, 0.1, 0.1, 0.2, 0.2), (1, 0.1, 0.1, 0.2, 0.2)], shape=(320, 320)), Run(tmp_path)
    data = Splits(index, index)
    fit = detection_plan.note_anchor_fit(run, data, detection_plan.Plan(320, 1, [[[0.1, 0.1]], [[0.5, 0.5]]]), seed=0)
    assert fit.levels[0] == (2, 2, 2) and fit.levels[1] == (0, 0, 0)
    assert run.notes[0].startswith("Stride 8: 2 objects of 1 training image fit its anchors. 2 of them share a cell")
    assert "2 of them share all of their cells and anchors with others" in run.notes[0]
    assert detection_plan.note_anchor_fit(run, data, detection_plan.Plan(320, 1, []), seed=0) is None


def test_no_objects_have_no_sides_and_no_counts():
    index = index_of([], [])
    assert detection_plan.box_sides(detection_plan.letterboxed(index, 320)).shape == (0, 2)
    assert detection_plan.object_counts(index).tolist() == [0, 0]


def test_boxes_are_relative_to_the_padded_square():
    """An image of 640 x 480 lies 80 pixels of 640 below the top of its square."""
    (objects,) = detection_plan.letterboxed(index_of([(0, 0, 0, 1, 1)]), 640)
    np.testing.assert_allclose(objects.boxes, [[0, 0.125, 1, 0.875]])


@pytest.mark.parametrize(("side", "size"), [(64, 320), (40, 416), (24, 640), (2, 640)])
def test_small_objects_need_a_larger_input(side, size):
    """A box of 64 pixels of 640 is 32 of 320; one of 40 is 20 there, and 26 of 416."""
    index = index_of([(0, 0.1, 0.1, 0.1 + side / 640, 0.1 + side / 480)])
    assert detection_plan.choose_size(index)[0] == size


def test_anchors_are_the_sides_of_the_boxes_in_the_square():
    index = index_of([(0, 0, 0, 0.25, 0.5), (1, 0.5, 0.5, 0.55, 0.6)])
    anchors = detection_plan.choose_anchors(index, 320, 2, 1, seed=0)
    np.testing.assert_allclose(np.concatenate(anchors), [[0.05, 0.075], [0.25, 0.375]], rtol=1e-5)


def test_the_fit_of_anchors_by_hand():
    """Two objects in one place hide each other; one is far larger than any anchor."""
    index = index_of([(0, 0.1, 0.1, 0.2, 0.2), (1, 0.1, 0.1, 0.2, 0.2)], [(0, 0, 0, 1, 1)], shape=(320, 320))
    fit = detection_plan.anchor_fit(index, 320, [np.array([[0.1, 0.1]], "float32")], (8,), seed=0)
    assert fit.levels == [(3, 2, 2)] and fit.unmatched == 1 and fit.num_images == 2


def test_crowds_are_not_trained_on_and_are_part_of_the_ground_truth():
    flags = ({"iscrowd": 1}, {"difficult": 1}, {"difficult": 0})
    index = index_of([(0, 0.1, 0.1, 0.2, 0.2), (1, 0.3, 0.1, 0.4, 0.2), (0, 0.5, 0.1, 0.6, 0.2)], attributes=flags)
    assert crowds(index.annotations[0].objects).tolist() == [True, True, False]
    assert detection_plan.object_counts(without_crowds(index)).tolist() == [1, 0]
    (truth,) = detection_plan.ground_truth(index)
    assert truth.crowd.tolist() == [True, True, False] and truth.size == (480, 640)


def test_a_plan_keeps_boxes_and_crowds():
    flags = ({"iscrowd": 1}, {})
    index = index_of([(0, 0.1, 0.1, 0.2, 0.2), (1, 0.3, 0.1, 1 / 3, 0.2)], attributes=flags)
    restored = Splits.from_plain(Splits(index, index_of([])).to_plain())
    (objects,) = (annotation.objects for annotation in restored.train.annotations)
    assert (objects.boxes == index.annotations[0].objects.boxes).all() and objects.classes.tolist() == [0, 1]
    assert crowds(objects).tolist() == [True, False]
    assert len(restored.val.annotations[0].objects) == 0
