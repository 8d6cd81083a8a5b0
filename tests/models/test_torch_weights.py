"""The weights of torchvision and timm give their logits, which depend on padding, epsilon and input as well.

The logits of their networks were recorded by tests/weights/record_torch_peers.py.
"""

import itertools

import keras
import numpy as np
import pytest
import safetensors.numpy

from tests.conftest import sweep
from tests.weights import torch_peers
from tests.weights.torch_files import legacy_file, saved, zip_file
from visionkit import models
from visionkit.errors import UserError
from visionkit.models.pretrained import layout_of

OURS = {"mobilenetv2_100": "mobilenet_v2", "tf_efficientnet_b0": "efficientnet_b0", "squeezenet1_1": "squeezenet_1_1"}
BACKBONES = ("vgg11", "alexnet")  # recorded without their large heads


def write(tensors: dict[str, np.ndarray], path):
    safetensors.numpy.save_file({key: np.ascontiguousarray(array) for key, array in tensors.items()}, path)
    return path


def write_zip(tensors, path):
    """A file as a training script saves it."""
    root, storages = saved(tensors)
    path.write_bytes(zip_file({"epoch": 3, "arch": "any", "state_dict": root}, storages))
    return path


def write_legacy(tensors, path):
    """A file with the names of DataParallel."""
    path.write_bytes(legacy_file(*saved({f"module.{key}": array for key, array in tensors.items()})))
    return path


def write_keys(network, path):
    """Empty tensors, for errors in names, which are found before shapes are compared."""
    return write({key: np.zeros(0, "float32") for key in torch_peers.state_dict(torch_peers.peer(network)["state_dict"])}, path)


@pytest.fixture(scope="module")
def resnet18() -> dict[str, np.ndarray]:
    return torch_peers.state_dict(torch_peers.peer("torchvision resnet18")["state_dict"])


def test_no_weights_and_files_of_keras_take_the_default_layout():
    for weights in (None, "imagenet", "a.weights.h5", "a.keras"):
        assert layout_of(weights) == "keras" and layout_of(weights, default="paper") == "paper"


@pytest.mark.parametrize("name", ["resnet50-0676ba61.pth", "a.pt", "a.pth.tar", "pytorch_model.bin", "model.safetensors"])
def test_files_of_pytorch_take_the_layout_of_torchvision(name):
    assert layout_of(name) == "torchvision" and layout_of(name, "keras") == "keras"
    assert layout_of(f"folder/tf_{name}") == "keras"


def test_impossible_layouts_are_errors():
    with pytest.raises(UserError, match="layout='torch': expected 'keras', 'torchvision' or None"):
        models.vgg11((64, 64, 3), None, layout="torch")
    with pytest.raises(UserError, match=r"weights='imagenet' are those of keras.applications"):
        models.mobilenet_v2((64, 64, 3), None, weights="imagenet", layout="torchvision")


WRITERS = dict(zip(torch_peers.names(), itertools.cycle((write, write_zip, write_legacy)), strict=False))


@pytest.mark.parametrize("name", sweep(WRITERS, ["torchvision resnet18", "torchvision mobilenet_v2", "torchvision vgg11"]))
def test_the_same_weights_give_the_logits_of_the_peer(name, tmp_path):
    write = WRITERS[name]
    theirs, network = torch_peers.peer(name), name.split()[1]
    path = write(torch_peers.state_dict(theirs["state_dict"]), tmp_path / f"{network}.bin")
    classes = None if network in BACKBONES else 1000
    model = models.build(OURS.get(network, network), (None, None, 3), classes, weights=path)
    for side, expected in theirs["logits"].items():
        logits = model(torch_peers.pixels(int(side)))
        if classes is None:
            logits = keras.ops.mean(list(logits.values())[-1], (1, 2))
        expected = np.array(expected)
        np.testing.assert_allclose(logits[:, : torch_peers.LOGITS], expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_other_classes_and_backbones_load_all_but_the_head(resnet18, tmp_path):
    path = write(resnet18, tmp_path / "a.safetensors")
    for classes in (7, None):
        model = models.build("resnet18", (64, 64, 3), classes, weights=path)
        kernel = model.get_layer("conv5_block2_2_conv").get_weights()[0]
        np.testing.assert_array_equal(kernel, resnet18["layer4.1.conv2.weight"].transpose(2, 3, 1, 0))


def test_the_layout_of_keras_does_not_fit_them(tmp_path):
    path = write_keys("torchvision resnet50", tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"it lacks conv1\.bias, .*layout='torchvision'"):
        models.resnet50((64, 64, 3), layout="keras", weights=path)


def test_another_network_is_an_error_that_names_keys(tmp_path):
    path = write_keys("torchvision resnet18", tmp_path / "a.safetensors")
    with pytest.raises(
        UserError, match=r"safetensors does not fit vgg11: it lacks features\.0\.w.*; nothing here is called bn1\.b"
    ):
        models.vgg11((64, 64, 3), None, weights=path)


def test_another_number_of_channels_is_an_error(resnet18, tmp_path):
    with pytest.raises(UserError, match=r"does not fit resnet18: other shapes in conv1"):
        models.resnet18((64, 64, 1), weights=write(resnet18, tmp_path / "a.safetensors"))
