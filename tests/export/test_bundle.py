"""A bundle takes raw images, needs TensorFlow alone, and predicts as the model does."""

import errno
import io
import json
import os
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import visionkit
from tests.conftest import sweep
from visionkit import models
from visionkit.bundle_files import check_files
from visionkit.data.images.decode import read_image
from visionkit.data.images.resize import center_crop
from visionkit.errors import UserError
from visionkit.export import bundle as bundle_module
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, read_metadata, update_metadata
from visionkit.tasks.classification.evaluate import litert_difference
from visionkit.tasks.classification.export import export_classifier

NAMES = ("cat", "dog", "über <b>")


@pytest.fixture(scope="module")
def bundle(small_classifier, tmp_path_factory):
    return export_classifier(
        small_classifier, tmp_path_factory.mktemp("run") / "model", class_names=NAMES, metadata={"base": "small"}
    )


def probabilities(model, images) -> np.ndarray:
    pixels = np.stack([center_crop(image, 32).numpy() for image in images])
    return keras.ops.convert_to_numpy(keras.ops.softmax(model(pixels)))


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("shape", [(40, 60), (1, 7), (301, 33)])
def test_raw_images_of_any_size_and_number_get_the_models_predictions(bundle, small_classifier, rng, count, shape):
    images = rng.integers(0, 256, (count, *shape, 3), dtype=np.uint8)
    model = tf.saved_model.load(str(bundle))
    outputs = model.signatures["serving_default"](images=tf.constant(images))
    expected = probabilities(small_classifier, images)
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["scores"], -np.sort(-expected, axis=1), atol=1e-5)
    best = [NAMES[i] for i in expected.argmax(1)]
    assert [label.decode() for label in outputs["label"].numpy()] == best
    assert [row[0].decode() for row in outputs["labels"].numpy()] == best
    np.testing.assert_allclose(outputs["score"], expected.max(1), atol=1e-5)


def test_encoded_files_of_different_sizes_get_the_same_predictions_as_their_pixels(bundle, photograph):
    model, files, images = tf.saved_model.load(str(bundle)), [], []
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, side, options in (("PNG", 90, {}), ("JPEG", 120, {}), ("JPEG", 64, {"exif": exif}), ("BMP", 33, {})):
        buffer = io.BytesIO()
        Image.fromarray(photograph[:side, : 2 * side]).save(buffer, kind, **options)
        files.append(buffer.getvalue())
        pixels = np.asarray(Image.open(io.BytesIO(buffer.getvalue())))
        images.append(np.rot90(pixels, -1) if options else pixels)
    together = model.signatures["serving_encoded"](image_bytes=tf.constant(files))["probabilities"]
    for row, image in zip(together, images, strict=True):
        np.testing.assert_allclose(row, model.serve_images(image[None])["probabilities"][0], atol=1e-5)


@pytest.mark.parametrize("bits", sweep([10, 12, 16], [12]))
@pytest.mark.parametrize("channels", [None, 3])
def test_deep_files_are_scaled_in_the_bundle_as_everywhere_else(bundle, tmp_path, rng, bits, channels):
    values = rng.integers(0, 2**bits, (40, 40) if channels is None else (40, 40, 3), dtype=np.uint16)
    values.flat[0] = 2**bits - 1
    cv2.imwrite(str(tmp_path / "x.png"), values)
    model = tf.saved_model.load(str(bundle))
    encoded = model.signatures["serving_encoded"](image_bytes=tf.constant([(tmp_path / "x.png").read_bytes()]))["probabilities"]
    pixels = read_image(tmp_path / "x.png")
    assert pixels.max() == 255
    np.testing.assert_allclose(encoded, model.serve_images(pixels[None])["probabilities"], atol=1e-5)
    predicted = visionkit.load(bundle).predict(tmp_path / "x.png")
    np.testing.assert_allclose(predicted.score, encoded.numpy().max(), atol=1e-5)


def test_flips_average_an_image_and_its_mirror_image(small_classifier, tmp_path, photograph):
    folder = export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={}, flips=True)
    square = photograph[:64, :64]
    expected = probabilities(small_classifier, [square, square[:, ::-1]]).mean(0)
    model = tf.saved_model.load(str(folder))
    np.testing.assert_allclose(model.serve_images(square[None])["probabilities"][0], expected, atol=1e-4)


def test_half_precision_is_smaller_and_nearly_equal(small_classifier, bundle, tmp_path, photograph):
    wide = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(500), keras.layers.Dense(3)])
    sizes, predictions = [], []
    for half in (False, True):
        folder = export_classifier(wide, tmp_path / str(half), class_names=NAMES, metadata={}, half_precision=half)
        sizes.append((folder / "saved_model.pb").stat().st_size)
        model = tf.saved_model.load(str(folder))
        predictions.append(model.serve_images(photograph[None])["probabilities"].numpy())
    assert sizes[1] < 0.55 * sizes[0]
    assert np.abs(predictions[0] - predictions[1]).max() < 0.05


def test_it_loads_with_nothing_but_tensorflow(bundle, tensorflow_alone):
    code = (
        f"model = tf.saved_model.load({str(bundle)!r})\n"
        "print(model.signatures['serving_default'](images=tf.zeros([1, 9, 9, 3], tf.uint8))['label'].shape)\n"
    )
    assert tensorflow_alone(code) == "(1,)\n"


