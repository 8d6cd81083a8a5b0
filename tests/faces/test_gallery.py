"""A gallery identifies the nearest person, deletes removed people completely, and is intact at every moment."""

import errno
import json
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.faces import gallery_files
from visionkit.faces.gallery import Gallery, Match
from visionkit.faces.gallery_files import DamagedGalleryError, GalleryMetadata, read_version

FACTS = GalleryMetadata("f" * 64, dimensions=4, threshold=0.6)


def rows(*firsts: float) -> np.ndarray:
    """Embeddings along a line, so that distances are differences."""
    return np.array([[first, 0, 0, 0] for first in firsts], np.float32).reshape(-1, 4)


def files_of(gallery: Gallery) -> list[str]:
    return sorted(str(path.relative_to(gallery.folder)) for path in gallery.folder.rglob("*") if path.is_file())


@pytest.fixture
def gallery(tmp_path) -> Gallery:
    return Gallery.create(tmp_path / "gallery", FACTS)


def test_an_empty_gallery_recognizes_nobody(gallery):
    assert gallery.names() == [] and gallery.identify(rows()) == []
    (answer,) = gallery.identify(rows(1))
    assert answer.name is None and answer.distance is None and answer.nearest == ()
    assert gallery.enrol_many({}) == {}


def test_one_template_a_person_is_enough(gallery):
    assert gallery.enrol("Ada", rows(0)) == 1 and gallery.enrol("Bob", rows(2)) == 1
    near, far, other = gallery.identify(rows(0.5, 1.2, 2))
    assert (near.name, near.distance) == ("Ada", 0.5) and near.nearest == (Match("Ada", 0.5), Match("Bob", 1.5))
    assert far.name is None and far.nearest[0].name == "Bob" and far.distance == pytest.approx(0.8)
    assert (other.name, other.distance) == ("Bob", 0)


def test_faces_up_to_the_threshold_are_recognized_and_a_call_may_set_another_threshold(tmp_path):
    gallery = Gallery.create(tmp_path / "g", FACTS._replace(threshold=0.5))
    gallery.enrol("Ada", rows(0))
    names = [answer.name for answer in gallery.identify(rows(0.5, 0.51, -0.5))]
    assert names == ["Ada", None, "Ada"]
    assert gallery.identify(rows(0.51), threshold=0.52)[0].name == "Ada"
    assert gallery.identify(rows(0.25), threshold=0.2)[0].name is None


def test_each_person_is_returned_once_however_many_templates_it_has(gallery, rng):
    crowd = {f"person {n}": rng.normal(size=(int(rng.integers(1, 30)), 4)).astype(np.float32) for n in range(12)}
    crowd["near"] = rng.normal(size=(200, 4)).astype(np.float32) * 1e-2
    gallery.enrol_many(crowd)
    for query, answer in zip(
        queries := np.concatenate([rows(0), rng.normal(size=(9, 4))]), gallery.identify(queries, 5), strict=True
    ):
        expected = {name: np.linalg.norm(templates - query, axis=1).min() for name, templates in crowd.items()}
        assert [match.name for match in answer.nearest] == sorted(expected, key=expected.get)[:5]
        np.testing.assert_allclose([match.distance for match in answer.nearest], sorted(expected.values())[:5], rtol=1e-5)
    assert len(gallery.identify(rows(0), 99)[0].nearest) == 13


def test_a_person_gets_new_templates_but_none_twice(gallery):
    gallery.enrol_many({"Ada": rows(1), "Bob": rows(5)})
    before = gallery.folder.joinpath("gallery.json").read_bytes()
    assert gallery.enrol("Ada", rows(1, 1.00001)) == 0  # as another batch would round it
    assert gallery.folder.joinpath("gallery.json").read_bytes() == before
    assert gallery.enrol_many({"Ada": rows(3, 1, 3)})["Ada"].tolist() == [True, False, False]
    assert gallery.enrol("Bob", rows(1)) == 1
    assert gallery.counts() == {"Ada": 2, "Bob": 2} and gallery.identify(rows(3.1))[0].name == "Ada"


NAMES = [
    "José",
    "../../etc/passwd",
    "a/b\\c",
    "two\nlines",
    "nul\0",
    "李小龍 🙂",
    " ",
    "null",
    '"}',
    "\udcff.jpg",
    "n" * 5000,
]


