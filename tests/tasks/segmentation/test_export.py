"""A segmenter's bundle takes raw images and volumes of any size, needs only TensorFlow, and predicts what its network does."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from visionkit.data.arrays import volumes
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, read_metadata
from visionkit.tasks.segmentation import segmenters
from visionkit.tasks.segmentation.export import (
    SegmenterModule,
    export_segmenter,
    predict_with,
    standardized,
    tiling_of,
    views_of,
)

NAMES = ("background", "ant", "bee")


def tiny(rank: int) -> segmenters.TrainableSegmenter:
    """A U-Net of two levels and random weights, for color images or for volumes of one channel."""
    keras.utils.set_random_seed(rank)
    return segmenters.build(3, channels=(rank, 3 if rank == 2 else 1), base=None, filters=(4, 8))


def export(segmenter: segmenters.TrainableSegmenter, folder, **options):
    sides = (32, 32) if len(segmenter.network.input_shape) == 4 else (8, 8, 8)
    options = {
        "class_names": NAMES,
        "multiple": segmenter.multiple,
        "litert_sides": sides,
        "metadata": {"base": "none"},
    } | options
    return export_segmenter(segmenter.inference, folder, **options)


def probabilities_of(segmenter: segmenters.TrainableSegmenter, tiles: np.ndarray) -> np.ndarray:
    return tf.nn.softmax(segmenter.inference(tiles.astype(np.float32), training=False)).numpy()


@pytest.fixture(scope="module")
def segmenter():
    return tiny(2)


@pytest.fixture(scope="module")
def bundle(segmenter, tmp_path_factory):
    return export(segmenter, tmp_path_factory.mktemp("images") / "model")


@pytest.fixture(scope="module")
def model(bundle):
    return tf.saved_model.load(str(bundle))


@pytest.fixture(scope="module")
def volume_bundle(tmp_path_factory):
    return export(tiny(3), tmp_path_factory.mktemp("volumes") / "model")


def test_no_images_and_the_smallest(model):
    for count, sides in ((0, (5, 7)), (1, (1, 1)), (3, (2, 9))):
        images = tf.zeros((count, *sides, 3), tf.uint8)
        mask = model.signatures["serving_default"](images=images)["mask"]
        assert mask.shape == (count, *sides) and mask.dtype == tf.uint8
        probabilities = model.signatures["serving_probabilities"](images=images)["probabilities"]
        assert probabilities.shape == (count, *sides, 3)
        np.testing.assert_allclose(probabilities.numpy().sum(-1), np.ones((count, *sides)), atol=1e-5)
    assert model.signatures["serving_encoded"](image_bytes=tf.constant([], tf.string))["mask_png"].shape == (0,)


def test_a_batch_is_predicted_as_single_images_and_as_by_the_network(segmenter, model, rng):
    images = rng.integers(0, 256, (2, 47, 61, 3), np.uint8)
    probabilities = model.serve_probabilities(images)["probabilities"].numpy()
    masks = model.serve_images(images)["mask"].numpy()
    np.testing.assert_array_equal(masks, probabilities.argmax(-1))
    padded = np.pad(images, ((0, 0), (32, 33), (32, 33), (0, 0)), mode="reflect")
    inner = np.s_[:, 32 : 32 + 47, 32 : 32 + 61]
    np.testing.assert_allclose(probabilities, probabilities_of(segmenter, padded)[inner], atol=1e-4)
    for row, image in enumerate(images):
        np.testing.assert_allclose(model.serve_probabilities(image[None])["probabilities"][0], probabilities[row], atol=1e-5)


def test_images_larger_than_a_tile_are_predicted_without_seams(segmenter, model, rng):
    """A network whose receptive field is smaller than the overlap of tiles predicts as if there were none."""
    image = rng.integers(0, 256, (1, 810, 70, 3), np.uint8)
    probabilities = model.serve_probabilities(image)["probabilities"].numpy()
    padded = np.pad(image, ((0, 0), (32, 32), (32, 32), (0, 0)), mode="reflect")
    np.testing.assert_allclose(probabilities, probabilities_of(segmenter, padded)[:, 32:-32, 32:-32], atol=1e-4)


def test_training_validates_what_the_bundle_predicts(segmenter, model, rng):
    predict = predict_with(segmenter.inference, tiling_of(2, segmenter.multiple))
    for sides in ((1, 1), (47, 61)):
        image = rng.integers(0, 256, (*sides, 3), np.uint8)
        served = model.serve_images(image[None])["mask"][0].numpy()
        assert (predict(image) == served).mean() > 0.999  # folded weights round otherwise


def test_encoded_files_get_the_masks_of_their_pixels(model, rng):
    files, expected = [], []
    for sides in ((1, 1), (30, 50), (61, 20)):
        pixels = rng.integers(0, 256, (*sides, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        files.append(buffer.getvalue())
        expected.append(model.serve_images(pixels[None])["mask"][0].numpy())
    for png, mask in zip(model.serve_encoded(tf.constant(files))["mask_png"].numpy(), expected, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), mask)


def test_it_loads_with_nothing_but_tensorflow(bundle, volume_bundle, tensorflow_alone):
    code = (
        f"model = tf.saved_model.load({str(bundle)!r})\n"
        "print(model.signatures['serving_default'](images=tf.fill([1, 9, 11, 3], tf.constant(255, tf.uint8)))['mask'].shape)\n"
        f"model = tf.saved_model.load({str(volume_bundle)!r})\n"
        "print(model.signatures['serving_default'](values=tf.zeros([1, 3, 4, 5, 1]))['mask'].shape)\n"
    )
    assert tensorflow_alone(code) == "(1, 9, 11)\n(1, 3, 4, 5)\n"


@pytest.mark.parametrize(("views", "count"), [("one", 1), ("mirror", 2), ("eight", 8)])
@pytest.mark.parametrize("rank", [2, 3])
def test_views_are_all_different_and_are_undone(rng, views, count, rank):
    tiles = rng.random((2, *(3,) * (rank - 2), 4, 6, 1)).astype(np.float32)
    turned = [(do(tf.constant(tiles)).numpy(), undo) for do, undo in views_of(views, rank)]
    assert len(turned) == count == len({view.tobytes() for view, _ in turned})
    for view, undo in turned:
        np.testing.assert_array_equal(undo(tf.constant(view)), tiles)


def test_eight_views_are_the_mean_by_hand(segmenter, rng):
    model = SegmenterModule(segmenter.inference, NAMES, tiling=tiling_of(2, 2), views="eight")
    image = rng.integers(0, 256, (20, 36, 3), np.uint8)
    padded = np.pad(image, ((32, 32), (32, 32), (0, 0)), mode="reflect")
    predictions = []
    for quarters in range(4):
        for mirrored in (False, True):
            view = np.rot90(padded[:, ::-1] if mirrored else padded, quarters)
            probabilities = np.rot90(probabilities_of(segmenter, view[None])[0], -quarters)
            predictions.append(probabilities[:, ::-1] if mirrored else probabilities)
    expected = np.mean(predictions, axis=0)[32:-32, 32:-32]
    np.testing.assert_allclose(model.serve_probabilities(image[None])["probabilities"][0], expected, atol=1e-4)


def test_volumes_of_any_size_and_unit_are_standardized_inside(volume_bundle, rng):
    model, network = tf.saved_model.load(str(volume_bundle)), tiny(3)
    assert set(model.signatures) == {"serving_default", "serving_probabilities"}
    assert model.signatures["serving_default"](values=tf.zeros((0, 3, 4, 5, 1)))["mask"].shape == (0, 3, 4, 5)
    for shape in ((1, 1, 1, 1), (5, 8, 3, 1), (9, 10, 100, 1)):
        values = (1e4 + 300 * rng.random(shape)).astype(np.float32)
        probabilities = model.serve_probabilities(values[None])["probabilities"][0].numpy()
        np.testing.assert_array_equal(model.serve_values(values[None])["mask"][0], probabilities.argmax(-1))
        edges = [(4, 4 + side % 2) for side in shape[:-1]]
        padded = np.pad(volumes.standardized(values), (*edges, (0, 0)), mode="reflect")
        expected = probabilities_of(network, padded[None])[0][tuple(slice(4, 4 + side) for side in shape[:-1])]
        far = np.s_[..., :36, :] if shape[2] > 88 else np.s_[...]  # in the overlap of two tiles, the network sees less
        np.testing.assert_allclose(probabilities[far], expected[far], atol=2e-4)


@pytest.mark.parametrize("kind", ["noise", "one", "constant", "large", "two channels"])
def test_the_bundle_standardizes_as_training_does(rng, kind):
    values = {
        "noise": rng.normal(3, 2, (4, 5, 6, 1)),
        "one": np.ones((1, 1, 1, 1)),
        "constant": np.full((3, 3, 3, 1), 0.1),
        "large": 1e7 + rng.integers(0, 4, (4, 4, 4, 1)),
        "two channels": np.stack([rng.normal(size=(4, 4, 4)), np.full((4, 4, 4), 7.3)], -1),
    }[kind].astype(np.float32)
    np.testing.assert_allclose(standardized(tf.constant(values)), volumes.standardized(values), atol=1e-6)


@pytest.mark.exhaustive
def test_half_precision_is_smaller_and_nearly_equal(segmenter, bundle, model, tmp_path, rng):
    folder = export(segmenter, tmp_path / "model", half_precision=True)
    whole, half = ((each / "saved_model.pb").stat().st_size for each in (bundle, folder))
    assert half < whole  # by little: it is mostly graph
    image = rng.integers(0, 256, (1, 20, 20, 3), np.uint8)
    probabilities = [each.serve_probabilities(image)["probabilities"] for each in (model, tf.saved_model.load(str(folder)))]
    np.testing.assert_allclose(*probabilities, atol=0.01)


def test_the_litert_model_predicts_one_tile_from_one_view(segmenter, bundle, rng):
    tile = rng.integers(0, 256, (32, 32, 3)).astype(np.float32)
    (probabilities,) = litert.LiteRTModel(bundle / LITERT_FILE).answer(tile).values()
    np.testing.assert_allclose(probabilities, probabilities_of(segmenter, tile[None])[0], atol=0.01)


def test_the_metadata_describe_the_bundle(bundle, volume_bundle):
    metadata = read_metadata(bundle)
    described = {"task": "segmentation", "views": "one", "tile": [32, 32], "base": "none", "labels": list(NAMES)}
    assert described.items() <= metadata.items() and metadata["tiling"]["multiple"] == 2 and "litert" not in metadata
    metadata = read_metadata(volume_bundle)
    assert metadata["input"] == "volume" and metadata["tile"] == [8, 8, 8]
    assert "\n" not in metadata["litert"] and len(metadata["litert"]) < 400  # LiteRT does not pool volumes


@pytest.mark.parametrize(
    ("options", "message"),
    [({"views": "seven"}, "views='seven': expected one of one, mirror, eight"), ({"class_names": ("a",)}, "1 class names")],
)
def test_bad_options_are_named_and_nothing_is_written(segmenter, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        export(segmenter, tmp_path / "model", **options)
    assert list(tmp_path.iterdir()) == []
