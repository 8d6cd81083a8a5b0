"""Losses of style transfer by the paper's and the course's formulas, in loops."""

import numpy as np
import pytest
import tensorflow as tf

from visionkit.errors import UserError
from visionkit.losses.style import CELL, FAINT, content_loss, lightness_loss, style_loss, total_variation
from visionkit.ops.gram import gram_matrix, mean_gram


def features(rng, *shape: int) -> np.ndarray:
    return rng.normal(0, 2, shape).astype("float32")


def style_by_the_paper(ours: np.ndarray, theirs: np.ndarray) -> float:
    """``1 / (4 N^2 M^2)`` times the squares between the Gram matrices of two maps ``(H, W, C)``: equation 4."""
    a, b = (maps.reshape(-1, maps.shape[-1]).T.astype(np.float64) for maps in (ours, theirs))
    n, m = a.shape
    difference = a @ a.T - b @ b.T
    return sum(difference[i, j] ** 2 for i in range(n) for j in range(n)) / (4 * n**2 * m**2)


def test_no_images():
    none = np.zeros((0, 4, 4, 3), "float32")
    assert (
        content_loss(none, none).shape
        == style_loss(gram_matrix(none), gram_matrix(none)).shape
        == total_variation(none).shape
        == (0,)
    )
    wide = np.zeros((0, CELL, CELL, 3), "float32")
    assert lightness_loss(wide, wide).shape == (0,)


@pytest.mark.parametrize("loss", [content_loss, lambda a, b: style_loss(mean_gram(a), mean_gram(b))])
def test_equal_inputs_have_no_loss(loss, rng):
    x = features(rng, 2, 4, 4, 3)
    np.testing.assert_allclose(loss(x, x), 0, atol=1e-9)


def test_content_as_in_the_exercise_and_in_the_paper(rng):
    a, b = features(rng, 2, 4, 5, 3), features(rng, 2, 4, 5, 3)
    for number in range(2):
        flat = zip(a[number].ravel().astype(float), b[number].ravel().astype(float), strict=True)
        squares = sum((x - y) ** 2 for x, y in flat)
        assert float(content_loss(a, b)[number]) == pytest.approx(squares / (4 * 4 * 5 * 3), rel=1e-5)
        assert float(content_loss(a, b, constants="paper")[number]) == pytest.approx(squares / 2, rel=1e-5)


