"""Files: the only place that opens one for reading, atomic writing, the cache folder, and where a bundle has its metadata."""

import contextlib
import errno
import functools
import gzip
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import platformdirs

from visionkit.errors import UserError

BUNDLE_METADATA = Path("assets.extra", "bundle.json")  # in a bundle: task, labels, size, metrics
LARGEST_TEXT = 2**31  # bytes of a file of annotations, labels or settings; COCO's largest has 0.5e9
LARGEST_IMAGE = 2**30  # bytes of a file that holds one image; the largest image, uncompressed in colors, has 0.54e9
LARGEST_RATIO = 1032  # of the inflated bytes to those of a file of gzip or zlib
KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe that took the file's place would block; Windows has none


def open_file(path: str | Path) -> BinaryIO:
    """Open a regular file for reading. Reading a pipe waits for ever, and a device such as /dev/zero never ends.

    Raises:
        OSError: there is no such file, or it is no regular file; ``strerror`` says what it is.
    """
    return open(path, "rb", opener=_open_regular)


def read_file(path: str | Path, most: int | None = None) -> bytes:
    """The contents of a regular file.

    Args:
        path: the file.
        most: the largest size in bytes that is read; ``LARGEST_TEXT`` for annotations and settings.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
    """
    with open_file(path) as file:
        return file.read(size_of(file, most))


def size_of(file: BinaryIO, most: int | None = None) -> int:
    """The size of an open file in bytes, of which no more are to be read: a file may grow meanwhile.

    Raises:
        OSError: it is larger than ``most``.
    """
    size = os.fstat(file.fileno()).st_size
    if most is not None and size > most:
        raise OSError(errno.EFBIG, f"has {size:,} bytes, and at most {most:,} are read", str(file.name))
    return size


