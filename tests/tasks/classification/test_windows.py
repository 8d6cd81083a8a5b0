"""Windows around objects and between them."""

from dataclasses import replace

import numpy as np
import pytest

from visionkit.data.demo.scenes import make_window_demo
from visionkit.data.images.scan import scan
from visionkit.data.index import NO_OBJECTS, DataError, SkippedFiles
from visionkit.data.sources import read
from visionkit.tasks.classification.windows import BACKGROUND, FILLED, cut_windows, scale_of


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = make_window_demo(tmp_path_factory.mktemp("data") / "set", num_train=3, num_val=1)
    return scan(read(folder).splits["train"], SkippedFiles())


def test_images_without_objects_have_nothing_but_background(index):
    empty = replace(index, annotations=tuple(replace(one, objects=NO_OBJECTS) for one in index.annotations))
    windows = cut_windows(empty, side=32, scale=1.0, seed=0, skipped=SkippedFiles())
    assert len(windows) > 0 and set(windows.labels) == {0}
    with pytest.raises(DataError, match="nothing to find"):
        scale_of(empty, 32)


def test_windows_show_what_their_labels_say(index):
    scale = scale_of(index, 32)
    longest = np.concatenate([(a.objects.boxes[:, 2:] - a.objects.boxes[:, :2]) * (512, 384) for a in index.annotations]).max(
        axis=1
    )
    assert scale * np.median(longest) == pytest.approx(32 * FILLED)
    windows, again = (cut_windows(index, side=32, scale=scale, seed=1, skipped=SkippedFiles()) for _ in range(2))
    assert windows.class_names == (BACKGROUND, *index.class_names)
    assert windows.pixels.shape == (len(windows), 32, 32, 3) and windows.pixels.dtype == np.uint8
    assert np.array_equal(windows.pixels, again.pixels)
    present = {int(label) for one in index.annotations for label in one.objects.classes + 1}
    assert {0} < set(windows.labels.tolist()) <= present | {0}


def test_a_vanished_image_is_named(index, tmp_path):
    skipped = SkippedFiles()
    gone = replace(index, paths=(*index.paths[:2], str(tmp_path / "gone.jpg")))
    assert len(cut_windows(gone, side=32, scale=1.0, seed=0, skipped=skipped)) > 0
    assert [one.path for one in skipped.list()] == [str(tmp_path / "gone.jpg")]