def test_a_name_is_any_text_that_is_not_blank(gallery):
    for number, name in enumerate(NAMES):
        if name.isspace():
            with pytest.raises(UserError, match="not blank"):
                gallery.enrol(name, rows(number))
        else:
            gallery.enrol(name, rows(number))
    known = [name for name in NAMES if name.strip()]
    again = Gallery.open(gallery.folder)
    assert again.names() == known and again.identify(rows(3))[0].name == "two\nlines"
    assert all(path.is_relative_to(gallery.folder) for path in gallery.folder.parent.rglob("*") if path != gallery.folder)
    for name in known:
        assert gallery.remove(name) == 1
    assert Gallery.open(gallery.folder).names() == []


@pytest.mark.parametrize("other", ["Jose\u0301 ", " José", "\tJose\u0301\n"])
def test_names_are_compared_composed_and_without_spaces_around_them(gallery, other):
    assert gallery.enrol_many({"José": rows(1), other: rows(2)})[other].tolist() == [True]
    assert gallery.enrol(other, rows(1)) == 0
    assert gallery.counts() == {"José": 2} and gallery.identify(rows(2))[0].name == "José"
    assert gallery.remove(other) == 2 and gallery.names() == []


@pytest.mark.parametrize("typed", ["José", "Jose\u0301"])
def test_a_gallery_that_holds_a_person_under_two_forms_of_the_name_is_read_and_cleared_as_one(gallery, typed):
    counts = {"José": 1, "Ada": 1, "Jose\u0301": 2, "Ada ": 1}  # as earlier versions wrote it
    gallery_files.write_version(gallery.folder, FACTS, counts, rows(1, 2, 3, 4, 5))
    assert gallery.counts() == {"José": 3, "Ada": 2}
    assert [found.name for found in gallery.identify(rows(1, 2, 3, 4, 5))] == ["José", "Ada", "José", "José", "Ada"]
    assert gallery.remove(typed) == 3 and gallery.counts() == {"Ada": 2}
    assert np.array_equal(read_version(gallery.folder).templates, rows(2, 5))


def test_names_that_differ_in_case_alone_are_two_people_and_are_reported(gallery):
    gallery.enrol_many({"Bob": rows(1), "bob": rows(2), "Straße": rows(3)})
    assert gallery.counts() == {"Bob": 1, "bob": 1, "Straße": 1}
    assert gallery.variants("bob") == ["Bob"] and gallery.variants("STRASSE") == ["Straße"] and gallery.variants("Rob") == []
    with pytest.raises(UserError, match="is it 'Straße'"):
        gallery.remove("STRASSE")


def test_no_person_is_named_twice_among_the_faces_of_one_image(gallery):
    assert gallery.identify_together(rows()) == []
    gallery.enrol_many({"Ada": rows(0), "Bob": rows(0.9)})
    names = [face.name for face in gallery.identify_together(rows(0.1, -0.3, 5))]
    assert names == ["Ada", None, None]
    near, far = gallery.identify_together(rows(0.4, 0.1), k=1)  # the first is nearer to Ada, too, but may be Bob
    assert (near.name, near.distance, far.name) == ("Bob", pytest.approx(0.5), "Ada")
    assert [match.name for match in near.nearest] == ["Ada", "Bob"] and len(far.nearest) == 1
    assert [face.name for face in gallery.identify_together(rows(0.4, 0.1), threshold=0.45)] == [None, "Ada"]
    assert [face.name for face in gallery.identify_together(rows(-0.3, 0.5), threshold=[0.2, 0.45])] == [None, "Bob"]
    assert gallery.identify_together(rows(0.6))[0].name == "Bob" and gallery.identify_together(rows(-0.5))[0].name == "Ada"


