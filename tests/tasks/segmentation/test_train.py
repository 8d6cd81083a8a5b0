"""What segmenters are trained with: the losses of all levels over the pixels that count, and patches that are not resized."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.data.scenes import NAMES, scene, write_scenes
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.mask_targets import NO_TARGETS, MaskTargets, of_mask
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.losses import segmentation
from visionkit.metrics.segmentation import segmentation_metrics
from visionkit.tasks.segmentation import segmenters
from visionkit.tasks.segmentation.data import image_patches
from visionkit.tasks.segmentation.train import Objective, Schedule, losses_of, phase
from visionkit.training import fit

PLAIN = Augmentation("none", scale=(1.0, 1.0))


def gradient_of(objective: Objective, logits: np.ndarray, labels: dict) -> np.ndarray:
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = sum(losses_of(objective)(logits, labels).values())
    return np.array(tape.gradient(loss, logits))


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "dice", "jaccard", "tversky", "boundary"])
def test_ignored_pixels_give_no_gradient_even_where_all_are_ignored(rng, name):
    logits = rng.normal(size=(2, 6, 8, 3)).astype(np.float32)
    objective = Objective((name,), (0.5, 2.0, 1.0), MaskTargets(10.0, 3))
    masks = rng.integers(0, 3, (2, 6, 8), np.uint8)
    for ignored in (np.s_[:], np.s_[:, :3]):
        batch = masks.copy()
        batch[ignored] = 255
        targets = [of_mask(mask, objective.targets) for mask in batch]
        labels = {"mask": batch} | {key: np.stack([each[key] for each in targets]) for key in objective.targets.shapes()}
        gradient = gradient_of(objective, logits, labels)
        assert np.isfinite(gradient).all() and not gradient[ignored].any()
    assert gradient[:, 3:].any()


def test_a_loss_is_the_sum_of_its_parts_over_all_levels(rng):
    mask = rng.integers(0, 2, (1, 8, 8), np.uint8)
    output = {name: rng.normal(size=(1, side, side, 2)).astype(np.float32) for name, side in (("logits", 8), ("logits_4", 2))}
    parts = losses_of(Objective(("cross_entropy", "dice")))(output, {"mask": mask})
    for name in ("cross_entropy", "dice"):
        loss = getattr(segmentation, name)
        expected = loss(output["logits"], mask) + 0.25 * loss(output["logits_4"], mask[:, 2::4, 2::4])
        assert float(parts[name]) == pytest.approx(float(expected), rel=1e-5)
    alone = losses_of(Objective(("dice",)))(output["logits"], {"mask": mask})
    assert float(alone["dice"]) == pytest.approx(float(segmentation.dice(output["logits"], mask)), rel=1e-5)


def test_cross_entropy_is_weighted_by_classes_and_borders(rng):
    mask = np.zeros((1, 12, 12), np.uint8)
    mask[0, 2:9, 2:5] = mask[0, 2:9, 7:10] = 1
    logits = rng.normal(size=(1, 12, 12, 2)).astype(np.float32)
    borders = of_mask(mask[0], MaskTargets(10.0))["weights"][None]
    assert borders.max() > 2  # there is a gap
    objective = Objective(("cross_entropy",), (0.5, 3.0), MaskTargets(10.0))
    loss = losses_of(objective)(logits, {"mask": mask, "weights": borders})["cross_entropy"]
    weights = np.array([0.5, 3.0], np.float32)[mask] * borders
    assert float(loss) == pytest.approx(float(segmentation.cross_entropy(logits, mask, weights=weights)), rel=1e-5)


@pytest.fixture
def index(tmp_path, rng):
    """Two scenes of 40 x 64 pixels, and one that is smaller than a patch."""
    shapes = ((40, 64), (40, 64), (20, 24))
    return write_scenes(tmp_path, [(image, None, mask) for image, _, mask in (scene(rng, shape) for shape in shapes)])


def patches_of(index, *, augmentation=PLAIN, cache="none", targets=NO_TARGETS, seed=0):
    options = {"seed": seed, "cache": open_cache(index, cache, note=lambda _: None), "targets": targets}
    return image_patches(TrainingPipeline(index, 32, 4, augmentation, **options), np.array([3, 2, 1]))


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_patches_are_the_images_own_pixels_and_the_masks_own_numbers(index, cache):
    """Nothing is resized, as in the bundle. Pixels beyond a small image are ignored."""
    truths = [(np.asarray(Image.open(path)), np.asarray(Image.open(path.replace(".png", "_mask.png")))) for path in index.paths]
    epoch_batches, places = patches_of(index, cache=cache), []
    for epoch in (0, 1):  # the second from the cache, if there is one
        for images, labels in epoch_batches(epoch):
            assert images.dtype == tf.uint8 and set(labels) == {"mask"}
            for image, mask in zip(images.numpy(), labels["mask"].numpy(), strict=True):
                inside = mask != 255
                rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
                part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                assert inside[part].all() and (image[~inside] == 114).all()
                places.append(_place_of(image[part], mask[part], truths))
    numbers = [number for number, _, _ in places]
    assert [numbers.count(number) for number in range(3)] == [6, 4, 2] and len(set(places)) > 5


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
    runs = [list(patches_of(index, targets=targets, cache=cache)(3)) for cache in ("none", "memory")]
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
    images, labels = next(iter(patches_of(index, augmentation=Augmentation("wide", scale=(2.0, 2.0)))(0)))
    counted = (labels["mask"].numpy() != 255).sum(axis=(1, 2))
    assert set(counted.tolist()) <= {20 * 32, 10 * 12} and images.shape == (4, 32, 32, 3)


def test_a_segmenter_learns_and_its_average_is_what_is_validated(index):
    keras.utils.set_random_seed(0)
    segmenter = segmenters.build(len(NAMES), base=None, filters=(8, 8))
    options = {"size": 32, "patches": np.array([3, 2, 1]), "validate_every": 20}
    schedule = Schedule(epochs=20, batch_size=4, learning_rate=3e-2, **options)

    def measured_now():
        matrix = np.zeros((5, 5), np.int64)
        for images, labels in patches_of(index)(0):
            predictions = np.array(segmenter.inference(images.numpy().astype("float32"), training=False)).argmax(-1)
            counts = labels["mask"].numpy() != 255
            np.add.at(matrix, (labels["mask"].numpy()[counts], predictions[counts]), 1)
        return segmentation_metrics(matrix, NAMES)

    training = phase(segmenter, schedule, Objective(), patches_of(index), measured_now)
    fit.compile_phase(training)
    rows = [fit.run_epoch(training, epoch, lambda: None) for epoch in range(schedule.epochs)]
    assert set(rows[0]) == {"loss", "cross_entropy_loss", "dice_loss"} and rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    before = [np.array(weight) for weight in segmenter.network.weights]
    validation = training.validate()
    assert list(validation) == ["pixel_error", "mean_iou"]
    assert all((np.array(now) == old).all() for now, old in zip(segmenter.network.weights, before, strict=True))
    training.on_end()
    assert measured_now().pixel_error == pytest.approx(validation["pixel_error"])
    assert any((np.array(now) != old).any() for now, old in zip(segmenter.network.weights, before, strict=True))
