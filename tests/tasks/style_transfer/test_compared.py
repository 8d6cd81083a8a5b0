"""What the training of a stylizer compared, in its bundle.json."""

import pytest

from visionkit.models.style_features import VGG, StyleLayers
from visionkit.tasks.style_transfer.compared import NAME, described, read

LAYERS = StyleLayers("block2_conv1", {"block1_conv1": 0.25, "block3_conv1": 0.75})
OPTIONS = {"weights": None, "pooling": "average", "style_size": 0.5}


def metadata_of(*styles: str, **changes) -> dict:
    return {"base": "vgg16", "labels": ["a"] * len(styles), **described(LAYERS, **(OPTIONS | changes), styles=styles)}


def test_without_a_base_nothing_is_known():
    assert read({"labels": []}) is None


def test_layers_and_styles_are_those_of_the_training():
    found = read(metadata_of("strokes"))
    assert found.layers == LAYERS and found.styles == ("strokes",) and found.note == ""
    assert (found.weights, found.pooling, found.style_size) == (None, "average", 0.5)


def test_a_file_with_the_name_of_a_built_in_style_is_a_file(tmp_path):
    (tmp_path / "strokes.jpg").touch()
    assert read(metadata_of(str(tmp_path / "strokes.jpg"))).styles == (None,)


def test_weights_of_a_file_are_not_known_here(tmp_path):
    assert read(metadata_of("strokes", weights=str(tmp_path / "own.h5"))) is None


def test_a_bundle_of_an_earlier_version_is_measured_by_default_layers_and_says_so():
    found = read({"base": "vgg16", "labels": ["strokes", "mine"]})
    assert found.layers == VGG and found.styles == ("strokes", None) and "earlier version" in found.note


@pytest.mark.parametrize(
    "changes", [{"style_layers": {}}, {"style_layers": 3}, {"styles": []}, {"pooling": 7}, {"style_size": "x"}, {"weights": []}]
)
def test_what_is_damaged_is_not_known(changes):
    metadata = metadata_of("strokes")
    assert read(metadata | {NAME: metadata[NAME] | changes}) is None
    assert read(metadata | {NAME: [1]}) is None