def test_the_litert_model_agrees(bundle, photograph, tmp_path):
    paths = []
    for i in range(3):
        paths.append(str(tmp_path / f"{i}.png"))
        Image.fromarray(photograph[40 * i : 40 * i + 90]).save(paths[-1])
    model = tf.saved_model.load(str(bundle))
    probabilities = np.concatenate([model.serve_images(read_image(path)[None])["probabilities"].numpy() for path in paths])
    assert litert_difference(bundle, paths, probabilities) < 0.01
    assert litert_difference(bundle, paths, probabilities + 0.5) > 0.4
    assert litert.run(bundle / LITERT_FILE, np.zeros((2, 32, 32, 3), "float32")).shape == (2, 3)


@pytest.mark.parametrize("kind", [RuntimeError, OSError])  # an OSError that the system did not raise has no number
def test_a_bundle_without_a_litert_model_has_no_difference(small_classifier, tmp_path, monkeypatch, kind):
    def fails(*args, **options):
        raise kind("an operation that LiteRT lacks")

    monkeypatch.setattr(litert, "convert", fails)
    folder = export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={})
    assert litert_difference(folder, [], np.zeros((0, 3))) is None
    assert "an operation that LiteRT lacks" in read_metadata(folder)["litert"]


def test_the_metadata_describes_the_bundle(bundle):
    metadata = read_metadata(bundle)
    assert (
        metadata["task"] == "classification"
        and metadata["labels"] == list(NAMES)
        and metadata["size"] == 32
        and metadata["base"] == "small"
    )
    assert (bundle / "assets.extra" / "labels.txt").read_text("utf-8").splitlines() == list(NAMES)
    update_metadata(bundle, metrics={"accuracy": 0.5})
    assert read_metadata(bundle) == metadata | {"metrics": {"accuracy": 0.5}}
    json.dumps(read_metadata(bundle))


def test_another_folder_is_not_a_bundle(tmp_path):
    with pytest.raises(ValueError, match=r"assets\.extra/bundle\.json"):
        read_metadata(tmp_path)


def test_exporting_again_replaces_and_leaves_nothing_beside(small_classifier, tmp_path):
    for base in ("first", "second"):
        folder = export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={"base": base})
    assert read_metadata(folder)["base"] == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_failed_export_leaves_nothing_behind(small_classifier, tmp_path):
    with pytest.raises(TypeError):
        export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={"base": object()})
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_grey_images_takes_colored_ones_whole(tmp_path, rng):
    keras.utils.set_random_seed(1)
    grey = models.lenet5((32, 32, 1), 3)
    folder = export_classifier(grey, tmp_path / "model", class_names=NAMES, metadata={}, whole=True)
    images = np.repeat(rng.integers(0, 256, (5, 32, 32, 1), np.uint8), 3, axis=3)
    model = tf.saved_model.load(str(folder))  # held: its functions do not keep its weights alive
    outputs = model.serve_images(images)["probabilities"].numpy()
    np.testing.assert_allclose(outputs, tf.nn.softmax(grey(images[..., :1].astype("float32"))), atol=1e-5)
    assert litert_difference(folder, list(images), outputs) < 0.01


def failing(number):
    def fail(*args, **options):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    "step",
    sweep(
        ["tf.saved_model.save", "litert.convert", "os.fsync", "bundle.write_digests", "Path.write_bytes"],
        ["tf.saved_model.save", "os.fsync"],
    ),
)
def test_a_full_disk_is_an_error_of_the_system_and_leaves_the_earlier_bundle(small_classifier, tmp_path, monkeypatch, step):
    folder = export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={"base": "first"})
    target = {"tf": tf.saved_model, "litert": litert, "os": os, "bundle": bundle_module, "Path": Path}[step.split(".")[0]]
    fail = failing(errno.ENOSPC)
    if step == "tf.saved_model.save":

        def fail(module, path, **options):
            raise tf.errors.ResourceExhaustedError(None, None, f"{path}/variables; No space left on device")

    monkeypatch.setattr(target, step.split(".")[-1], fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={"base": "second"})
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC and str(tmp_path) in str(caught.value)
    assert read_metadata(folder)["base"] == "first" and [path.name for path in tmp_path.iterdir()] == ["model"]
    check_files(folder)


def test_an_earlier_bundle_is_put_back_where_the_new_one_cannot_be_renamed(small_classifier, tmp_path, monkeypatch):
    folder, rename = tmp_path / "model", os.rename
    export_classifier(small_classifier, folder, class_names=NAMES, metadata={"base": "first"})

    def refuse(source, target):
        if target == folder and not str(source).endswith("-replaced"):
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(PermissionError):
        export_classifier(small_classifier, folder, class_names=NAMES, metadata={"base": "second"})
    assert read_metadata(folder)["base"] == "first" and [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_damaged_litert_model_is_named(tmp_path):
    (tmp_path / "model.tflite").write_bytes(b"x" * 100)
    os.mkfifo(tmp_path / "pipe.tflite")
    said = {"model": "is damaged", "nothing": "cannot be read: No such file", "pipe": "cannot be read: is a named pipe"}
    for name, message in said.items():
        with pytest.raises(UserError, match=rf"{name}\.tflite {message}"):
            litert.LiteRTModel(tmp_path / f"{name}.tflite")


@pytest.mark.parametrize("moment", [1, 2])
def test_a_signal_between_the_renames_leaves_a_whole_bundle(small_classifier, tmp_path, monkeypatch, moment):
    folder = export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={"base": "first"})
    rename, calls = os.rename, []

    def interrupted(source, target):
        calls.append(source)
        if len(calls) == moment:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export_classifier(small_classifier, folder, class_names=NAMES, metadata={"base": "second"})
    assert read_metadata(folder)["base"] == "first" and [path.name for path in tmp_path.iterdir()] == ["model"]
