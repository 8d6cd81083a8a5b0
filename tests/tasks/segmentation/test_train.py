"""What segmenters are trained on: the losses of all levels, of what counts; patches that are the image's own pixels."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.scenes import NAMES, scene, write_scenes
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import SkippedFiles
from visionkit.data.mask_targets import NO_TARGETS, MaskTargets, of_mask
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.losses import segmentation
from visionkit.metrics.segmentation import measure
from visionkit.tasks.segmentation import segmenters
from visionkit.tasks.segmentation.train import Objective, Schedule, losses_of, patch_feeder, segmentation_phase
from visionkit.training import fit
from visionkit.training.augment_device import Feeding

PLAIN = Augmentation("none", scale=(1.0, 1.0))


def gradient_of(objective: Objective, logits: np.ndarray, labels: dict) -> np.ndarray:
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = sum(losses_of(objective)(logits, labels).values())
    return np.array(tape.gradient(loss, logits))


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "dice", "jaccard", "tversky", "boundary"])
def test_nothing_that_counts_is_no_loss_and_ignored_pixels_give_no_gradient(rng, name):
    logits = rng.normal(size=(2, 6, 8, 3)).astype(np.float32)
    objective = Objective((name,), (0.5, 2.0, 1.0), MaskTargets(10.0, 3))
    masks = rng.integers(0, 3, (2, 6, 8), np.uint8)
    for ignored in (np.s_[:], np.s_[:, :3]):
        given = masks.copy()
        given[ignored] = 255
        made = [of_mask(mask, objective.targets) for mask in given]
        labels = {"mask": given} | {key: np.stack([each[key] for each in made]) for key in objective.targets.shapes()}
        gradient = gradient_of(objective, logits, labels)
        assert np.isfinite(gradient).all() and not gradient[ignored].any()
    assert gradient[:, 3:].any()


def test_a_loss_is_the_sum_of_its_parts_over_all_levels(rng):
    mask = rng.integers(0, 2, (1, 8, 8), np.uint8)
    said = {name: rng.normal(size=(1, side, side, 2)).astype(np.float32) for name, side in (("logits", 8), ("logits_4", 2))}
    parts = losses_of(Objective(("cross_entropy", "dice")))(said, {"mask": mask})
    for name in ("cross_entropy", "dice"):
        loss = getattr(segmentation, name)
        expected = loss(said["logits"], mask) + 0.25 * loss(said["logits_4"], mask[:, 2::4, 2::4])
        assert float(parts[name]) == pytest.approx(float(expected), rel=1e-5)
    alone = losses_of(Objective(("dice",)))(said["logits"], {"mask": mask})
    assert float(alone["dice"]) == pytest.approx(float(segmentation.dice(said["logits"], mask)), rel=1e-5)


def test_classes_and_borders_weigh_on_cross_entropy(rng):
    mask = np.zeros((1, 12, 12), np.uint8)
    mask[0, 2:9, 2:5] = mask[0, 2:9, 7:10] = 1
    logits = rng.normal(size=(1, 12, 12, 2)).astype(np.float32)
    borders = of_mask(mask[0], MaskTargets(10.0))["weights"][None]
    assert borders.max() > 2  # there is a gap
    objective = Objective(("cross_entropy",), (0.5, 3.0), MaskTargets(10.0))
    found = losses_of(objective)(logits, {"mask": mask, "weights": borders})["cross_entropy"]
    weights = np.array([0.5, 3.0], np.float32)[mask] * borders
    assert float(found) == pytest.approx(float(segmentation.cross_entropy(logits, mask, weights=weights)), rel=1e-5)


@pytest.fixture
def index(tmp_path, rng):
    """Two scenes of 40 x 64 pixels, and one that is smaller than a patch."""
    shapes = ((40, 64), (40, 64), (20, 24))
    return write_scenes(tmp_path, [(image, None, mask) for image, _, mask in (scene(rng, shape) for shape in shapes)])


def feeder(index, *, augmentation=PLAIN, cache="none", targets=NO_TARGETS, seed=0):
    schedule = Schedule(1, 4, 1e-3, 32, np.array([3, 2, 1]))
    feeding = Feeding(augmentation, cache=open_cache(index, cache, say=lambda _: None))
    return patch_feeder(index, feeding, schedule, seed=seed, skipped=SkippedFiles(), targets=targets)


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_patches_are_the_images_own_pixels_and_the_masks_own_numbers(index, cache):
    """What is trained on is what the bundle will see: nothing is resized. Beyond a small image nothing counts."""
    truths = [(np.asarray(Image.open(path)), np.asarray(Image.open(path.replace(".png", "_mask.png")))) for path in index.paths]
    epoch_batches, found, seen = feeder(index, cache=cache), [], set()
    for epoch in (0, 1):  # the second from the cache, if there is one
        for images, labels in epoch_batches(epoch):
            assert images.dtype == tf.uint8 and set(labels) == {"mask"}
            for image, mask in zip(images.numpy(), labels["mask"].numpy(), strict=True):
                inside = mask != 255
                rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
                part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                assert inside[part].all() and (image[~inside] == 114).all()
                found.append(_place_of(image[part], mask[part], truths))
                seen.add(found[-1])
    numbers = [number for number, _, _ in found]
    assert [numbers.count(number) for number in range(3)] == [6, 4, 2] and len(seen) > 5


def _place_of(image: np.ndarray, mask: np.ndarray, truths: list) -> tuple[int, int, int]:
    height, width = mask.shape
    for number, (pixels, truth) in enumerate(truths):
        for top in range(pixels.shape[0] - height + 1):
            for left in range(pixels.shape[1] - width + 1):
                part = np.s_[top : top + height, left : left + width]
                if (pixels[part] == image).all() and (truth[part] == mask).all():
                    return number, top, left
    raise AssertionError("no image has this patch")


def test_the_same_seed_gives_the_same_patches_with_their_targets(index):
    targets = MaskTargets(10.0, len(NAMES))
    runs = [list(feeder(index, targets=targets, cache=cache)(3)) for cache in ("none", "memory")]
    assert [len(images) for images, _ in runs[0]] == [4, 2]
    for (images, labels), (same_images, same_labels) in zip(*runs, strict=True):
        np.testing.assert_array_equal(images, same_images)
        assert set(labels) == {"mask", "weights", "distances"}
        for name in labels:
            np.testing.assert_allclose(labels[name], same_labels[name], rtol=1e-5)
        for row, mask in enumerate(labels["mask"].numpy()):
            for name, expected in of_mask(mask, targets).items():
                np.testing.assert_allclose(labels[name][row], expected, rtol=1e-5)


def test_scaled_windows_are_sides_of_a_patch(index):
    """Twice the side of a patch shows twice as much, whatever the image's size."""
    images, labels = next(iter(feeder(index, augmentation=Augmentation("wide", scale=(2.0, 2.0)))(0)))
    counted = (labels["mask"].numpy() != 255).sum(axis=(1, 2))
    assert set(counted.tolist()) <= {20 * 32, 10 * 12} and images.shape == (4, 32, 32, 3)


