"""Segmenters measured: boundaries, membranes, means of known values, files that vanish, LiteRT models."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.tasks.segmentation.color_segmenter import NAMES, export_color_segmenter, image_of
from visionkit.data.arrays.volumes import Volume, VolumeSplits
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.images.scan import scan
from visionkit.data.index import Annotation, Index
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.export.bundle import read_metadata, update_metadata
from visionkit.inference.measuring import EvaluateOptions
from visionkit.metrics.segmentation import mean_dice_of_cases
from visionkit.tasks.segmentation.data import ImageData, VolumeData
from visionkit.tasks.segmentation.evaluate import (
    Outcome,
    compare_masks,
    evaluate,
    evaluate_data,
    mean_boundary_f1,
    mean_membrane_errors,
    measure,
    read_data,
    summed,
)
from visionkit.tasks.segmentation.plan import variation_of
from visionkit.tasks.segmentation.report import report_on


def truth_of(number: int) -> np.ndarray:
    """A mask of 20 x 30 pixels with a class each for two things, and pixels to ignore."""
    mask = np.zeros((20, 30), np.uint8)
    mask[2:8, 3 : 9 + number], mask[5:15, 20:28], mask[19] = 1, 2, 255
    return mask


@pytest.fixture
def data(tmp_path) -> ImageData:
    """Three images whose masks a color segmenter predicts exactly, but for the wrong pixels of the last one."""
    paths, annotations = [], []
    for number in range(3):
        mask = truth_of(number)
        pixels = image_of(np.where(mask == 255, 0, mask))
        pixels[:2, :5] = (250, 0, 0) if number == 2 else pixels[:2, :5]
        for name, values in ((f"{number}.png", pixels), (f"{number}_mask.png", mask)):
            Image.fromarray(values).save(tmp_path / name)
        paths.append(str(tmp_path / f"{number}.png"))
        annotations.append(Annotation(mask=str(tmp_path / f"{number}_mask.png")))
    index = scan(Index(NAMES, tuple(paths), np.full(3, -1, np.int32), annotations=tuple(annotations)))
    return ImageData(Splits(index, replace(index)), np.ones(4, np.int64), Augmentation("none"), "none")


def test_nothing_to_measure():
    assert not summed([], 3).any() and mean_boundary_f1([]) is None and mean_membrane_errors([]) == {}
    nothing = compare_masks(np.full((3, 3), 255, np.uint8), np.zeros((3, 3), np.uint8), 2, are_membranes=True)
    assert np.isnan(nothing.error) and nothing.membranes == {} and np.isnan(nothing.boundary).all()


def test_a_bundle_is_measured_and_its_mistakes_are_found(tmp_path, data):
    evaluation = evaluate(export_color_segmenter(tmp_path / "model"), data)
    np.testing.assert_allclose(evaluation.errors, [0, 0, 10 / 570])
    assert evaluation.metrics["pixel_error"] == pytest.approx(10 / 1710) == evaluation.measured.pixel_error
    assert evaluation.names == list(data.splits.val.paths) and evaluation.boundary_f1[2] == 1 > evaluation.boundary_f1[1]
    comparison = evaluation.compare(2)
    assert ((comparison.truth != comparison.prediction) & (comparison.truth != 255)).sum() == 10
    assert evaluation.litert_disagreement == pytest.approx(0, abs=0.01)


def test_a_bundle_of_other_classes_is_not_measured(tmp_path, data):
    """Masks hold the numbers of classes: other classes, or another order, would give numbers that mean nothing."""
    export_color_segmenter(tmp_path / "run" / "model")
    assert evaluate(tmp_path / "run", data).names
    other = replace(data, splits=data.splits.map(lambda index, _: replace(index, class_names=NAMES[::-1])))
    with pytest.raises(UserError, match=f"predicts the classes {', '.join(NAMES)}, the masks hold"):
        evaluate(tmp_path / "run", other)


def test_an_error_of_what_is_measured_is_none_of_a_file(data):
    with pytest.raises(UserError, match="The prediction holds class 9"):
        measure(lambda pixels: np.full((20, 30), 9, np.uint8), data)


def test_images_that_are_gone_are_skipped_and_named(tmp_path, data):
    bundle = export_color_segmenter(tmp_path / "model")
    (tmp_path / "0.png").unlink()
    Image.new("L", (5, 6)).save(tmp_path / "2_mask.png")
    evaluation = evaluate(bundle, data)
    assert evaluation.names == [data.splits.val.paths[1]] and evaluation.errors.tolist() == [0]
    assert np.nanmin(evaluation.boundary_f1) == 1
    assert {file.path for file in data.skipped} == {data.splits.val.paths[0], data.splits.val.paths[2]}
    assert (evaluation.compare(0).truth == truth_of(1)).all()  # numbers count what could be read
    (tmp_path / "1.png").unlink()
    assert evaluation.compare(0) is None
    assert measure(lambda pixels: truth_of(1), data).matrix.sum() == 0


def test_the_dice_of_volumes_is_averaged_over_them(tmp_path):
    labels = [np.zeros((6, 8, 9), np.uint8) for _ in range(2)]
    labels[0][1:3, 2:6, 3:7], labels[1][2:6, 1:7, 1:8] = 1, 1
    values = [np.where(label, 900, 100).astype(np.float32)[..., None] for label in labels]
    values[0][0, 0] = 900
    volumes = tuple(Volume(str(number), *each) for number, each in enumerate(zip(values, labels, strict=True)))
    data = VolumeData(VolumeSplits(("background", "organ"), volumes, volumes), variation_of("light", flip=False))
    evaluation = evaluate(export_color_segmenter(tmp_path / "model", rank=3), data)
    matrices = [np.array([[391, 9], [0, 32]]), np.array([[264, 0], [0, 168]])]
    np.testing.assert_array_equal(evaluation.measured.matrix, sum(matrices))
    assert evaluation.metrics["dice"] == pytest.approx(mean_dice_of_cases(matrices, 2)[1])
    assert evaluation.boundary_f1 is None and evaluation.compare(1).pixels.ndim == 3 and evaluation.names == ["0", "1"]


def test_means_are_of_the_images_that_have_a_boundary():
    scores = [np.array([1.0, np.nan, np.nan]), np.array([0.5, 0.2, np.nan])]
    np.testing.assert_array_equal(mean_boundary_f1([Outcome(np.eye(3), each) for each in scores]), [0.75, 0.2, np.nan])


def test_the_errors_of_the_challenge_are_those_of_cells():
    truth = np.ones((9, 9), np.uint8)
    truth[4] = 0
    right, wrong = (compare_masks(truth, prediction, 2, are_membranes=True) for prediction in (truth, np.ones_like(truth)))
    assert mean_membrane_errors([right]) == {"rand_error": 0, "warping_error": 0, "challenge_pixel_error": 0}
    errors = mean_membrane_errors([right, wrong])
    assert errors["rand_error"] == pytest.approx(wrong.membranes["rand_error"] / 2) and errors["rand_error"] > 0
    assert errors["challenge_pixel_error"] == pytest.approx(1 - 2 * 144 / (144 + 153))


def measured(bundle, source, **options):
    options = EvaluateOptions(**options)
    return evaluate_data(bundle, read_data(str(source), read_metadata(bundle), options), options)


def write_masks(folder, *masks):
    """Images whose masks are predicted, and these masks, with 0 for the background, 1 for red, 2 for green."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number, mask in enumerate(masks):
        Image.fromarray(image_of(np.where(mask > 3, 0, mask))).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder


