"""Headers that promise more than the file can hold, or more than memory holds."""

import gzip
import os
import struct

import nibabel
import numpy as np
import pytest

from visionkit.data.arrays.files import ArrayError, read_array
from visionkit.data.formats.labelled.idx import read_idx
from visionkit.data.index import DataError


def nifti(shape: tuple[int, ...], offset: float = 352.0) -> bytes:
    contents = bytearray(nibabel.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.eye(4)).to_bytes())
    contents[40:56] = struct.pack("<8h", len(shape), *shape, *[1] * (7 - len(shape)))
    contents[108:112] = struct.pack("<f", offset)
    return bytes(contents)


def test_an_empty_file_and_what_is_as_promised(tmp_path):
    (tmp_path / "a.nii").touch()
    with pytest.raises(ArrayError, match="empty file"):
        read_array(tmp_path / "a.nii", "volume")
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(nifti((2, 3, 4))))
    assert read_array(tmp_path / "b.nii.gz", "volume").shape == (2, 3, 4, 1)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("offset", [352.0, 1e30, -1.0, float("nan")])
def test_a_volume_that_the_file_cannot_hold(tmp_path, suffix, offset):
    contents = nifti((1000, 1000, 500), offset)
    file = tmp_path / f"a{suffix}"
    file.write_bytes(gzip.compress(contents) if suffix == ".nii.gz" else contents)
    with pytest.raises(ArrayError, match="its header promises 1,000,000,000 bytes"):
        read_array(file, "volume")


def test_more_voxels_than_memory_holds(tmp_path):
    (tmp_path / "a.nii").write_bytes(nifti((30_000, 30_000, 30)))
    with pytest.raises(ArrayError, match="27,000,000,000 values; at most 1,073,741,824 are read"):
        read_array(tmp_path / "a.nii", "volume")


def test_idx_that_promises_more_and_idx_that_is_a_pipe(tmp_path):
    for name, pack in (("a", bytes), ("b", gzip.compress)):
        (tmp_path / name).write_bytes(pack(struct.pack(">4B3I", 0, 0, 8, 3, 1000, 1000, 1000)))
        with pytest.raises(DataError, match="promises 1,000,000,000 bytes; it holds at most"):
            read_idx(tmp_path / name, rank=3)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is a named pipe, not a file"):
        read_idx(tmp_path / "pipe", rank=3)