def test_a_segmenter_learns_and_its_average_is_what_is_validated(index):
    keras.utils.set_random_seed(0)
    segmenter = segmenters.build(len(NAMES), base=None, filters=(8, 8))
    schedule = Schedule(20, 4, 3e-2, 32, np.array([3, 2, 1]), validate_every=20)

    def measured_now():
        matrix = np.zeros((5, 5), np.int64)
        for images, labels in feeder(index)(0):
            said = np.array(segmenter.answering(images.numpy().astype("float32"), training=False)).argmax(-1)
            counts = labels["mask"].numpy() != 255
            np.add.at(matrix, (labels["mask"].numpy()[counts], said[counts]), 1)
        return measure(matrix, NAMES)

    patches = feeder(index)
    phase = segmentation_phase(segmenter, schedule, Objective(), patches, measured_now)
    fit.compile_phase(phase)
    rows = [fit.run_epoch(phase, epoch, lambda: None) for epoch in range(schedule.epochs)]
    assert set(rows[0]) == {"loss", "cross_entropy_loss", "dice_loss"} and rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    before = [np.array(weight) for weight in segmenter.network.weights]
    validation = phase.validate()
    assert all((np.array(now) == old).all() for now, old in zip(segmenter.network.weights, before, strict=True))
    phase.finish()
    assert measured_now().pixel_error == pytest.approx(validation.pixel_error)
    assert any((np.array(now) != old).any() for now, old in zip(segmenter.network.weights, before, strict=True))
