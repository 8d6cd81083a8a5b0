"""A detector and its LiteRT model are measured on annotated images."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.tasks.detection.square_detector import NAMES, image_of
from visionkit.data.images.scan import scan
from visionkit.data.index import NO_OBJECTS, Annotation, Index, Objects
from visionkit.errors import UserError
from visionkit.export.bundle import LITERT_FILE
from visionkit.inference.measuring import EvaluateOptions
from visionkit.tasks.detection.evaluate import (
    detect_annotated,
    evaluate,
    evaluate_data,
    litert_detect_annotated,
    read_data,
)
from visionkit.tasks.detection.report import report_on


def index_of(folder, images, class_names=NAMES) -> Index:
    paths = tuple(str(folder / f"{number}.png") for number in range(len(images)))
    for path, pixels in zip(paths, images, strict=True):
        Image.fromarray(pixels).save(path)
    return Index(class_names, paths, np.full(len(paths), -1, np.int32), annotations=(Annotation(NO_OBJECTS),) * len(paths))


def test_no_images_give_no_detections(square_bundle, tmp_path):
    for detect in (detect_annotated, litert_detect_annotated):
        readable, detections = detect(square_bundle, index_of(tmp_path, []))
        assert len(readable) == 0 and detections == []


def test_readable_images_get_relative_boxes_in_the_numbers_of_the_index_and_the_litert_model_agrees(square_bundle, tmp_path):
    objects = (0, (5, 10, 40, 50), 0.9), (1, (30, 5, 80, 30), 1.0), (2, (10, 30, 85, 55), 0.05)
    tall = image_of((100, 40), (2, (0, 5, 40, 90), 0.8))
    images = [image_of((60, 90)), image_of((60, 90), *objects), tall, tall]
    for detect in (detect_annotated, litert_detect_annotated):
        index = index_of(tmp_path, images, (NAMES[2], NAMES[0]))
        (tmp_path / "2.png").write_text("text")
        readable, (nothing, two, one) = detect(square_bundle, index)
        assert readable.paths == (index.paths[0], index.paths[1], index.paths[3])
        assert [file.path for file in index.skipped.list()] == [index.paths[2]]
        assert nothing.boxes.shape == (0, 4) and nothing.scores.shape == nothing.classes.shape == (0,)
        assert two.classes.tolist() == [1, 0] and one.classes.tolist() == [0]  # green is not of the index
        np.testing.assert_allclose(two.scores, (0.9, 0.05), atol=0.02)
        np.testing.assert_allclose(two.boxes[0] * (90, 60, 90, 60), objects[0][1], atol=1)
        np.testing.assert_allclose(one.boxes[0] * (40, 100, 40, 100), (0, 5, 40, 90), atol=1)


def test_classes_that_the_detector_lacks_are_an_error(square_bundle, tmp_path):
    with pytest.raises(ValueError, match="does not know zebra; it knows red, green"):
        detect_annotated(square_bundle, index_of(tmp_path, [], ("zebra", "red")))


def test_a_bundle_without_a_litert_model_has_no_detections_of_it(square_bundle, tmp_path):
    import shutil

    copy = shutil.copytree(square_bundle, tmp_path / "run")
    (copy / "model" / LITERT_FILE).unlink()
    assert litert_detect_annotated(copy, index_of(tmp_path, [])) is None


def test_the_metrics_are_those_of_the_bundle_and_of_its_litert_model(square_bundle, tmp_path):
    box = (10, 12, 46, 48)
    images = [image_of((64, 64), (number, box, 0.9)) for number in (0, 1, 2)]
    objects = [Objects(np.array([box]) / 64, np.array([number], np.int32)) for number in (0, 1, 1)]  # the last is mislabeled
    index = scan(replace(index_of(tmp_path, images), annotations=tuple(map(Annotation, objects))))
    evaluation = evaluate(square_bundle, index)
    assert evaluation.index.paths == index.paths and len(evaluation.truth) == len(evaluation.detections) == 3
    metrics = evaluation.metrics
    assert metrics["map50"] == pytest.approx(np.mean([1, 51 / 101])) and metrics["recall"] == pytest.approx(2 / 3)
    assert metrics["threshold"] == 0.3  # the bundle's own
    assert metrics["litert_map50"] == pytest.approx(metrics["map50"]) and "litert_f1" not in metrics


def measured(bundle, source, **options):
    options = EvaluateOptions(**options)
    return evaluate_data(bundle, read_data(str(source), {}, options), options)


def test_data_without_boxes_is_an_error(square_bundle, tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "a" / "0.png")
    with pytest.raises(UserError, match="has no boxes: expected VOC, COCO or YOLO"):
        measured(square_bundle, tmp_path)


def test_a_detector_is_measured_at_its_own_threshold_and_unknown_boxes_are_left_out(square_bundle, tmp_path):
    """The second square has a score of 0.2, below the detector's threshold of 0.3, though it would be right."""
    for name, score in (("a", 0.9), ("b", 0.2)):
        Image.fromarray(image_of((64, 64), (0, (10, 12, 46, 48), score))).save(tmp_path / f"{name}.png")
    boxes = ["a.png,10,12,46,48,red", "a.png,1,1,9,9,oak", "b.png,10,12,46,48,red"]
    (tmp_path / "boxes.csv").write_text("\n".join(["image,xmin,ymin,xmax,ymax,label", *boxes]))
    result = measured(square_bundle, tmp_path / "boxes.csv")
    assert result.images == 2 and result.labels == ("red",) and result.metrics["threshold"] == 0.3
    assert result.metrics["map50"] == pytest.approx(1) and result.metrics["recall"] == 0.5
    assert not any(name.startswith("litert") for name in result.metrics)
    assert "left out: 1 box of oak, which the model does not know" in result.notes
    assert "detections of classes that the data does not have are left out" in result.notes
    page = report_on(result, "T").write(tmp_path / "r.html", notes=[], metrics=result.metrics, config={}).read_text()
    assert "the model's own; on these images F1 of all classes together is best at" in page and "validation" not in page
    assert page.count("data:image/png") == 2 and "Training" not in page
