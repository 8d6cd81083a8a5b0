"""Patches, epochs and weights follow from the data; undefined metrics are left out."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.index import Annotation, Index
from visionkit.data.splits import Splits
from visionkit.metrics.segmentation import segmentation_metrics
from visionkit.tasks.segmentation.evaluate import Outcome, numbers
from visionkit.tasks.segmentation.plan import (
    augmentation_of,
    balanced,
    choose_epochs,
    choose_size,
    objective_of,
    open_images,
    variation_of,
)
from visionkit.training.config import TrainConfig
from visionkit.training.recipe import Run


def test_the_weights_of_absent_and_rare_classes():
    np.testing.assert_array_equal(balanced(np.zeros(3, int)), np.zeros(3))
    np.testing.assert_allclose(balanced(np.array([1000, 100, 10, 0, 1])), [0.055, 0.55, 5.5, 0, 10.0])


@pytest.mark.parametrize(
    ("shapes", "multiple", "rank", "expected"),
    [
        ([[1, 1]], 32, 2, 32),
        ([[50, 400]], 16, 2, 64),
        ([[512, 512]], 32, 2, 256),
        ([[2000, 3000]], 256, 2, 512),
        ([[20, 90, 90]], 8, 3, 24),
        ([[100, 90, 90]], 8, 3, 32),
    ],
)
def test_patches_are_as_large_as_images_allow(shapes, multiple, rank, expected):
    size, reason = choose_size(np.array(shapes), multiple, rank)
    assert size == expected and size % multiple == 0 and reason


def test_few_patches_are_shown_often():
    assert choose_epochs(1, 2)[0] == 400 and choose_epochs(128, 2)[0] == 100 and choose_epochs(10**6, 3)[0] == 8


def test_few_images_are_warped_and_patches_keep_their_scale():
    notes = []
    few, many = (augmentation_of("auto", count, flip=True, any_way_up=False, note=notes.append) for count in (3, 1000))
    assert few.name.startswith("segmentation-strong") and many.name.startswith("segmentation-medium") and len(notes) == 2
    assert few.zoom is None and few.scale[0] < 1 < few.scale[1]
    turned = augmentation_of("light", 3, flip=True, any_way_up=True, note=notes.append)
    plain = augmentation_of("light", 3, flip=True, any_way_up=False, note=notes.append)
    assert len(notes) == 2 and turned.name == f"{plain.name}, any way up"
    assert len(turned.transforms) == len(plain.transforms) + 1 and turned.scale == plain.scale
    assert variation_of("light", flip=False).flip is False


def test_objectives_have_the_targets_that_their_losses_need():
    plain = objective_of(("dice",), np.array([5, 5]), "none", 0.0)
    assert plain.class_weights == () and plain.targets.shapes() == {}
    full = objective_of(("boundary", "cross_entropy"), np.array([5, 10]), "balanced", 10.0)
    assert full.targets.shapes() == {"weights": (), "distances": (2,)} and full.class_weights == pytest.approx((1.5, 0.75))


@pytest.mark.parametrize("cases", [False, True])
def test_dice_leaves_out_the_background_and_is_left_out_where_it_is_undefined(cases):
    names = ("background", "organ")
    nothing = np.array([[9, 0], [0, 0]])
    metrics = numbers(segmentation_metrics(nothing, names), [Outcome(nothing)], cases=cases)
    assert metrics["pixel_error"] == 0 and not any(np.isnan(value) for value in metrics.values())
    matrices = [np.array([[5, 0], [0, 1]]), np.array([[0, 1], [0, 3]])]
    metrics = numbers(segmentation_metrics(sum(matrices), names), [Outcome(each) for each in matrices], cases=cases)
    assert metrics["dice"] == pytest.approx(np.mean([1, 6 / 7]) if cases else 8 / 9)


def test_validation_without_foreground_is_named_before_training(tmp_path):
    def index_of(split, values):
        paths = []
        for number, value in enumerate(values):
            for kind, pixels in (("image", np.full((32, 32, 3), 90)), ("mask", np.full((32, 32), value))):
                Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / f"{split}_{number}_{kind}.png")
            paths.append(str(tmp_path / f"{split}_{number}_image.png"))
        annotations = tuple(Annotation(mask=path.replace("_image", "_mask")) for path in paths)
        return Index(("background", "organ"), tuple(paths), np.full(len(paths), -1, np.int32), annotations=annotations)

    run = Run(tmp_path / "run")
    run.write_json("plan.json", {"data": Splits(index_of("train", [0, 1]), index_of("val", [0, 0])).to_plain()})
    open_images(run, TrainConfig(data=str(tmp_path)), are_membranes=False)
    sentence = "Note: no validation images of organ: only training has some, so the result is not measured"
    assert run.notes[1] == f"{sentence} ({tmp_path})."


def test_where_no_pixel_has_a_class_nothing_is_measured():
    nothing = np.zeros((2, 2), int)
    metrics = numbers(segmentation_metrics(nothing, ("background", "organ")), [Outcome(nothing)], cases=False)
    assert list(metrics) == ["mean_iou", "pixel_error"] and np.isnan(list(metrics.values())).all()
