"""Weights from every source give the logits of the network that they come from."""

import os
import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import skimage.data

from tests.conftest import sweep
from visionkit import models
from visionkit.data.images.resize import center_crop
from visionkit.errors import UserError
from visionkit.layers.inference_mode import InferenceMode
from visionkit.layers.normalization import IMAGENET_DEVIATION, IMAGENET_MEAN
from visionkit.layers.upsampling import Upsample
from visionkit.models.pretrained import PEER_NAMES, PEERS, WeightsUnavailableError, _shown_download, copy_weights

PIXELS = np.random.default_rng(1).uniform(0, 255, (2, 64, 64, 3)).astype("float32")


def peer_pixels(name: str) -> np.ndarray:
    """Pixels as keras.applications expects them: only EfficientNet scales them itself."""
    if name.startswith("efficientnet"):
        return PIXELS
    if name.startswith("mobilenet") or name.endswith("_v2"):
        return PIXELS / 127.5 - 1
    return keras.applications.imagenet_utils.preprocess_input(PIXELS.copy(), mode="caffe")


def random_peer(name: str, *, include_top: bool = True) -> keras.Model:
    """The same network of keras.applications, with random weights and moving statistics."""
    keras.utils.set_random_seed(2)
    shape = (64, 64, 3)
    peer = getattr(keras.applications, PEERS[name])(
        weights=None, include_top=include_top, input_shape=shape, **({"classifier_activation": None} if include_top else {})
    )
    rng = np.random.default_rng(3)
    for weight in peer.weights:
        if "variance" in weight.path or "gamma" in weight.path:
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif "moving_mean" in weight.path or "beta" in weight.path or "bias" in weight.path:
            weight.assign(rng.normal(0, 0.1, weight.shape))
    return peer


def test_no_weights_leave_a_network_untrained():
    first, second = (models.mobilenet_v2((32, 32, 3), 2) for _ in range(2))
    assert np.abs(first.get_weights()[0] - second.get_weights()[0]).max() > 0


