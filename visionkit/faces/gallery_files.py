"""The files of a gallery of faces; see ``gallery`` for the public interface.

    GALLERY/gallery.json             the model, the threshold, and the name of the current version
    GALLERY/version-<digits>/        people.json: names and numbers of templates; templates.npy: float32 (N, D)
    GALLERY/.lock                    held while writing

A version is never changed. A writer adds a new version, replaces ``gallery.json`` atomically and deletes the old version. So a
reader sees one complete version or the next, and a killed writer leaves the old one; whatever the next writer wants, it first
deletes the remains, since nothing else would ever reach the templates in them. Folder and files are closed to other users.
"""

import contextlib
import errno
import io
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from visionkit.errors import UserError
from visionkit.faces.names import by_person, canonical
from visionkit.files import LARGEST_TEXT, open_file, read_file, sync

FORM = 1  # version of the file format
VERSION = re.compile(r"version-[0-9a-f]{32}")
POINTER, UNFINISHED, LOCK = "gallery.json", ".gallery.json.unfinished", ".lock"
OWNER_FOLDER, OWNER_FILE = 0o700, 0o600  # modes: for the owner alone
LONGEST_HEADER = 4096  # bytes before the numbers in templates.npy; this module writes 128
WAIT = 60.0  # seconds that a writer waits for another one
IN_USE = 3.0  # seconds to retry on Windows while another program has a file open


class DamagedGalleryError(UserError):
    """The files of a gallery cannot be used."""

    def __init__(self, folder: Path, detail: object):
        super().__init__(f"{folder} is a damaged gallery: {detail}. Restore a copy, or delete the folder and enrol again.")


class GalleryMetadata(NamedTuple):
    """Model, dimensions and threshold of a gallery.

    Attributes:
        fingerprint: fingerprint of the model that made the embeddings; see ``default_model.fingerprint``.
        dimensions: D, numbers of an embedding.
        threshold: Euclidean distance up to which two faces belong to one person.
        model: path of the model; None for the default model.
    """

    fingerprint: str
    dimensions: int
    threshold: float
    model: str | None = None


class Version(NamedTuple):
    """One version in memory; never changed.

    Attributes:
        metadata: metadata of the gallery.
        name: name of its folder.
        counts: number of templates of each person, in the order of the rows.
        templates: float32 ``(N, D)``.
    """

    metadata: GalleryMetadata
    name: str
    counts: dict[str, int]
    templates: np.ndarray


def is_gallery(folder: Path) -> bool:
    """Whether the folder is a gallery, intact or damaged."""
    return (folder / POINTER).is_file()


def other_files(folder: Path) -> list[str]:
    """Names in a folder that do not belong to a gallery."""
    if not folder.is_dir():
        return []
    names = sorted(child.name for child in folder.iterdir())
    return [name for name in names if name not in (POINTER, UNFINISHED, LOCK) and not VERSION.fullmatch(name)]


@contextlib.contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Lock out other writers, delete what killed ones left, and close the gallery to other users.

    Raises:
        UserError: another program has been writing for a minute.
    """
    lock = FileLock(folder / LOCK, mode=OWNER_FILE)
    try:
        lock.acquire(timeout=WAIT)
    except Timeout:
        raise UserError(f"{folder}: another program has been writing this gallery for {WAIT:.0f} s; try again later.") from None
    try:
        _delete_remains(folder)
        _close_to_others(folder)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def room_needed(folder: Path, kept: str) -> Iterator[None]:
    """Say what was kept, and how to go on, where the disk is full.

    Raises:
        OSError: the disk is full; ``strerror`` says all that.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(error.errno, f"{error.strerror}; {kept}", str(folder)) from error


def discard(folder: Path) -> None:
    """Delete a gallery's files but its lock. Requires the lock of ``one_writer``."""
    (folder / POINTER).unlink()
    sweep(folder, "")


def remove_unused(folder: Path) -> None:
    """Delete a folder that has become no gallery, with its lock, unless it holds anything else."""
    if is_gallery(folder):
        return
    with contextlib.suppress(OSError):
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()


def read_pointer(folder: Path) -> tuple[GalleryMetadata, str]:
    """Read ``gallery.json``: the metadata, and the name of the current version.

    Raises:
        UserError: there is no gallery, or a later visionkit made it.
        DamagedGalleryError: the file cannot be used.
    """
    try:
        values = json.loads(read_file(folder / POINTER, LARGEST_TEXT))
        form, version = values["form"], values["version"]
        metadata = GalleryMetadata(*(values[name] for name in GalleryMetadata._fields))
    except FileNotFoundError:
        raise UserError(f"{folder} is no gallery: it has no {POINTER}. visionkit faces enrol creates one.") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedGalleryError(folder, f"{POINTER} cannot be used ({type(error).__name__}: {error})") from error
    if form != FORM:
        raise UserError(f"{folder} is a gallery of form {form!r}; this version of visionkit reads form {FORM}.")
    if not (
        isinstance(version, str)
        and VERSION.fullmatch(version)
        and isinstance(metadata.fingerprint, str)
        and type(metadata.dimensions) is int
        and metadata.dimensions > 0
        and type(metadata.threshold) in (int, float)
        and 0 < metadata.threshold < float("inf")
        and isinstance(metadata.model, str | None)
    ):
        raise DamagedGalleryError(folder, f"{POINTER} has invalid values")
    return metadata, version


