"""A detector's bundle takes raw images, needs TensorFlow alone, and its boxes lie on those images."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.tasks.detection.square_detector import NAMES, image_of, square_detector
from visionkit.data.images.resize import letterbox
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, read_metadata
from visionkit.tasks.detection.export import LITERT_THRESHOLD, export_detector


@pytest.fixture(scope="module")
def bundle(square_bundle):
    return square_bundle / "model"


@pytest.fixture(scope="module")
def model(bundle):
    return tf.saved_model.load(str(bundle))


def encoded(pixels: np.ndarray, kind: str = "PNG", mode: str = "RGB", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("shape", [(48, 80), (1, 1), (64, 64)])
def test_no_images_and_images_without_objects(model, shape):
    for count in (0, 1, 3):
        answer = model.signatures["serving_default"](images=tf.constant(np.zeros((count, *shape, 3), np.uint8)))
        assert answer["boxes"].shape == (count, 0, 4) and answer["count"].numpy().tolist() == [0] * count
        assert answer["scores"].shape == answer["classes"].shape == answer["labels"].shape == (count, 0)
    answer = model.signatures["serving_encoded"](image_bytes=tf.constant([], tf.string))
    assert answer["boxes"].shape == (0, 0, 4) and answer["count"].shape == (0,)


@pytest.mark.parametrize("shape", [(64, 64), (48, 80), (301, 33), (77, 400), (5, 9), (1000, 750)])
def test_a_box_is_mapped_back_to_an_image_of_any_size(model, shape):
    height, width = shape
    x1, y1, x2, y2 = box = (width // 5, height // 4, max(width // 2, width // 5 + 1), max(3 * height // 4, height // 4 + 1))
    answer = model.serve_images(image_of(shape, (1, box, 1.0))[None])
    assert answer["classes"].numpy().tolist() == [[1]] and answer["labels"].numpy().tolist() == [[b"green"]]
    found = answer["boxes"][0, 0].numpy() * (width, height, width, height)
    np.testing.assert_allclose(found, (x1, y1, x2, y2), atol=1)
    assert answer["scores"].numpy()[0, 0] == pytest.approx(1, abs=0.3)  # a narrow object fades where it is shrunk


def test_a_batch_gets_the_detections_of_its_images_alone_padded(model):
    images = [
        image_of((60, 90), (0, (5, 10, 40, 50), 0.9), (1, (30, 5, 80, 30), 1.0), (2, (10, 30, 85, 55), 0.5)),
        image_of((60, 90)),
        image_of((60, 90), (2, (50, 20, 70, 40), 0.8)),
    ]
    together = {name: value.numpy() for name, value in model.serve_images(np.stack(images)).items()}
    assert together["count"].tolist() == [3, 0, 1] and together["boxes"].shape == (3, 3, 4)
    assert together["classes"].tolist() == [[1, 0, 2], [-1, -1, -1], [2, -1, -1]]
    assert [name.decode() for name in together["labels"][0]] == ["green", "red", "über <b>"]
    assert together["labels"][2].tolist() == ["über <b>".encode(), b"", b""]
    np.testing.assert_allclose(together["scores"][0], [1, 0.9, 0.5], atol=0.02)
    for row, image in enumerate(images):
        alone, count = model.serve_images(image[None]), together["count"][row]
        np.testing.assert_allclose(alone["boxes"][0], together["boxes"][row, :count], atol=1e-5)
        assert not together["boxes"][row, count:].any() and not together["scores"][row, count:].any()


def test_encoded_files_of_different_sizes_get_the_detections_of_their_pixels(model):
    wide = image_of((50, 120), (0, (10, 20, 60, 40), 1.0), (1, (70, 5, 110, 45), 0.7))
    tall = image_of((90, 30), (2, (4, 30, 25, 80), 0.9))
    grey = np.full((40, 40, 3), 114, np.uint8)
    grey[10:30, 5:20] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.ascontiguousarray(np.rot90(wide))
    files = [
        encoded(wide),
        encoded(tall, mode="RGBA"),
        encoded(turned, exif=exif),
        encoded(wide, "BMP"),
        encoded(grey, mode="L"),
    ]
    images = [wide, tall, wide, wide, grey]
    together = model.signatures["serving_encoded"](image_bytes=tf.constant(files))
    assert together["count"].numpy().tolist() == [2, 1, 2, 2, 3]
    for row, image in enumerate(images):
        alone = model.serve_images(image[None])
        count = int(alone["count"][0])
        theirs = own = np.arange(count)
        if image is grey:  # white is as much of each class: in which order they come is the kernel's
            theirs, own = (np.argsort(part["classes"].numpy()[index, :count]) for part, index in ((together, row), (alone, 0)))
        for name, value in alone.items():
            if name in ("boxes", "scores"):
                np.testing.assert_allclose(together[name].numpy()[row, theirs], value.numpy()[0, own], atol=1e-5)
            elif name != "count":
                assert together[name].numpy()[row, theirs].tolist() == value.numpy()[0, own].tolist()


def test_another_threshold(model):
    image = image_of((64, 64), (0, (5, 5, 20, 20), 0.9), (1, (30, 30, 60, 60), 0.2))
    assert model.serve_images(image[None])["count"].numpy() == [1]
    for threshold, count in ((0.1, 2), (0.3, 1), (0.95, 0)):
        answer = model.signatures["serving_threshold"](images=image[None], score_threshold=tf.constant(threshold))
        assert answer["count"].numpy() == [count]
        assert model.detect(image[None], threshold)["count"].numpy() == [count]


def test_boxes_on_the_padding_alone_are_left_out(tmp_path):
    pixels = keras.Input((64, 64, 3))
    rows = np.array(
        [[0.1, 0.0, 0.5, 0.2], [0.2, 0.2, 0.6, 0.6]], "float32"
    )  # of an image of half the height the first is above
    boxes = keras.ops.zeros_like(pixels[:, :2, 0, :1]) + rows
    scores = keras.ops.zeros_like(boxes[..., :1]) + np.array([[0.9], [0.8]], "float32")
    network = keras.Model(pixels, {"boxes": boxes, "scores": scores})
    folder = export_detector(network, tmp_path / "model", class_names=("a",), threshold=0.5, metadata={})
    model = tf.saved_model.load(str(folder))
    square = model.serve_images(np.zeros((1, 64, 64, 3), np.uint8))
    np.testing.assert_allclose(square["boxes"][0], rows, atol=1e-6)
    flat = model.serve_images(np.zeros((2, 64, 128, 3), np.uint8))
    assert flat["count"].numpy().tolist() == [1, 1]
    np.testing.assert_allclose(flat["boxes"][1, 0], (0.2, 0.0, 0.6, 0.7), atol=1e-6)  # and cut at the image's border


def test_it_loads_with_nothing_but_tensorflow(bundle, tensorflow_alone):
    code = (
        f"model = tf.saved_model.load({str(bundle)!r})\n"
        "white = tf.fill([1, 9, 9, 3], tf.constant(255, tf.uint8))\n"
        "print(model.signatures['serving_default'](images=white)['count'].numpy())\n"
    )
    assert tensorflow_alone(code) == "[3]\n"


def test_the_litert_model_agrees(bundle, model, rng):
    images = [
        image_of((64, 64)),
        image_of((48, 80), (0, (5, 10, 40, 40), 0.9), (1, (30, 5, 70, 30), 1.0), (2, (10, 30, 75, 45), 0.02)),
        rng.integers(0, 256, (50, 40, 3), np.uint8),
    ]
    loaded = litert.LiteRTModel(bundle / LITERT_FILE)
    for image in images:
        square = letterbox(image, 64).numpy()
        litert_model = loaded.answer(square)
        assert set(litert_model) == {"boxes", "scores", "classes"} and litert_model["classes"].dtype == np.int32
        count = int((litert_model["classes"] >= 0).sum())
        expected = model.detect(square[None].round().astype(np.uint8), LITERT_THRESHOLD)
        assert count == int(expected["count"][0]) and not litert_model["boxes"][count:].any()
        assert litert_model["classes"][:count].tolist() == expected["classes"][0].numpy().tolist()
        np.testing.assert_allclose(litert_model["boxes"][:count], expected["boxes"][0], atol=0.01)
        np.testing.assert_allclose(litert_model["scores"][:count], expected["scores"][0], atol=0.01)
    assert "litert" not in read_metadata(bundle)


@pytest.mark.exhaustive
def test_half_precision_is_smaller_and_nearly_equal(tmp_path):
    pixels = keras.Input((64, 64, 3))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(keras.layers.Rescaling(1 / 255)(pixels)))
    corner = keras.layers.Reshape((8, 2))(keras.layers.Dense(16, activation="sigmoid")(keras.layers.Dense(2000)(x)))
    boxes = keras.ops.concatenate([corner / 2, 0.5 + corner / 2], axis=-1)
    scores = keras.layers.Reshape((8, 3))(keras.layers.Dense(24, activation="sigmoid")(x))
    network, sizes, answers = keras.Model(pixels, {"boxes": boxes, "scores": scores}), [], []
    for half in (False, True):
        folder = export_detector(
            network, tmp_path / str(half), class_names=NAMES, threshold=0, metadata={}, half_precision=half, iou_threshold=1.0
        )
        sizes.append((folder / "saved_model.pb").stat().st_size)
        held = tf.saved_model.load(str(folder))
        answers.append(held.serve_pixels(tf.random.stateless_uniform((2, 64, 64, 3), (1, 2)) * 255))
    assert sizes[1] < 0.6 * sizes[0]
    np.testing.assert_allclose(answers[0]["boxes"], answers[1]["boxes"], atol=0.01)
    np.testing.assert_allclose(answers[0]["scores"], answers[1]["scores"], atol=0.01)


def test_its_metadata_describes_it(bundle):
    metadata = read_metadata(bundle)
    expected = {
        "task": "detection",
        "size": 64,
        "threshold": 0.3,
        "iou_threshold": 0.6,
        "litert_threshold": 0.001,
        "base": "squares",
    }
    assert expected.items() <= metadata.items() and metadata["labels"] == list(NAMES)
    assert (bundle / "assets.extra" / "labels.txt").read_text("utf-8").splitlines() == list(NAMES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "threshold=1.5: expected 0 to 1"),
        ({"iou_threshold": -1}, "iou_threshold=-1"),
        ({"class_names": ("a",)}, "1 class names for a network that scores 3"),
    ],
)
def test_invalid_options_are_refused_and_nothing_is_written(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        export_detector(
            square_detector(), tmp_path / "model", **{"class_names": NAMES, "threshold": 0.5, "metadata": {}} | options
        )
    assert list(tmp_path.iterdir()) == []
