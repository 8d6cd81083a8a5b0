"""The archives that PyTorch writes today are read, never run."""

import os
import zipfile

import numpy as np
import pytest

from tests.weights.torch_files import HOOKS, Call, Named, legacy_file, saved, tensor, zip_file
from visionkit.weights.pickles import UnsafeCheckpointError
from visionkit.weights.tensor_files import read_tensors

FOUR = np.arange(4, dtype="<f4")


@pytest.fixture
def read(tmp_path):
    def read_bytes(contents: bytes):
        (tmp_path / "a.pth").write_bytes(contents)
        return read_tensors(tmp_path / "a.pth")

    return read_bytes


def test_an_empty_state_dict_is_read(read):
    assert read(zip_file({}, {})) == {}


def test_an_archive_of_something_else_is_refused(read):
    with pytest.raises(UnsafeCheckpointError, match=r"zip archive with 0 data\.pkl"):
        read(zip_file({}, {}).replace(b"data.pkl", b"fata.pkl"))


def test_tensors_views_and_parameters_are_read(read):
    numbers = np.arange(24, dtype="<f4")
    whole = tensor("0", (2, 3, 4), (12, 4, 1), size=24)
    root = {
        "whole": whole,
        "transposed": tensor("0", (4, 6), (1, 4), size=24),
        "part": tensor("0", (3,), (2,), size=24, offset=5),
        "parameter": Call(Named("torch._utils", "_rebuild_parameter"), (whole, True, HOOKS)),
        "empty": tensor("0", (0, 3), (3, 1), size=24),
    }
    arrays = read(zip_file(root, {"0": numbers}))
    np.testing.assert_array_equal(arrays["whole"], numbers.reshape(2, 3, 4))
    np.testing.assert_array_equal(arrays["parameter"], arrays["whole"])
    np.testing.assert_array_equal(arrays["transposed"], numbers.reshape(6, 4).T)
    np.testing.assert_array_equal(arrays["part"], [5, 7, 9])
    assert arrays["empty"].shape == (0, 3)


@pytest.mark.parametrize(("module", "name"), [("os", "system"), ("builtins", "eval"), ("numpy.core.multiarray", "scalar")])
def test_any_other_name_is_refused(read, monkeypatch, module, name):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    for root in (
        {"weight": Call(Named(module, name), ("true",))},
        {"state_dict": {}, "best": Call(Named(module, name), ("true",))},
    ):
        with pytest.raises(UnsafeCheckpointError, match=f"it asks for {module}.{name}"):
            read(zip_file(root, {}))
    assert ran == []


def test_a_zip_bomb_is_not_unpacked(read):
    """A thousandfold: neither as a storage nor as the pickle."""
    bomb = np.zeros(10_000_000, "<f4")
    with pytest.raises(UnsafeCheckpointError, match="is compressed"):
        read(
            zip_file({"weight": tensor("0", (bomb.size,), (1,), size=bomb.size)}, {"0": bomb}, compression=zipfile.ZIP_DEFLATED)
        )


def test_overlapping_storages_are_refused(read, monkeypatch):
    """Where the archive's directory names the same bytes again and again, the sum is larger than the file."""
    count, numbers = 50, np.zeros(1000, "<f4")
    root = {str(key): tensor(str(key), (1000,), (1,), size=1000) for key in range(count)}
    contents = zip_file(root, {"0": numbers})
    start = contents.index(b"PK\x01\x02")
    entries, end = contents[start : contents.index(b"PK\x05\x06")], bytearray(contents[contents.index(b"PK\x05\x06") :])
    last = entries[entries.rindex(b"PK\x01\x02") :]  # of data/0
    assert last.endswith(b"archive/data/0")
    again = b"".join(last[:28] + len(f"archive/data/{key}").to_bytes(2, "little") + last[30:46] + f"archive/data/{key}".encode()
                     for key in range(1, count))  # fmt: skip
    for place, value in ((8, 4 + count - 1), (10, 4 + count - 1)):
        end[place : place + 2] = value.to_bytes(2, "little")
    end[12:16] = len(entries + again).to_bytes(4, "little")
    with pytest.raises(UnsafeCheckpointError, match="larger than the file"):
        read(contents[:start] + entries + again + bytes(end))


@pytest.mark.parametrize(
    "lie",
    [
        tensor("0", (100,), (1,), size=4),  # beyond its storage
        tensor("0", (5,), (0,), size=4),  # a broadcast, which could fill the memory
        tensor("0", (4,), (1,), size=10**15),  # a storage longer than its file
        tensor("0", (2,), (1,), size=2),  # and one shorter
        tensor("0", (2,), (1,), size=-4),
        tensor("absent", (4,), (1,), size=4),
        tensor("../byteorder", (1,), (1,), size=1, kind="ByteStorage", offset=9),
        Call(Named("torch._utils", "_rebuild_parameter"), ("no tensor", True, HOOKS)),
        "no tensor",
    ],
)
def test_a_tensor_with_false_sizes_is_refused(read, lie):
    with pytest.raises(UnsafeCheckpointError):
        read(zip_file({"weight": lie}, {"0": FOUR}))


def test_a_truncated_or_damaged_file_is_refused(read):
    whole = zip_file(*saved({"weight": np.ones(64, "<f4")}))
    for length in range(0, len(whole), 31):
        with pytest.raises(UnsafeCheckpointError):
            read(whole[:length])
    with pytest.raises(UnsafeCheckpointError, match="damaged"):
        read(whole.replace(b"\x80?\x00\x00", b"\x80?\x00\x01", 1))


def test_a_big_endian_file_is_refused(read):
    with pytest.raises(UnsafeCheckpointError, match="big-endian"):
        read(zip_file({}, {}, others={"byteorder": b"big"}))


@pytest.mark.parametrize("write", [zip_file, legacy_file])
@pytest.mark.parametrize("name", ["state_dict_ema", "state_dict", "model"])
def test_the_state_dict_of_a_training_script_is_found(read, write, name):
    root, storages = saved({"weight": FOUR})
    whole = {"epoch": 7, "arch": "resnet50", name: root, "lr": 0.1, "sizes": [1, 2]}
    np.testing.assert_array_equal(read(write(whole, storages))["weight"], FOUR)


def test_averaged_weights_come_first(read):
    root, storages = saved({"plain": FOUR, "averaged": FOUR})
    whole = {"state_dict": {"weight": root["plain"]}, "state_dict_ema": {"averaged": root["averaged"]}}
    assert set(read(zip_file(whole, storages))) == {"averaged"}


@pytest.mark.parametrize("root", [{"weight": {"deeper": 1}}, {"fc.weight": 3.5}, [1, 2], {"state_dict": {"a": "text"}}])
def test_anything_but_a_state_dict_is_refused(read, root):
    with pytest.raises(UnsafeCheckpointError, match=r"more than tensors: (weight|fc\.weight|a)\.|no state dict but a list"):
        read(zip_file(root, {}))
