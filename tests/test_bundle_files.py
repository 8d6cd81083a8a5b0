"""The metadata and the digests of a bundle stay right, also where the computer stops in between."""

import hashlib
import json
import shutil
import subprocess

import pytest

from visionkit import bundle_files
from visionkit.bundle_files import DIGESTS, check_files, find_bundle, read_metadata, update_metadata, write_digests
from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA, write_atomically

METADATA = {"task": "localization", "labels": ["cup", "über\u2028"], "size": 64}


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "model"
    contents = {
        "saved_model.pb": b"graph",
        "variables/variables.index": b"",
        BUNDLE_METADATA.as_posix(): bundle_files.as_json(METADATA),
        "assets.extra/labels.txt": "cup\nüber\u2028\n".encode(),
    }
    for name, each in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(each)
    write_digests(folder)
    return folder


def test_an_empty_folder_has_no_digests_to_compare(tmp_path):
    check_files(tmp_path)
    with pytest.raises(UserError, match="is not a model that visionkit exported"):
        read_metadata(tmp_path)


def test_every_file_has_its_digest(bundle):
    check_files(bundle)
    lines = (bundle / DIGESTS).read_text("utf-8").splitlines()
    assert f"{hashlib.sha256(b'graph').hexdigest()}  saved_model.pb" in lines and len(lines) == 4


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_usual_program_checks_them(bundle):
    command = ["sha256sum", "--check", "--quiet", DIGESTS]
    assert subprocess.run(command, cwd=bundle, check=False).returncode == 0
    (bundle / "saved_model.pb").write_bytes(b"grapf")
    assert subprocess.run(command, cwd=bundle, check=False, capture_output=True).returncode == 1


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index", "assets.extra/labels.txt"])
def test_a_changed_and_a_missing_file_are_named(bundle, name):
    (bundle / name).write_bytes(b"other")
    with pytest.raises(UserError, match=rf"{name} is damaged: its SHA-256 differs"):
        check_files(bundle)
    (bundle / name).unlink()
    with pytest.raises(UserError, match=rf"{name} is missing"):
        check_files(bundle)


def test_a_file_that_was_added_is_named(bundle):
    (bundle / "variables" / "variables.data-00000-of-00001").write_bytes(b"x")
    with pytest.raises(UserError, match=r"variables.data-00000-of-00001 is not among the files"):
        check_files(bundle)


@pytest.mark.parametrize("line", ["", "x", f"{'0' * 64}  ../secret", f"{'0' * 64}  /etc/passwd", f"{'0' * 63}  saved_model.pb"])
def test_damaged_digests_are_named(bundle, line):
    with (bundle / DIGESTS).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError, match=r"sha256.txt is damaged"):
        check_files(bundle)


@pytest.mark.parametrize("place", ["assets", "variables/more"])
@pytest.mark.parametrize("has_digests", [True, False])
def test_a_link_to_a_folder_is_named_and_not_followed(bundle, tmp_path, place, has_digests):
    if not has_digests:
        (bundle / DIGESTS).unlink()
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "file").touch()
    (bundle / place).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"{place} is a link to a folder, which is not followed"):
        check_files(bundle)


def test_metadata_that_are_edited_by_hand_are_refused_with_the_way_to_do_it(bundle):
    (bundle / BUNDLE_METADATA).write_text(json.dumps(METADATA | {"size": 32}), encoding="utf-8")
    with pytest.raises(UserError, match=r"bundle.json is damaged: .*update_metadata changes it"):
        read_metadata(bundle)


@pytest.mark.parametrize("has_digests", [True, False])
def test_metadata_are_updated_with_their_digest(bundle, has_digests):
    if not has_digests:
        (bundle / DIGESTS).unlink()
    for metrics in ({"accuracy": 0.5}, {"accuracy": 0.6}):
        update_metadata(bundle, metrics=metrics)
        assert read_metadata(bundle) == METADATA | {"metrics": metrics}
        check_files(bundle)
    assert (bundle / DIGESTS).exists() == has_digests
    assert not has_digests or len((bundle / DIGESTS).read_text("utf-8").splitlines()) == 4


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_an_update_that_is_cut_off_leaves_a_whole_bundle(bundle, monkeypatch, writes):
    left = [writes]

    def write(path, contents):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", str(path))
        write_atomically(path, contents)

    monkeypatch.setattr(bundle_files, "write_atomically", write)
    with pytest.raises(OSError, match="No space left"):
        update_metadata(bundle, size=32)
    check_files(bundle)
    assert read_metadata(bundle)["size"] == (32 if writes == 2 else 64)
    monkeypatch.undo()
    update_metadata(bundle, size=128)
    assert len((bundle / DIGESTS).read_text("utf-8").splitlines()) == 4


def test_a_bundle_is_found_from_home(bundle, monkeypatch):
    monkeypatch.setenv("HOME", str(bundle.parent))
    monkeypatch.setenv("USERPROFILE", str(bundle.parent))
    assert find_bundle("~") == find_bundle("~/model") == bundle and read_metadata("~/model") == METADATA
