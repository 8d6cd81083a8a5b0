"""Bundles are measured on files and on images in memory alike."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.index import Index, SkippedFiles, SmallImages
from visionkit.tasks.classification.evaluate import answers_to_files, answers_to_small_images
from visionkit.tasks.classification.export import export_classifier

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def bundle(small_classifier, tmp_path_factory):
    return export_classifier(
        small_classifier, tmp_path_factory.mktemp("run") / "model", class_names=NAMES, metadata={}, whole=True
    )


def test_files_that_cannot_be_read_are_skipped_and_the_others_are_answered(bundle, tmp_path, rng):
    pixels = rng.integers(0, 256, (3, 20, 20)).astype(np.uint8)
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, image in zip(paths, pixels, strict=True):
        Image.fromarray(image).save(path)
    in_memory = answers_to_small_images(bundle, SmallImages(NAMES, pixels, np.arange(3, dtype=np.int32)))
    val = Index(NAMES, (*paths, str(tmp_path / "gone.png")), np.array([0, 1, 2, 0], np.int32))
    skipped = SkippedFiles()
    read, from_files = answers_to_files(bundle, val, skipped)
    assert read.labels.tolist() == [0, 1, 2] and [file.path for file in skipped.list()] == [str(tmp_path / "gone.png")]
    np.testing.assert_allclose(from_files, in_memory, atol=1e-6)
    np.testing.assert_allclose(in_memory.sum(axis=1), 1, atol=1e-5)
