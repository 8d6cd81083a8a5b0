"""Images of people become templates under their names."""

import shutil

import pytest
from PIL import Image

from tests.tasks.embedding.color_embedder import PEOPLE, SquareFinder, color_bundle, group_photo, portrait, write_people
from visionkit.errors import UserError
from visionkit.faces import enroll
from visionkit.faces.enroll import Enrolled, enrol_images, list_people
from visionkit.faces.gallery import Gallery
from visionkit.faces.gallery_files import GalleryMetadata
from visionkit.faces.reader import NO_FACE, FaceReader
from visionkit.inference.predictor import Unreadable
from visionkit.tasks import load


def test_without_images_the_message_says_what_is_expected(tmp_path):
    (tmp_path / "Ada").mkdir()
    (tmp_path / "notes.txt").write_text("")
    for source in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="Expected a folder a person, or images named after people"):
            list_people(source)


def test_folders_and_single_images_are_named_after_people(tmp_path):
    write_people(tmp_path, {"Ada": 2, "Bob": 1})
    (tmp_path / "Ada" / "notes.txt").write_text("")
    (tmp_path / "Zoë.jpg").write_text("")
    (tmp_path / ".hidden.jpg").write_text("")
    expected = [("Zoë", "Zoë.jpg"), ("Ada", "Ada/0.png"), ("Ada", "Ada/1.png"), ("Bob", "Bob/0.png")]
    assert list_people(tmp_path) == [(name, tmp_path / path) for name, path in expected]
    assert list_people(tmp_path / "Zoë.jpg") == [("Zoë", tmp_path / "Zoë.jpg")]


def test_splits_are_no_people(tmp_path):
    write_people(tmp_path / "train", {"Ada": 1})
    write_people(tmp_path / "val", {"Bob": 1})
    assert sorted(name for name, _ in list_people(tmp_path)) == ["Ada", "Bob"]


@pytest.fixture
def gallery(tmp_path) -> Gallery:
    return Gallery.create(tmp_path / "gallery", GalleryMetadata("f", 12, 0.2))


@pytest.mark.parametrize("at_once", [2, 64])
def test_every_image_is_accounted_for_in_order(gallery, tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(enroll, "WRITTEN_AT_ONCE", at_once)
    folder = write_people(tmp_path / "people", {"Ada": 3, "Bob": 1})
    shutil.copy(folder / "Ada" / "0.png", folder / "Ada" / "3.png")
    (folder / "Bob" / "1.png").write_text("text")
    Image.fromarray(portrait(PEOPLE["Bob"])).save(folder / "Ada.png")
    reader = FaceReader(load(color_bundle(tmp_path / "model")))
    people = list_people(folder)
    results = list(enrol_images(gallery, reader, people))
    assert [each.path for each in results] == [str(path) for _, path in people]
    assert [each.is_new for each in results[:-1]] == [True, True, True, True, False, True]
    assert results[0].name == "Ada" and results[-2].name == "Bob" and isinstance(results[-1], Unreadable)
    assert gallery.counts() == {"Ada": 4, "Bob": 1}
    again = list(enrol_images(gallery, reader, people))
    assert not any(each.is_new for each in again[:-1]) and gallery.counts() == {"Ada": 4, "Bob": 1}


def test_the_principal_face_is_enrolled_and_the_number_of_faces_is_reported(gallery, tmp_path):
    Image.fromarray(group_photo(("Bob", 0, 0, 10), ("Ada", 40, 20, 30))).save(tmp_path / "Ada.png")
    Image.fromarray(group_photo()).save(tmp_path / "Bob.png")
    embedder = load(color_bundle(tmp_path / "model", alignment="mtcnn"))
    people = [("Ada", tmp_path / "Ada.png"), ("Bob", tmp_path / "Bob.png")]
    results = list(enrol_images(gallery, FaceReader(embedder, SquareFinder()), people))
    assert results == [Enrolled(str(tmp_path / "Ada.png"), "Ada", 2, True), Unreadable(str(tmp_path / "Bob.png"), NO_FACE)]
    assert gallery.identify(embedder.embed(portrait(PEOPLE["Ada"])[None]))[0].name == "Ada"


def test_what_may_be_a_piece_of_background_is_not_enrolled(gallery, tmp_path):
    class Unsure(SquareFinder):
        def find_many(self, images):
            for faces in super().find_many(images):
                yield [face._replace(score=0.85) for face in faces]

    Image.fromarray(group_photo(("Bob", 0, 0, 10))).save(tmp_path / "Bob.png")
    reader = FaceReader(load(color_bundle(tmp_path / "model", alignment="mtcnn")), Unsure())
    (result,) = enrol_images(gallery, reader, [("Bob", tmp_path / "Bob.png")])
    assert isinstance(result, Unreadable) and "score is 0.85, and 0.9 is needed" in result.error and gallery.names() == []


@pytest.mark.parametrize("at_once", [1, 64])
def test_a_face_that_is_known_under_another_name_is_reported_with_its_distance(gallery, tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(enroll, "WRITTEN_AT_ONCE", at_once)
    folder = write_people(tmp_path / "people", {"Ada": 1, "Bob": 1})
    shutil.copytree(folder / "Ada", folder / "Ada again")
    reader = FaceReader(load(color_bundle(tmp_path / "model")))
    results = list(enrol_images(gallery, reader, sorted(list_people(folder))))
    assert [(each.name, each.known_as) for each in results] == [("Ada", None), ("Ada again", ("Ada", 0)), ("Bob", None)]
    assert gallery.counts() == {"Ada": 1, "Ada again": 1, "Bob": 1}


def test_a_name_from_macos_and_one_that_was_typed_are_one_person(gallery, tmp_path):
    folder = write_people(tmp_path / "people", {"Ada": 2})
    reader = FaceReader(load(color_bundle(tmp_path / "model")))
    people = [("Zoe\u0308 ", folder / "Ada" / "0.png"), ("Zoë", folder / "Ada" / "1.png")]
    assert [each.name for each in enrol_images(gallery, reader, people)] == ["Zoë", "Zoë"] and gallery.counts() == {"Zoë": 2}


@pytest.mark.parametrize("blank", ["   ", "\u200b"])
def test_a_blank_name_is_reported_with_its_path_and_the_others_are_enrolled(gallery, tmp_path, blank):
    folder = write_people(tmp_path / "people", {"Ada": 1, "Bob": 1})
    (folder / "Ada").rename(folder / blank)
    reader = FaceReader(load(color_bundle(tmp_path / "model")))
    first, second = enrol_images(gallery, reader, list_people(folder))
    assert isinstance(first, Unreadable) and first.path == str(folder / blank / "0.png")
    assert f"the name of the folder, {blank!r}, is blank" in first.error
    assert second.name == "Bob" and gallery.counts() == {"Bob": 1}
