"""The files of a gallery of faces; ``gallery`` is what to use.

    GALLERY/gallery.json             the model, the threshold, and which version counts
    GALLERY/version-<digits>/        people.json: names, and how many templates each has; templates.npy: float32 (N, D)
    GALLERY/.lock                    held by the one who writes

A version is never changed. A writer makes another one beside it, replaces ``gallery.json`` in one step and deletes the old
version. So a reader sees one whole version or the next, and a killed writer leaves the old one; what else it leaves, the next
writer deletes.
"""

import contextlib
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

FORM = 1  # of the files
VERSION = re.compile(r"version-[0-9a-f]{32}")
POINTER, UNFINISHED, LOCK = "gallery.json", ".gallery.json.unfinished", ".lock"
LONGEST_HEADER = 4096  # bytes before the numbers in templates.npy; in ours there are 128
WAIT = 60.0  # seconds for which a writer waits for another one
IN_USE = 3.0  # seconds for which Windows is asked again for what another program has open


class DamagedGalleryError(UserError):
    """Files of a gallery that cannot be used."""

    def __init__(self, folder: Path, detail: object):
        super().__init__(f"{folder} is a damaged gallery: {detail}. Restore a copy, or delete the folder and enrol again.")


class GalleryMetadata(NamedTuple):
    """What a gallery is for.

    Attributes:
        fingerprint: of the model whose embeddings it holds; see ``face_model.fingerprint``.
        dimensions: D of those embeddings.
        threshold: Euclidean distance up to which two faces are one person's.
        model: where that model lies; None: it is made from an installed package.
    """

    fingerprint: str
    dimensions: int
    threshold: float
    model: str | None = None


class Version(NamedTuple):
    """One version in memory; never changed.

    Attributes:
        metadata: what the gallery is for.
        name: of its folder.
        counts: how many templates each person has, in the order of the rows.
        templates: float32 ``(N, D)``.
    """

    metadata: GalleryMetadata
    name: str
    counts: dict[str, int]
    templates: np.ndarray


def is_gallery(folder: Path) -> bool:
    """Whether a gallery stands there, whole or damaged."""
    return (folder / POINTER).is_file()


def other_files(folder: Path) -> list[str]:
    """Names in a folder that no gallery has."""
    if not folder.is_dir():
        return []
    names = sorted(child.name for child in folder.iterdir())
    return [name for name in names if name not in (POINTER, UNFINISHED, LOCK) and not VERSION.fullmatch(name)]


