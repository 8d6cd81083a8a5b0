"""A detector and its LiteRT model are measured on annotated images."""

import numpy as np
import pytest
from PIL import Image

from tests.tasks.detection.square_detector import NAMES, image_of
from visionkit.data.index import NO_OBJECTS, Annotation, Index, SkippedFiles
from visionkit.export.bundle import LITERT_FILE
from visionkit.tasks.detection.evaluate import answers_to_annotated, litert_answers_to_annotated


def index_of(folder, images, class_names=NAMES) -> Index:
    paths = tuple(str(folder / f"{number}.png") for number in range(len(images)))
    for path, pixels in zip(paths, images, strict=True):
        Image.fromarray(pixels).save(path)
    return Index(class_names, paths, np.full(len(paths), -1, np.int32), annotations=(Annotation(NO_OBJECTS),) * len(paths))


def test_no_images_give_no_answers(square_bundle, tmp_path):
    for ask in (answers_to_annotated, litert_answers_to_annotated):
        read, found = ask(square_bundle, index_of(tmp_path, []), SkippedFiles())
        assert len(read) == 0 and found == []


def test_readable_images_get_relative_boxes_in_the_numbers_of_the_index_and_the_litert_model_agrees(square_bundle, tmp_path):
    objects = (0, (5, 10, 40, 50), 0.9), (1, (30, 5, 80, 30), 1.0), (2, (10, 30, 85, 55), 0.05)
    tall = image_of((100, 40), (2, (0, 5, 40, 90), 0.8))
    index = index_of(tmp_path, [image_of((60, 90)), image_of((60, 90), *objects), tall, tall], (NAMES[2], NAMES[0]))
    (tmp_path / "2.png").write_text("text")
    for ask in (answers_to_annotated, litert_answers_to_annotated):
        skipped = SkippedFiles()
        read, (nothing, two, one) = ask(square_bundle, index, skipped)
        assert read.paths == (index.paths[0], index.paths[1], index.paths[3])
        assert [file.path for file in skipped.list()] == [index.paths[2]]
        assert nothing.boxes.shape == (0, 4) and nothing.scores.shape == nothing.classes.shape == (0,)
        assert two.classes.tolist() == [1, 0] and one.classes.tolist() == [0]  # green is not of the index
        np.testing.assert_allclose(two.scores, (0.9, 0.05), atol=0.02)
        np.testing.assert_allclose(two.boxes[0] * (90, 60, 90, 60), objects[0][1], atol=1)
        np.testing.assert_allclose(one.boxes[0] * (40, 100, 40, 100), (0, 5, 40, 90), atol=1)


def test_classes_that_the_detector_lacks_are_an_error(square_bundle, tmp_path):
    with pytest.raises(ValueError, match="does not know zebra; it knows red, green"):
        answers_to_annotated(square_bundle, index_of(tmp_path, [], ("zebra", "red")), SkippedFiles())


def test_a_bundle_without_a_litert_model_has_no_answers_of_it(square_bundle, tmp_path):
    import shutil

    copy = shutil.copytree(square_bundle, tmp_path / "run")
    (copy / "model" / LITERT_FILE).unlink()
    assert litert_answers_to_annotated(copy, index_of(tmp_path, []), SkippedFiles()) is None
