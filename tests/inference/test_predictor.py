"""What all predictors share, with a model whose prediction can be computed: the mean of the pixels."""

import io
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.decode import ImageError
from visionkit.errors import UserError
from visionkit.inference.output import OutputLine, PredictOptions, drawing_names, refuse_overwriting
from visionkit.inference.predictor import Predictor, Unreadable, map_in_order
from visionkit.inference.results import Result


@dataclass(frozen=True, repr=False, eq=False)
class Mean(Result):
    value: float

    def to_dict(self):
        return {"path": self.path, "mean": self.value}

    def summary(self):
        return f"mean {self.value:.1f}"


class MeanPredictor(Predictor[Mean]):
    OPTIONS = frozenset(["threshold"])

    def __init__(self):
        self.metadata, self.labels = {"task": "averaging"}, ()

    def arguments(self, options):
        return {} if options.threshold is None else {"threshold": options.threshold}

    def line(self, result, options):
        return OutputLine(result.to_dict(), f"{result.path}\n    {result.summary()}")

    def draw(self, result):
        return Image.fromarray(255 - self.show(result.source))

    def _predict(self, path, values, threshold=0.0):
        return Mean(path, max(threshold, float(values.mean())))


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (8, 6, 3)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path, image):
    (tmp_path / "images").mkdir()
    for number in range(5):
        Image.fromarray(image // (number + 1)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


def test_no_images_have_no_results(tmp_path):
    predictor = MeanPredictor()
    assert list(predictor.predict_many([])) == list(predictor.predict_many(tmp_path)) == []
    assert list(predictor.outputs([], PredictOptions())) == []


def test_every_form_of_an_image_gets_the_same_prediction(image, tmp_path):
    Image.fromarray(image).save(tmp_path / "x.png")
    contents, predictor = (tmp_path / "x.png").read_bytes(), MeanPredictor()
    forms = [tmp_path / "x.png", str(tmp_path / "x.png"), image, Image.fromarray(image), contents, io.BytesIO(contents)]
    assert {predictor.predict(form).value for form in forms} == {image.mean()}
    assert predictor.predict(tmp_path / "x.png").path == str(tmp_path / "x.png") and predictor.predict(image).path == ""


def test_grey_and_rgba_arrays_are_converted_as_files_are(image):
    predictor = MeanPredictor()
    assert predictor.predict(image[..., 0]).value == image[..., 0].mean()
    clear = np.dstack([image, np.zeros(image.shape[:2], np.uint8)])
    assert predictor.predict(clear).value == 255


def test_an_empty_crop_is_an_image_error(image):
    with pytest.raises(ImageError, match="received an empty image, 0 x 6 pixels"):
        MeanPredictor().predict(image[4:4])


def test_a_folder_comes_in_order_and_unreadable_files_are_reported(folder):
    (folder / "2.png").write_bytes(b"")
    results = list(MeanPredictor().predict_many(folder))
    assert [result.path for result in results] == [str(folder / f"{number}.png") for number in range(5)]
    assert results[2] == Unreadable(str(folder / "2.png"), "empty file")
    assert results == sorted(results, key=lambda result: result.path)


def test_a_list_may_hold_anything(image, folder):
    results = list(MeanPredictor().predict_many([image, folder / "0.png", image[:0], Image.fromarray(image)], threshold=250.0))
    assert [getattr(result, "value", None) for result in results] == [250, 250, None, 250]
    assert "received an empty image" in results[2].error


@pytest.mark.parametrize("form", ["rows", "grey rows", "bytes", "file", "PIL image"])
def test_one_image_is_not_taken_for_several(image, folder, form):
    contents = (folder / "0.png").read_bytes()
    forms = {
        "rows": image,
        "grey rows": image[..., 0],
        "bytes": contents,
        "file": io.BytesIO(contents),
        "PIL image": Image.fromarray(image),
    }
    with pytest.raises(UserError, match=r"predict_many received one image .* expected several: call predict"):
        MeanPredictor().predict_many(forms[form])
    assert [result.value for result in MeanPredictor().predict_many(image[None])] == [image.mean()]


def test_an_error_names_the_file_where_there_is_one(folder):
    with pytest.raises(ImageError, match=r"nowhere\.png: No such file"):
        MeanPredictor().predict(folder / "nowhere.png")
    (result,) = MeanPredictor().predict_many([folder / "nowhere.png"])
    assert result == Unreadable(str(folder / "nowhere.png"), "No such file or directory")


def test_a_file_object_at_its_end_or_in_text_mode_is_named(folder):
    with (folder / "0.png").open("rb") as file, pytest.raises(ImageError, match=r"at its end; .* call seek\(0\)"):
        file.read()
        MeanPredictor().predict(file)
    with pytest.raises(ImageError, match="in text mode"):
        MeanPredictor().predict(io.StringIO("text"))


def test_a_damaged_pil_image_does_not_end_the_others(image, tmp_path):
    Image.fromarray(np.kron(image, np.ones((20, 20, 1), np.uint8))).save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:-2000])
    with Image.open(tmp_path / "x.jpg") as lazy:
        damaged, good = MeanPredictor().predict_many([lazy, image])
    assert damaged.error.startswith("damaged JPEG (") and good.value == image.mean()


