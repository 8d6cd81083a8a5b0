"""A checkpoint is read, never run."""

import collections
import io
import os
import pickle
import struct

import numpy as np
import pytest

from visionkit.weights import torch_legacy
from visionkit.weights.torch_legacy import UnsafeCheckpointError, read_state_dict


class Named:
    """Pickles as a global name that need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call of a global with arguments, after which ``state`` is set."""

    def __init__(self, function, arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state


class Storage:
    def __init__(self, key, kind, size):
        self.pid = ("storage", Named("torch", kind), key, "cpu", size, None)


class Pickler(pickle._Pickler):
    """Writes what PyTorch wrote, without PyTorch."""

    def persistent_id(self, thing):
        return thing.pid if isinstance(thing, Storage) else None

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, Named):
            self.write(f"c{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Call):
            self.save(thing.function)
            self.save(thing.arguments)
            self.write(pickle.REDUCE)
            if thing.state is not None:
                self.save(thing.state)
                self.write(pickle.BUILD)
        else:
            super().save(thing, save_persistent_id)


REBUILD = Named("torch._utils", "_rebuild_tensor_v2")


def tensor(key, shape, strides, *, kind="FloatStorage", size=None, offset=0):
    hooks = Call(Named("collections", "OrderedDict"), ())
    return Call(REBUILD, (Storage(key, kind, size), offset, shape, strides, False, hooks))


def checkpoint(state_dict, storages: dict[str, np.ndarray], *, magic=torch_legacy.MAGIC_NUMBER) -> bytes:
    """A legacy file: five pickles, then the storages."""
    buffer = io.BytesIO()
    header = [magic, torch_legacy.PROTOCOL_VERSION, {"little_endian": True, "protocol_version": 1001}]
    for thing in [*header, state_dict, list(storages)]:
        Pickler(buffer, 2).dump(thing)
    for array in storages.values():
        buffer.write(struct.pack("<q", array.size) + array.tobytes())
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path):
    def read_bytes(contents: bytes):
        (tmp_path / "a.pth").write_bytes(contents)
        return read_state_dict(tmp_path / "a.pth")

    return read_bytes


def test_an_empty_file_is_an_error(read):
    with pytest.raises(UnsafeCheckpointError, match="damaged"):
        read(b"")


def test_an_empty_state_dict_is_read(read):
    assert read(checkpoint({}, {})) == {}


def test_tensors_views_and_types_are_read(read):
    numbers, counts = np.arange(24, dtype="<f4"), np.array([7], "<i8")
    state_dict = collections.OrderedDict(
        whole=tensor("0", (2, 3, 4), (12, 4, 1), size=24),
        transposed=tensor("0", (4, 6), (1, 4), size=24),
        part=tensor("0", (3,), (2,), size=24, offset=5),
        scalar=tensor("1", (), (), kind="LongStorage", size=1),
    )
    arrays = read(checkpoint(state_dict, {"0": numbers, "1": counts}))
    np.testing.assert_array_equal(arrays["whole"], numbers.reshape(2, 3, 4))
    np.testing.assert_array_equal(arrays["transposed"], numbers.reshape(6, 4).T)
    np.testing.assert_array_equal(arrays["part"], [5, 7, 9])
    assert arrays["scalar"] == 7 and arrays["scalar"].shape == ()


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("builtins", "getattr"), ("subprocess", "Popen"), ("torch", "load"),
     ("torch._utils", "_rebuild_tensor"), ("collections", "OrderedDict.fromkeys"), ("numpy", "load"), ("torch", "Tensor")],
)  # fmt: skip
def test_any_other_name_is_refused(read, tmp_path, monkeypatch, module, name):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    with pytest.raises(UnsafeCheckpointError, match=f"it asks for {module}"):
        read(checkpoint({"weight": Call(Named(module, name), ("touch /tmp/owned",))}, {}))
    assert ran == []


def test_an_attack_in_any_of_the_five_pickles_is_refused(read, monkeypatch):
    ran = []
    monkeypatch.setattr(os, "system", ran.append)
    attack = Call(Named("os", "system"), ("true",))
    for place in range(5):
        things = [torch_legacy.MAGIC_NUMBER, torch_legacy.PROTOCOL_VERSION, {"little_endian": True}, {}, []]
        things[place] = attack
        buffer = io.BytesIO()
        for thing in things:
            Pickler(buffer, 2).dump(thing)
        with pytest.raises(UnsafeCheckpointError):
            read(buffer.getvalue())
    assert ran == []


def test_the_reader_itself_cannot_be_changed(read):
    pickled = io.BytesIO()
    Pickler(pickled, 2).dump({"__defaults__": (1,)})
    state = pickled.getvalue()[2:-1]  # without protocol and stop
    attack = b"\x80\x02c" + b"torch._utils\n_rebuild_tensor_v2\n" + state + b"b."
    with pytest.raises(UnsafeCheckpointError, match="change the reader"):
        read(attack)


def test_the_attributes_of_a_state_dict_are_dropped(read):
    hooked = Call(Named("collections", "OrderedDict"), (), state={"_metadata": {"": {"version": 1}}, "__class__": "x"})
    assert read(checkpoint(hooked, {})) == {}


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
def test_a_tensor_that_lies_is_refused(read, lie):
    with pytest.raises(UnsafeCheckpointError):
        read(checkpoint({"weight": lie}, {"0": np.zeros(4, "<f4")}))


def test_a_truncated_file_is_refused(read):
    whole = checkpoint({"weight": tensor("0", (64,), (1,), size=64)}, {"0": np.ones(64, "<f4")})
    for length in range(0, len(whole), 7):
        with pytest.raises(UnsafeCheckpointError):
            read(whole[:length])


def test_another_format_is_refused(read):
    with pytest.raises(UnsafeCheckpointError, match="does not begin like"):
        read(checkpoint({}, {}, magic=1))
