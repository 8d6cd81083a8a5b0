"""Bundles are measured on files and on images in memory alike."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.index import Index, SmallImages
from visionkit.errors import UserError
from visionkit.tasks.classification.evaluate import accuracy_of, evaluate
from visionkit.tasks.classification.export import export_classifier

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def bundle(small_classifier, tmp_path_factory):
    return export_classifier(
        small_classifier, tmp_path_factory.mktemp("run") / "model", class_names=NAMES, metadata={}, whole=True
    )


def test_without_an_image_that_can_be_read_there_is_no_accuracy(bundle, tmp_path):
    val = Index(NAMES, (str(tmp_path / "gone.png"),), np.array([0], np.int32))
    with pytest.raises(UserError, match="None of 1 validation images can be read"):
        evaluate(bundle, val)


def test_files_that_cannot_be_read_are_skipped_and_the_others_are_predicted(bundle, tmp_path, rng):
    pixels = rng.integers(0, 256, (3, 20, 20)).astype(np.uint8)
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    in_memory = evaluate(bundle, SmallImages(NAMES, pixels, np.arange(3, dtype=np.int32)))
    val = Index(NAMES, (*paths, str(tmp_path / "gone.png")), np.array([0, 1, 2, 0], np.int32))
    from_files = evaluate(bundle, val)
    assert from_files.labels.tolist() == [0, 1, 2] and list(from_files.names) == paths
    assert [file.path for file in val.skipped.list()] == [str(tmp_path / "gone.png")]
    np.testing.assert_allclose(from_files.probabilities, in_memory.probabilities, atol=1e-6)
    np.testing.assert_allclose(in_memory.probabilities.sum(axis=1), 1, atol=1e-5)
    assert in_memory.names[2] == "validation image 2" and in_memory.images is pixels
    expected = (in_memory.probabilities.argmax(axis=1) == [0, 1, 2]).mean()
    assert in_memory.metrics == from_files.metrics == {"accuracy": pytest.approx(expected)}


def test_classes_are_matched_by_name_and_unknown_ones_are_an_error(bundle, rng):
    pixels = rng.integers(0, 256, (4, 20, 20)).astype(np.uint8)
    best = evaluate(bundle, SmallImages(NAMES, pixels, np.zeros(4, np.int32))).probabilities.argmax(axis=1)
    reordered = SmallImages(("c", "a", "b"), pixels, ((best + 1) % 3).astype(np.int32))
    assert accuracy_of(bundle, reordered) == 1
    with pytest.raises(UserError, match="does not know z; it knows a, b, c"):
        accuracy_of(bundle, SmallImages(("a", "z"), pixels, np.zeros(4, np.int32)))
