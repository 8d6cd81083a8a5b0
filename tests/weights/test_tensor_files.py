"""One function reads three formats, which it distinguishes by their contents."""

import json
import struct

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from tests.weights.torch_files import legacy_file, saved, tensor, zip_file
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
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "model.",
        "_orig_mod.module.",
        "module._orig_mod.",
        "model.module.",
        "module.model._orig_mod.module.",
    ],
)
def test_wrappers_in_any_order_are_dropped_and_counters_may_lack_them(written, prefix):
    weight, count = np.ones(2, "float32"), np.array(5)
    tensors = {f"{prefix}fc.weight": weight, f"{prefix}bn.num_batches_tracked": count, "n_averaged": count}
    assert set(read_tensors(written(tensors))) == {"fc.weight", "bn.num_batches_tracked", "n_averaged"}


def test_a_part_of_a_network_that_was_compiled_is_read(written):
    weight = np.ones(2, "float32")
    assert set(read_tensors(written({"layer1._orig_mod.0.weight": weight, "fc.weight": weight}))) == {
        "layer1.0.weight",
        "fc.weight",
    }


@pytest.mark.parametrize("write", [zip_file, legacy_file])
@pytest.mark.parametrize(
    "keys", [("module",), ("state_dict", "module"), ("model", "state_dict"), ("checkpoint", "model"), ("model",) * 8]
)
def test_state_dicts_inside_of_others_are_found(write, keys, tmp_path):
    root, storages = saved({"module.fc.weight": np.ones(2, "float32")})
    for key in reversed(keys):
        root = {key: root, "epoch": 3}
    (tmp_path / "a.pth").write_bytes(write(root, storages))
    if keys[0] == "checkpoint":  # a name that nobody uses
        with pytest.raises(UnsafeCheckpointError, match="more than tensors: checkpoint, epoch"):
            read_tensors(tmp_path / "a.pth")
    else:
        assert set(read_tensors(tmp_path / "a.pth")) == {"fc.weight"}


def test_numbers_that_count_are_no_tensors_and_no_error(tmp_path):
    root, storages = saved({"fc.weight": np.ones(2, "float32")})
    (tmp_path / "a.pth").write_bytes(zip_file(root | {"n_averaged": 7}, storages))
    assert set(read_tensors(tmp_path / "a.pth")) == {"fc.weight"}


def test_floats_of_8_bits_are_named(tmp_path):
    header = json.dumps({"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"1234")
    with pytest.raises(UnsafeCheckpointError, match="type F8_E4M3 in a; expected float32, float16 or bfloat16"):
        read_tensors(tmp_path / "a.safetensors")


def test_tensors_that_share_their_numbers_too_often_are_refused(tmp_path):
    """A few bytes each, of which the memory would be filled as soon as they are converted."""
    many = {str(number): tensor("0", (1000,), (1,), size=1000) for number in range(500)}
    for write in (zip_file, legacy_file):
        (tmp_path / "a.pth").write_bytes(write(many, {"0": np.zeros(1000, "<f4")}))
        with pytest.raises(UnsafeCheckpointError, match="far larger than the file"):
            read_tensors(tmp_path / "a.pth")


def test_numbers_of_names_and_tensors_are_limited(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(safetensors.numpy.save({"module." * 200: np.ones(1)}))
    with pytest.raises(UnsafeCheckpointError, match="name of more than 1000 characters"):
        read_tensors(tmp_path / "a.safetensors")
    (tmp_path / "a.safetensors").write_bytes(safetensors.numpy.save({str(n): np.zeros(0) for n in range(20_001)}))
    with pytest.raises(UnsafeCheckpointError, match="20,001 tensors; at most 20,000"):
        read_tensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("contents", "named"),
    [
        (b"", "is empty: download or copy it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "pointer of Git LFS.*git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "is a web page"),
        (b'{"error": "Not found"}', "a text in JSON, maybe a server's error"),
        (b"\x89HDF\r\n\x1a\n", r"an HDF5 file; those of Keras 3 end in \.weights\.h5"),
    ],
)
def test_what_came_instead_of_the_file_is_said(contents, named, tmp_path):
    (tmp_path / "a.pth").write_bytes(contents)
    with pytest.raises(UnsafeCheckpointError, match=named):
        read_tensors(tmp_path / "a.pth")


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


@pytest.mark.parametrize("length", [0x80, 0x180, 0x50 + 256 * 0x4B])
def test_a_header_whose_length_looks_like_another_format_is_that_of_safetensors(tmp_path, length):
    """The length comes first; a pickle begins with 0x80, a zip archive with PK."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).ljust(length).encode()
    file = struct.pack("<Q", len(header)) + header + struct.pack("<f", 2)
    (tmp_path / "a.safetensors").write_bytes(file)
    assert read_tensors(tmp_path / "a.safetensors")["w"] == 2
