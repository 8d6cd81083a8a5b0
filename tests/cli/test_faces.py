"""``visionkit faces`` as a separate process: from images of people to names."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import CLI
from tests.tasks.embedding.color_embedder import PEOPLE, color_bundle, portrait, write_people
from visionkit.faces.draw import DIFFERENT


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return color_bundle(tmp_path_factory.mktemp("colors") / "model")


@pytest.fixture
def run(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(program, CLI, "faces")


@pytest.fixture
def gallery(run, model, tmp_path) -> Path:
    done = run("enrol", write_people(tmp_path / "people"), "--gallery", tmp_path / "g", "--model", model)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return tmp_path / "g"


def records(done) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_without_images_or_gallery_the_message_says_what_is_expected(run, gallery, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (["identify", "--gallery", gallery], "No images given"),
        (["identify", "empty", "--gallery", gallery], "No images in empty"),
        (["enrol", "empty", "--gallery", "new"], "Expected a folder a person"),
        (["enrol", "nowhere", "--gallery", "new"], "no such folder or image"),
        (["identify", "a.png", "--gallery", "nowhere"], "is no gallery"),
        (["list", "--gallery", "nowhere"], "is no gallery"),
        (["remove", "Ada", "--gallery", "nowhere"], "is no gallery"),
        (["enrol", "people", "--gallery", "people"], "holds other files"),
        (["enrol", "people", "--gallery", "new", "--model", "people"], "not a model that visionkit exported"),
    ):
        if "holds" in message:
            arguments += ["--model", json.loads((gallery / "gallery.json").read_text())["model"]]
        done = run(*arguments)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert not (tmp_path / "new").exists() and not (tmp_path / "nowhere").exists()


def test_people_are_enrolled_listed_removed_and_no_image_is_kept(run, gallery):
    done = run("list", "--gallery", gallery, "--json")
    assert records(done) == [{"name": name, "templates": 2} for name in PEOPLE] and done.stderr == ""
    files = [path for path in gallery.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == [".lock", "gallery.json", "people.json", "templates.npy"]
    assert sum(path.stat().st_size for path in files) < 2000
    done = run("remove", "Zoë <b>", "--gallery", gallery)
    assert done.returncode == 0 and "Zoë <b> removed, with 2 templates" in done.stdout
    assert run("list", "--gallery", gallery).stdout == "     2  Ada\n     2  Bob\n"
    done = run("remove", "Adda", "--gallery", gallery)
    assert done.returncode == 2 and "is it 'Ada'?" in done.stderr


def test_enrolling_reports_the_outcome_for_each_image(run, gallery, tmp_path):
    (tmp_path / "people" / "Bob" / "zz.png").write_text("text")
    Image.fromarray(portrait((90, 90, 10))).save(tmp_path / "people" / "two\nlines.png")
    done = run("enrol", tmp_path / "people", "--gallery", gallery)  # the model is the gallery's own
    assert done.returncode == 1 and done.stderr == "1 of 8 images skipped.\n", done.stderr
    lines = done.stdout.splitlines()
    assert lines[1] == "    enrolled: two\\nlines" and lines[3] == "    known already: Ada"
    assert lines[-1] == f"{gallery}: 4 people; 1 of 8 images added"
    assert sum("skipped: not an image" in line for line in lines) == 1 and len(lines) == 17


def test_one_face_under_two_names_and_names_in_two_cases_are_noticed(run, gallery, tmp_path):
    shutil.copytree(tmp_path / "people" / "Ada", tmp_path / "more" / "Ada again")
    write_people(tmp_path / "more", {"Bob": 1})
    (tmp_path / "more" / "Bob").rename(tmp_path / "more" / "bob")
    done = run("enrol", tmp_path / "more", "--gallery", gallery)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert done.stdout.count("enrolled: Ada again; notice: this face is already known as Ada (distance 0.000, ") == 2
    assert done.stdout.count("notice: Bob and bob are two people here; their names differ in case alone\n") == 1
    done = run("remove", "bob ", "--gallery", gallery)
    assert done.stdout.endswith("bob removed, with 1 template\nnotice: Bob stays, whose name differs in case alone\n")


def test_a_name_with_an_invisible_character_is_noticed(run, gallery, tmp_path):
    (tmp_path / "people" / "Bob").rename(tmp_path / "people" / "Bob\u200b")
    done = run("enrol", tmp_path / "people", "--gallery", gallery)
    notice = "notice: Bob and Bob\\u200b are two people here; their names differ in case or invisible characters alone\n"
    assert done.returncode == 0 and done.stdout.count(notice) == 1


def test_where_nobody_can_be_enrolled_no_gallery_is_left(run, model, tmp_path):
    write_people(tmp_path / "people", {"Ada": 1})
    (tmp_path / "people" / "Ada").rename(tmp_path / "people" / "   ")
    done = run("enrol", "people", "--gallery", "g", "--model", model)
    assert done.returncode == 1 and "people/   /0.png\n    skipped: the name of the folder" in done.stdout
    assert "Nobody could be enrolled" in done.stderr and not (tmp_path / "g").exists()


def test_faces_are_named_or_not_recognised(run, gallery, tmp_path):
    known, stranger, broken = tmp_path / "known.png", tmp_path / "stranger.png", tmp_path / "broken.png"
    Image.fromarray(portrait(PEOPLE["Bob"], 12)).save(known)
    Image.fromarray(portrait((250, 250, 250))).save(stranger)
    broken.write_text("text")
    done = run("identify", broken, known, stranger, "--gallery", gallery, "--json", "--draw", tmp_path / "drawn")
    assert done.returncode == 1 and done.stderr == "1 of 3 images not read, or without a face.\n"
    failed, bob, nobody = records(done)
    assert failed == {"path": str(broken), "error": "not an image, whatever its name says"}
    (face,) = bob["faces"]
    assert bob["threshold"] == 0.2 and bob["lower_is_more_similar"] is True
    assert bob["path"] == str(known) and face["name"] == "Bob" and face["xyxy"] == [0, 0, 48, 48] and face["score"] == 1
    assert face["distance"] == pytest.approx(np.sqrt(12) * 7 / 255, abs=1e-4)  # from the nearer of the two images
    assert face["nearest"][0] == ["Bob", face["distance"]] and {name for name, _ in face["nearest"]} == set(PEOPLE)
    assert nobody["faces"][0]["name"] is None and nobody["faces"][0]["distance"] > 0.2
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["known.png", "stranger.png"]
    assert np.asarray(Image.open(tmp_path / "drawn" / "known.png")).std() > 5  # something is drawn on one color
    done = run("identify", known, stranger, "--gallery", gallery)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"{known}\n    Bob  0.095  0 0 48 48\n{stranger}\n    not recognised  ")
    assert "Bob" not in run("identify", known, "--gallery", gallery, "--threshold", "0.09").stdout
    assert json.loads(run("identify", stranger, "--gallery", gallery, "--threshold", "9", "--json").stdout)["faces"][0]["name"]


def test_an_empty_gallery_recognises_nobody(run, gallery, tmp_path):
    for name in PEOPLE:
        run("remove", name, "--gallery", gallery)
    (line,) = records(run("identify", tmp_path / "people" / "Ada" / "0.png", "--gallery", gallery, "--json"))
    assert line["faces"][0]["name"] is None and line["faces"][0]["distance"] is None and line["faces"][0]["nearest"] == []
    assert "    not recognised  0 0" in run("identify", tmp_path / "people" / "Ada" / "0.png", "--gallery", gallery).stdout


def test_two_images_show_the_same_person_or_not(run, model, gallery, tmp_path):
    ada, bob = tmp_path / "people" / "Ada", tmp_path / "people" / "Bob"
    done = run("verify", ada / "0.png", ada / "1.png", "--model", model)
    assert done.returncode == 0 and done.stdout == "yes: distance 0.068, the same person up to 0.2\n"
    (line,) = records(run("verify", ada / "0.png", bob / "0.png", "--model", model, "--json"))
    assert (
        line["lower_is_more_similar"] is True
        and line["same"] is False
        and line["threshold"] == 0.2
        and line["paths"] == [str(ada / "0.png"), str(bob / "0.png")]
    )
    assert line["distance"] == pytest.approx(np.sqrt(8) * 160 / 255, abs=1e-4)
    assert run("verify", ada / "0.png", ada / "1.png", "--model", model, "--threshold", "0.01").stdout.startswith("no: ")
    drawn = tmp_path / "new" / "both.png"
    assert run("verify", ada / "0.png", bob / "0.png", "--model", model, "--draw", drawn).returncode == 0
    pixels = np.asarray(Image.open(drawn))
    assert all((pixels == color).all(axis=-1).any() for color in (PEOPLE["Ada"], PEOPLE["Bob"], DIFFERENT))
    done = run("verify", ada / "0.png", bob / "0.png", "--model", model, "--draw", drawn)
    assert done.returncode == 2 and "new .png or .jpg" in done.stderr
    done = run("verify", "nowhere.png", ada / "1.png", "--model", model, "--json")
    assert done.returncode == 1 and [set(line) for line in records(done)] == [{"path", "error"}]


@pytest.mark.parametrize("threshold", ["0", "-1", "nan", "inf"])
def test_a_threshold_must_be_a_positive_distance(run, gallery, threshold):
    done = run("identify", "people", "--gallery", gallery, "--threshold", threshold)
    assert done.returncode == 2 and "expected a positive distance" in done.stderr


def test_another_model_is_refused_and_one_that_moved_can_be_named(run, model, gallery, tmp_path):
    other = color_bundle(tmp_path / "other", gain=2.0)
    for command in (["identify", "people"], ["enrol", "people"]):
        done = run(*command, "--gallery", gallery, "--model", other)
        assert done.returncode == 2 and "holds templates of another model" in done.stderr and done.stdout == ""
    moved = Path(shutil.copytree(model, tmp_path / "moved"))
    pointer = gallery / "gallery.json"
    pointer.write_text(pointer.read_text().replace(str(model), str(tmp_path / "gone")))
    done = run("identify", "people", "--gallery", gallery)
    assert done.returncode == 2 and "say with --model where it is now" in done.stderr
    assert run("identify", "people", "--gallery", gallery, "--model", moved).returncode == 0


def test_an_image_is_not_overwritten_by_its_drawing(run, gallery, tmp_path):
    image = tmp_path / "people" / "Ada" / "0.png"
    contents = image.read_bytes()
    done = run("identify", image, "--gallery", gallery, "--draw", image.parent)
    assert done.returncode == 2 and "would be written over" in done.stderr and image.read_bytes() == contents


@pytest.mark.exhaustive
def test_from_a_photograph_to_a_name_with_the_model_of_the_installed_package(run, photograph, tmp_path):
    import skimage.data

    astronaut = skimage.data.astronaut()
    (tmp_path / "crew").mkdir()
    Image.fromarray(astronaut).save(tmp_path / "crew" / "Eileen Collins.png")
    Image.fromarray(photograph).save(tmp_path / "crew" / "Chelsea the cat.png")
    done = run("enrol", "crew", "--gallery", "g")
    assert done.returncode == 1 and "enrolled: Eileen Collins" in done.stdout and done.stdout.count("no face found") == 1
    changed = np.clip(astronaut[:300, 80:380, ::1].astype(int) // 2 + 60, 0, 255).astype(np.uint8)
    Image.fromarray(changed[:, ::-1]).resize((420, 420)).save(tmp_path / "later.jpg", quality=70)
    done = run("identify", "later.jpg", "--gallery", "g", "--json", "--draw", "drawn")
    assert done.returncode == 0, done.stderr
    (face,) = json.loads(done.stdout)["faces"]
    assert face["name"] == "Eileen Collins" and 0 < face["distance"] < 0.5
    assert (tmp_path / "drawn" / "later.png").is_file()
    assert run("verify", "later.jpg", tmp_path / "crew" / "Eileen Collins.png").stdout.startswith("yes")