@contextlib.contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """Nobody else writes meanwhile.

    Raises:
        UserError: another one has been writing for a minute.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=WAIT)
    except Timeout:
        raise UserError(f"{folder}: another program has been writing this gallery for {WAIT:.0f} s; try again later.") from None
    try:
        yield
    finally:
        lock.release()


def read_pointer(folder: Path) -> tuple[GalleryMetadata, str]:
    """What ``gallery.json`` says: the facts, and the name of the version that counts.

    Raises:
        UserError: there is no gallery, or a later visionkit made it.
        DamagedGalleryError: the file cannot be used.
    """
    try:
        said = json.loads((folder / POINTER).read_bytes())
        form, version = said["form"], said["version"]
        metadata = GalleryMetadata(*(said[name] for name in GalleryMetadata._fields))
    except FileNotFoundError:
        raise UserError(f"{folder} is no gallery: it has no {POINTER}. visionkit faces enrol makes one.") from None
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
        raise DamagedGalleryError(folder, f"{POINTER} says what cannot be")
    return metadata, version


def read_version(folder: Path) -> Version:
    """The version that counts.

    Raises:
        UserError: there is no gallery, or a later visionkit made it.
        DamagedGalleryError: its files cannot be used.
    """
    missed = None
    while True:
        metadata, name = read_pointer(folder)
        try:
            counts = _read_people(folder, folder / name / "people.json")
            return Version(metadata, name, counts, _read_templates(folder, name, sum(counts.values()), metadata.dimensions))
        except FileNotFoundError as error:  # a writer has deleted it meanwhile, and another one counts
            if name == missed:
                raise DamagedGalleryError(folder, f"{error.filename} is missing") from error
            missed = name


def write_version(folder: Path, metadata: GalleryMetadata, counts: dict[str, int], templates: np.ndarray) -> Version:
    """Make a version and let it count; all others are deleted. Only for the one writer."""
    if is_gallery(folder):
        sweep(folder, read_pointer(folder)[1])
    made = Version(metadata, f"version-{uuid.uuid4().hex}", counts, templates)
    (folder / made.name).mkdir(mode=0o700)
    array = io.BytesIO()
    np.save(array, templates, allow_pickle=False)
    _write_through(folder / made.name / "templates.npy", array.getbuffer())
    _write_through(folder / made.name / "people.json", json.dumps(list(counts.items())).encode())
    _write_through(
        folder / UNFINISHED, json.dumps({"form": FORM, "version": made.name, **metadata._asdict()}, indent=2).encode()
    )
    _replace(folder / UNFINISHED, folder / POINTER)
    sweep(folder, made.name)
    return made


def sweep(folder: Path, kept: str, patience: float = 0.0) -> list[Path]:
    """Delete all versions but one.

    Args:
        folder: the gallery.
        kept: the version's name.
        patience: seconds for which it is tried.

    Returns:
        what is still there: Windows deletes no file that another program has open.
    """
    until = time.monotonic() + patience
    while True:
        others = [child for child in folder.iterdir() if VERSION.fullmatch(child.name) and child.name != kept]
        for other in others:
            shutil.rmtree(other, ignore_errors=True)
        left = [other for other in others if other.exists()]
        if not left or time.monotonic() >= until:
            return left
        time.sleep(0.05)


def _read_people(folder: Path, file: Path) -> dict[str, int]:
    try:
        people = json.loads(file.read_bytes())
        counts = dict(people)
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedGalleryError(folder, f"{file.name} cannot be used ({error})") from error
    sound = all(isinstance(name, str) and type(count) is int and count > 0 for name, count in counts.items())
    if not sound or len(counts) != len(people):
        raise DamagedGalleryError(folder, f"{file.name} has people twice, or without a name or templates")
    return counts


def _read_templates(folder: Path, version: str, count: int, dimensions: int) -> np.ndarray:
    file = folder / version / "templates.npy"
    expected = count * dimensions * np.dtype(np.float32).itemsize
    try:
        if not expected <= file.stat().st_size <= expected + LONGEST_HEADER:  # before memory is taken for what it declares
            raise ValueError(f"{file.stat().st_size:,} bytes for {count} templates")
        with file.open("rb") as opened:
            templates = np.lib.format.read_array(opened, allow_pickle=False)
        if templates.shape != (count, dimensions) or templates.dtype != np.float32:
            raise ValueError(f"it should hold float32 ({count}, {dimensions})")
    except (ValueError, EOFError, MemoryError, OverflowError) as error:
        raise DamagedGalleryError(folder, f"{file.name} cannot be used ({error})") from error
    if not np.isfinite(templates).all():
        raise DamagedGalleryError(folder, f"{file.name} has numbers that are not finite")
    return np.ascontiguousarray(templates)


def _write_through(file: Path, contents: bytes | memoryview) -> None:
    """Write to the disk itself: a version must not count before it is there, also where the power fails."""
    with file.open("wb") as opened:
        opened.write(contents)
        opened.flush()
        os.fsync(opened.fileno())


def _replace(new: Path, old: Path) -> None:
    until = time.monotonic() + IN_USE
    while True:
        try:
            os.replace(new, old)
            return
        except PermissionError:  # Windows, while someone is reading the old file
            if time.monotonic() >= until:
                raise
            time.sleep(0.02)
