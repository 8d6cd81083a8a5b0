"""A checkpoint is read, never run."""

import collections
import os

import numpy as np
import pytest

from tests.weights.torch_files import REBUILD, Call, Named, legacy_file, pickled, tensor
from visionkit.weights import torch_legacy
from visionkit.weights.pickles import UnsafeCheckpointError
from visionkit.weights.tensor_files import read_tensors


@pytest.fixture
def read(tmp_path):
    def read_bytes(contents: bytes):
        (tmp_path / "a.pth").write_bytes(contents)
        return read_tensors(tmp_path / "a.pth")

    return read_bytes


def test_an_empty_file_is_an_error(read):
    with pytest.raises(UnsafeCheckpointError, match="expected safetensors or a PyTorch checkpoint"):
        read(b"")


def test_an_empty_state_dict_is_read(read):
    assert read(legacy_file({}, {})) == {}


def test_tensors_views_and_types_are_read(read):
    numbers, counts = np.arange(24, dtype="<f4"), np.array([7], "<i8")
    state_dict = collections.OrderedDict(
        whole=tensor("0", (2, 3, 4), (12, 4, 1), size=24),
        transposed=tensor("0", (4, 6), (1, 4), size=24),
        part=tensor("0", (3,), (2,), size=24, offset=5),
        scalar=tensor("1", (), (), kind="LongStorage", size=1),
    )
    arrays = read(legacy_file(state_dict, {"0": numbers, "1": counts}))
    np.testing.assert_array_equal(arrays["whole"], numbers.reshape(2, 3, 4))
    np.testing.assert_array_equal(arrays["transposed"], numbers.reshape(6, 4).T)
    np.testing.assert_array_equal(arrays["part"], [5, 7, 9])
    assert arrays["scalar"] == 7 and arrays["scalar"].shape == ()


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("subprocess", "Popen"), ("torch", "load"),
     ("torch._utils", "_rebuild_qtensor"), ("collections", "OrderedDict.fromkeys"), ("numpy", "load"), ("torch", "Tensor")],
)  # fmt: skip
def test_any_other_name_is_refused(read, tmp_path, monkeypatch, module, name):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    with pytest.raises(UnsafeCheckpointError, match=f"it asks for {module}"):
        read(legacy_file({"weight": Call(Named(module, name), ("touch /tmp/owned",))}, {}))
    assert ran == []


def test_an_attack_in_any_of_the_five_pickles_is_refused(read, monkeypatch):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    attack = Call(Named("os", "system"), ("true",))
    for place in range(5):
        things = [torch_legacy.MAGIC_NUMBER, torch_legacy.PROTOCOL_VERSION, {"little_endian": True}, {}, []]
        things[place] = attack
        with pytest.raises(UnsafeCheckpointError):
            read(b"".join(pickled(thing, legacy=True) for thing in things))
    assert ran == []


def test_the_reader_itself_cannot_be_changed(read):
    state = pickled({"__defaults__": (1,)})[2:-1]  # without protocol and stop
    for name in (b"_rebuild_tensor_v2", b"_rebuild_parameter"):
        with pytest.raises(UnsafeCheckpointError, match="change the reader"):
            read(b"\x80\x02ctorch._utils\n" + name + b"\n" + state + b"b.")


def test_a_number_that_would_exhaust_memory_is_refused(read):
    """The unpickler makes a list as long as the largest number under which something is remembered."""
    with pytest.raises(UnsafeCheckpointError, match="numbers its"):
        read(b"\x80\x02Nr\xff\xff\xff\x7f.")


def test_the_storages_of_an_optimizer_are_skipped(read):
    """Its storages lie between those of the state dict."""
    root = {
        "optimizer": {"state": {0: tensor("1", (4,), (1,), kind="DoubleStorage", size=4)}, "lr": 0.1},
        "state_dict": {"a": tensor("0", (2,), (1,), size=2), "b": tensor("2", (3,), (1,), size=3)},
    }
    storages = {"0": np.array([1, 2], "<f4"), "1": np.zeros(4, "<f8"), "2": np.array([3, 4, 5], "<f4")}
    arrays = read(legacy_file(root, storages))
    assert {name: list(array) for name, array in arrays.items()} == {"a": [1, 2], "b": [3, 4, 5]}


def test_files_from_before_version_0_4_are_read(read):
    """Parameters, and tensors without hooks."""
    old = Call(Named("torch._utils", "_rebuild_tensor"), tensor("0", (2,), (1,), size=2).arguments[:4])
    root = {"weight": Call(Named("torch.nn.parameter", "Parameter"), (old, True))}
    np.testing.assert_array_equal(read(legacy_file(root, {"0": np.array([6, 7], "<f4")}))["weight"], [6, 7])


def test_a_storage_may_be_named_by_a_number_but_not_by_a_number_and_the_same_text(read):
    root, ones = {"weight": tensor("0", (2,), (1,), size=2)}, np.ones(2, "<f4")
    np.testing.assert_array_equal(read(legacy_file(root, {0: ones}))["weight"], ones)
    with pytest.raises(UnsafeCheckpointError, match="names one of them twice"):
        read(legacy_file(root, {0: ones, "0": 2 * ones}))


def test_the_attributes_of_a_state_dict_are_dropped(read):
    hooked = Call(Named("collections", "OrderedDict"), (), state={"_metadata": {"": {"version": 1}}, "__class__": "x"})
    assert read(legacy_file(hooked, {})) == {}


@pytest.mark.parametrize(
    "lie",
    [
        tensor("0", (100,), (1,), size=4),  # beyond its storage
        tensor("0", (2, 2), (1,), size=4),  # strides do not match the shape
        tensor("0", (2,), (-1,), size=4),
        tensor("0", (2,), (1,), size=4, offset=3),
        tensor("0", (5,), (0,), size=4),  # a broadcast, which could fill the memory
        tensor("0", (4,), (1,), size=10**15),  # a storage longer than the file
        tensor("absent", (4,), (1,), size=4),
        Call(REBUILD, ("no storage", 0, (1,), (1,))),
        "no tensor",
    ],
)
def test_a_tensor_with_false_sizes_is_refused(read, lie):
    with pytest.raises(UnsafeCheckpointError):
        read(legacy_file({"weight": lie}, {"0": np.zeros(4, "<f4")}))


def test_a_truncated_file_is_refused(read):
    whole = legacy_file({"weight": tensor("0", (64,), (1,), size=64)}, {"0": np.ones(64, "<f4")})
    for length in range(0, len(whole), 7):
        with pytest.raises(UnsafeCheckpointError):
            read(whole[:length])


def test_another_format_is_refused(read):
    with pytest.raises(UnsafeCheckpointError, match="does not begin like"):
        read(legacy_file({}, {}, magic=1))
