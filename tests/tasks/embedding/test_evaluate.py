"""What is measured of an embedder: what vanishes is named, distances are Euclidean, one image is enough to know somebody."""

import numpy as np
import pytest
from PIL import Image

from visionkit.data.formats.pairs import Pairs
from visionkit.data.index import Index, SkippedFiles
from visionkit.tasks.embedding.evaluate import distances_of, embeddings_of, one_shot


def mean_color(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean((1, 2)).astype(np.float32)


def test_of_no_image_that_can_be_read_there_is_no_embedding(tmp_path):
    skipped = SkippedFiles()
    places, embeddings = embeddings_of(mean_color, Index(("a",), (str(tmp_path / "gone.png"),), np.zeros(1, int)), skipped)
    assert len(places) == len(embeddings) == 0 and len(skipped) == 1


def test_images_of_any_size_are_embedded_in_order(tmp_path):
    paths = []
    for number, side in enumerate((3, 9, 4)):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("RGB", (side, 5), (number, 10, 20)).save(paths[-1])
    (tmp_path / "1.png").write_text("text")
    places, embeddings = embeddings_of(mean_color, Index(("a",), tuple(paths), np.zeros(3, int)), SkippedFiles())
    assert places.tolist() == [0, 2]
    np.testing.assert_allclose(embeddings, [[0, 10, 20], [2, 10, 20]])


def test_distances_are_euclidean(rng):
    embeddings = rng.normal(size=(4, 3))
    pairs = Pairs(np.array([0, 1]), np.array([2, 3]), np.array([True, False]), np.zeros(2, int))
    expected = [np.sqrt(((embeddings[a] - embeddings[b]) ** 2).sum()) for a, b in ((0, 2), (1, 3))]
    np.testing.assert_allclose(distances_of(embeddings, pairs), expected)


@pytest.mark.parametrize(("threshold", "refused", "strangers"), [(0.5, 0, 0), (0.05, 1, 0), (9, 0, 1)])
def test_every_other_person_is_enrolled_with_one_image(threshold, refused, strangers):
    """Persons 0 and 2 are known by their first images; 1 and 3 are strangers."""
    labels = np.repeat([0, 1, 2, 3], 2)
    embeddings = np.eye(4)[labels] + 0.1 * np.tile([0, 1], 4)[:, None] * np.eye(4)[(labels + 1) % 4]
    found = one_shot(embeddings, labels, threshold)
    assert (found.known, found.strangers, found.rank_1) == (2, 4, 1)
    assert (found.known_refused, found.strangers_recognized) == (refused, strangers)
