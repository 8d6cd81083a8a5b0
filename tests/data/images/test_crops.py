"""Exactly the window of a JPEG is decoded, and placed where it belongs; whether JPEGs are decoded together or one by one."""

import io

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from visionkit.data.augmentation import windows
from visionkit.data.augmentation.parameters import sample_params
from visionkit.data.augmentation.presets import preset
from visionkit.data.images import crops
from visionkit.data.images.scan import scan
from visionkit.data.index import IGNORE, Index
from visionkit.data.pipeline.samples import sample_maker
from visionkit.ops.colors import PADDING


def decode_window(contents: bytes, window, size: int) -> np.ndarray:
    """The training input from one window of a JPEG: ``(size, size, 3)``."""
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


def write_jpegs(folder, count: int) -> list[str]:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        noise = rng.integers(0, 256, (7, 9, 3), np.uint8)
        path = folder / f"{number} b\u00e9e.jpg"
        Image.fromarray(noise).resize((90 + number, 70), Image.Resampling.BICUBIC).save(path, quality=80)
        paths.append(str(path))
    return paths


def test_no_jpegs_have_no_windows():
    assert crops.decode_jpeg_windows([], np.zeros((0, 4), int)) == ([], [])


@pytest.mark.parametrize("count", [1, 2, 3, 5, crops.LARGEST_GROUP - 1, crops.LARGEST_GROUP, 2 * crops.LARGEST_GROUP + 5])
def test_groups_of_any_size_give_what_each_gives_alone(tmp_path, count):
    paths = write_jpegs(tmp_path, count)
    parts = np.array([[3, 5, 20 + number, 40] for number in range(count)])
    lengths, decoded = crops.decode_jpeg_windows(paths, parts)
    assert len(decoded) == count
    for path, part, length, window in zip(paths, parts, lengths, decoded, strict=True):
        contents = tf.io.read_file(path)
        assert length == len(contents.numpy())
        np.testing.assert_array_equal(window, crops.decode_jpeg_window(contents, part.tolist(), 1))


@pytest.mark.parametrize("harm", ["missing", "cut short", "another image", "no image"])
def test_only_the_bad_file_of_a_group_is_skipped(tmp_path, harm):
    paths = write_jpegs(tmp_path, 9)
    index = scan(Index(("bee",), tuple(paths), np.zeros(9, np.int32)))
    augmentation = preset("light")
    drawn = sample_params(index, augmentation, 32, 0, 0)
    make = sample_maker(index, 32, augmentation, drawn, cache=None, on_cpu=True)
    sound = make(list(range(9)))
    victim = tmp_path / "4 b\u00e9e.jpg"
    contents = victim.read_bytes()
    if harm == "missing":
        victim.unlink()
    else:
        other = (tmp_path / "5 b\u00e9e.jpg").read_bytes()
        victim.write_bytes({"cut short": contents[:200], "another image": other, "no image": b"x" * len(contents)}[harm])
    made = make(list(range(9)))
    assert [sample is None for sample in made] == [number == 4 for number in range(9)]
    assert [path for path, _ in index.skipped.list()] == [str(victim)]
    for one, other in zip(sound, made, strict=True):
        assert other is None or (one.image == other.image).all()


def test_the_part_of_a_window_beyond_the_image_is_padding():
    placed = crops.place(np.full((7, 9, 3), 200, np.uint8), [4, 0, 8, 16], 16)
    assert (placed[4:12] == 200).all() and (placed[:4] == PADDING).all() and (placed[12:] == PADDING).all()
    placed = crops.place(np.full((7, 9), 3, np.uint8), [0, 2, 1, 1], 4, is_mask=True)
    assert placed[0, 2] == 3 and np.count_nonzero(placed == IGNORE) == 15


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
    """It equals the same part of the shrunk whole image, and differs more from any neighboring part."""
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


@pytest.mark.parametrize("size", [64, 96, 128, 224])
def test_a_window_looks_alike_in_training_and_serving(photograph, size):
    """Skew is small, though training decodes the window of a JPEG at a smaller size and resizes it without smoothing."""
    contents, (top, left, side) = as_jpeg(photograph), (16, 96, 264)  # multiples of 8, around the central window
    decoded = np.asarray(Image.open(io.BytesIO(contents)))[top : top + side, left : left + side]
    served = tf.image.resize(decoded, [size, size], antialias=True).numpy()  # as center_crop and letterbox do
    trained = decode_window(contents, [top, left, side, side], size)
    small = [cv2.resize(pixels.astype(np.float32), (20, 20), interpolation=cv2.INTER_AREA) for pixels in (served, trained)]
    assert np.abs(small[0] - small[1]).mean() < 3  # of 255; at a finer scale one is sharper than the other
    assert abs((served - trained).mean()) < 1


@pytest.mark.parametrize("ratio", [1, 2, 4, 8])
@pytest.mark.parametrize("shape", [(1, 1), (64, 40), (7, 33)])
def test_shrinking_takes_means_of_blocks(shape, ratio):
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    small = crops.shrink(pixels, ratio)
    assert small.shape == (-(-shape[0] // ratio), -(-shape[1] // ratio), 3)
    rows, columns = shape[0] // ratio, shape[1] // ratio
    whole = pixels[: rows * ratio, : columns * ratio].reshape(rows, ratio, columns, ratio, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small[:rows, :columns], whole, atol=1.5)
