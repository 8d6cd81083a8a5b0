"""Pickles that build what never ends to be hashed, compared or printed are refused as soon as their few bytes are read."""

import io
import pickle
import struct

import pytest

from tests.weights.torch_files import Call, Named, pickled, zip_file
from visionkit.weights import pickles
from visionkit.weights.pickles import UnsafeCheckpointError, read_pickle
from visionkit.weights.tensor_files import read_tensors

NESTED = b"K\x01\x85" + b"2\x86" * 100  # a tuple that holds itself of before twice, a hundred times: 2**100 numbers
ORDERED_DICT, REBUILD = b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n"
FLOATS, NAME = b"ctorch\nFloatStorage\n", b"X\x01\x00\x00\x00a"
SAME_HASH = b"".join(b"\x8a\x0a" + (k * (2**61 - 1)).to_bytes(10, "little") + b"N" for k in range(1, 1000))


def read(contents: bytes):
    return read_pickle(io.BytesIO(contents), {}, lambda *name: UnsafeCheckpointError(f"it asks for {name}"), lambda pid: pid)


@pytest.fixture
def refused(tmp_path):
    """The complaint about a checkpoint with this pickle."""

    def complaint(contents: bytes) -> str:
        (tmp_path / "a.pth").write_bytes(zip_file(b"\x80\x02" + contents, {}))
        with pytest.raises(UnsafeCheckpointError) as caught:
            read_tensors(tmp_path / "a.pth")
        assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)
        return str(caught.value)

    return complaint


def test_nothing_is_no_pickle():
    with pytest.raises(ValueError, match="pickle exhausted"):
        read(b"")


@pytest.mark.parametrize("protocol", range(1, 5))
def test_plain_values_are_read(protocol):
    """Before protocol 3, bytes are written as a call."""
    values = {"a": [1, -(2**40), 2**90, 2.5, None, True, False], "b": ("é" * 300, (), {}), 3: {"c": [[], "text"]}, None: 1}
    values |= {"bytes": b"bytes"} if protocol > 2 else {}
    assert read(pickle.dumps(values, protocol=protocol)) == values


def test_a_set_becomes_a_list():
    assert read(pickle.dumps([{5}, frozenset([6])], protocol=4)) == [[5], (6,)]


@pytest.mark.parametrize(
    ("contents", "named"),
    [
        (b"}" + NESTED + b"K\x01s.", "a key of a table is a tuple"),
        (b"}(" + NESTED + b"K\x01u.", "a key of a table is a tuple"),
        (b"(" + NESTED + b"K\x01d.", "a key of a table is a tuple"),
        (b"}]K\x01s.", "a key of a table is a list"),
        (b"}(" + SAME_HASH + b"u.", "a key of a table is a int"),
        (ORDERED_DICT + b"](" + NESTED + b"K\x01\x86e\x85R.", "a key of a table is a tuple"),
        (ORDERED_DICT + b"q\x01](K\x01K\x02\x86eq\x02\x85R0h\x01h\x02\x85R.", "list of pairs"),  # a list is used once alone
        (NESTED + b".", "no state dict but a tuple"),
        (b"}" + NAME + NESTED + b"s.", "more than tensors: a"),
        (b"\x8f(" + NESTED + b"\x90.", "no state dict but a list"),
        (NESTED + b"Q.", "no plain storage"),
        (b"(X\x07\x00\x00\x00storage" + FLOATS + NESTED + NAME + b"K\x04tQ.", "no plain storage"),
        (b"(X\x07\x00\x00\x00storage" + FLOATS + NAME + NAME + b"K\x04" + NESTED + b"tQ.", "no plain storage"),
        (REBUILD + b"(NK\x00" + NESTED + NESTED + b"tR.", "a shape that no tensor has"),
        (b"ctorch._utils\n_rebuild_parameter\n" + NESTED + b"\x85R.", "no tensor"),
        (NESTED + NESTED + b"R.", "calls something"),
        (b"(" + b"]" * 1000 + b"e.", "something that is no list|damaged"),
        (b"N" + b"p2305843009213693951\n" + b".", "numbers its"),
        (b"N}\x81.", "operation NEWOBJ"),
        (b"\x8d" + struct.pack("<Q", 2**62) + b"abc.", "damaged"),
        (b"I" + b"9" * 100_000 + b"\n.", "damaged"),
    ],
)
def test_what_would_never_end_is_refused(refused, contents, named):
    assert any(part in refused(contents) for part in named.split("|"))


def test_the_number_of_operations_and_bytes_is_limited(refused, monkeypatch):
    monkeypatch.setattr(pickles, "MOST_OPERATIONS", 1000)
    assert "more than 1,000 operations" in refused(b"N0" * 600 + b"N.")
    assert "no state dict" in refused(b"N0" * 400 + b"N.")
    monkeypatch.setattr(pickles, "LARGEST_PICKLE", 500)
    with pytest.raises(UnsafeCheckpointError, match="larger than 500 bytes"):
        read(b"X\xff\x01\x00\x00" + b"a" * 511 + b".")


def test_a_deep_table_is_read_and_dropped(refused):
    assert "no state dict but a list" in refused(b"]" * 100_000 + b"a" * 99_999 + b".")


def test_quantised_and_short_floats_are_named(refused):
    for name in ("_utils\n_rebuild_qtensor", "\nfloat8_e4m3fn", "\nQInt8Storage"):
        dotted = name if name.startswith("\n") else f".{name}"
        contents = f"ctorch{dotted}\n".encode() + b"."
        assert "8 bits or are quantised. Expected float32" in refused(contents)


def test_other_objects_are_refused_with_advice(refused):
    assert "save its state dict alone" in refused(pickled({"args": Call(Named("argparse", "Namespace"), ())})[2:])
