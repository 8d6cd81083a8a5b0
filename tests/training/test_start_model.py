"""Training on from a finished model: outputs of shared classes are kept by name."""

from pathlib import Path

import keras
import numpy as np
import pytest

from visionkit.bundle_files import update_metadata
from visionkit.errors import UserError
from visionkit.tasks.classification.export import export_classifier
from visionkit.training.config import RunConfig
from visionkit.training.recipe import open_run
from visionkit.training.start_model import Head, start_model, take_weights

HEADS = {"predictions": Head()}
OLD = ("ant", "bee", "cat")


def network(num_classes: int, filters: int = 4) -> keras.Model:
    layers = [
        keras.Input((32, 32, 3)),
        keras.layers.Conv2D(filters, 3),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(num_classes, name="predictions"),
    ]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def trained():
    return network(3)


@pytest.fixture
def start(trained, tmp_path):
    metadata = {"training": {"recipe": "transfer_learning", "options": {"base": "small"}}}
    export_classifier(trained, tmp_path / "run" / "model", class_names=OLD, metadata=metadata)
    return start_model(tmp_path / "run", "transfer_learning")


def test_a_damaged_network_is_said_before_a_run_has_a_folder(start, tmp_path):
    file = start.folder / "assets.extra" / "network.safetensors"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"network\.safetensors"):
        open_run(RunConfig(from_model=start.folder, out=tmp_path / "new"), name="transfer_learning", smoke={})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("file", ["assets.extra/network.safetensors", "saved_model.pb"])
def test_training_does_not_go_on_from_a_changed_or_missing_file(start, file):
    contents = (start.folder / file).read_bytes()
    (start.folder / file).write_bytes(contents[:-1] + bytes([contents[-1] ^ 128]))
    with pytest.raises(UserError, match=f"{Path(file).name} is damaged: its SHA-256 differs"):
        start_model(start.folder, "transfer_learning")
    (start.folder / file).unlink()
    with pytest.raises(UserError, match=f"{Path(file).name} is missing"):
        start_model(start.folder, "transfer_learning")


def test_a_folder_without_a_model_is_an_error(tmp_path):
    with pytest.raises(UserError, match="is not a model that visionkit exported"):
        start_model(tmp_path, "transfer_learning")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"this run has no model/ yet; finish it with --resume"):
        start_model(tmp_path, "transfer_learning")


def test_a_model_of_another_recipe_or_of_none_is_an_error(start):
    with pytest.raises(UserError, match=r"`visionkit train classification` made this model, and `visionkit train detection`"):
        start_model(start.folder, "yolo_detection")
    update_metadata(start.folder, training=None)
    with pytest.raises(UserError, match="keeps no network to train"):
        start_model(start.folder, "transfer_learning")


def test_the_same_classes_keep_all_weights(start, trained):
    model = network(3)
    assert take_weights(start, model, OLD, HEADS).endswith("with the same 3 classes.")
    for ours, theirs in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_outputs_follow_their_names(start, trained):
    model = network(4)
    new_kernel = model.get_weights()[2].copy()
    said = take_weights(start, model, ("cat", "dog", "ant", "eel"), HEADS)
    assert said.endswith("the outputs for cat, ant are kept, those for dog, eel are new, those for bee are left out.")
    kernel, theirs = model.get_weights()[2], trained.get_weights()[2]
    np.testing.assert_allclose(kernel[:, [0, 2]], theirs[:, [2, 0]], atol=1e-3)
    np.testing.assert_array_equal(kernel[:, [1, 3]], new_kernel[:, [1, 3]])


def test_the_same_number_of_other_classes_has_a_new_head(start, trained):
    model = network(3)
    before = model.get_weights()
    said = take_weights(start, model, ("x", "y", "z"), HEADS)
    assert said.endswith("none of its 3 classes is here, so the outputs for x, y, z are new.")
    np.testing.assert_allclose(model.get_weights()[0], trained.get_weights()[0], atol=1e-3)
    np.testing.assert_array_equal(model.get_weights()[2], before[2])


def test_anchors_have_outputs_of_their_own_before_those_of_the_classes(start):
    """Channels are, for each of two anchors, two others and then the classes."""
    source = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2 * (2 + 3), name="head", use_bias=False)])
    source.set_weights([np.arange(10, dtype="float32")[None]])
    target = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2 * (2 + 2), name="head", use_bias=False)])
    target.set_weights([np.full((1, 8), -1, "float32")])
    start.__dict__["network"] = source  # what the cached property holds
    take_weights(start, target, ("dog", "bee"), {"head": Head(groups=2, others=2)})
    assert target.get_weights()[0].tolist() == [[0, 1, -1, 3, 5, 6, -1, 8]]


def test_a_network_with_other_layers_is_an_error_and_stays_as_it_was(start):
    model = network(3, filters=5)
    before = model.get_weights()
    with pytest.raises(UserError, match="or other shapes: leave out options that change the network"):
        take_weights(start, model, OLD, HEADS)
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_network_is_read_once(start, trained, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr("visionkit.training.start_model.read_network", lambda folder: read.append(folder) or trained)
    config = RunConfig(from_model=start.folder, out=tmp_path / "new")
    run, config = open_run(config, name="transfer_learning", smoke={})
    run.recipe = "transfer_learning"
    assert run.start_option(config, "base") == "small"
    run.start_from(config, network(3), OLD, HEADS)
    assert read == [start.folder / "assets.extra"] and "with the same 3 classes" in run.notes[0]