def test_data_without_masks_is_an_error(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "a" / "0.png")
    bundle = export_color_segmenter(tmp_path / "model")
    with pytest.raises(UserError, match="has no masks: expected images/ and masks/"):
        measured(bundle, tmp_path / "a")
    write_masks(tmp_path / "data", truth_of(0))
    with pytest.raises(UserError, match="no class but background is shared"):
        measured(bundle, tmp_path / "data", mask_values=("0=background", "1=cat", "2=dog"))


def test_masks_are_measured_in_the_classes_of_the_model_and_unknown_pixels_are_ignored(tmp_path):
    """The data numbers its classes in another way; what it calls a cat, 10 pixels of each image, the model does not know."""
    bundle = export_color_segmenter(tmp_path / "model")
    masks = [truth_of(0), truth_of(1)]
    for mask in masks:
        mask[0, :10] = 7
    folder = write_masks(tmp_path / "data", *masks)
    (folder / "images" / "broken.png").write_text("text")
    Image.fromarray(masks[0]).save(folder / "masks" / "broken.png")
    values = ("2=Green", "7=cat", "0=background", "1=red", "255=ignore")
    result = measured(bundle, folder, mask_values=values)
    assert result.labels == NAMES and result.images == 2 and result.metrics["pixel_error"] == 0
    assert result.evaluation.measured.matrix.sum() == 2 * (20 * 30 - 30 - 10) and result.metrics["dice"] == 1
    assert [file.path for file in result.skipped] == [str(folder / "images" / "broken.png")]
    assert any(note.startswith("ignored: 20 pixels (1.8%) of cat, which the model does not know") for note in result.notes)
    assert any("'Green' of the data is taken for 'green' of the model" in note for note in result.notes)
    page = report_on(result, "T").write(tmp_path / "r.html", notes=[], metrics=result.metrics, config={}).read_text()
    assert "every pixel of every measured image was predicted right" in page and "validation" not in page