def test_images_are_read_as_their_results_are_asked_for():
    taken = []
    results = map_in_order(lambda item: taken.append(item) or -item, iter(range(1000)), 4)
    assert list(map_in_order(abs, [])) == []
    assert [next(results) for _ in range(3)] == [0, -1, -2] and len(taken) <= 3 + 4
    assert list(results) == [-number for number in range(3, 1000)]


def test_a_result_prints_itself_in_a_line_and_draws_itself(image, folder):
    predictor = MeanPredictor()
    result, other = predictor.predict(folder / "0.png"), predictor.predict(image)
    assert repr(result) == f"Mean({folder / '0.png'}: mean {image.mean():.1f})" and repr(other).startswith("Mean(pixels: ")
    for each in (result, other, predictor.predict(io.BytesIO((folder / "0.png").read_bytes()))):
        np.testing.assert_array_equal(np.asarray(each.plot()), 255 - image)


def test_options_for_other_tasks_are_refused():
    predictor = MeanPredictor()
    predictor.check(PredictOptions(threshold=0.5))
    with pytest.raises(UserError, match="--tile is for detection; this model does averaging"):
        predictor.check(PredictOptions(tile=64))


def test_every_file_is_a_line_and_drawings_are_written(folder, tmp_path):
    (folder / "1.png").write_bytes(b"no image")
    files = [str(folder / f"{number}.png") for number in range(3)]
    lines = list(MeanPredictor().outputs(files, PredictOptions(draw=tmp_path / "drawn", threshold=3.0)))
    assert [line.is_error for line in lines] == [False, True, False]
    assert lines[1].record["path"] == files[1] and "cannot be read" in lines[1].text
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["0.png", "2.png"]


def test_no_source_is_written_over(folder):
    files = [str(folder / "0.png")]
    with pytest.raises(UserError, match="would be written over"):
        list(MeanPredictor().outputs(files, PredictOptions(draw=folder)))
    with pytest.raises(UserError, match="no visionkit command wrote it"):
        refuse_overwriting([], [folder / "0.png"])
    refuse_overwriting([], [folder / "new.png"])


def test_drawings_are_named_after_their_sources_and_none_twice():
    assert drawing_names([]) == []
    assert drawing_names(["a/x.jpg", "b/X.png", "b/y.mp4"]) == ["x.png", "X_2.png", "y.png"]
    assert drawing_names(["a/x.mov", "y.jpg"], videos=True) == ["x.mp4", "y.png"]


def test_predictors_that_cannot_draw_or_explain_report_it(image):
    class Bare(MeanPredictor):
        draw = Predictor.draw

    with pytest.raises(UserError, match="A result of averaging cannot be drawn"):
        Bare().predict(image).plot()
    assert Bare().explained() is None
