"""A run folder is locked, and what cannot be one is named."""

import pytest

from visionkit.training.run_files import RunFolderError
from visionkit.training.run_lock import LOCK, locked_folder


def test_a_folder_is_made_and_locked_once(tmp_path):
    lock = locked_folder(tmp_path / "a" / "run")
    assert list((tmp_path / "a" / "run").iterdir()) == [tmp_path / "a" / "run" / LOCK]
    with pytest.raises(RunFolderError, match="another process is writing this run"):
        locked_folder(tmp_path / "a" / "run")
    lock.release()
    locked_folder(tmp_path / "a" / "run").release()


@pytest.mark.parametrize("name", ["file", "file/run"])
def test_a_file_is_no_folder(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=rf"{tmp_path / 'file'} is a file; expected a folder for this run"):
        locked_folder(tmp_path / name)


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_a_lock_that_is_no_file_is_named(tmp_path, kind):
    lock = tmp_path / LOCK
    lock.mkdir() if kind == "folder" else lock.symlink_to(tmp_path / "nothing")
    with pytest.raises(RunFolderError, match=rf"{lock} is a {kind}; expected the empty file .* Remove it"):
        locked_folder(tmp_path)
