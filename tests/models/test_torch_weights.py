"""The weights of torchvision and timm: the same in, the same logits out, padding, epsilon and input included.

What their networks answer was recorded by tests/weights/record_torch_peers.py.
"""

import keras
import numpy as np
import pytest
import safetensors.numpy

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


@pytest.fixture(scope="module")
def resnet18() -> dict[str, np.ndarray]:
    return torch_peers.state_dict(torch_peers.peer("torchvision resnet18")["state_dict"])


def test_no_weights_and_files_of_keras_leave_the_layout_alone():
    for weights in (None, "imagenet", "a.weights.h5", "a.keras"):
        assert layout_of(weights) == "keras" and layout_of(weights, default="paper") == "paper"


@pytest.mark.parametrize("name", ["resnet50-0676ba61.pth", "a.pt", "a.pth.tar", "pytorch_model.bin", "model.safetensors"])
def test_files_of_pytorch_ask_for_its_layout(name):
    assert layout_of(name) == "torchvision" and layout_of(name, "keras") == "keras"
    assert layout_of(f"folder/tf_{name}") == "keras"


def test_layouts_that_cannot_be_are_errors():
    with pytest.raises(UserError, match="layout='torch': expected 'keras', 'torchvision' or None"):
        models.vgg11((64, 64, 3), None, layout="torch")
    with pytest.raises(UserError, match=r"weights='imagenet' are those of keras.applications"):
        models.mobilenet_v2((64, 64, 3), None, weights="imagenet", layout="torchvision")


@pytest.mark.parametrize("name", torch_peers.names())
def test_the_same_weights_give_the_answers_of_the_peer(name, tmp_path):
    theirs, network = torch_peers.peer(name), name.split()[1]
    path = write(torch_peers.state_dict(theirs["state_dict"]), tmp_path / f"{network}.safetensors")
    classes = None if network in BACKBONES else 1000
    model = models.build(OURS.get(network, network), (None, None, 3), classes, weights=path)
    for side, expected in theirs["logits"].items():
        answer = model(torch_peers.pixels(int(side)))
        if classes is None:
            answer = keras.ops.mean(list(answer.values())[-1], (1, 2))
        expected = np.array(expected)
        np.testing.assert_allclose(answer[:, : torch_peers.LOGITS], expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_all_formats_give_the_same_network(resnet18, tmp_path):
    (tmp_path / "zip.pth").write_bytes(zip_file({"epoch": 3, "state_dict": saved(resnet18)[0]}, saved(resnet18)[1]))
    (tmp_path / "legacy.pth").write_bytes(legacy_file(*saved({f"module.{key}": array for key, array in resnet18.items()})))
    first, *others = (
        models.resnet18((64, 64, 3), weights=path)
        for path in (write(resnet18, tmp_path / "a.safetensors"), tmp_path / "zip.pth", tmp_path / "legacy.pth")
    )
    for other in others:
        for one, same in zip(first.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(one, same)


def test_other_classes_and_backbones_take_all_but_the_head(resnet18, tmp_path):
    path = write(resnet18, tmp_path / "a.safetensors")
    for classes in (7, None):
        model = models.build("resnet18", (64, 64, 3), classes, weights=path)
        kernel = model.get_layer("conv5_block2_2_conv").get_weights()[0]
        np.testing.assert_array_equal(kernel, resnet18["layer4.1.conv2.weight"].transpose(2, 3, 1, 0))


def test_a_network_keeps_its_answers_in_a_keras_file(resnet18, tmp_path):
    model = models.resnet18((64, 64, 3), weights=write(resnet18, tmp_path / "a.safetensors"))
    model.save(tmp_path / "a.keras")
    again = models.resnet18((64, 64, 3), weights=tmp_path / "a.keras")
    np.testing.assert_array_equal(again(torch_peers.pixels(64)), model(torch_peers.pixels(64)))


def test_the_form_of_keras_has_no_place_for_them(tmp_path):
    theirs = torch_peers.peer("torchvision resnet50")["state_dict"]
    path = write(torch_peers.state_dict(theirs), tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=r"it lacks conv1\.bias, .*layout='torchvision'"):
        models.resnet50((64, 64, 3), layout="keras", weights=path)


def test_another_network_is_an_error_that_names_keys(resnet18, tmp_path):
    path = write(resnet18, tmp_path / "a.safetensors")
    with pytest.raises(
        UserError, match=r"a\.safetensors does not fit mobilenet_v2: it lacks .*nothing here is called conv1\.weight, "
    ):
        models.mobilenet_v2((64, 64, 3), weights=path)
    with pytest.raises(UserError, match=r"does not fit resnet34: it lacks layer1\.2\.conv1\.weight"):
        models.resnet34((64, 64, 3), weights=path)
    with pytest.raises(UserError, match=r"conv1 have other shapes"):
        models.resnet18((64, 64, 1), weights=path)