def test_nothing_of_a_removed_person_is_left_in_the_folder(gallery, rng):
    secret = rng.normal(size=(3, 4)).astype(np.float32)
    gallery.enrol_many({"Ada": rows(1), "Bob Secret": secret, "Cy": rows(2)})
    gallery.enrol("Dora", rows(3))
    assert gallery.remove("Bob Secret") == 3
    assert gallery.counts() == {"Ada": 1, "Cy": 1, "Dora": 1} and gallery.identify(secret[:1], threshold=1e-3)[0].name is None
    contents = b"".join((gallery.folder / name).read_bytes() for name in files_of(gallery))
    assert b"Secret" not in contents and all(row.tobytes()[:8] not in contents for row in secret)
    assert rows(3).tobytes() in contents and len(files_of(gallery)) == 4  # lock, pointer, people, templates
    with pytest.raises(UserError, match="knows no 'Bob Secret'"):
        gallery.remove("Bob Secret")
    with pytest.raises(UserError, match="is it 'Dora'"):
        gallery.remove("Dorah")


def test_only_the_owner_may_read_the_folder(gallery):
    gallery.enrol("Ada", rows(1))
    assert os.name == "nt" or gallery.folder.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name == "nt", reason="no modes")
@pytest.mark.parametrize("write", ["enrol", "known", "remove", "create", "nobody"])
def test_a_gallery_that_was_left_open_is_closed_to_others_by_every_writer(gallery, write):
    gallery.enrol("Ada", rows(1))
    for path in (gallery.folder, *gallery.folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    try_to(write, gallery)
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (gallery.folder, *gallery.folder.rglob("*"))}
    assert modes == {True: 0o700, False: 0o600}


def try_to(write: str, gallery: Gallery) -> None:
    match write:
        case "enrol":
            gallery.enrol("Bob", rows(2))
        case "known":
            gallery.enrol("Ada", rows(1))
        case "remove":
            gallery.remove("Ada")
        case "create":
            Gallery.create(gallery.folder, FACTS, exist_ok=True)
        case "nobody":
            with pytest.raises(UserError, match="knows no"):
                gallery.remove("Nobody")


@pytest.mark.parametrize("write", ["enrol", "known", "remove", "create", "nobody"])
def test_what_a_killed_writer_left_is_deleted_by_every_writer(gallery, write):
    gallery.enrol("Ada", rows(1))
    remains = gallery.folder / f"version-{'0' * 32}"
    remains.mkdir()
    (remains / "templates.npy").write_bytes(rows(7).tobytes())
    (gallery.folder / ".gallery.json.unfinished").write_text("{")
    try_to(write, gallery)
    assert not remains.exists() and len(files_of(gallery)) == 4


def test_what_was_left_before_the_gallery_existed_is_deleted(tmp_path):
    remains = tmp_path / "g" / f"version-{'0' * 32}"
    remains.mkdir(parents=True)
    (remains / "templates.npy").write_bytes(rows(7).tobytes())
    assert len(files_of(Gallery.create(tmp_path / "g", FACTS))) == 4


def test_nothing_is_deleted_where_the_current_version_is_missing(gallery):
    gallery.enrol("Ada", rows(1))
    current = gallery.folder / read_version(gallery.folder).name
    current.rename(gallery.folder / f"version-{'0' * 32}")  # say, by hand
    with pytest.raises(DamagedGalleryError, match="is missing"):
        Gallery.create(gallery.folder, FACTS, exist_ok=True)
    assert (gallery.folder / f"version-{'0' * 32}" / "templates.npy").exists()


def test_a_new_gallery_is_discarded_while_nobody_is_in_it(gallery, tmp_path):
    assert gallery.discard_if_empty() and list(tmp_path.iterdir()) == []
    gallery = Gallery.create(gallery.folder, FACTS)
    gallery.enrol("Ada", rows(1))
    assert not gallery.discard_if_empty() and Gallery.open(gallery.folder).counts() == {"Ada": 1}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_full_disk_leaves_the_gallery_as_it_was_and_no_templates(gallery, monkeypatch, number):
    gallery.enrol("Ada", rows(1))
    before, write, calls = files_of(gallery), gallery_files._write_through, []

    def full(file, contents):
        calls.append(file)
        write(file, bytes(contents)[:20])
        if len(calls) == number:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gallery_files, "_write_through", full)
    for do in (lambda: gallery.enrol("Bob", rows(2)), lambda: gallery.remove("Ada")):
        calls.clear()
        with pytest.raises(OSError, match=f"No space left.*(as it was|'Ada' is still in).*Make room.*{gallery.folder.name}"):
            do()
        assert files_of(gallery) == before and Gallery.open(gallery.folder).counts() == {"Ada": 1}


