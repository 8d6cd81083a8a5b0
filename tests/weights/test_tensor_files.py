"""One function reads three formats, which it distinguishes by their contents."""

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from tests.weights.torch_files import legacy_file, saved, zip_file
from visionkit.weights.pickles import UnsafeCheckpointError
from visionkit.weights.tensor_files import read_tensors

FORMATS = {
    "safetensors": safetensors.numpy.save,
    "zip": lambda tensors: zip_file(*saved(tensors)),
    "legacy": lambda tensors: legacy_file(*saved(tensors)),
}


@pytest.fixture(params=FORMATS)
def written(request, tmp_path):
    def write(tensors, name="a.bin"):
        (tmp_path / name).write_bytes(FORMATS[request.param](tensors))
        return tmp_path / name

    return write


def test_an_empty_table_is_read(written):
    assert read_tensors(written({})) == {}


@pytest.mark.parametrize("name", ["pytorch_model.bin", "a.pth", "a.safetensors", "a"])
def test_the_name_of_the_file_does_not_matter(written, name, rng):
    tensors = {
        "weight": rng.normal(size=(2, 3, 4)).astype("float32"),
        "half": rng.normal(size=5).astype("float16"),
        "double": rng.normal(size=5),
        "count": np.array([3]),
        "flags": np.array([True, False]),
    }
    read = read_tensors(written(tensors, name))
    assert set(read) == set(tensors)
    for key, array in tensors.items():
        assert read[key].dtype == array.dtype
        np.testing.assert_array_equal(read[key], array)


def test_bfloat16_becomes_float32(written):
    read = read_tensors(written({"weight": np.array([[1.5, -2], [0, 3]], ml_dtypes.bfloat16)}))["weight"]
    assert read.dtype == "float32"
    np.testing.assert_array_equal(read, [[1.5, -2], [0, 3]])


def test_the_prefix_of_a_wrapper_is_dropped(written):
    weight = np.ones(2, "float32")
    assert set(read_tensors(written({"module.fc.weight": weight, "module.fc.bias": weight}))) == {"fc.weight", "fc.bias"}
    assert set(read_tensors(written({"module.fc.weight": weight, "fc.bias": weight}))) == {"module.fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    "contents", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"\x80", b"\xff" * 8 + b"{", b"version https://git-lfs"]
)
def test_another_format_is_an_error_that_says_what_is_expected(contents, tmp_path):
    (tmp_path / "a.pth").write_bytes(contents)
    with pytest.raises(UnsafeCheckpointError, match=r"a\.pth (is damaged|begins with .*: expected safetensors or a PyTorch)"):
        read_tensors(tmp_path / "a.pth")


def test_a_truncated_safetensors_file_is_refused(tmp_path):
    whole = safetensors.numpy.save({"weight": np.ones(64, "float32")})
    for length in range(0, len(whole), 13):
        (tmp_path / "a.safetensors").write_bytes(whole[:length])
        with pytest.raises(UnsafeCheckpointError):
            read_tensors(tmp_path / "a.safetensors")
