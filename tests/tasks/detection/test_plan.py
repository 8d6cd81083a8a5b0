import numpy as np
import pytest

from visionkit.data.boxes import crowds, without_crowds
from visionkit.data.images.scan import ImageInfo
from visionkit.data.index import Annotation, Index, Objects, SkippedFiles
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.tasks.detection import plan as detection_plan
from visionkit.training.recipe import Story
from visionkit.training.run_folder import RunFolder


def index_of(*images, shape=(480, 640), attributes=()):
    """Images with boxes, each (class, left, top, right, bottom) relative to the image."""
    annotations = []
    for rows in images:
        table = np.array(rows, float).reshape(-1, 5)
        annotations.append(Annotation(Objects(table[:, 1:], table[:, 0].astype(np.int32), attributes=attributes)))
    infos = tuple(ImageInfo("", 1, *shape, plain_jpeg=False) for _ in images)
    paths = tuple(f"{number}.png" for number in range(len(images)))
    return Index(("a", "b"), paths, np.full(len(paths), -1, np.int32), infos, tuple(annotations))


def test_data_without_boxes_are_refused(tmp_path):
    nothing = Index(("a",), (), np.zeros(0, np.int32))
    with pytest.raises(UserError, match="has no boxes"):
        detection_plan.usable(Splits(nothing, nothing), "there", SkippedFiles(), Story(RunFolder(tmp_path)))


def test_no_objects_have_no_sides_and_no_counts():
    index = index_of([], [])
    assert detection_plan.sides_of(detection_plan.letterboxed(index, 320)).shape == (0, 2)
    assert detection_plan.object_counts(index).tolist() == [0, 0]


def test_boxes_are_seen_in_the_padded_square():
    """An image of 640 x 480 lies 80 pixels of 640 below the top of its square."""
    (objects,) = detection_plan.letterboxed(index_of([(0, 0, 0, 1, 1)]), 640)
    np.testing.assert_allclose(objects.boxes, [[0, 0.125, 1, 0.875]])


@pytest.mark.parametrize(("side", "size"), [(64, 320), (40, 416), (24, 640), (2, 640)])
def test_small_objects_ask_for_a_larger_input(side, size):
    """A box of 64 pixels of 640 is 32 of 320; one of 40 is 20 there, and 26 of 416."""
    index = index_of([(0, 0.1, 0.1, 0.1 + side / 640, 0.1 + side / 480)])
    assert detection_plan.choose_size(index)[0] == size


def test_anchors_are_of_the_boxes_in_the_square():
    index = index_of([(0, 0, 0, 0.25, 0.5), (1, 0.5, 0.5, 0.55, 0.6)])
    anchors = detection_plan.choose_anchors(index, 320, 2, 1, seed=0)
    np.testing.assert_allclose(np.concatenate(anchors), [[0.05, 0.075], [0.25, 0.375]], rtol=1e-5)


def test_crowding_by_hand():
    """Two objects in one place hide each other; one is far larger than any anchor."""
    index = index_of([(0, 0.1, 0.1, 0.2, 0.2), (1, 0.1, 0.1, 0.2, 0.2)], [(0, 0, 0, 1, 1)], shape=(320, 320))
    found = detection_plan.count_crowding(index, 320, [np.array([[0.1, 0.1]], "float32")], (8,), seed=0)
    assert found.scales == [(3, 2, 2)] and found.unmatched == 1 and found.images == 2


def test_crowds_are_kept_out_of_training_and_stand_in_the_truth():
    flags = ({"iscrowd": 1}, {"difficult": 1}, {"difficult": 0})
    index = index_of([(0, 0.1, 0.1, 0.2, 0.2), (1, 0.3, 0.1, 0.4, 0.2), (0, 0.5, 0.1, 0.6, 0.2)], attributes=flags)
    assert crowds(index.annotations[0].objects).tolist() == [True, True, False]
    assert detection_plan.object_counts(without_crowds(index)).tolist() == [1, 0]
    (truth,) = detection_plan.truths(index)
    assert truth.crowd.tolist() == [True, True, False] and truth.size == (480, 640)


def test_a_plan_keeps_boxes_and_crowds():
    flags = ({"iscrowd": 1}, {})
    index = index_of([(0, 0.1, 0.1, 0.2, 0.2), (1, 0.3, 0.1, 1 / 3, 0.2)], attributes=flags)
    kept = Splits.from_plain(Splits(index, index_of([])).to_plain())
    (objects,) = (annotation.objects for annotation in kept.train.annotations)
    assert (objects.boxes == index.annotations[0].objects.boxes).all() and objects.classes.tolist() == [0, 1]
    assert crowds(objects).tolist() == [True, False]
    assert len(kept.val.annotations[0].objects) == 0
