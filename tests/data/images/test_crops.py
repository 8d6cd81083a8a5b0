"""Windows of several JPEGs at once: the same as one by one."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from visionkit.data.augmentation.parameters import sample_params
from visionkit.data.augmentation.presets import preset
from visionkit.data.images.crops import LARGEST_GROUP, decode_jpeg_window, decode_jpeg_windows
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.samples import sample_maker


def write_jpegs(folder, count: int) -> list[str]:
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        noise = rng.integers(0, 256, (7, 9, 3), np.uint8)
        path = folder / f"{number} b\u00e9e.jpg"
        Image.fromarray(noise).resize((90 + number, 70), Image.Resampling.BICUBIC).save(path, quality=80)
        paths.append(str(path))
    return paths


def test_no_jpegs_are_no_windows():
    assert decode_jpeg_windows([], np.zeros((0, 4), int)) == ([], [])


@pytest.mark.parametrize("count", [1, 2, 3, 5, LARGEST_GROUP - 1, LARGEST_GROUP, 2 * LARGEST_GROUP + 5])
def test_groups_of_any_size_give_what_each_gives_alone(tmp_path, count):
    paths = write_jpegs(tmp_path, count)
    parts = np.array([[3, 5, 20 + number, 40] for number in range(count)])
    lengths, windows = decode_jpeg_windows(paths, parts)
    assert len(windows) == count
    for path, part, length, window in zip(paths, parts, lengths, windows, strict=True):
        contents = tf.io.read_file(path)
        assert length == len(contents.numpy())
        np.testing.assert_array_equal(window, decode_jpeg_window(contents, part.tolist(), 1))


@pytest.mark.parametrize("harm", ["missing", "cut short", "another image", "no image"])
def test_of_a_group_only_the_file_that_went_wrong_is_skipped(tmp_path, harm):
    paths = write_jpegs(tmp_path, 9)
    index = scan(Index(("bee",), tuple(paths), np.zeros(9, np.int32)), SkippedFiles())
    augmentation, skipped = preset("light"), SkippedFiles()
    drawn = sample_params(index, augmentation, 32, 0, 0)
    make = sample_maker(index, 32, augmentation, drawn, skipped, cache=None, pixels_here=True)
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
    assert [path for path, _ in skipped.list()] == [str(victim)]
    for one, other in zip(sound, made, strict=True):
        assert other is None or (one.image == other.image).all()
