"""Segmenters in Python: images in any form, volumes, results that draw and describe themselves, and what is explained."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.tasks.segmentation.color_segmenter import NAMES, export_color_segmenter, image_of
from visionkit.data.arrays.files import ArrayError
from visionkit.data.images.decode import ImageError
from visionkit.errors import UserError
from visionkit.inference.output import PredictOptions
from visionkit.inference.predictor import Unreadable
from visionkit.ops.colors import PADDING
from visionkit.tasks.segmentation.predict import Segmenter, VolumeSegmenter, central_tile


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Segmenter:
    return visionkit.load(export_color_segmenter(tmp_path_factory.mktemp("colors") / "model"))


@pytest.fixture(scope="module")
def volume_model(tmp_path_factory) -> VolumeSegmenter:
    return visionkit.load(export_color_segmenter(tmp_path_factory.mktemp("volumes") / "model", rank=3))


@pytest.fixture
def mask() -> np.ndarray:
    """Two red things and a green one, uint8 ``(20, 30)``."""
    mask = np.zeros((20, 30), np.uint8)
    mask[2:8, 3:9] = mask[10:18, 4:14] = 1
    mask[5:15, 20:28] = 2
    return mask


def test_the_smallest_image_and_no_images(model):
    result = model.predict(np.zeros((1, 1, 3), np.uint8))
    assert result.mask.tolist() == [[0]] and result.shares == (("background", 1.0),)
    assert list(model.predict_many([])) == []
    with pytest.raises(ImageError, match="empty image"):
        model.predict(np.zeros((0, 5, 3), np.uint8))


def test_an_image_in_any_form_has_the_same_mask(model, mask, tmp_path):
    pixels = image_of(mask)
    file = tmp_path / "a.png"
    Image.fromarray(pixels).save(file)
    forms = [file, str(file), pixels, Image.fromarray(pixels), file.read_bytes(), io.BytesIO(file.read_bytes())]
    for form in forms:
        result = model.predict(form)
        np.testing.assert_array_equal(result.mask, mask)
        assert result.path == (str(file) if isinstance(form, Path | str) else "")
        assert result.plot().size == (30, 20)
    results = list(model.predict_many([*forms[2:4], "nowhere.png"]))
    assert [type(result).__name__ for result in results[:2]] == ["SegmentationResult"] * 2
    assert isinstance(results[2], Unreadable) and results[2].path == "nowhere.png"


def test_results_describe_themselves(model, mask):
    result = model.predict(image_of(mask))
    assert repr(result) == "SegmentationResult(pixels: background 67.3%, red 19.3%, green 13.3%)"
    assert json.loads(json.dumps(result.to_dict())) == {
        "path": "",
        "shares": [["background", 404 / 600], ["red", 116 / 600], ["green", 80 / 600]],
    }
    mask[0, 0] = 3
    assert model.predict(image_of(mask)).summary().endswith("green 13.3%, ...")


def test_drawings_color_classes_or_single_things(model, mask):
    image = image_of(mask)
    result = model.predict(image)
    instances = result.instances()
    assert [thing.label for thing in instances.things] == ["red", "red", "green"]
    classes, things = (np.asarray(result.plot(**options)) for options in ({}, {"instances": instances}))
    for drawn in (classes, things):
        assert (drawn[mask == 0] == image[mask == 0]).all() and (drawn[mask > 0] != image[mask > 0]).any(axis=1).all()
    assert (classes[2, 3] == classes[10, 4]).all() and (things[2, 3] != things[10, 4]).any()


def test_volumes_are_arrays_or_files(volume_model, tmp_path):
    values = np.full((6, 8, 9), 100.0)
    values[2:4, 2:6, 3:7] = 900
    np.save(tmp_path / "a.npy", values)
    for source in (tmp_path / "a.npy", values, values[..., None].astype(np.float32)):
        result = volume_model.predict(source)
        np.testing.assert_array_equal(result.mask, values > 500)
        assert result.plot().mode == "RGB" and result.summary() == "background 92.6%, organ 7.4%"
    assert volume_model.show(tmp_path / "a.npy").shape == volume_model.show(values[..., None]).shape
    assert [result.path for result in volume_model.predict_many(tmp_path)] == [str(tmp_path / "a.npy")]
    with pytest.raises(UserError, match="--instances counts things in masks of images"):
        result.instances()
    for wrong in (b"bytes", Image.new("RGB", (5, 6)), np.zeros((3, 4)), np.zeros((0, 3, 4))):
        with pytest.raises(ArrayError):
            volume_model.predict(wrong)


def test_only_images_have_instances(model, volume_model):
    options = PredictOptions(instances="components")
    model.check(options)
    with pytest.raises(UserError, match="this model makes none"):
        volume_model.check(options)


@pytest.mark.parametrize("shape", [(1, 1), (20, 30), (400, 30), (300, 301)])
def test_what_is_explained_is_the_middle_at_its_own_scale(model, rng, shape):
    explained = model.explained()
    assert (explained.kind, explained.labels, explained.size) == ("masks", NAMES, 256)
    image = rng.integers(0, 256, (*shape, 3), np.uint8)
    tile = explained.see(image, 32)
    assert tile.shape == (32, 32, 3) and tile.dtype == np.float32
    height, width = (min(32, side) for side in shape)
    inside = np.zeros((32, 32), bool)
    inside[(32 - height) // 2 :, (32 - width) // 2 :][:height, :width] = True
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    np.testing.assert_array_equal(tile[inside], image[top : top + height, left : left + width].reshape(-1, 3))
    assert (tile[~inside] == PADDING).all()
    probabilities = np.array(explained.outputs(tile[None]))
    np.testing.assert_allclose(probabilities[0], model.tile_probabilities(central_tile(image, 32)), rtol=1e-6)


def test_volumes_are_not_explained(volume_model):
    assert volume_model.explained() is None
