"""A classifier in Python: results, drawings, and what is explained."""

import numpy as np
import pytest
from PIL import Image

import visionkit
from visionkit.data.images.resize import center_crop
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.inference.output import PredictOptions
from visionkit.tasks.classification.ensemble import export_ensemble
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.predict import Classifier

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def bundle(small_classifier, tmp_path_factory):
    return export_classifier(small_classifier, tmp_path_factory.mktemp("run") / "model", class_names=NAMES, metadata={})


@pytest.fixture(scope="module")
def model(bundle) -> Classifier:
    return visionkit.load(bundle)


@pytest.fixture
def path(photograph, tmp_path):
    Image.fromarray(photograph).save(tmp_path / "cat.png")
    return tmp_path / "cat.png"


def test_a_result_prints_itself_and_becomes_a_dict(model, path, photograph):
    result = model.predict(path)
    assert repr(result) == f"ClassificationResult({path}: {result.label} {result.score:.1%})"
    assert repr(model.predict(photograph)).startswith("ClassificationResult(pixels: ")
    assert result.to_dict(top=2) == {
        "path": str(path),
        "label": result.label,
        "score": result.score,
        "top": result.top[:2],
    }


def test_a_result_draws_itself_whatever_was_predicted(model, path, photograph):
    drawing = model.predict(photograph).plot()
    width = photograph.shape[1]
    assert isinstance(drawing, Image.Image) and drawing.width >= width and drawing.height > photograph.shape[0]
    for image in (path, path.read_bytes(), Image.open(path)):
        assert model.predict(image).plot() == drawing
    assert model.predict(photograph).plot(top=1).height < drawing.height


def test_the_line_of_a_file_has_its_best_classes(model, path, tmp_path):
    options = PredictOptions(draw=tmp_path / "drawn", top=2)
    (line,) = model.outputs([str(path)], options)
    result = model.predict(path)
    (first, score), (second, other) = result.top[:2]
    assert line.text == f"{path}\n    {score:6.1%}  {first}\n    {other:6.1%}  {second}"
    assert line.record == result.to_dict(2) and not line.is_error
    with Image.open(tmp_path / "drawn" / "cat.png") as drawing:
        np.testing.assert_array_equal(np.asarray(drawing), np.asarray(result.plot(top=2)))


def test_boxes_are_not_for_classifiers(model):
    model.check(PredictOptions(top=3))
    with pytest.raises(UserError, match="--tile is for detection; this model does classification"):
        model.check(PredictOptions(tile=100))


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_explained_are_the_probabilities_of_what_the_network_sees(small_classifier, photograph, tmp_path, whole):
    folder = export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={}, whole=whole)
    model = visionkit.load(folder)
    explained = model.explained()
    assert (explained.kind, explained.labels, explained.size, explained.takes_images) == ("classes", NAMES, 32, False)
    probabilities = explained.outputs(explained.see(photograph, 32)[None])[0]
    np.testing.assert_allclose(probabilities, [dict(model.predict(photograph).top)[name] for name in NAMES], atol=1e-6)


def test_an_ensemble_is_not_explained(bundle, tmp_path):
    with pytest.raises(UserError, match="is an ensemble of 2 models; look into one of those it was made of"):
        visionkit.load(export_ensemble([bundle, bundle], tmp_path / "model")).explained()


def test_a_bundle_of_an_older_version_is_explained_by_images(model, photograph):
    older = Classifier.open(model.folder, model.metadata)
    del older._model.serve_pixels
    explained = older.explained()
    assert explained.takes_images
    np.testing.assert_allclose(
        np.sort(explained.outputs(photograph[None])[0])[::-1], [p for _, p in model.predict(photograph).top]
    )


def test_what_sees_signals_opens_as_another_class(bundle, small_classifier, tmp_path):
    from visionkit.tasks.classification.predict_arrays import ArrayClassifier

    folder = export_classifier(small_classifier, tmp_path / "model", class_names=NAMES, metadata={})
    update_metadata(folder, input="signal", shape=[32, 3], fit="resample")
    assert isinstance(visionkit.load(folder), ArrayClassifier) and type(visionkit.load(bundle)) is Classifier


@pytest.fixture(scope="module")
def of_several(small_classifier, tmp_path_factory):
    folder, options = tmp_path_factory.mktemp("run") / "model", {"flips": True, "half_precision": True, "multi_label": True}
    return export_classifier(small_classifier, folder, class_names=NAMES, metadata={}, **options)


def test_scores_of_several_labels_are_sigmoids_averaged_over_the_mirror_image(of_several, small_classifier, photograph):
    result, pixels = visionkit.load(of_several).predict(photograph), center_crop(photograph, 32).numpy()
    logits = small_classifier.predict_on_batch(np.stack([pixels, pixels[:, ::-1]]))
    expected = dict(zip(NAMES, (1 / (1 + np.exp(-logits))).mean(axis=0), strict=True))
    assert dict(result.top) == pytest.approx(expected, abs=1e-3)
    assert [score for _, score in result.top] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-3)


def test_labels_are_those_that_reach_their_own_thresholds(of_several, path, tmp_path):
    best, second, third = visionkit.load(of_several).predict(path).top
    thresholds = {best[0]: best[1] + 0.001, second[0]: second[1] - 0.001, third[0]: third[1] - 0.001}
    update_metadata(of_several, thresholds=thresholds)
    model = visionkit.load(of_several)
    result = model.predict(path)
    assert (result.label, result.score) == second and result.labels == (second, third)
    assert list(result.to_dict(top=1)) == ["path", "label", "score", "labels", "top"] and result.to_dict(top=1)["top"] == (
        best,
    )
    assert repr(result) == f"MultiLabelResult({path}: {second[0]} {second[1]:.1%}, {third[0]} {third[1]:.1%})"
    (line,) = model.outputs([str(path)], PredictOptions(draw=tmp_path / "drawn", top=1))
    assert line.text == f"{path}\n    {second[1]:6.1%}  {second[0]}\n    {third[1]:6.1%}  {third[0]}"

    update_metadata(of_several, thresholds=dict.fromkeys(NAMES, 1.1))
    model = visionkit.load(of_several)
    result = model.predict(path)
    assert (result.label, result.score, result.labels) == (None, None, ()) and len(result.top) == 3
    assert repr(result) == f"MultiLabelResult({path}: no label reaches its threshold)"
    (line,) = model.outputs([str(path)], PredictOptions())
    assert line.text == f"{path}\n    no label reaches its threshold"
    assert result.plot().height > 0


@pytest.mark.parametrize("whole", [False, True])
def test_a_large_image_is_cut_before_it_enters_the_graph_with_the_same_answer(
    small_classifier, tmp_path, rng, monkeypatch, whole
):
    folder = export_classifier(small_classifier, tmp_path / "model", class_names=("a", "b", "c"), metadata={}, whole=whole)
    model, image = visionkit.load(folder), rng.integers(0, 256, (301, 97, 3), np.uint8)
    expected = model.predict(image)
    monkeypatch.setattr("visionkit.tasks.classification.predict.LARGE", 1)
    monkeypatch.setattr(model, "_serve", None)
    received = model.predict(image)
    assert [label for label, _ in received.top] == [label for label, _ in expected.top]
    np.testing.assert_allclose([score for _, score in received.top], [score for _, score in expected.top], rtol=1e-6)