def test_outlines_are_drawn_and_the_errors_of_membranes_are_those_of_the_training(tmp_path):
    import json

    bundle = export_color_segmenter(tmp_path / "model")
    (tmp_path / "data").mkdir()
    Image.fromarray(image_of(np.pad(np.ones((10, 12), np.uint8), 4))).save(tmp_path / "data" / "a.png")
    polygon = [4, 4, 16, 4, 16, 14, 4, 14]
    image = {"id": 1, "file_name": "a.png", "width": 20, "height": 18}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 12, 10], "segmentation": [polygon], "iscrowd": 0}
    coco = {"images": [image], "annotations": [annotation], "categories": [{"id": 1, "name": "red"}]}
    (tmp_path / "data" / "a.json").write_text(json.dumps(coco))
    result = measured(bundle, tmp_path / "data" / "a.json", scratch=tmp_path / "scratch")
    assert result.metrics["pixel_error"] == 0 and "rand_error" not in result.metrics
    update_metadata(bundle, metrics={"rand_error": 0.1})
    assert "rand_error" not in measured(bundle, tmp_path / "data" / "a.json", scratch=tmp_path / "s").metrics  # four classes


def test_volumes_are_measured_and_other_channels_are_an_error(tmp_path):
    bundle = export_color_segmenter(tmp_path / "model", rank=3)
    labels = np.zeros((6, 8, 9), np.uint8)
    labels[1:3, 2:6, 3:7], labels[5, 7] = 1, 2
    for name, channels in (("one", 1), ("two", 2)):
        for part in ("images", "labels"):
            (tmp_path / name / part).mkdir(parents=True)
        values = np.repeat(np.where(labels == 1, 900, 100).astype(np.float32)[..., None], channels, axis=-1)
        np.save(tmp_path / name / "images" / "0.npy", values)
        np.save(tmp_path / name / "labels" / "0.npy", labels)
        (tmp_path / name / "classes.txt").write_text("background\norgan\nbone\n")
    result = measured(bundle, tmp_path / "one")
    assert result.images == 1 and result.metrics["dice"] == 1 and result.evaluation.measured.matrix.sum() == labels.size - 9
    assert any(note.startswith("ignored: 9 pixels") for note in result.notes)
    assert report_on(result, "T").shown["num_wrong"] == 0
    with pytest.raises(UserError, match="The volumes have 2 channels"):
        measured(bundle, tmp_path / "two")
    with pytest.raises(UserError, match="--mask-values is for images"):
        measured(bundle, tmp_path / "one", mask_values=("0=a",))
