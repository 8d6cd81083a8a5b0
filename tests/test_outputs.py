"""Which files a command may write: new ones, and those that visionkit wrote."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.conftest import CLI
from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.outputs import MARK, PAGES, check_folder, check_output, is_own
from visionkit.viz.labels import encode


def test_a_new_file_and_an_empty_one(tmp_path):
    assert check_output(tmp_path / "new" / "a.html", "--html", suffixes=PAGES) == tmp_path / "new" / "a.html"
    (tmp_path / "a.html").touch()
    with pytest.raises(UserError, match=r"--html .*a\.html: this file exists, and no visionkit command wrote it.*name a new"):
        check_output(tmp_path / "a.html", "--html")


def special(path, kind):
    if kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a device":
        path.symlink_to("/dev/null")  # which only a link leads to
    else:
        path.symlink_to("nowhere")


@pytest.mark.parametrize("kind", ["a named pipe", "a device", "a folder", "a link that leads to nothing"])
def test_what_is_no_file_is_refused_and_stays(tmp_path, kind):
    special(tmp_path / "a.png", kind)
    before = (tmp_path / "a.png").lstat()
    with pytest.raises(UserError, match=f"--out .*: this is {kind}"):
        check_output(tmp_path / "a.png", "--out")
    if "nothing" not in kind:
        with pytest.raises(OSError, match=f"is {kind}, and is not replaced"):
            write_atomically(tmp_path / "a.png", b"new")
    assert (tmp_path / "a.png").lstat() == before and list(tmp_path.iterdir()) == [tmp_path / "a.png"]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_an_image_of_visionkit_may_be_replaced_and_a_photograph_not(tmp_path, suffix):
    picture, photo = tmp_path / f"own{suffix}", tmp_path / f"photo{suffix}"
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))
    picture.write_bytes(encode(image, suffix))
    image.save(photo)
    assert check_output(picture, "--out") == picture and is_own(picture) and not is_own(photo)
    for path, inputs in ((photo, []), (picture, [picture]), (picture, [tmp_path])):
        with pytest.raises(UserError, match="is not replaced"):
            check_output(path, "--out", inputs=inputs)


def test_a_link_leads_to_the_file_that_is_written_and_is_judged_by_it(tmp_path):
    (tmp_path / "page.html").write_text(f'<meta name="generator" content="{MARK}">')
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    (tmp_path / "a.html").symlink_to("page.html")
    (tmp_path / "b.html").symlink_to("photo.jpg")
    assert check_output(tmp_path / "a.html", "--html") == tmp_path / "page.html"
    with pytest.raises(UserError, match="is not replaced"):
        check_output(tmp_path / "b.html", "--html")


def test_other_suffixes_other_beginnings_and_places_below_a_file(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    assert check_output(tmp_path / "a.json", "--coco", suffixes=(".json",), starts=(b"[",)) == tmp_path / "a.json"
    for path, message in (("cat.jpg", r"expected the name of a \.json file"), ("a.json/b.json", "is no folder")):
        with pytest.raises(UserError, match=message):
            check_output(tmp_path / path, "--coco", suffixes=(".json",))
    check_folder(tmp_path / "new", "--draw")
    with pytest.raises(UserError, match="expected a folder"):
        check_folder(tmp_path / "a.json", "--draw")


def test_commands_replace_their_own_output_and_no_image_of_the_data(program, class_folders, tmp_path):
    photo = next(path for path in sorted(class_folders.rglob("*")) if path.is_file())
    before = photo.read_bytes()
    for arguments in (
        ("check", class_folders, "--html", photo),
        ("augment", class_folders, "--out", photo),
        ("edges", photo, "--out", photo),
        ("edges", "--out", photo),
        ("understand", "squeezenet", photo, "--out", photo),
    ):
        done = program(CLI, *arguments)
        assert done.returncode == 2 and photo.name in done.stderr and done.stderr.count("\n") == 1 and done.stdout == ""
        assert photo.read_bytes() == before
    for _ in range(2):
        assert program(CLI, "edges", photo, "--out", tmp_path / "edges.jpg", "--side", 160).returncode == 0
        assert "page: " in program(CLI, "check", class_folders, "--html", tmp_path / "page.html").stdout