@pytest.mark.parametrize("name", sweep(PEERS, ["mobilenet_v2"]))
def test_the_same_weights_give_the_logits_of_keras_applications(name):
    peer, ours = random_peer(name), models.build(name, (64, 64, 3))
    names = [[layer.name for layer in model.layers if layer.weights] for model in (ours, peer)]
    theirs = [re.sub(r"normalization_\d+", "normalization", name) for name in names[1]]  # Keras counts those
    assert names[0] == [PEER_NAMES.get(name, name) for name in theirs]
    copy_weights(peer, ours)
    theirs = keras.ops.convert_to_numpy(peer(peer_pixels(name)))
    np.testing.assert_allclose(ours(PIXELS), theirs, atol=1e-4 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("name", sweep(["efficientnet_b0", "mobilenet_v2"], ["mobilenet_v2"]))
@pytest.mark.parametrize("suffix", sweep([".weights.h5", ".keras"], [".keras"]))
def test_files_of_keras_applications_load(name, suffix, tmp_path):
    peer = random_peer(name)
    path = tmp_path / f"theirs{suffix}"
    peer.save(path) if suffix == ".keras" else peer.save_weights(path)
    theirs = peer(peer_pixels(name))
    np.testing.assert_allclose(models.build(name, (64, 64, 3), weights=path)(PIXELS), theirs, atol=1e-4)
    other_classes = models.build(name, (64, 64, 3), 7, weights=path)
    np.testing.assert_array_equal(
        other_classes.layers[5].get_weights(), peer.get_layer(other_classes.layers[5].name).get_weights()
    )
    backbone = models.build(name, (64, 64, 3), None, weights=path)
    np.testing.assert_array_equal(backbone.get_weights()[-1], peer.get_weights()[-3])


@pytest.mark.exhaustive
@pytest.mark.parametrize("include_top", [True, False])
def test_the_imagenet_files_of_efficientnet_give_the_logits_of_keras_applications(include_top, tmp_path, monkeypatch):
    """The published files hold the deviation instead of the variance, and so does the random file of this test."""
    stored = random_peer("efficientnet_b0", include_top=include_top)
    normalization = next(layer for layer in stored.layers if isinstance(layer, keras.layers.Normalization))
    normalization.adapt_mean.assign(IMAGENET_MEAN)
    normalization.adapt_variance.assign(IMAGENET_DEVIATION)
    path = tmp_path / "theirs.weights.h5"
    stored.save_weights(path)
    monkeypatch.setattr(keras.src.applications.efficientnet.file_utils, "get_file", lambda *args, **kwargs: str(path))

    shape = (64, 64, 3)
    activation = {"classifier_activation": None} if include_top else {}
    if include_top:
        monkeypatch.setattr(
            keras.src.applications.efficientnet.imagenet_utils, "obtain_input_shape", lambda *args, **kwargs: shape
        )
    peer = keras.applications.EfficientNetB0(weights="imagenet", include_top=include_top, input_shape=shape, **activation)
    ours = models.efficientnet_b0(shape, 1000 if include_top else None, weights="imagenet")
    output = ours(PIXELS) if include_top else ours(PIXELS)["stride_32"]
    theirs = keras.ops.convert_to_numpy(peer(PIXELS))
    np.testing.assert_allclose(output, theirs, atol=1e-4 * np.abs(theirs).max())


def test_a_failed_download_says_what_to_do(monkeypatch):
    def no_network(*args, **kwargs):
        raise Exception("URL fetch failure on https://example: Temporary failure in name resolution")

    monkeypatch.setattr(keras.src.applications.mobilenet_v2.file_utils, "get_file", no_network)
    with pytest.raises(WeightsUnavailableError, match="efficientnet_lite0, whose ImageNet weights were installed"):
        models.mobilenet_v2((96, 96, 3), None, weights="imagenet")


def test_a_download_is_shown_on_standard_error_alone(tmp_path, monkeypatch, capsys):
    (tmp_path / "there.bin").write_bytes(bytes(3_000_000))
    monkeypatch.setattr("visionkit.progress.is_terminal", lambda: True)
    with _shown_download("downloading the weights of x"):
        keras.utils.get_file("here.bin", f"file://{tmp_path}/there.bin", cache_dir=tmp_path)
    out, err = capsys.readouterr()
    assert out == "" and "downloading the weights of x:" in err and "/3.00M" in err and err.endswith("\r")
    assert len((tmp_path / "datasets" / "here.bin").read_bytes()) == 3_000_000


def test_networks_with_published_weights_are_named():
    with pytest.raises(ValueError, match=r"no published 'imagenet' weights for efficientnet_lite1.*efficientnet_lite0"):
        models.efficientnet_lite1((64, 64, 3), None, weights="imagenet")


@pytest.mark.parametrize("weights", ["imagnet", "nowhere.weights.h5"])
def test_a_missing_file_is_an_error(weights):
    with pytest.raises(ValueError, match="no such file"):
        models.mobilenet_v2((32, 32, 3), weights=weights)


def test_weights_of_another_network_are_an_error(tmp_path):
    other = models.build("resnet14", (32, 32, 3), 2)
    other.save_weights(tmp_path / "a.weights.h5")
    other.save(tmp_path / "a.keras")
    for name in ("a.weights.h5", "a.keras"):
        with pytest.raises(ValueError, match="fit resnet8"):
            models.build("resnet8", (32, 32, 3), 2, weights=tmp_path / name)


@pytest.fixture(scope="module")
def lite0() -> keras.Model:
    return models.efficientnet_lite0(weights="imagenet")


@pytest.mark.parametrize(("photograph", "classes"), [("chelsea", (281, 282, 285)), ("coffee", (967,))])
def test_lite0_classifies_photographs(lite0, photograph, classes):
    """Tabby, tiger cat or Egyptian cat; espresso. The weights come from an installed package, not from a download."""
    logits = lite0(center_crop(getattr(skimage.data, photograph)(), 224)[None])[0]
    assert int(np.argmax(logits)) in classes


def test_lite0_with_other_classes_keeps_the_base(lite0):
    ours = models.efficientnet_lite0((64, 64, 3), 3, weights="imagenet")
    for layer in ours.layers:
        if layer.weights and layer.name != "predictions":
            np.testing.assert_array_equal(layer.get_weights()[0], lite0.get_layer(layer.name).get_weights()[0])


def test_a_classifier_of_other_classes_loads_all_but_the_head_of_keras_applications():
    """The head is a 1x1 convolution there, and a dense layer in visionkit."""
    peer, ours = random_peer("mobilenet"), models.mobilenet((64, 64, 3), 5)
    before = ours.get_layer("predictions").get_weights()
    copy_weights(peer, ours)
    np.testing.assert_array_equal(ours.get_layer("conv_pw_13").get_weights(), peer.get_layer("conv_pw_13").get_weights())
    np.testing.assert_array_equal(ours.get_layer("predictions").get_weights()[0], before[0])


def test_a_file_fits_networks_that_end_in_dense_layers(tmp_path):
    """The head is left out if the number of classes or the size of the image differs."""
    source = models.lenet5((32, 32, 1), 10)
    source.save_weights(tmp_path / "lenet.weights.h5")
    for shape, classes in (((32, 32, 1), 10), ((32, 32, 1), 3), ((40, 40, 1), 10)):
        loaded = models.lenet5(shape, classes, weights=str(tmp_path / "lenet.weights.h5"))
        np.testing.assert_array_equal(loaded.get_layer("conv2").get_weights()[0], source.get_layer("conv2").get_weights()[0])


def test_nothing_is_copied_after_a_layer_that_does_not_fit():
    source, target = models.lenet5((32, 32, 1), 10), models.lenet5((40, 40, 1), 10)
    before = target.get_layer("predictions").get_weights()[0]
    copy_weights(source, target)
    np.testing.assert_array_equal(target.get_layer("predictions").get_weights()[0], before)


def test_what_is_left_out_is_said_in_a_line(tmp_path, capsys):
    models.lenet5((32, 32, 1), 10).save_weights(tmp_path / "a.weights.h5")
    models.lenet5((32, 32, 1), 10, weights=tmp_path / "a.weights.h5")
    assert capsys.readouterr() == ("", "")
    models.lenet5((32, 32, 1), 3, weights=tmp_path / "a.weights.h5")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        f"{tmp_path / 'a.weights.h5'}: 8 tensors are loaded; left out: layers/dense_2/0, layers/dense_2/1; "
        "untrained: predictions.\n"
    )


