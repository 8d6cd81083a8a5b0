"""IDX files: read as written, and every way of being damaged is one clear error."""

import gzip
import struct

import numpy as np
import pytest

from visionkit.data.formats.labelled.idx import looks_like_idx, read_idx, read_idx_folder
from visionkit.data.index import DataError


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()


def write_idx_folder(folder, rng, *, train=6, val=3, side=4, packed=True):
    """The four files of a set of three classes."""
    folder.mkdir(parents=True, exist_ok=True)
    for prefix, count in (("train", train), ("t10k", val)):
        parts = {"images-idx3": rng.integers(0, 256, (count, side, side)), "labels-idx1": np.arange(count) % 3}
        for kind, array in parts.items():
            contents = idx(array)
            (folder / f"{prefix}-{kind}-ubyte{'.gz' if packed else ''}").write_bytes(
                gzip.compress(contents) if packed else contents
            )
    return folder


def test_an_empty_folder_is_none_and_an_empty_set_is_an_error(tmp_path, rng):
    assert not looks_like_idx(tmp_path)
    with pytest.raises(DataError, match="no train-images and no train-labels file"):
        read_idx_folder(tmp_path)
    with pytest.raises(DataError, match="no images"):
        read_idx_folder(write_idx_folder(tmp_path, rng, train=0))


@pytest.mark.parametrize("packed", [True, False])
def test_what_was_written_is_read(tmp_path, rng, packed):
    array = rng.integers(0, 256, (5, 3, 7)).astype(np.uint8)
    (tmp_path / "a").write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    np.testing.assert_array_equal(read_idx(tmp_path / "a", rank=3), array)
    splits = read_idx_folder(write_idx_folder(tmp_path, rng, packed=packed))
    assert looks_like_idx(tmp_path)
    assert splits["train"].pixels.shape == (6, 4, 4) and splits["val"].labels.tolist() == [0, 1, 2]
    assert splits["val"].labels.dtype == np.int32


def test_names_with_a_dot_are_found(tmp_path, rng):
    folder = write_idx_folder(tmp_path, rng, packed=False)
    for file in folder.iterdir():
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    assert len(read_idx_folder(folder)["train"].labels) == 6


WHOLE = idx(np.arange(24).reshape(2, 3, 4))


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "begins with nothing"),
        (WHOLE[:10], "begins with 00 00 08 03"),
        (b"GIF89a" + bytes(20), "begins with 47 49 46 38"),
        (idx(np.arange(3)), "no IDX file of 3 dimensions"),
        (WHOLE[:-1], "promises 24 bytes, but it has 23"),
        (WHOLE + b"x", "promises 24 bytes, but it has more"),
        (WHOLE[:4] + b"\xff" * 12, "expected at most"),
        (gzip.compress(WHOLE, mtime=0)[:-9], "damaged or cut off"),
        (gzip.compress(WHOLE, mtime=0)[:12] + b"\0\0\0" + gzip.compress(WHOLE, mtime=0)[15:], "damaged or cut off"),
        (b"\x1f\x8b", "damaged or cut off"),
    ],
)
def test_damage_is_one_clear_error(tmp_path, contents, message):
    (tmp_path / "a").write_bytes(contents)
    with pytest.raises(DataError, match=message) as raised:
        read_idx(tmp_path / "a", rank=3)
    assert str(tmp_path / "a") in str(raised.value) and "\n" not in str(raised.value)


def test_the_numbers_of_images_and_labels_must_agree(tmp_path, rng):
    folder = write_idx_folder(tmp_path, rng)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(5))))
    with pytest.raises(DataError, match=r"6 images in train-images-idx3-ubyte\.gz, but 5 labels"):
        read_idx_folder(folder)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.arange(6))))
    with pytest.raises(DataError, match="no t10k-labels file"):
        read_idx_folder(folder)
