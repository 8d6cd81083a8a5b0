"""Windows lie where they should, what is decoded is exactly what they show, and training and serving see alike."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from visionkit.data.augmentation import windows
from visionkit.data.images import crops, resize
from visionkit.ops.colors import PADDING

SIDES = st.integers(1, 5000)
NUM_DRAWN = {"random_windows": 2 * windows.TRIES + 2, "random_squares": 3}


def decode_window(contents: bytes, window, size: int) -> np.ndarray:
    """What training sees of one window of a JPEG: ``(size, size, 3)``."""
    shape = np.array(Image.open(io.BytesIO(contents)).size[::-1])
    ratios = windows.decoding_ratios(np.array([window]), size)
    snapped = windows.snapped(np.array([window]), ratios)
    parts = windows.inside(snapped, shape[None])
    frames = windows.frames(snapped, parts, size)
    return crops.place(
        crops.decode_jpeg_window(tf.constant(contents), parts[0].tolist(), int(ratios[0])), frames[0].tolist(), size
    )


def as_jpeg(pixels: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 95, "subsampling": 0} | options)
    return buffer.getvalue()


# Random windows


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(0, 2**31 - 1), st.floats(0.01, 1.0))
def test_random_windows_lie_inside(height, width, seed, smallest):
    drawn = np.random.default_rng(seed).random((20, NUM_DRAWN["random_windows"]))
    drawn[0], drawn[1] = 0, np.nextafter(1, 0)
    top, left, h, w = windows.random_windows(np.array([[height, width]] * 20), drawn, (smallest, 1.0)).T
    assert min(top) >= 0 and min(left) >= 0 and min(h) >= 1 and min(w) >= 1
    assert max(top + h) <= height and max(left + w) <= width
    most = 4 / 3  # and a pixel, to which sides are rounded
    assert (h <= most * (w + 1) + 1).all() and (w <= most * (h + 1) + 1).all()


@pytest.mark.parametrize("draw", [windows.random_windows, windows.random_squares])
def test_no_images_have_no_windows(draw):
    assert draw(np.zeros((0, 2), int), np.zeros((0, NUM_DRAWN[draw.__name__])), (0.1, 1.0)).shape == (0, 4)
    none = np.zeros((0, 4), np.int32)
    assert windows.decoding_ratios(none, 8).shape == (0,)
    assert windows.snapped(none, np.zeros(0, int)).shape == windows.inside(none, np.zeros((0, 2), int)).shape == (0, 4)
    assert windows.frames(none, none, 8).shape == (0, 4)


def test_random_windows_have_the_asked_area_and_shape_and_lie_anywhere(rng):
    drawn = windows.random_windows(np.full((1000, 2), 400), rng.random((1000, NUM_DRAWN["random_windows"])), (0.3, 0.5))
    areas, ratios = drawn[:, 2] * drawn[:, 3], drawn[:, 3] / drawn[:, 2]
    assert 0.29 * 400**2 < min(areas) < max(areas) < 0.51 * 400**2
    assert np.mean(areas) == pytest.approx(0.4 * 400**2, rel=0.05)
    assert 0.74 < min(ratios) < 0.8 and 1.25 < max(ratios) < 1.35
    middles = drawn[:, :2] + drawn[:, 2:] / 2
    assert middles.mean(axis=0) == pytest.approx([200, 200], rel=0.05)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(0, 2**31 - 1), st.floats(0.01, 2.0), st.floats(0, 1))
def test_random_squares_lie_inside_or_around(height, width, seed, smallest, more):
    drawn = np.random.default_rng(seed).random((20, NUM_DRAWN["random_squares"]))
    drawn[0], drawn[1] = 0, np.nextafter(1, 0)
    top, left, h, w = windows.random_squares(np.array([[height, width]] * 20), drawn, (smallest, smallest + more)).T
    np.testing.assert_array_equal(h, w)
    longest = max(height, width)
    assert (h >= max(1, np.floor(smallest * longest))).all() and (h <= np.ceil((smallest + more) * longest) + 1).all()
    for start, side in ((top, height), (left, width)):
        assert np.where(h <= side, (start >= 0) & (start + h <= side), (start <= 0) & (start + h >= side)).all()


def test_random_squares_lie_anywhere(rng):
    drawn = windows.random_squares(np.full((2000, 2), (200, 400)), rng.random((2000, 3)), (0.4, 1.2))
    sides = drawn[:, 2] / 400
    assert 0.4 <= sides.min() < 0.42 and 1.18 < sides.max() <= 1.2
    middles = drawn[:, :2] + drawn[:, 2:] / 2
    assert middles.mean(axis=0) == pytest.approx([100, 200], rel=0.05)
    assert middles.std(axis=0).min() > 30


# Windows that are decoded


def test_windows_are_not_decoded_smaller_than_they_are_used():
    sides = np.array([1, 99, 100, 199, 200, 399, 400, 799, 800, 9000])
    window = np.stack([sides * 0, sides * 0, sides, sides * 2], axis=1)
    assert windows.decoding_ratios(window, 100).tolist() == [1, 1, 1, 1, 2, 2, 4, 4, 8, 8]


@settings(max_examples=80, deadline=None)
@given(st.integers(-900, 900), st.integers(-900, 900), st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 400))
def test_snapping_moves_little_and_leaves_enough(top, left, height, width, size):
    window = np.array([[top, left, height, width]])
    ratios = windows.decoding_ratios(window, size)
    snapped = windows.snapped(window, ratios)
    assert (snapped % ratios == 0).all()
    assert (window - snapped >= 0).all() and (window - snapped < ratios).all()
    assert ratios[0] == 1 or (snapped[0, 2:] // ratios[0] >= size).all()


@settings(max_examples=80, deadline=None)
@given(SIDES, SIDES, SIDES, SIDES, st.floats(0, 1), st.floats(0, 1), st.integers(1, 300))
def test_parts_and_frames_lie_inside_and_fit_each_other(height, width, h, w, down, across, size):
    """Of any window that holds a pixel of the image, and may reach beyond it on any side."""
    top, left = round(1 - h + down * (height + h - 2)), round(1 - w + across * (width + w - 2))
    window, shape = np.array([[top, left, h, w]]), np.array([[height, width]])
    (part,) = windows.inside(window, shape)
    seen = np.minimum(window[0, :2] + window[0, 2:], shape[0]) - np.maximum(window[0, :2], 0)
    assert part.tolist() == [*np.maximum(window[0, :2], 0), *seen] and (seen >= 1).all()
    (frame,) = windows.frames(window, part[None], size)
    assert (frame[:2] >= 0).all() and (frame[2:] >= 1).all() and (frame[:2] + frame[2:] <= size).all()
    scale = size / window[0, 2:]
    assert (np.abs(frame[:2] - (part[:2] - window[0, :2]) * scale) <= 1).all()
    assert (np.abs(frame[2:] - part[2:] * scale) <= 1).all()


def test_a_window_that_snapping_has_moved_off_its_image_still_has_a_part_and_a_frame():
    """An image of one row at the very end of a window of 4999 pixels."""
    window = windows.snapped(np.array([[-4998, 0, 4999, 4999]]), np.array([8]))
    part = windows.inside(window, np.array([[1, 4999]]))
    assert part.tolist() == [[0, 0, 1, 4992]]
    (frame,) = windows.frames(window, part, 32)
    assert frame.tolist() == [31, 0, 1, 32]


def test_a_window_inside_the_image_fills_the_input():
    window = np.array([[3, 4, 20, 30]])
    assert windows.inside(window, np.array([[50, 60]])).tolist() == [[3, 4, 20, 30]]
    assert windows.frames(window, window, 16).tolist() == [[0, 0, 16, 16]]


def test_a_window_about_the_image_shows_it_in_its_place():
    window = np.array([[-10, 0, 40, 40]])
    part = windows.inside(window, np.array([[20, 40]]))
    assert part.tolist() == [[0, 0, 20, 40]]
    assert windows.frames(window, part, 16).tolist() == [[4, 0, 8, 16]]


def test_what_a_window_misses_is_padding():
    placed = crops.place(np.full((7, 9, 3), 200, np.uint8), [4, 0, 8, 16], 16)
    assert (placed[4:12] == 200).all() and (placed[:4] == PADDING).all() and (placed[12:] == PADDING).all()
    placed = crops.place(np.full((7, 9), 3, np.uint8), [0, 2, 1, 1], 4, is_mask=True)
    assert placed[0, 2] == 3 and np.count_nonzero(placed == windows.IGNORE) == 15


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 2)])
def test_images_of_one_pixel_are_placed(shape):
    pixels = np.full((*shape, 3), 9, np.uint8)
    assert (crops.place(pixels, [0, 0, 16, 16], 16) == 9).all()
    assert (crops.place(pixels[..., 0], [0, 0, 16, 16], 16, is_mask=True) == 9).all()


def test_classes_of_a_mask_are_not_blended(rng):
    mask = rng.choice(np.array([0, 7, 255], np.uint8), (50, 70))
    assert set(np.unique(crops.place(mask, [3, 0, 20, 32], 32, is_mask=True))) <= {0, 7, 255}


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3), (480, 640)])
@pytest.mark.parametrize("side", [0.3, 1.0, 1.7])
def test_any_image_goes_through_any_window(shape, side, rng):
    contents = as_jpeg(np.full((*shape, 3), 77, np.uint8))
    for drawn in rng.random((4, 3)):
        (window,) = windows.random_squares(np.array([shape]), drawn[None], (side, side))
        image = decode_window(contents, window, 24)
        assert image.shape == (24, 24, 3)
        values = set(np.unique(image))
        assert values <= {76, 77, 78, PADDING} and values & {76, 77, 78}


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"progressive": True}], ids=["plain", "4:2:0", "progressive"])
def test_a_window_that_is_decoded_small_shows_exactly_its_part(photograph, ratio, options):
    """The same part of the whole image, shrunk; and nowhere as near to any neighboring part."""
    large = cv2.resize(photograph, (903, 801), interpolation=cv2.INTER_CUBIC)
    contents = as_jpeg(large, **options)
    decoded = np.asarray(Image.open(io.BytesIO(contents)))
    top, left, height, width = 40, 24, 640, 720  # multiples of 8
    small = crops.decode_jpeg_window(tf.constant(contents), [top, left, height, width], ratio).astype(float)
    assert small.shape == (height // ratio, width // ratio, 3)

    def difference(dy: int, dx: int) -> float:
        part = decoded[top + dy : top + dy + height, left + dx : left + dx + width]
        return np.abs(cv2.resize(part, small.shape[1::-1], interpolation=cv2.INTER_AREA) - small).mean()

    own = difference(0, 0)
    assert own < 2.5
    step = max(1, ratio // 2)
    assert all(difference(dy, dx) > own for dy, dx in ((0, step), (step, 0), (0, -step), (-step, 0), (step, step)))


def test_a_window_decoded_at_its_full_size_is_cut_from_the_image(photograph):
    contents = as_jpeg(photograph)
    part = crops.decode_jpeg_window(tf.constant(contents), [17, 33, 101, 57], 1)
    whole = tf.io.decode_jpeg(contents, dct_method="INTEGER_ACCURATE").numpy()
    np.testing.assert_array_equal(part, whole[17 : 17 + 101, 33 : 33 + 57])


@pytest.mark.parametrize("ratio", [2, 4, 8])
def test_a_part_that_ends_with_the_image_is_rounded_up(photograph, ratio):
    contents = as_jpeg(photograph)  # 300 x 451
    small = crops.decode_jpeg_window(tf.constant(contents), [8, 16, 292, 435], ratio)
    assert small.shape == (-(-292 // ratio), -(-435 // ratio), 3)


def test_a_damaged_file_raises(photograph):
    with pytest.raises(tf.errors.InvalidArgumentError):
        crops.decode_jpeg_window(tf.constant(as_jpeg(photograph)[:200]), [0, 0, 64, 64], 1)


# Training and serving


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.integers(1, 700))
def test_a_whole_image_lies_where_letterbox_puts_it(height, width, size):
    """Train/serve skew: the padding of the one is the padding of the other."""
    start, sides = resize.letterbox_placement_in_graph(tf.constant([height, width]), size)
    frame = resize.letterbox_placement((height, width), size)
    np.testing.assert_array_equal(frame, np.concatenate([start, sides]))
    assert (frame[:2] >= 0).all() and (frame[2:] >= 1).all() and (frame[:2] + frame[2:] <= size).all()
    assert frame[2:].max() == size


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (60, 7), (37, 90), (300, 451), (128, 128)])
@pytest.mark.parametrize("size", [32, 96])
def test_training_and_letterbox_show_the_same(photograph, shape, size):
    image = np.ascontiguousarray(photograph[: shape[0], : shape[1]])
    served = resize.letterbox(image, size).numpy()
    trained = crops.place(image, resize.letterbox_placement(shape, size).tolist(), size)
    frame = resize.letterbox_placement(shape, size)
    padding = np.ones((size, size), bool)
    padding[frame[0] : frame[0] + frame[2], frame[1] : frame[1] + frame[3]] = False
    assert (served[padding] == PADDING).all() and (trained[padding] == PADDING).all()
    assert np.abs(served - trained)[~padding].mean() < 6  # of 255: the one is sharper than the other
    assert abs((served - trained).mean()) < 1


@settings(max_examples=40, deadline=None)
@given(SIDES, SIDES)
def test_the_central_window_is_a_square_in_the_middle(height, width):
    top, left, h, w = resize.central_window(tf.constant(height), tf.constant(width)).numpy()
    assert h == w == max(1, round(0.875 * min(height, width)))
    assert 0 <= top <= height - h and abs(top - (height - h - top)) <= 1
    assert 0 <= left <= width - w


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3), (300, 451)])
@pytest.mark.parametrize("show", [resize.center_crop, resize.letterbox])
def test_any_image_becomes_a_square(rng, shape, show):
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    fitted = show(image, 32).numpy()
    assert fitted.shape == (32, 32, 3) and fitted.dtype == np.float32
    assert fitted.min() >= 0 and fitted.max() <= 255.001


def test_fit_agrees_with_pillows_smooth_resizing(photograph):
    top, left, h, w = resize.central_window(*photograph.shape[:2]).numpy()
    theirs = Image.fromarray(photograph[top : top + h, left : left + w]).resize((96, 96), Image.Resampling.BILINEAR)
    assert np.abs(resize.center_crop(photograph, 96).numpy() - np.asarray(theirs)).max() < 2


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_a_window_looks_alike_in_training_and_serving(photograph, size):
    """Train/serve skew: of a JPEG, training decodes the window small and resizes it without smoothing."""
    contents, (top, left, side) = as_jpeg(photograph), (16, 96, 264)  # multiples of 8, about the central window
    decoded = np.asarray(Image.open(io.BytesIO(contents)))[top : top + side, left : left + side]
    served = tf.image.resize(decoded, [size, size], antialias=True).numpy()  # as fit and letterbox do
    trained = decode_window(contents, [top, left, side, side], size)
    small = [cv2.resize(pixels.astype(np.float32), (20, 20), interpolation=cv2.INTER_AREA) for pixels in (served, trained)]
    assert np.abs(small[0] - small[1]).mean() < 3  # of 255; finer than this the one is sharper than the other
    assert abs((served - trained).mean()) < 1


@pytest.mark.parametrize("options", [{"area": (0.08, 1.0)}, {"area": (0.6, 1.0)}, {"zoom": (0.5, 1.5)}])
def test_no_window_is_smaller_than_the_smallest(options):
    """Also of very oblong images, where hardly any window fits."""
    rng = np.random.default_rng(0)
    shapes = rng.integers(1, 2000, (5000, 2)) // rng.choice([1, 1, 20], (5000, 2)) + 1
    drawn = rng.random((5000, 2 * windows.TRIES + 2))
    drawn[::2, ::2] = 0.0  # the smallest share of the area
    if "area" in options:
        chosen = windows.random_windows(shapes, drawn, options["area"])
    else:
        chosen = windows.random_squares(shapes, drawn[:, -3:], options["zoom"])
    assert (chosen[:, 2:].min(axis=1) >= windows.smallest_sides(shapes, **options)).all()


def test_the_smallest_window_of_a_whole_image_is_the_image():
    assert windows.smallest_sides(np.array([[30, 50], [7, 2]])).tolist() == [30, 2]
    assert windows.smallest_sides(np.zeros((0, 2), int), zoom=(0.5, 1)).shape == (0,)


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
@pytest.mark.parametrize("shape", [(1, 1), (64, 40), (7, 33)])
def test_shrinking_takes_means_of_blocks(shape, ratio):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    small = crops.shrink(pixels, ratio)
    assert small.shape == (-(-shape[0] // ratio), -(-shape[1] // ratio), 3)
    rows, columns = shape[0] // ratio, shape[1] // ratio
    whole = pixels[: rows * ratio, : columns * ratio].reshape(rows, ratio, columns, ratio, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small[:rows, :columns], whole, atol=1.5)


def test_no_boxes_on_a_image():
    assert resize.unletterbox(np.zeros((0, 4)), (10, 20), 64).shape == (0, 4)


def test_boxes_of_the_padded_square_are_those_of_the_image():
    """An image of 640 x 480 lies between 40 and 280 of 320 pixels."""
    boxes = np.array([[0, 0.125, 1, 0.875], [0.25, 0.5, 0.5, 1.0]])
    np.testing.assert_allclose(resize.unletterbox(boxes, (480, 640), 320), [[0, 0, 1, 1], [0.25, 0.5, 0.5, 1.0]])
