"""Changed files of weights are refused in a sentence, or give the weights that were written; nothing else may happen.

Zip archives (PyTorch's, and .keras) have checksums: of them, no changed number may be accepted. Legacy files of PyTorch,
safetensors, .weights.h5 and dlib's files have none: a change of a number to another finite one cannot be seen.
"""

import collections

import keras
import numpy as np
import pytest
import safetensors.numpy

from tests.weights import dlib_files
from tests.weights.torch_files import legacy_file, saved, zip_file
from visionkit.errors import UserError
from visionkit.models.pretrained import load_weights
from visionkit.weights.dlib_file import DlibLayer, read_dlib
from visionkit.weights.torch_layers import fill

SUFFIXES = {"zip": "pth", "legacy": "pt", "safetensors": "safetensors", "h5": "weights.h5", "keras": "keras", "dlib": "dat"}
HAVE_CHECKSUMS = {"zip", "keras"}
QUICK, MANY = 17, 400  # changed files of each kind
CODES = [b"F32", b"F16", b"I32", b"F64", b"U8", b"F8_E4M3", b"FloatStorage", b"LongStorage", b"HalfStorage", b"CharStorage"]
NUMBERS = [b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\xc0\x7f", b"\xff" * 8]


def network() -> keras.Model:
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(3, 3, activation="relu", name="block1_conv1")(inputs)
    x = keras.layers.Conv2D(3, 3, activation="relu", name="block2_conv1")(x)
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="predictions")(x), name="vgg_fuzzed")


def state_dict(rng: np.random.Generator) -> dict[str, np.ndarray]:
    shapes = {"features.0": (3, 2, 3, 3), "features.2": (3, 3, 3, 3), "classifier.6": (2, 3)}
    tensors = {f"{name}.weight": rng.normal(size=shape) for name, shape in shapes.items()}
    tensors |= {f"{name}.bias": rng.normal(size=shape[0]) for name, shape in shapes.items()}
    return {name: array.astype("float32") for name, array in tensors.items()}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[keras.Model, dict[str, bytes]]:
    """A network with the weights that the files hold, and a valid file of each kind."""
    folder, rng = tmp_path_factory.mktemp("valid"), np.random.default_rng(4)
    model, tensors = network(), state_dict(rng)
    fill(model, tensors, (("predictions",),), "")
    model.save(folder / "a.keras")
    model.save_weights(folder / "a.weights.h5")
    filters, biases, scales = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4), rng.normal(size=4)
    layers = [
        DlibLayer("con_4", (4, 3, 3, 1, 1, 1, 1), (filters.astype("float32"), biases.astype("float32"))),
        DlibLayer("affine_", (), (scales.astype("float32"), biases.astype("float32"))),
        DlibLayer("relu_"),
    ]
    return model, {
        "zip": zip_file(*saved({f"module.{name}": array for name, array in tensors.items()})),
        "legacy": legacy_file(*saved(tensors)),
        "safetensors": safetensors.numpy.save(tensors),
        "h5": (folder / "a.weights.h5").read_bytes(),
        "keras": (folder / "a.keras").read_bytes(),
        "dlib": dlib_files.network(layers),
    }


def changed(valid: bytes, rng: np.random.Generator) -> bytes:
    """One change that a transfer, an editor or an attacker could make."""
    data, place = bytearray(valid), int(rng.integers(len(valid)))
    length, other = int(rng.integers(1, 200)), int(rng.integers(len(valid)))
    match rng.integers(8):
        case 0:
            for each in rng.integers(len(data), size=rng.integers(1, 4)):
                data[each] ^= 1 << int(rng.integers(8))
        case 1:
            del data[place:]
        case 2:
            data[place:place] = rng.bytes(length)
        case 3:
            data[place:place] = valid[other : other + length]
        case 4:
            del data[place : place + length]
        case 5:
            number = NUMBERS[rng.integers(len(NUMBERS))]
            data[place : place + len(number)] = number
        case 6:  # a length, in a header if there is one
            place = int(rng.integers(min(64, len(data))))
            data[place] = int(rng.integers(256))
        case 7:
            present = [code for code in CODES if code in valid]
            old, new = (each[int(rng.integers(len(each)))] for each in (present or [valid[place : place + 2]], CODES))
            data = bytearray(valid.replace(old, new, 1))
    return bytes(data)


def loaded(kind: str, model: keras.Model, path) -> list[np.ndarray]:
    if kind == "dlib":
        file = read_dlib(path)
        return [np.array([*file.mean, *file.sides]), *(array for layer in file.layers for array in layer.arrays)]
    load_weights(model, path)
    return model.get_weights()


def outcome(kind: str, model: keras.Model, contents: bytes, expected: list[np.ndarray], path) -> str:
    path.write_bytes(contents)
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
    try:
        received = loaded(kind, model, path)
    except UserError:
        assert not any(weight.any() for weight in model.get_weights()), "weights of a refused file were set"
        return "refused"
    if len(received) == len(expected) and all(np.array_equal(*pair) for pair in zip(received, expected, strict=True)):
        return "as written"
    if kind != "dlib":
        assert all(np.isfinite(weight).all() for weight in received)
        if not any(weight.any() for weight in received[-2:]):
            return "the head is left out"
    return "other numbers"


@pytest.mark.parametrize("count", [QUICK, pytest.param(MANY, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_changed_file_is_refused_or_gives_what_was_written(kind, count, written, tmp_path, capsys):
    original, files = written
    model, path = network(), tmp_path / f"a.{SUFFIXES[kind]}"
    path.write_bytes(files[kind])
    expected = loaded(kind, original, path)
    assert outcome(kind, model, files[kind], expected, path) == "as written"
    rng = np.random.default_rng(22)
    outcomes = collections.Counter()
    for _ in range(count):
        contents = changed(files[kind], rng)
        received = outcome(kind, model, contents, expected, path)
        assert not (kind in HAVE_CHECKSUMS and received == "other numbers"), "a damaged tensor of a file with checksums"
        outcomes[received] += 1
    with capsys.disabled():
        if count == MANY:
            print(f"\n{kind}: {dict(outcomes)}")
    assert outcomes["refused"] > count // 4