def read_version(folder: Path) -> Version:
    """Read the current version; people that an earlier visionkit kept under two forms of their name are one person.

    Raises:
        UserError: there is no gallery, or a later visionkit made it.
        DamagedGalleryError: its files cannot be used.
    """
    missing = None
    while True:
        metadata, name = read_pointer(folder)
        try:
            counts = _read_people(folder, folder / name / "people.json")
            templates = _read_templates(folder, name, sum(counts.values()), metadata.dimensions)
            break
        except FileNotFoundError as error:  # a writer may just have replaced and deleted this version
            if name == missing:
                raise DamagedGalleryError(folder, f"{error.filename} is missing") from error
            missing = name
    if any(person != canonical(person) for person in counts):
        people = by_person(counts, templates)
        counts = {person: len(rows) for person, rows in people.items()}
        templates = np.concatenate(list(people.values()))
    return Version(metadata, name, counts, templates)


def write_version(folder: Path, metadata: GalleryMetadata, counts: dict[str, int], templates: np.ndarray) -> Version:
    """Write a version, make it the current one and delete all others. Requires the lock of ``one_writer``.

    Raises:
        OSError: the disk is full, or the folder cannot be written; the gallery is as it was, and nothing new is left in it.
    """
    version = Version(metadata, f"version-{uuid.uuid4().hex}", counts, templates)
    array = io.BytesIO()
    np.save(array, templates, allow_pickle=False)
    pointer = {"form": FORM, "version": version.name, **metadata._asdict()}
    try:
        (folder / version.name).mkdir(mode=OWNER_FOLDER)
        _write_through(folder / version.name / "templates.npy", array.getbuffer())
        _write_through(folder / version.name / "people.json", json.dumps(list(counts.items())).encode())
        _write_through(folder / UNFINISHED, json.dumps(pointer, indent=2).encode())
        sync(folder / version.name)
        sync(folder)
        _replace(folder / UNFINISHED, folder / POINTER)
        sync(folder)  # else the disk might have the deletion of the old version before the new pointer
    except BaseException as error:
        with contextlib.suppress(OSError, UserError):
            _delete_remains(folder)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(folder)  # a full disk does not say where it is
        raise
    sweep(folder, version.name)
    return version


def sweep(folder: Path, current: str, patience: float = 0.0) -> list[Path]:
    """Delete all versions but one.

    Args:
        folder: folder of the gallery.
        current: name of the version to keep.
        patience: seconds to retry.

    Returns:
        versions that could not be deleted: Windows deletes no file that another program has open.
    """
    deadline = time.monotonic() + patience
    while True:
        others = [child for child in folder.iterdir() if VERSION.fullmatch(child.name) and child.name != current]
        for other in others:
            shutil.rmtree(other, ignore_errors=True)
        remaining = [other for other in others if other.exists()]
        if not remaining or time.monotonic() >= deadline:
            return remaining
        time.sleep(0.05)


def _delete_remains(folder: Path) -> None:
    """Delete what a killed or failed writer left: all versions but the current one, and an unfinished pointer.

    Nothing is deleted from a damaged gallery: any version may be the one that a person restores.
    """
    (folder / UNFINISHED).unlink(missing_ok=True)
    if is_gallery(folder):
        current = read_pointer(folder)[1]
        if (folder / current).is_dir():
            sweep(folder, current)
    elif not (folder / POINTER).exists():
        sweep(folder, "")  # a writer was killed before the gallery existed


def _close_to_others(folder: Path) -> None:
    """Let the owner alone read a gallery, which another program, or an earlier visionkit, may have left open.

    Where the folder belongs to somebody else, the system refuses, and its owner decides.
    """
    versions = [child for child in folder.iterdir() if VERSION.fullmatch(child.name) and not child.is_symlink()]
    files = [folder / POINTER, folder / LOCK, *(file for version in versions for file in version.iterdir())]
    for path, mode in [(path, OWNER_FOLDER) for path in (folder, *versions)] + [(path, OWNER_FILE) for path in files]:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if path.stat().st_mode & 0o077:
                path.chmod(mode)


def _read_people(folder: Path, file: Path) -> dict[str, int]:
    try:
        people = json.loads(read_file(file, LARGEST_TEXT))
        counts = dict(people)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedGalleryError(folder, f"{file.name} cannot be used ({error})") from error
    is_valid = all(
        isinstance(name, str) and name.strip() and type(count) is int and count > 0 for name, count in counts.items()
    )
    if not is_valid or len(counts) != len(people):
        raise DamagedGalleryError(folder, f"{file.name} has people twice, or without a name or templates")
    return counts


def _read_templates(folder: Path, version: str, count: int, dimensions: int) -> np.ndarray:
    file = folder / version / "templates.npy"
    expected = count * dimensions * np.dtype(np.float32).itemsize
    try:
        if not expected <= file.stat().st_size <= expected + LONGEST_HEADER:  # else it may declare any shape
            raise ValueError(f"{file.stat().st_size:,} bytes for {count} templates")
        with open_file(file) as stream:
            templates = np.lib.format.read_array(stream, allow_pickle=False)
        if templates.shape != (count, dimensions) or templates.dtype != np.float32:
            raise ValueError(f"it should hold float32 ({count}, {dimensions})")
    except (ValueError, EOFError, MemoryError, OverflowError) as error:
        raise DamagedGalleryError(folder, f"{file.name} cannot be used ({error})") from error
    if not np.isfinite(templates).all():
        raise DamagedGalleryError(folder, f"{file.name} has numbers that are not finite")
    return np.ascontiguousarray(templates)


def _write_through(file: Path, contents: bytes | memoryview) -> None:
    """Write through to the disk: even if the power fails, no version may become current before its files are complete."""
    with open(file, "wb", opener=lambda path, flags: os.open(path, flags, OWNER_FILE)) as stream:
        stream.write(contents)
    sync(file)


def _replace(new: Path, old: Path) -> None:
    deadline = time.monotonic() + IN_USE
    while True:
        try:
            os.replace(new, old)
            return
        except PermissionError:  # on Windows, while another program reads the old file
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.02)
