"""Of Keras' files only plain arrays are read, whatever else is in them."""

import zipfile

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest

from visionkit.weights import keras_files
from visionkit.weights.keras_files import read_groups
from visionkit.weights.pickles import UnsafeCheckpointError

ONE = np.arange(6, dtype="float32").reshape(2, 3)
PATH = "layers/dense/vars/0"


@pytest.fixture
def h5(tmp_path):
    """Writes a .weights.h5 file of one array, changed by a function."""

    def write(change=lambda stored: None):
        path = tmp_path / "a.weights.h5"
        with h5py.File(path, "w") as stored:
            stored[PATH] = ONE
            change(stored)
        return path

    return write


def replaced(**options):
    def change(stored):
        del stored[PATH]
        stored.create_dataset(PATH, **options)

    return change


def linked(link):
    def change(stored):
        del stored[PATH]
        stored[PATH] = link

    return change


def archive(path, members: dict[str, bytes], compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as written:
        for name, contents in members.items():
            written.writestr(name, contents)
    return path


def test_an_empty_file_holds_no_groups(tmp_path):
    h5py.File(tmp_path / "a.weights.h5", "w").close()
    assert read_groups(tmp_path / "a.weights.h5") == {}


def test_arrays_are_read_in_the_order_of_their_numbers(h5):
    def change(stored):
        for number in range(1, 12):
            stored[f"layers/dense/vars/{number}"] = np.float32(number)
        stored["optimizer/vars/0"] = np.array(3)
        stored["layers/nothing/vars"] = np.zeros(0)

    groups = read_groups(h5(change))
    assert set(groups) == {"layers/dense"}
    assert [int(array) for array in groups["layers/dense"][1:]] == list(range(1, 12))
    np.testing.assert_array_equal(groups["layers/dense"][0], ONE)


def test_bfloat16_becomes_float32(h5):
    def change(stored):
        replaced(data=ONE.astype(ml_dtypes.bfloat16))(stored)
        stored[PATH].attrs["dtype"] = "bfloat16"

    (array,) = read_groups(h5(change))["layers/dense"]
    assert array.dtype == "float32"
    np.testing.assert_array_equal(array, ONE)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (linked(h5py.ExternalLink("/etc/passwd", "a")), "layers/dense/vars/0 is a link"),
        (linked(h5py.SoftLink("/layers")), "is a link"),
        (replaced(shape=(2**40,), dtype="f4"), "far larger than the file"),
        (replaced(shape=(2**40,), dtype="f4", chunks=(2**20,), compression="gzip"), "far larger than the file"),
        (replaced(shape=(2, 3), dtype="f4"), "was never written"),
        (replaced(data=ONE, compression="gzip"), "is compressed or lies elsewhere"),
        (replaced(shape=(2, 3), dtype="f4", external=[("/etc/passwd", 0, 24)]), "compressed or lies elsewhere"),
        (replaced(data="text"), "no numbers"),
        (replaced(data=np.ones(2, "c8")), "holds complex64, no numbers"),
        (lambda stored: stored.create_dataset("layers/dense/vars/gamma", data=ONE), "is no numbered array"),
        (lambda stored: stored.create_dataset("/".join("a" * 20), data=ONE), "or too deep ones"),
        (lambda stored: stored.__setitem__("layers/again", stored["layers"]), "or too deep ones"),
    ],
)
def test_anything_but_plain_arrays_is_refused(h5, change, named):
    with pytest.raises(UnsafeCheckpointError, match=named):
        read_groups(h5(change))


def test_the_number_of_groups_is_limited(h5, monkeypatch):
    monkeypatch.setattr(keras_files, "MOST_OBJECTS", 20)
    with pytest.raises(UnsafeCheckpointError, match="more than 20 groups"):
        read_groups(h5(lambda stored: [stored.create_group(f"layers/{number}") for number in range(30)]))


def test_a_truncated_file_is_refused(h5):
    path = h5()
    whole = path.read_bytes()
    for length in range(0, len(whole), 61):
        path.write_bytes(whole[:length])
        with pytest.raises(UnsafeCheckpointError, match=r"a\.weights\.h5"):
            read_groups(path)


@pytest.mark.parametrize("name", ["a.weights.h5", "a.keras"])
@pytest.mark.parametrize(
    ("contents", "named"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (b"<html>", "a web page"),
        (b'{"error": 404}', "a text in JSON"),
        (b"\x80\x02}.", r"begins with b'\\x80"),
    ],
)
def test_what_came_instead_of_the_file_is_said(name, contents, named, tmp_path):
    (tmp_path / name).write_bytes(contents)
    with pytest.raises(UnsafeCheckpointError, match=named):
        read_groups(tmp_path / name)


def test_a_keras_file_may_be_compressed_and_its_configuration_is_not_read(h5, tmp_path):
    """600 MB of blanks, or a Lambda layer, in a configuration that nobody reads."""
    members = {"model.weights.h5": h5().read_bytes(), "config.json": b"\x00" * 1000 + b" " * 30_000_000}
    path = archive(tmp_path / "a.keras", members, zipfile.ZIP_DEFLATED)
    np.testing.assert_array_equal(read_groups(path)["layers/dense"][0], ONE)


def test_a_zip_bomb_is_not_unpacked(h5, tmp_path):
    path = archive(tmp_path / "a.keras", {"model.weights.h5": h5().read_bytes() + bytes(30_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeCheckpointError, match="more than 20 times what is stored"):
        read_groups(path)


def test_a_changed_number_in_a_keras_file_is_found(h5, tmp_path):
    whole = archive(tmp_path / "a.keras", {"model.weights.h5": h5().read_bytes()}).read_bytes()
    assert whole.count(ONE.tobytes()) == 1
    (tmp_path / "a.keras").write_bytes(whole.replace(ONE.tobytes(), (ONE + 1).tobytes()))
    with pytest.raises(UnsafeCheckpointError, match="is damaged: Bad CRC"):
        read_groups(tmp_path / "a.keras")


def test_an_archive_of_something_else_is_refused(tmp_path):
    with pytest.raises(UnsafeCheckpointError, match=r"holds no model\.weights\.h5"):
        read_groups(archive(tmp_path / "a.keras", {"data.pkl": b""}))


def test_both_files_of_a_network_hold_the_same(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dense(2)])
    model.save(tmp_path / "a.keras")
    model.save_weights(tmp_path / "a.weights.h5")
    one, other = read_groups(tmp_path / "a.keras"), read_groups(tmp_path / "a.weights.h5")
    assert set(one) == set(other) == {"layers/dense", "layers/dense_1"}
    for name, arrays in one.items():
        for pair in zip(arrays, other[name], strict=True):
            np.testing.assert_array_equal(*pair)
