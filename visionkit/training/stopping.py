"""How a run is stopped from outside: by a signal, or by a disk that takes no more."""

import errno
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from visionkit.errors import UserError

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C; what kill and schedulers send; a terminal that was closed
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end.

    Attributes:
        status: the exit status by which shells know the signal: 128 and its number.
    """

    def __init__(self, number: int):
        super().__init__()
        self.status = 128 + number


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise ``Stopped`` at the first of ``SIGNALS``; a second ends the program at once. What nohup ignores is still ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(number)

    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def refused_write(error: Exception, folders: Iterable[Path]) -> str | None:
    """What the system said where a file could not be written: a full disk, a folder that is read-only; None for other errors.

    A file outside of the folders was to be read. HDF5 and TensorFlow raise errors of their own, which quote the system.
    """
    if isinstance(error, OSError) and error.errno in NO_SPACE + NOT_WRITABLE:
        is_ours = error.filename is None or any(Path(error.filename).is_relative_to(folder) for folder in folders)
        return in_words(error) if is_ours else None
    said = (os.strerror(number) for number in NO_SPACE + (() if isinstance(error, UserError) else NOT_WRITABLE))
    return next((words for words in said if words in str(error)), None)


def in_words(error: OSError) -> str:
    """The file of an error of the system, and what was wrong with it."""
    if isinstance(error, FileNotFoundError) and error.filename is None and _working_folder_is_gone():
        return "the working directory does not exist any more: change to one that does"
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror


def _working_folder_is_gone() -> bool:
    try:
        Path.cwd()
    except OSError:
        return True
    return False