def test_another_models_embeddings_are_refused(gallery):
    gallery.enrol("Ada", rows(1))
    for do in (
        lambda: Gallery.open(gallery.folder, "e" * 64),
        lambda: Gallery.create(gallery.folder, FACTS._replace(fingerprint="e"), exist_ok=True),
    ):
        with pytest.raises(UserError, match="another model"):
            do()
    assert Gallery.open(gallery.folder, "f" * 64).names() == ["Ada"]
    for wrong in (np.zeros((2, 5)), np.zeros(4), np.full((1, 4), np.nan)):
        for do in (gallery.identify, lambda wrong: gallery.enrol("Bob", wrong)):
            with pytest.raises(UserError, match="Embeddings"):
                do(wrong)
    assert gallery.names() == ["Ada"]


def test_a_gallery_that_was_replaced_by_one_of_another_model_is_refused(gallery):
    gallery.enrol("Ada", rows(1))
    for file in files_of(gallery):
        (gallery.folder / file).unlink()
    Gallery.create(gallery.folder, FACTS._replace(fingerprint="e" * 64))
    with pytest.raises(UserError, match="another model"):
        gallery.identify(rows(1))


def test_creating_a_gallery_overwrites_neither_a_gallery_nor_other_files(gallery, tmp_path):
    with pytest.raises(UserError, match="holds a gallery already"):
        Gallery.create(gallery.folder, FACTS)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "ada.jpg").write_text("")
    with pytest.raises(UserError, match="other files, such as ada"):
        Gallery.create(tmp_path / "photos", FACTS)
    for metadata in (FACTS._replace(dimensions=0), FACTS._replace(threshold=0.0), FACTS._replace(threshold=float("nan"))):
        with pytest.raises(UserError, match="expected positive"):
            Gallery.create(tmp_path / "new", metadata)
    for folder in (tmp_path / "nowhere", tmp_path / "photos"):
        with pytest.raises(UserError, match="is no gallery"):
            Gallery.open(folder)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("unpickled",)


def damage(folder, how):
    version = read_version(folder).name
    templates, people, pointer = folder / version / "templates.npy", folder / version / "people.json", folder / "gallery.json"
    said = json.loads(pointer.read_text())
    match how:
        case "pickle":
            np.save(templates, np.array([Evil()]), allow_pickle=True)
        case "bare pickle":
            templates.write_bytes(pickle.dumps(Evil()) + bytes(100))
        case "archive":
            np.savez(folder / "a.npz", rows(1))
            (folder / "a.npz").rename(templates)
        case "cut":
            templates.write_bytes(templates.read_bytes()[:-1])
        case "huge":
            contents = templates.read_bytes()
            templates.write_bytes(contents.replace(b"(1, 4), }", b"(1" + 15 * b"0" + b", 4), }").replace(15 * b" ", b"", 1))
        case "doubles":
            np.save(templates, np.zeros((1, 2)))
        case "nan":
            np.save(templates, rows(np.nan))
        case "no templates":
            templates.unlink()
        case "no people":
            people.unlink()
        case "people":
            people.write_text('[["Ada", 2]]')
        case "twice":
            people.write_text('[["Ada", 1], ["Ada", 1]]')
        case "text":
            people.write_text("\xff")
        case "nested":
            people.write_text(100_000 * "[")
        case "pointer":
            pointer.write_text("{")
        case "list":
            pointer.write_text("[]")
        case "elsewhere":
            pointer.write_text(json.dumps(said | {"version": "../../x"}))
        case "dimensions":
            pointer.write_text(json.dumps(said | {"dimensions": True}))
        case "threshold":
            pointer.write_text(json.dumps(said | {"threshold": float("nan")}))


@pytest.mark.parametrize(
    "how",
    """pickle;bare pickle;archive;cut;huge;doubles;nan;no templates;no people;people;twice;text;nested;pointer;list;elsewhere;
    dimensions;threshold""".replace("\n    ", "").split(";"),
)
def test_damaged_files_are_reported_and_nothing_in_them_is_executed(gallery, how, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gallery.enrol("Ada", rows(1))
    damage(gallery.folder, how)
    with pytest.raises(DamagedGalleryError, match="is a damaged gallery") as told:
        Gallery.open(gallery.folder)
    assert "enrol again" in str(told.value) and not (tmp_path / "unpickled").exists()


def test_a_later_file_format_is_refused(gallery):
    pointer = gallery.folder / "gallery.json"
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {"form": 2}))
    with pytest.raises(UserError, match="form 2"):
        Gallery.open(gallery.folder)


