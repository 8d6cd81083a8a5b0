"""Faces come from images in order, each with its own embedding; unreadable images are reported in their place."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.tasks.embedding.color_embedder import PEOPLE, SIDE, SquareFinder, color_bundle, group_photo, portrait
from visionkit.errors import UserError
from visionkit.faces.reader import NO_FACE, FaceReader, FacesRead
from visionkit.inference.predictor import Unreadable
from visionkit.tasks import load


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return load(color_bundle(tmp_path_factory.mktemp("colors") / "model", alignment="mtcnn"))


def color_of(name: str) -> np.ndarray:
    return np.tile(np.array(PEOPLE[name]) / 255, 4)


def test_without_images_nothing_is_read(embedder):
    assert list(FaceReader(embedder, SquareFinder()).read([])) == []


@pytest.mark.parametrize("principal_only", [False, True])
def test_each_face_has_its_own_embedding_whatever_is_around_it(embedder, tmp_path, principal_only):
    names, images = list(PEOPLE), {}
    for number in range(11):  # more than are read at once; some show no face
        placed = [(names[(number + i) % 3], 5 + 50 * i, 10, 30 - 7 * i) for i in range(number % 4)]
        images[tmp_path / f"{number}.png"] = placed
        Image.fromarray(group_photo(*placed)).save(tmp_path / f"{number}.png")
    broken = tmp_path / "4.png"
    broken.write_text("text")
    read = list(FaceReader(embedder, SquareFinder()).read(images, principal_only=principal_only))
    assert [each.path for each in read] == list(map(str, images))
    for each, (path, placed) in zip(read, images.items(), strict=True):
        if path == broken or not placed:
            assert isinstance(each, Unreadable) and (each.error == NO_FACE) == (path != broken)
            continue
        assert isinstance(each, FacesRead) and [face.xyxy[0] for face in each.faces] == [left for _, left, _, _ in placed]
        expected = [color_of(name) for name, *_ in placed][: 1 if principal_only else None]
        np.testing.assert_allclose(each.embeddings, expected, atol=1e-5)


def test_more_faces_than_one_batch_are_embedded(embedder, tmp_path):
    places = [(list(PEOPLE)[n % 3], 16 * (n % 10), 20 * (n // 10), 10) for n in range(40)]
    Image.fromarray(group_photo(*places)).save(tmp_path / "crowd.png")
    (crowd,) = FaceReader(embedder, SquareFinder()).read([tmp_path / "crowd.png"])
    assert len(crowd.faces) == 40
    by_place = {(left, top): color_of(name) for name, left, top, _ in places}
    np.testing.assert_allclose(crowd.embeddings, [by_place[face.xyxy[:2]] for face in crowd.faces], atol=1e-5)


def test_without_alignment_the_whole_image_is_the_face(tmp_path):
    embedder = load(color_bundle(tmp_path / "model"))
    for number, pixels in enumerate([portrait(PEOPLE["Ada"]), portrait(PEOPLE["Bob"])[:32, :32], portrait(PEOPLE["Bob"])]):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    read = list(FaceReader(embedder).read(sorted(tmp_path.glob("*.png"))))
    assert [each.faces[0].xyxy for each in read] == [(0, 0, 48, 48), (0, 0, 32, 32), (0, 0, 48, 48)]
    expected = [[color_of("Ada")], [color_of("Bob")], [color_of("Bob")]]
    np.testing.assert_allclose([each.embeddings for each in read], expected, atol=1e-5)


def test_the_finder_is_asked_for_chips_of_the_models_size(embedder, tmp_path):
    sizes = []

    class Measured(SquareFinder):
        def chip(self, pixels, face, size):
            sizes.append(size)
            return super().chip(pixels, face, size)

    Image.fromarray(group_photo(("Ada", 0, 0, 20))).save(tmp_path / "a.png")
    assert len(list(FaceReader(embedder, Measured()).read([tmp_path / "a.png"]))) == 1 and sizes == [SIDE]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"task": "classification"}, "does 'classification'; expected one that embeds faces"),
        ({"task": "embedding", "alignment": "by hand"}, "aligned by 'by hand'"),
    ],
)
def test_models_for_something_else_are_refused(metadata, message):
    with pytest.raises(UserError, match=message):
        FaceReader(SimpleNamespace(metadata=metadata))
