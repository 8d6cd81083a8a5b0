"""A network of dlib is read; for any other file the error names the file and the byte."""

import numpy as np
import pytest

from tests.weights import dlib_files
from tests.weights.dlib_files import alias, integer, integers, reals, row, text
from visionkit.weights.dlib_file import READERS, DlibLayer, read_dlib
from visionkit.weights.pickles import UnsafeCheckpointError

RNG = np.random.default_rng(0)
FILTERS, BIASES, WEIGHTS = (RNG.standard_normal(shape, "float32") for shape in ((2, 3, 1, 2), 2, (4, 6)))
CONVOLUTION = DlibLayer("con_4", (2, 1, 2, 2, 1, 0, 2), (FILTERS, BIASES))
LAYERS = [
    CONVOLUTION,
    DlibLayer("affine_", (), (BIASES, 2 * BIASES)),
    DlibLayer("relu_"),
    DlibLayer("max_pool_2", (3, 3, 2, 2, 0, 0)),
    DlibLayer("avg_pool_2", (0, 0, 1, 1, 0, 0)),
    DlibLayer("add_prev_"),
    DlibLayer("fc_2", (6, 4), (WEIGHTS,)),
]


@pytest.fixture
def read(tmp_path):
    def read_bytes(contents: bytes):
        (tmp_path / "a.dat").write_bytes(contents)
        return read_dlib(tmp_path / "a.dat")

    return read_bytes


def test_an_empty_file_is_an_error(read):
    with pytest.raises(UnsafeCheckpointError, match=r"a\.dat begins with b'': expected a network of dlib"):
        read(b"")


def test_a_network_without_layers_is_an_error(read):
    with pytest.raises(UnsafeCheckpointError, match=r"layers of versions \[\]"):
        read(dlib_files.network([]))


@pytest.mark.parametrize("tags", [0, 1, 2])
def test_every_kind_of_layer_is_read(read, tags):
    file = read(dlib_files.network(LAYERS, sides=(150, 300), tags=tags))
    np.testing.assert_allclose(file.mean, dlib_files.MEAN, rtol=1e-7)
    assert file.sides == (150, 300) and {layer.kind for layer in file.layers} == set(READERS)
    for layer, written in zip(file.layers, LAYERS, strict=True):
        assert layer[:2] == written[:2] and len(layer.arrays) == len(written.arrays)
        for array, expected in zip(layer.arrays, written.arrays, strict=True):
            assert array.dtype == "float32" and not array.flags.writeable
            np.testing.assert_array_equal(array, expected)


def test_a_truncated_file_is_an_error(read):
    whole = dlib_files.network(LAYERS)
    for length in range(len(whole)):
        with pytest.raises(UnsafeCheckpointError, match=r"a\.dat (begins with|cannot be read as .*: byte \d+: )"):
            read(whole[:length])


def test_every_damaged_byte_gives_a_network_or_one_clear_error(read):
    whole = dlib_files.network([CONVOLUTION])
    for place in range(len(whole)):
        for value in (0, 8, 0x88, 0xFF):
            try:
                read(whole[:place] + bytes([value]) + whole[place + 1 :])
            except UnsafeCheckpointError as error:
                assert "a.dat" in str(error)


def test_bytes_after_the_last_layer_are_an_error(read):
    whole = dlib_files.network(LAYERS)
    with pytest.raises(UnsafeCheckpointError, match=rf"byte {len(whole)}: 3 bytes follow the last layer"):
        read(whole + b"abc")


def test_an_unknown_kind_of_layer_is_an_error_that_lists_the_known_ones(read):
    contents = dlib_files.network(LAYERS).replace(text("relu_"), text("relo_"))
    place = contents.find(text("relo_"))
    with pytest.raises(UnsafeCheckpointError, match=rf"byte {place}: a layer of kind 'relo_'; expected.* relu_"):
        read(contents)


HUGE = 2**63
INPUT = text("input_rgb_image_sized")
CHANGES = {  # complaint -> what is written, and what is put in its place
    "bytes are announced where": (integers(2, 14, 1, 1, 1), integers(2, 14, HUGE, HUGE, HUGE)),
    "14 parameters where arrays of .* take 10": (alias(2, 3, 1, 2), alias(2, 2, 1, 2)),
    r"filters of \(9, 3, 1, 2\) and biases": (alias(2, 3, 1, 2), alias(9, 3, 1, 2)),
    "biases of .* where": (alias(1, 2, 1, 1), alias(1, 2, 1, 9)),
    "a count of -14": (integers(2, 14, 1, 1, 1), integers(2, -14, 1, 1, 1)),
    "version 1 where 2 is expected of a tensor": (integers(2, 14, 1, 1, 1), integers(1, 14, 1, 1, 1)),
    "version 2 where 1 is expected of an alias": (alias(2, 3, 1, 2), integers(2, 2, 3, 1, 2)),
    "the output of a layer was stored": (b"110" + integers(2, 0, 0, 0, 0), b"110" + integers(2, 1, 1, 1, 1) + bytes(4)),
    "is no truth value": (b"110" + integers(2, 0), b"1x0" + integers(2, 0)),
    "is no integer's first byte": (integers(2, 1, 2, 2), b"\x00" + integers(1, 2, 2)),
    "is no finite number": (reals(0.04, 0.6), integers(0, 32000) + reals(0.6)),
    "the input is 'input_rgb_image_sized_by'": (INPUT, text("input_rgb_image_sized_by")),
    r"layers of versions \[2\]": (integer(3) + INPUT, integer(2) + INPUT),
    r"layers of versions \[-1, 3\]": (
        integer(3) + INPUT,
        integers(-1, 3) + INPUT,
    ),
    "begins with": (text("loss_metric_2"), text("loss_metric_3")),
}


@pytest.mark.parametrize("complaint", CHANGES)
def test_contradictory_sizes_are_an_error(read, complaint):
    contents = dlib_files.network([CONVOLUTION])
    written, replacement = CHANGES[complaint]
    assert contents.count(written) > 0
    with pytest.raises(UnsafeCheckpointError, match=complaint):
        read(contents.replace(written, replacement, 1))


def test_dense_weights_have_the_declared_sides(read):
    contents = dlib_files.network([DlibLayer("fc_2", (6, 4), (WEIGHTS,))])
    with pytest.raises(UnsafeCheckpointError, match=r"weights of \(3, 8, 1, 1\) and biases of .* where 4 to 6 are announced"):
        read(contents.replace(alias(4, 6, 1, 1), alias(3, 8, 1, 1)))


def test_scales_and_shifts_use_all_parameters(read):
    contents = dlib_files.network([DlibLayer("affine_", (), (BIASES, BIASES))])
    assert row(BIASES, BIASES) in contents
    with pytest.raises(UnsafeCheckpointError, match=r"4 parameters where arrays of \(2,\), \(3,\) take 5"):
        read(contents.replace(2 * alias(1, 2, 1, 1), alias(1, 2, 1, 1) + alias(1, 3, 1, 1)))