@pytest.mark.parametrize("name", ["folder", "folder.weights.h5", "pipe.pth", "pipe.keras", "/dev/zero", "a\0b"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_file_is_an_error(name, tmp_path):
    """A pipe would be waited for, and the device never ends."""
    (os.mkfifo if name.startswith("pipe") else os.mkdir)(tmp_path / name.replace("/", "_").replace("\0", "_"))
    with pytest.raises(UserError, match=r"is a folder|is a named pipe|is a device|embedded null"):
        models.lenet5((32, 32, 1), weights=tmp_path / name)


def test_a_lambda_in_a_keras_file_is_not_even_read(tmp_path):
    """The configuration names a function of the attacker's; the arrays are those of the network."""
    ours = models.lenet5((32, 32, 1), 3)
    ours.save(tmp_path / "a.keras")
    with zipfile.ZipFile(tmp_path / "a.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = members["config.json"].replace(b'"Flatten"', b'"Lambda"').replace(b'"Dense"', b'"os.system"')
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)
    loaded = models.lenet5((32, 32, 1), 3, weights=tmp_path / "a.keras")
    for one, other in zip(ours.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


ORDERS = ["import visionkit, keras", "import keras, visionkit", "import visionkit.losses.style, keras"]


@pytest.mark.parametrize("order", sweep(ORDERS, ORDERS[:1]))
def test_keras_reads_files_with_our_layers_after_importing_visionkit_alone(order, tmp_path):
    inputs = keras.Input((8, 8, 3))
    base = keras.Sequential([keras.Input((8, 8, 3)), Upsample(2), keras.layers.BatchNormalization()])
    keras.Model(inputs, InferenceMode(base)(inputs)).save(tmp_path / "a.keras")
    code = f"{order}; print(len(keras.models.load_model({str(tmp_path / 'a.keras')!r}).weights))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "6\n", result.stderr