@contextmanager
def opened_gzip(path: str | Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file that may be compressed with gzip, and say how many bytes it can hold at most.

    Raises:
        OSError: see ``open_file``.
    """
    with open_file(path) as raw:
        size = size_of(raw)
        is_compressed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not is_compressed:
            yield raw, size
            return
        with gzip.open(raw) as inflated:
            yield inflated, size * LARGEST_RATIO


def check_file(path: str | Path) -> int:
    """Refuse what is no regular file, before a library opens it by its path.

    Returns:
        its size in bytes.

    Raises:
        OSError: there is no such file, or it is no regular file; ``strerror`` says what it is.
    """
    found = os.stat(path)  # noqa: PTH116 - a Path takes as long as the reading
    _refuse_others(os.fspath(path), found.st_mode)
    return found.st_size


def kind_of_file(path: str | Path) -> str:
    """What a path leads to, if it is no regular file: "a named pipe", "a device", ...; "" for a file, and for nothing."""
    try:
        return _kind(os.stat(path).st_mode)  # noqa: PTH116
    except OSError:
        return ""


def _open_regular(path: str, flags: int) -> int:
    check_file(path)  # before it is opened: opening some devices does something
    descriptor = os.open(path, flags | NO_WAIT)
    try:
        _refuse_others(path, os.fstat(descriptor).st_mode)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_others(path: str, mode: int) -> None:
    if kind := _kind(mode):
        raise OSError(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, f"is {kind}, not a file", path)


def _kind(mode: int) -> str:
    return "" if stat.S_ISREG(mode) else next((name for is_kind, name in KINDS if is_kind(mode)), "something else")


def cache_folder() -> Path:
    """``$VISIONKIT_CACHE``, else the user's cache folder of this system; it is safe to delete at any time.

    Where nothing can be written there, it is a folder for temporary files, which one line says.

    Raises:
        OSError: ``$VISIONKIT_CACHE`` names the home folder of somebody who has none.
    """
    named = os.environ.get("VISIONKIT_CACHE")
    folder = home_expanded(named) if named else platformdirs.user_cache_dir("visionkit")
    is_homeless = not named and folder.startswith("~")
    return _writable_cache("" if is_homeless else str(Path(folder).absolute()))


def home_expanded(path: str | Path) -> str:
    """The path, with the user's home folder in the place of ``~/``, which shells leave in ``--out=~/run``.

    Raises:
        OSError: the user has no home folder.
    """
    path = os.fspath(path)
    if path != "~" and not path.startswith("~/"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError as error:
        raise OSError(errno.ENOENT, "there is no home folder for ~; set HOME, or give the whole path", path) from error


def resolved(path: str | Path, option: str = "") -> Path:
    """The absolute path, with ``~`` expanded and all links followed.

    Args:
        path: what somebody named; it may be missing.
        option: what named it, for the error, such as "--out".

    Raises:
        UserError: it is empty, or has a link that leads to itself.
        OSError: the user has no home folder.
    """
    named = f"{option} {path}".strip()
    if not os.fspath(path):
        raise UserError(f"{option or 'A path'} is empty; expected the path of a file or folder, such as . for this folder.")
    try:
        whole = Path(home_expanded(path)).resolve()
        whole.exists()
    except (RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise
        raise UserError(f"{named}: it has a link that leads back to itself; remove the link, or name another path.") from error
    return whole


def arguments_expanded(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command line, in which ``~/x`` and ``--option=~/x`` name the user's home folder.

    Raises:
        UserError: an argument is empty, as it is where a variable of a script is not set: it would name the working folder.
        OSError: the user has none.
    """
    expanded = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        if not value and (equals or not option):
            place = option or (f"after {before}" if before else "the first one")
            raise UserError(f"An argument is empty ({place}); expected a value. Is a variable of your script not set?")
        expanded.append(f"{option}{equals}{home_expanded(value)}")
    return expanded


@functools.cache
def _writable_cache(folder: str) -> Path:
    """The folder, which may be missing; or one for temporary files, of this user alone, if it cannot be written."""
    existing = Path(folder) if folder else Path(os.devnull)
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Path(folder)
    instead = Path(tempfile.gettempdir(), f"visionkit-{getattr(os, 'getuid', int)()}")
    try:
        instead.mkdir(mode=0o700)
    except FileExistsError:
        found = instead.lstat()  # not a link, nor a folder that somebody else has filled
        if not stat.S_ISDIR(found.st_mode) or (os.name == "posix" and (found.st_uid != os.getuid() or found.st_mode & 0o077)):
            instead = Path(tempfile.mkdtemp(prefix="visionkit-"))
    print(f"The cache {folder or 'of this user'} cannot be written; {instead} is used instead.", file=sys.stderr)
    return instead


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the system that come from writing name a file or folder: a write that fails does not know its file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def write_atomically(path: Path, contents: bytes) -> None:
    """Write beside ``path`` and rename, so that no reader ever sees half a file, also after a crash of the machine.

    Raises:
        OSError: the disk is full, the folder cannot be written, or a device, a pipe or a folder has this name; ``path`` is as
            it was, and nothing is left beside it.
    """
    beside = path.with_name(f".{path.name}.unfinished")
    refuse_special(path)
    refuse_special(beside)  # a pipe would wait for a reader
    try:
        with naming(path):
            beside.write_bytes(contents)
            sync(beside)
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the first error says what is wrong
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in (None, str(beside)):
            error.filename = str(path)  # a full disk does not say which file
        raise


def refuse_special(path: Path) -> None:
    """Refuse to replace what is no regular file, also by way of a link: ``os.replace`` would put a file in its place.

    Raises:
        OSError: it is a device, a pipe, a socket or a folder; ``strerror`` says so.
    """
    if kind := kind_of_file(path):
        raise OSError(errno.EINVAL, f"is {kind}, and is not replaced by a file", str(path))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk: else a later rename or deletion may be there before them.

    Raises:
        OSError: the disk is full.
    """
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":  # Windows opens no folders, and needs no such call
        return
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in (errno.EINVAL, errno.ENOTSUP):  # network drives sync no folders
            raise
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a file, a link, or a folder with all that it holds, if it is there.

    Raises:
        OSError: it cannot be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def reserve(descriptor: int, num_bytes: int) -> None:
    """Let an open file have its space at once. Some writers do not bear a full disk: one through a memory map, and HDF5.

    Raises:
        OSError: there is not so much space.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, num_bytes)
        return
    zeros = bytes(2**20)
    for start in range(0, num_bytes, len(zeros)):
        os.write(descriptor, zeros[: num_bytes - start])
