"""The lock of a run folder: one process at a time may write a run."""

import errno
import os
from pathlib import Path

from filelock import FileLock, Timeout

from visionkit.files import kind_of_file
from visionkit.training.run_files import RunFolderError

LOCK = ".lock"  # in the folder; it is empty, and may stay there


def locked_folder(path: str | Path) -> FileLock:
    """Make a folder if it is missing, and lock it.

    Returns:
        the lock, acquired.

    Raises:
        RunFolderError: another process has the lock, or the folder or its lock is something else.
        OSError: the folder or the lock cannot be made.
    """
    folder, lock = Path(path), Path(path) / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        found = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        kind = "a link to nothing" if found.is_symlink() and not found.exists() else kind_of_file(found) or "a file"
        raise RunFolderError(f"{found} is {kind}; expected a folder for this run, or a name that is free.") from error
    if lock.is_symlink() or kind_of_file(lock):
        kind = "a link" if lock.is_symlink() else kind_of_file(lock)
        raise RunFolderError(f"{lock} is {kind}; expected the empty file by which a run is locked. Remove it.")
    opened = FileLock(lock)
    try:
        opened.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(f"{path}: another process is writing this run.") from None
    except NotImplementedError as error:  # a network drive, for example
        raise OSError(errno.ENOTSUP, "files cannot be locked there; put the run on another disk", str(lock)) from error
    return opened