def test_style_as_in_the_exercise_and_in_the_paper(rng):
    a, b = features(rng, 2, 4, 5, 3), features(rng, 2, 4, 5, 3)
    expected = [style_by_the_paper(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(style_loss(mean_gram(a), mean_gram(b)), expected, rtol=1e-4)
    np.testing.assert_allclose(style_loss(gram_matrix(a), gram_matrix(b)), np.array(expected) * 20**2, rtol=1e-4)


def test_one_style_for_all_images(rng):
    a, b = features(rng, 3, 4, 5, 2), features(rng, 1, 4, 5, 2)
    expected = [style_by_the_paper(x, b[0]) for x in a]
    np.testing.assert_allclose(style_loss(mean_gram(a), mean_gram(b)), expected, rtol=1e-4)


def test_by_hand():
    """One channel of one pixel: 3 beside 1; the Gram matrices are 9 and 1."""
    a, b = np.full((1, 1, 1, 1), 3, "float32"), np.full((1, 1, 1, 1), 1, "float32")
    assert float(content_loss(a, b)[0]) == pytest.approx(4 / 4)
    assert float(style_loss(mean_gram(a), mean_gram(b))[0]) == pytest.approx(64 / 4)


def test_the_size_of_an_image_does_not_change_its_loss(rng):
    a, b = features(rng, 1, 4, 4, 3), features(rng, 1, 4, 4, 3)
    wide = [np.tile(x, (1, 3, 2, 1)) for x in (a, b)]
    np.testing.assert_allclose(content_loss(*wide), content_loss(a, b), rtol=1e-5)
    np.testing.assert_allclose(style_loss(*map(mean_gram, wide)), style_loss(mean_gram(a), mean_gram(b)), rtol=1e-4)


def test_other_constants_are_an_error(rng):
    x = features(rng, 1, 2, 2, 1)
    with pytest.raises(UserError, match="constants='lecture': expected 'exercise' or 'paper'"):
        content_loss(x, x, constants="lecture")


def test_total_variation_by_loops(rng):
    images = rng.uniform(0, 255, (2, 4, 5, 3)).astype("float32")
    for image, loss in zip(images / 255.0, total_variation(images), strict=True):
        total = 0.0
        for y in range(4):
            for x in range(5):
                total += ((image[y + 1, x] - image[y, x]) ** 2).sum() if y < 3 else 0
                total += ((image[y, x + 1] - image[y, x]) ** 2).sum() if x < 4 else 0
        assert float(loss) == pytest.approx(total / 60, rel=1e-4)


def test_a_single_pixel_and_a_uniform_image_have_no_variation():
    for shape in ((1, 1, 1, 3), (1, 6, 1, 3), (1, 5, 5, 3)):
        assert float(total_variation(np.full(shape, 99, "float32"))[0]) == 0


def cells(rng, count: int) -> np.ndarray:
    """Images of 3 x 4 cells, each of one color, ``(count, 48, 64, 3)``; none is as dark or as light as can be."""
    return rng.uniform(40, 200, (count, 3, 4, 3)).repeat(CELL, axis=1).repeat(CELL, axis=2).astype("float32")


def test_lightness_by_loops(rng):
    painted, images = (each + rng.normal(0, 20, each.shape).astype("float32") for each in (cells(rng, 2), cells(rng, 2)))
    for number, loss in enumerate(lightness_loss(painted, images)):
        relative = []
        for image in (painted[number].astype(float) / 255, images[number].astype(float) / 255):
            means = np.array(
                [
                    [(image[y : y + CELL, x : x + CELL] @ [0.299, 0.587, 0.114]).mean() for x in range(0, 64, CELL)]
                    for y in range(0, 48, CELL)
                ]
            )
            relative.append((means - means.mean()) / np.sqrt(means.var() + FAINT**2))
        assert float(loss) == pytest.approx(((relative[0] - relative[1]) ** 2).mean(), rel=1e-4)


def test_brightness_contrast_and_strokes_do_not_change_lightness_and_a_negative_does(rng):
    images = cells(rng, 3)
    strokes = 30 * np.where(np.arange(64) % 4 < 2, 1, -1)[:, None].astype("float32")
    for same in (images, 0.6 * images + 50, images + strokes):
        np.testing.assert_allclose(lightness_loss(same, images), 0, atol=0.02)
    assert (lightness_loss(255 - images, images).numpy() > 3).all()


def test_a_uniform_image_has_no_relative_lightness_and_a_finite_gradient(rng):
    even, images = tf.fill((1, 48, 64, 3), 255.0), cells(rng, 1)
    with tf.GradientTape() as tape:
        tape.watch(even)
        loss = lightness_loss(even, images)[0]
    assert 0.8 < float(loss) <= 1 and np.isfinite(tape.gradient(loss, even)).all()
    assert float(lightness_loss(even, even)[0]) == 0


def test_gradients_are_those_of_differences(rng):
    """Of all three, at a point, along a direction."""
    target = tf.constant(features(rng, 1, 4, 4, 3))
    start, way = (tf.constant(features(rng, 1, 4, 4, 3)) for _ in range(2))

    def loss(x):
        return content_loss(x, target)[0] + style_loss(mean_gram(x), mean_gram(target))[0] + total_variation(255 * x)[0]

    with tf.GradientTape() as tape:
        tape.watch(start)
        value = loss(start)
    along = float(tf.reduce_sum(tape.gradient(value, start) * way))
    assert along == pytest.approx(float(loss(start + 0.01 * way) - loss(start - 0.01 * way)) / 0.02, rel=0.01)