WRITER = """
import sys
import numpy as np
from visionkit.faces.gallery import Gallery
gallery = Gallery.open(sys.argv[1])
for number in range(int(sys.argv[2])):
    ones = np.full((1 + number % 3, 4), number, np.float32) + np.arange(1 + number % 3, dtype=np.float32)[:, None] / 10
    gallery.enrol_many({f"left {number}": ones, f"right {number}": ones + 1000})
    if number % 4 == 3:
        gallery.remove(f"solo {number // 4}")
"""


def test_readers_see_complete_versions_while_another_process_writes(gallery):
    gallery.enrol_many({f"solo {n}": rows(-n - 1) for n in range(8)})
    over, faults, seen = threading.Event(), [], [set() for _ in range(4)]

    def read(number):
        mine = Gallery.open(gallery.folder) if number % 2 else gallery  # of its own, and shared between threads
        while not over.is_set():
            version = read_version(gallery.folder) if number < 2 else mine._newest()
            seen[number].add(version.name)
            ends = np.cumsum(list(version.counts.values()))
            for (name, count), end in zip(version.counts.items(), ends, strict=True):
                side, n = name.split()
                value = {"left": int(n), "right": int(n) + 1000, "solo": -int(n) - 1}[side]
                if version.templates[end - count, 0] != value or (side == "left" and f"right {n}" not in version.counts):
                    faults.append((name, version.counts))
            distance = mine.identify(rows(-8))[0].distance
            if distance != 0 and "solo 7" in mine.names():
                faults.append(("solo 7", distance))

    with ThreadPoolExecutor(4) as readers:
        running = [readers.submit(read, number) for number in range(4)]
        try:
            done = subprocess.run(
                [sys.executable, "-c", WRITER, gallery.folder, "32"], capture_output=True, text=True, check=False
            )
        finally:
            over.set()
        for reader in running:
            reader.result()
    assert done.returncode == 0, done.stderr
    assert faults == [] and all(len(versions) > 1 for versions in seen)
    assert len(gallery.names()) == 64 and len(files_of(gallery)) == 4


def test_writers_wait_for_each_other(tmp_path):
    start = threading.Barrier(4)

    def write(number):
        start.wait()
        gallery = Gallery.create(tmp_path / "g", FACTS, exist_ok=True)
        for n in range(6):
            gallery.enrol(f"{number}, {n}", rows(10 * number + n))

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    assert sorted(Gallery.open(tmp_path / "g").names()) == [f"{number}, {n}" for number in range(4) for n in range(6)]


KILLED = """
import os, sys
import numpy as np
from visionkit.faces import gallery_files
from visionkit.faces.gallery import Gallery
gallery, calls, write = Gallery.open(sys.argv[1]), [], gallery_files._write_through
def killed(file, contents):
    calls.append(file)
    write(file, bytes(contents)[: len(contents) // 2] if len(calls) == int(sys.argv[2]) else contents)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
def killed_before_it_counts(new, old):
    os.kill(os.getpid(), 9)
gallery_files._write_through, gallery_files._replace = killed, killed_before_it_counts
gallery.enrol("Bob", np.full((1, 4), 7, np.float32))
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
def test_a_killed_writer_leaves_the_old_version_and_the_next_writer_cleans_up(gallery):
    gallery.enrol("Ada", rows(1))
    for step in (1, 2, 3, 4):  # within each of three files, and before the new version counts
        done = subprocess.run(
            [sys.executable, "-c", KILLED, gallery.folder, str(step)], capture_output=True, text=True, check=False
        )
        assert done.returncode == -9, done.stderr
        assert Gallery.open(gallery.folder).counts() == {"Ada": 1} and gallery.identify(rows(1))[0].name == "Ada"
    assert len(files_of(gallery)) > 4
    gallery.enrol("Cy", rows(3))
    assert Gallery.open(gallery.folder).names() == ["Ada", "Cy"] and len(files_of(gallery)) == 4
