"""Regions and boundaries by hand, and as scikit-learn has them."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from visionkit.errors import UserError
from visionkit.metrics.segmentation import boundary_f1, confusion_matrix, mean_dice_of_cases, segmentation_metrics
from visionkit.ops.colors import IGNORE

NAMES = ("background", "liver", "spleen")


def drawn(seed, shape=(6, 20, 30), num_classes=3, ignored=0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, num_classes, shape).astype(np.uint8)
    prediction = np.where(rng.random(shape) < 0.3, rng.integers(0, num_classes, shape), truth).astype(np.uint8)
    truth[rng.random(shape) < ignored] = IGNORE
    return truth, prediction


@pytest.mark.parametrize("truth", [np.zeros((0, 4), np.uint8), np.full((3, 4), IGNORE, np.uint8)])
def test_without_counted_pixels_metrics_are_nan(truth):
    prediction = np.ones(truth.shape, np.uint8)
    matrix = confusion_matrix(truth, prediction, 3)
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, np.zeros((3, 3)))
    measured = segmentation_metrics(matrix, NAMES)
    assert measured.numbers() == {}
    for values in (measured.iou, measured.dice, measured.precision, measured.recall, measured.truth_share):
        assert values.shape == (3,) and np.isnan(values).all()
    assert np.isnan([measured.mean_iou, measured.mean_dice, measured.foreground_dice, measured.pixel_error]).all()
    assert np.isnan(mean_dice_of_cases([confusion_matrix(truth, prediction, 3)], 3)).all()
    assert np.isnan(boundary_f1(truth, prediction, 3)).all()


def test_no_case_and_no_class():
    assert np.isnan(mean_dice_of_cases([], 3)).all()
    assert segmentation_metrics(np.zeros((0, 0), int), ()).numbers() == {}


def test_regions_by_hand():
    truth, prediction = np.array([[0, 0, 1, 1, IGNORE]]), np.array([[0, 1, 1, 1, 0]])
    matrix = confusion_matrix(truth, prediction, 3)
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 2, 0], [0, 0, 0]])
    measured = segmentation_metrics(matrix, NAMES)
    np.testing.assert_allclose(measured.iou, [1 / 2, 2 / 3, np.nan])
    np.testing.assert_allclose(measured.dice, [2 / 3, 4 / 5, np.nan])
    np.testing.assert_allclose(measured.precision, [1, 2 / 3, np.nan])
    np.testing.assert_allclose(measured.recall, [1 / 2, 1, np.nan])
    np.testing.assert_allclose(measured.truth_share, [1 / 2, 1 / 2, 0])
    assert measured.foreground_dice == pytest.approx(4 / 5)
    assert measured.numbers() == pytest.approx(
        {"mean_iou": 7 / 12, "pixel_error": 1 / 4, "dice": 4 / 5, "pixel_accuracy": 3 / 4}
    )


def test_only_a_background_is_left_out_of_the_foreground():
    matrix = np.array([[3, 1], [2, 4]])
    assert segmentation_metrics(matrix, ("Background", "cell")).foreground_dice == pytest.approx(8 / 11)
    assert np.isnan(segmentation_metrics(matrix, ("road", "sky")).foreground_dice)


def test_a_class_that_is_only_predicted_counts_as_zero_as_in_scikit_learn():
    truth, prediction = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 1])
    measured = segmentation_metrics(confusion_matrix(truth, prediction, 4), "abcd")
    np.testing.assert_allclose(measured.iou, [1 / 2, 1, 0, np.nan])
    np.testing.assert_allclose([measured.precision[2], measured.recall[2], measured.dice[2]], 0)
    assert measured.mean_iou == pytest.approx(sklearn_metrics.jaccard_score(truth, prediction, average="macro"))
    assert measured.mean_dice == pytest.approx(sklearn_metrics.f1_score(truth, prediction, average="macro"))


@pytest.mark.parametrize(("seed", "shape", "num_classes"), [(0, (6, 20, 30), 3), (1, (40, 50), 2), (2, (300,), 254)])
def test_regions_are_those_of_scikit_learn(seed, shape, num_classes):
    truth, prediction = drawn(seed, shape, num_classes)
    matrix = confusion_matrix(truth, prediction, num_classes)
    counts = truth != IGNORE
    pair, labels = (truth[counts], prediction[counts]), np.arange(num_classes)
    np.testing.assert_array_equal(matrix, sklearn_metrics.confusion_matrix(*pair, labels=labels))
    measured = segmentation_metrics(matrix, [str(number) for number in labels])
    known = ~np.isnan(measured.iou)
    np.testing.assert_array_equal(np.flatnonzero(known), np.unique(pair))
    for values, reference in (
        (measured.iou, sklearn_metrics.jaccard_score),
        (measured.dice, sklearn_metrics.f1_score),
        (measured.precision, sklearn_metrics.precision_score),
        (measured.recall, sklearn_metrics.recall_score),
    ):
        np.testing.assert_allclose(values[known], reference(*pair, labels=labels[known], average=None, zero_division=0))
    assert measured.pixel_accuracy == pytest.approx(sklearn_metrics.accuracy_score(*pair))
    assert measured.mean_iou == pytest.approx(sklearn_metrics.jaccard_score(*pair, average="macro"))


def test_matrices_of_images_add_up():
    truth, prediction = drawn(3)
    parts = sum(confusion_matrix(one, other, 3) for one, other in zip(truth, prediction, strict=True))
    np.testing.assert_array_equal(parts, confusion_matrix(truth, prediction, 3))


def test_the_mean_of_cases_weighs_small_ones_as_much_as_large_ones():
    truths = [np.array([0, 1, 1]), np.zeros(100, int), np.array([[0, 0], [2, 2]])]
    predictions = [np.array([0, 1, 0]), np.zeros(100, int), np.array([[0, 0], [0, 1]])]
    matrices = [confusion_matrix(truth, prediction, 4) for truth, prediction in zip(truths, predictions, strict=True)]
    np.testing.assert_allclose(mean_dice_of_cases(matrices, 4), [(2 / 3 + 1 + 4 / 5) / 3, (2 / 3 + 0) / 2, 0, np.nan])


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros((2, 2)), np.zeros((2, 3)), r"shape \(2, 2\).*\(2, 3\)"),
        (np.zeros(2), np.array([0, 3]), "prediction holds class 3, but there are 3"),
        (np.array([0, 3]), np.zeros(2), "truth holds class 3"),
        (np.array([0, 1]), np.array([0, -1]), "prediction holds -1 to 0"),
        (np.array([0, 300]), np.array([0, 1]), "truth holds 0 to 300"),
    ],
)
def test_unknown_classes_are_an_error(truth, prediction, message):
    with pytest.raises(UserError, match=message):
        confusion_matrix(truth, prediction, 3)


def test_other_mismatches_are_an_error():
    with pytest.raises(UserError, match="256 classes"):
        confusion_matrix(np.zeros(2, int), np.zeros(2, int), 256)
    with pytest.raises(UserError, match="names of 2"):
        segmentation_metrics(np.zeros((3, 3), int), ("a", "b"))
    with pytest.raises(UserError, match="slices"):
        boundary_f1(np.zeros((2, 3, 4), int), np.zeros((2, 3, 4), int), 2)


def halves(column, shape=(10, 12)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[:, column:] = 1
    return mask


def test_boundaries_within_the_tolerance_match():
    truth = halves(5)
    np.testing.assert_allclose(boundary_f1(truth, truth, 3), [1, 1, np.nan])
    np.testing.assert_allclose(boundary_f1(truth, halves(7), 2, tolerance=2), 1)
    np.testing.assert_allclose(boundary_f1(truth, halves(7), 2, tolerance=1.9), 0)
    assert np.isnan(boundary_f1(np.zeros((10, 12)), np.zeros((10, 12)), 1)).all()  # the image's edge is no boundary
    wide = halves(300, (600, 800))  # of a diagonal of 1000 pixels: near is up to 7.5
    np.testing.assert_allclose(boundary_f1(wide, halves(307, (600, 800)), 2), 1)
    np.testing.assert_allclose(boundary_f1(wide, halves(308, (600, 800)), 2), 0)


def test_a_boundary_in_only_one_mask_scores_zero():
    np.testing.assert_allclose(boundary_f1(halves(5), np.zeros((10, 12)), 3), [0, 0, np.nan])
    np.testing.assert_allclose(boundary_f1(np.zeros((10, 12)), halves(5), 3), [0, 0, np.nan])


def test_ignored_pixels_have_no_boundary():
    truth, prediction = halves(5), halves(5)
    truth[:3], prediction[:3] = IGNORE, 1
    np.testing.assert_allclose(boundary_f1(truth, prediction, 2, tolerance=0), 1)
    truth[:, 4:6] = IGNORE
    assert np.isnan(boundary_f1(truth, prediction, 2)).all()


@pytest.mark.parametrize("seed", range(3))
def test_boundaries_are_those_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    truth, prediction = (np.kron(rng.integers(0, 3, (4, 5)), np.ones((3, 3), int)) for _ in range(2))
    truth[rng.random(truth.shape) < 0.05] = IGNORE

    def boundary(mask, number):
        pixels = []
        for y, x in np.argwhere((mask == number) & (truth != IGNORE)):
            near = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
            near = [at for at in near if 0 <= at[0] < 12 and 0 <= at[1] < 15 and truth[at] != IGNORE]
            if any(mask[at] != number for at in near):
                pixels.append((y, x))
        return np.array(pixels)

    for number, score in enumerate(boundary_f1(truth, prediction, 3, tolerance=1.5)):
        true, predicted = boundary(truth, number), boundary(prediction, number)
        close = np.linalg.norm(true[:, None] - predicted[None], axis=-1) <= 1.5
        precision, recall = close.any(axis=0).mean(), close.any(axis=1).mean()
        assert score == pytest.approx(2 * precision * recall / (precision + recall))
