"""A bundle of signals or volumes: from a file to a prediction, in Python and from the shell."""

import io
import json
from pathlib import Path

import keras
import nibabel
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import visionkit
from tests.conftest import CLI
from visionkit.data.arrays.files import ArrayError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, read_metadata
from visionkit.inference.predictor import Unreadable
from visionkit.tasks.classification.export_arrays import export_array_classifier
from visionkit.tasks.classification.train_arrays import array_model

NAMES = ("a", "über")


def export(folder: Path, kind: str, shape: tuple[int, ...], fit: str) -> tuple[Path, keras.Model]:
    keras.utils.set_random_seed(1)
    model = array_model("resnet8", shape, 2)
    return export_array_classifier(
        model, folder / "model", kind=kind, fit=fit, class_names=NAMES, metadata={"base": "x"}
    ), model


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    return export(tmp_path_factory.mktemp("signals"), "signal", (32, 1), "resample")


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    return export(tmp_path_factory.mktemp("volumes"), "volume", (8, 8, 8, 1), "crop")


def test_no_files_give_no_predictions(signals):
    assert list(visionkit.load(signals[0]).predict_many([])) == []


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("kind", ["signals", "volumes"])
def test_it_predicts_as_the_model_does_with_tensorflow_alone(kind, count, request, rng):
    bundle, model = request.getfixturevalue(kind)
    values = (1e4 * rng.normal(size=(count, *model.input_shape[1:]))).astype("float32")
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(model(values)))
    loaded = tf.saved_model.load(str(bundle))  # held: its functions do not keep its weights alive
    outputs = loaded.signatures["serving_default"](values=tf.constant(values))
    np.testing.assert_allclose(outputs["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(outputs["scores"], -np.sort(-expected), atol=1e-5)
    assert [label.decode() for label in outputs["label"].numpy()] == [NAMES[i] for i in expected.argmax(1)]
    np.testing.assert_allclose(visionkit.load(bundle).probabilities(values, batch_size=2), expected, atol=1e-5)
    np.testing.assert_allclose(litert.run(bundle / LITERT_FILE, values), expected, atol=0.01)


def test_its_description_says_what_it_takes(volumes):
    metadata = read_metadata(volumes[0])
    assert {"task": "classification", "input": "volume", "shape": [8, 8, 8, 1], "fit": "crop"}.items() <= metadata.items()
    assert metadata["labels"] == list(NAMES) and "litert" not in metadata


def test_arrays_of_any_type_and_length(signals, rng):
    model, signal = visionkit.load(signals[0]), rng.integers(0, 9, 32)
    assert model.predict(signal).top == model.predict(signal[:, None].astype("float64")).top
    assert sum(score for _, score in model.predict(rng.normal(size=50)).top) == pytest.approx(1, abs=1e-5)
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\)"):
        model.predict(np.zeros((2, 2, 2)))


def test_a_result_prints_itself_becomes_a_dict_and_draws_itself(signals, volumes, tmp_path, rng):
    for (bundle, _), shape in ((signals, (32,)), (volumes, (9, 8, 10))):
        model, values = visionkit.load(bundle), rng.normal(size=shape)
        np.save(tmp_path / "a.npy", values)
        from_file, result = model.predict(tmp_path / "a.npy"), model.predict(values)
        assert repr(from_file) == f"ClassificationResult({tmp_path / 'a.npy'}: {result.label} {result.score:.1%})"
        assert repr(result).endswith(f": {result.label} {result.score:.1%})")
        expected = {"path": "", "label": result.label, "score": result.score, "top": result.top}
        assert result.to_dict() == expected
        drawing = result.plot()
        assert isinstance(drawing, Image.Image) and drawing == from_file.plot()
        assert drawing.height > result.plot(top=1).height > model.show(result.source).shape[0]
        assert model.explained() is None


def test_only_arrays_and_paths_are_predicted(signals, volumes):
    image = Image.new("RGB", (8, 8))
    for bundle, expected in ((signals[0], r"\(length,\) or"), (volumes[0], r"\(depth, height, width\)")):
        model = visionkit.load(bundle)
        for name, other in (("Image", image), ("bytes", b"1 2 3"), ("BytesIO", io.BytesIO(b"1 2 3")), ("list", [1, 2])):
            with pytest.raises(ArrayError, match=f"received {name}; expected a path, or an array {expected}"):
                model.predict(other)
    assert list(model.predict_many([b"1 2 3"])) == [
        Unreadable("", "received bytes; expected a path, or an array (depth, height, width), maybe with channels behind")
    ]


def test_files_from_the_shell(volumes, tmp_path, rng, program):
    voxels = rng.normal(size=(12, 9, 8)).astype("float32")
    np.save(tmp_path / "a.npy", voxels)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "b.nii.gz")
    (tmp_path / "c.nii.gz").write_text("no scan")
    done = program(CLI, "predict", volumes[0], tmp_path, "nowhere.npy", "--json", "--draw", tmp_path / "drawn")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (
        done.returncode == 1
        and [set(line) for line in lines] == [{"path", "label", "score", "top"}] * 2 + [{"path", "error"}] * 2
    )
    assert lines[0]["top"] == lines[1]["top"] and lines[0]["path"] == str(tmp_path / "a.npy")
    assert len(list((tmp_path / "drawn").iterdir())) == 2


def test_a_whole_table_is_no_signal(signals, tmp_path):
    (tmp_path / "a.txt").write_text("1 2 3\n4 5 6\n")
    (result,) = visionkit.load(signals[0]).predict_many([tmp_path / "a.txt"])
    assert result == Unreadable(str(tmp_path / "a.txt"), "3 channels; expected 1")
