"""One contract for all predictors, swept over the bundles of saved_models/."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import sweep
from visionkit.data.images.decode import ImageError
from visionkit.errors import UserError
from visionkit.inference.output import PredictOptions
from visionkit.inference.predictor import Explainable, Unreadable
from visionkit.tasks import PREDICTORS

MODELS = sorted(path.parent for path in (Path(__file__).parents[2] / "saved_models").glob("*/saved_model.pb"))


QUICK = [path for path in MODELS if path.name in ("flowers", "membranes")]  # the others are tested with their tasks


@pytest.fixture(scope="module", params=sweep(MODELS, QUICK), ids=lambda path: path.name)
def predictor(request):
    return visionkit.load(request.param)


@pytest.fixture(scope="module")
def photo(tmp_path_factory, photograph) -> Path:
    path = tmp_path_factory.mktemp("photo") / "cat.png"
    Image.fromarray(photograph[::2, ::2]).save(path)
    return path


def alike(one, other) -> bool:
    """Whether two results say the same, whatever they were made of."""
    one, other = ({**result.to_dict(), "path": ""} for result in (one, other))
    return json.dumps(one, default=str) == json.dumps(other, default=str)


def test_nothing_gives_nothing(predictor):
    assert list(predictor.predict_many([])) == []


def test_an_empty_crop_is_one_clear_error(predictor, photograph):
    with pytest.raises(ImageError, match="received an empty image"):
        predictor.predict(photograph[:0])


def test_every_form_of_an_image_gets_the_same_prediction(predictor, photo):
    expected, contents = predictor.predict(photo), photo.read_bytes()
    with Image.open(photo) as image:
        for form in (str(photo), np.asarray(image), image, contents, io.BytesIO(contents)):
            assert alike(predictor.predict(form), expected)


def test_grey_and_rgba_arrays_are_predicted_as_rgb(predictor, photo):
    with Image.open(photo) as image:
        grey = np.asarray(image.convert("L"))
        opaque = np.asarray(image.convert("RGBA"))
    assert alike(predictor.predict(grey), predictor.predict(np.repeat(grey[..., None], 3, axis=2)))
    assert alike(predictor.predict(opaque), predictor.predict(photo))


def test_a_result_is_short_draws_itself_and_is_json(predictor, photo):
    result = predictor.predict(photo)
    assert len(repr(result)) < 200 and str(photo) in repr(result)
    assert "path" in json.loads(json.dumps(result.to_dict()))
    if predictor.metadata["task"] == "embedding":
        with pytest.raises(UserError, match="cannot be drawn"):
            result.plot()
    else:
        drawn = result.plot()
        assert isinstance(drawn, Image.Image) and min(drawn.size) > 32


def test_a_folder_is_predicted_in_order_and_what_cannot_be_read_is_named(predictor, photo, tmp_path):
    (tmp_path / "a.png").write_bytes(photo.read_bytes())
    (tmp_path / "b.png").write_bytes(b"no image")
    results = list(predictor.predict_many(tmp_path))
    assert [result.path for result in results] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert isinstance(results[1], Unreadable) and not isinstance(results[0], Unreadable)


def test_every_file_has_its_line(predictor, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.png").write_bytes(b"no image")
    lines = list(predictor.outputs([str(photo), "b.png"], PredictOptions()))
    assert [line.is_error for line in lines] == [False, True]
    assert json.loads(json.dumps(lines[0].record))["path"] == str(photo) and lines[0].text.startswith(str(photo))
    assert set(lines[1].record) == {"path", "error"}


def test_it_can_be_explained(predictor):
    if predictor.metadata["task"] == "stylization":  # its outputs are pixels
        with pytest.raises(UserError, match="can be explained"):
            predictor.explained()
    else:
        assert isinstance(predictor.explained(), Explainable)


def test_the_table_names_classes_that_exist():
    for target in PREDICTORS.values():
        module, name = target.split(":")
        assert hasattr(__import__(module, fromlist=[name]), name)


def test_predictors_name_their_tasks():
    for task, target in PREDICTORS.items():
        module, name = target.split(":")
        assert task == getattr(__import__(module, fromlist=[name]), name).TASK
