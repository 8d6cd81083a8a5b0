"""The network of a bundle is read back as it was, and nothing but layers is built."""

import json

import keras
import numpy as np
import pytest
import safetensors.numpy

from tests.models.small_backbones import small_backbone
from visionkit.errors import UserError
from visionkit.models.localizer import landmark_finder
from visionkit.models.network_files import LAYERS, WEIGHTS, read_network, write_network
from visionkit.models.style_network import style_network
from visionkit.tasks.classification.transfer import transfer_model

NETWORKS = {
    "empty": lambda: keras.Sequential([keras.Input((4,)), keras.layers.Flatten()]),
    "classifier": lambda: transfer_model(small_backbone((32, 32), batch_norm=True), 3).classifier,
    "landmarks": lambda: landmark_finder(small_backbone((64, 64)), 2),
    "style": lambda: style_network((32, 32, 3), 2, filters=4, num_residuals=1),
}
DAMAGED = ["", "[" * 100_000, "{", "[]", "{}", '{"class_name": "Dense"}', '{"module": "keras.layers"}']


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_read_back(name, tmp_path, rng):
    model = NETWORKS[name]()
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape).astype("float32") ** 2)
    write_network(model, tmp_path)
    read = read_network(tmp_path)
    assert [weight.shape for weight in read.weights] == [weight.shape for weight in model.weights]
    for ours, theirs in zip(model.weights, read.weights, strict=True):
        tolerance = 5e-4 if len(ours.shape) > 1 else 0
        np.testing.assert_allclose(theirs.numpy(), ours.numpy(), rtol=tolerance, atol=1e-6 * (tolerance > 0))
    inputs = [np.full((1, *each.shape[1:]), 0.3, "float32") for each in model.inputs]
    outputs = [each.predict_on_batch(inputs if len(inputs) > 1 else inputs[0]) for each in (model, read)]
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=0.05, atol=0.05)


def test_how_a_network_was_compiled_is_not_kept(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("adam", loss=lambda truth, predicted: predicted)
    write_network(model, tmp_path)
    assert "compile" not in (tmp_path / LAYERS).read_text()
    assert not read_network(tmp_path).compiled


def test_weights_beyond_sixteen_bits_stay_as_they_are(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[1e5], [2]], "float32"), np.array([1e-9], "float32")])
    write_network(model, tmp_path)
    kernel, bias = read_network(tmp_path).get_weights()
    assert kernel[0, 0] == 1e5 and bias[0] == np.float32(1e-9)


@pytest.fixture
def written(tmp_path):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="predictions")])
    write_network(model, tmp_path)
    return tmp_path


def test_an_older_bundle_keeps_none(written):
    (written / WEIGHTS).unlink()
    with pytest.raises(UserError, match="keeps no network to train"):
        read_network(written)


@pytest.mark.parametrize(
    "change",
    [
        {"module": "os", "class_name": "system"},
        {"module": "keras.layers", "class_name": "Lambda"},
        {"module": "keras.layers", "class_name": "TFSMLayer"},
        {"module": "keras.src.utils.torch_utils", "class_name": "TorchModuleWrapper"},
        {"module": "keras.src.utils.file_utils", "class_name": "get_file"},
        {"module": "visionkitten.layers", "class_name": "Layer", "registered_name": "visionkitten>Layer"},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "keras", "class_name": "visualization.plot_image_gallery"},
        {"module": "keras.src.ops.core", "class_name": "Switch"},
        {"module": "keras.layers", "class_name": "layer.Layer"},
        {"module": "keras.layers", "class_name": "deserialize"},
        {"module": "keras.layers", "class_name": "StringLookup"},
        {"module": "keras", "class_name": "config.set_floatx"},
        {"module": "keras.layers", "class_name": "Dense", "registered_name": "os>system"},
    ],
    ids=str,
)
def test_what_is_no_layer_is_not_built(written, change):
    described = json.loads((written / LAYERS).read_text())
    described["config"]["layers"][1] |= change
    (written / LAYERS).write_text(json.dumps(described))
    with pytest.raises(UserError, match=f"{change['class_name']}, which is not built: it could execute code"):
        read_network(written)


@pytest.mark.parametrize("contents", DAMAGED, ids=lambda contents: contents[:20])
def test_damaged_layers_are_an_error(written, contents):
    (written / LAYERS).write_text(contents)
    with pytest.raises(UserError, match="damaged"):
        read_network(written)


def test_weights_of_another_network_are_an_error(written, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_network(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), other)
    (other / WEIGHTS).rename(written / WEIGHTS)
    with pytest.raises(UserError, match="do not belong together"):
        read_network(written)


def test_numbers_that_are_not_finite_are_an_error(written):
    kernel = np.full((4, 2), np.nan, "float16")
    (written / WEIGHTS).write_bytes(safetensors.numpy.save({"00000": kernel, "00001": np.zeros(2, "float32")}))
    with pytest.raises(UserError, match="holds no finite numbers"):
        read_network(written)


def huge(name: str) -> keras.Model:
    """A small network, of which a number is changed to a huge one."""
    layers = {
        "units": ([4], keras.layers.Dense(2)),
        "filters": ([8, 8, 3], keras.layers.Conv2D(2, 3)),
        "kernel_size": ([8, 8, 3], keras.layers.Conv2D(2, 3, padding="same")),
        "depth_multiplier": ([8, 8, 3], keras.layers.DepthwiseConv2D(3, padding="same")),
        "input_dim": ([4], keras.layers.Embedding(5, 2)),
        "output_dim": ([4], keras.layers.Embedding(5, 2)),
    }
    shape, layer = layers[name]
    return keras.Sequential([keras.Input(shape), layer])


@pytest.mark.parametrize("name", ["units", "filters", "kernel_size", "depth_multiplier", "input_dim", "output_dim"])
@pytest.mark.parametrize("number", [10**7, 10**15, 10**40], ids=str)
def test_layers_of_other_sizes_than_the_tensors_are_refused_before_there_is_room_for_them(tmp_path, name, number):
    write_network(huge(name), tmp_path)
    described = json.loads((tmp_path / LAYERS).read_text())
    config = described["config"]["layers"][1]["config"]
    config[name] = [number] * 2 if name == "kernel_size" else number
    (tmp_path / LAYERS).write_text(json.dumps(described))
    with pytest.raises(UserError, match=r"are damaged or do not belong together: .*\.$"):
        read_network(tmp_path)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])  # Keras does not make room for what is refused


def test_an_input_of_another_size_is_refused_before_there_is_room_for_its_kernel(tmp_path):
    write_network(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), tmp_path)
    (tmp_path / LAYERS).write_text((tmp_path / LAYERS).read_text().replace("[null,4]", f"[null,{10**13}]"))
    with pytest.raises(UserError, match="the shapes of its weights differ from those of its layers"):
        read_network(tmp_path)
