"""How a run is stopped from outside: by a signal, or by a disk that takes no more."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from visionkit.errors import UserError
from visionkit.files import cache_folder

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C; what kill and schedulers send; a terminal that was closed
ALARM = getattr(signal, "SIGALRM", None)  # Windows has none
AGAIN = 0.2  # seconds until a stop that was lost is raised again
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
    """Raise ``Stopped`` at the first of ``SIGNALS``; a second ends the program at once. What nohup ignores is still ignored.

    Python drops what is raised in a callback of the garbage collector or in ``__del__``, and libraries may drop it, too. So a
    timer raises ``Stopped`` again as long as the program goes on without handling one, and so does the end of the context.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, requested, report = {}, [], sys.unraisablehook

    def stop(number: int, frame: FrameType | None) -> None:
        for each in before.keys() - {ALARM}:
            signal.signal(each, signal.SIG_DFL)
        requested.append(number)
        if ALARM is not None:
            before[ALARM] = signal.signal(ALARM, stop_again)
            signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)
        raise Stopped(number)

    def stop_again(number: int, frame: FrameType | None) -> None:
        if not _is_being_handled(sys.exception()):
            raise Stopped(requested[0])

    def report_others(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, Stopped):
            report(unraisable)

    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, stop)
    sys.unraisablehook = report_others
    try:
        yield
        if requested:
            raise Stopped(requested[0])
    finally:
        if ALARM in before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = report
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_being_handled(error: BaseException | None) -> bool:
    """Whether the program is ending because of ``Stopped``: it is raised now, or an exception came while it was handled."""
    while error is not None and not isinstance(error, Stopped):
        error = error.__context__
    return error is not None


def refused_write(error: Exception, folders: Iterable[Path]) -> str | None:
    """What the system said where a file could not be written: a full disk, a folder that is read-only; None for other errors.

    A file outside of the folders was to be read. HDF5 and TensorFlow raise errors of their own, which quote the system.
    """
    if isinstance(error, OSError) and error.errno in NO_SPACE + NOT_WRITABLE:
        name = error.filename  # a number where a file is known by its descriptor alone
        is_ours = not isinstance(name, str) or any(Path(name).is_relative_to(folder) for folder in folders)
        return _said(error) if is_ours else None
    said = (os.strerror(number) for number in NO_SPACE + (() if isinstance(error, UserError) else NOT_WRITABLE))
    return next((words for words in said if words in str(error)), None)


def in_words(error: OSError) -> str:
    """The file of an error of the system, what was wrong with it, and what helps if it is a full disk."""
    is_full = error.filename is not None and error.errno in (errno.ENOSPC, errno.EDQUOT)  # not that standard output is
    return f"{_said(error)}; {how_to_free(error)}" if is_full else _said(error)


def how_to_free(error: Exception, otherwise: str = "free some, or name another folder") -> str:
    """What helps where a disk is full: another cache, if the file is there."""
    name = getattr(error, "filename", None)
    if isinstance(name, str) and Path(name).is_relative_to(cache := cache_folder()):
        return f"free some in the cache, {cache}, or set VISIONKIT_CACHE to another folder"
    return otherwise


def _said(error: OSError) -> str:
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
