"""Decoded images, kept from epoch to epoch: in memory, or on disk, where they fit.

Decoding is most of the work of an epoch. All images lie one after the other in one array of bytes, which is filled as they
are first decoded; on disk the file gets its name, by one rename, when the last image is in it. Behind the images lies a
checksum of each, which is compared when an image is first taken from the file. An image that is much
larger than the network's input is kept at 1/2, 1/4 or 1/8 of its sides, if that is enough for its smallest window.
"""

import hashlib
import os
import shutil
import tempfile
import threading
import time
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import psutil

from visionkit.data.images.decode import DECODER
from visionkit.data.index import Index
from visionkit.files import cache_folder, open_file, remove, reserve, sync

Where = Literal["auto", "memory", "disk", "none"]
MEMORY_SHARE = 0.3  # of the free memory; training needs the rest
DISK_SHARE = 0.3  # of the free disk space
LARGEST_ON_DISK = 1_000_000  # pixels of the mean image; windows of larger images are decoded faster than read
DAY = 24 * 3600  # seconds
CHECKSUM = np.dtype("<u4")  # CRC-32 of an image, in the file behind all images


class PixelCache:
    """The decoded images of one index; use ``open_cache``.

    Args:
        shapes: int ``(N, 2)``, heights and widths of the images as they are kept.
        ratios: int ``(N,)``, the factors by which they are shrunk.
        buffer: uint8, long enough for all images.
        checksums: uint32 ``(N,)`` of the images, if the buffer holds all of them already. An image that does not fit its
            checksum is decoded and stored anew.
        when_full: takes the checksums of all images; called once, when the last image is in.
        when_damaged: called once, at the first image that does not fit.
    """

    def __init__(
        self,
        shapes: np.ndarray,
        ratios: np.ndarray,
        buffer: np.ndarray,
        *,
        checksums: np.ndarray | None = None,
        when_full: Callable[[np.ndarray], None] = lambda checksums: None,
        when_damaged: Callable[[], None] = lambda: None,
    ):
        self.ratios = ratios
        self._shapes = [(height, width, 3) for height, width in shapes.tolist()]
        self._starts = np.concatenate([[0], np.cumsum(3 * shapes.prod(axis=1))]).tolist()
        self._buffer = buffer
        self._is_stored = np.full(len(shapes), checksums is not None)
        self._is_checked = np.full(len(shapes), checksums is None)
        self._is_damaged = False
        self._checksums = np.zeros(len(shapes), CHECKSUM) if checksums is None else checksums.copy()
        self._when_full, self._when_damaged = when_full, when_damaged
        self._lock = threading.Lock()

    def get(self, position: int) -> np.ndarray | None:
        """The image at a position of the index, read-only; None if it is not in the cache yet.

        Returns:
            uint8 ``(height / ratio, width / ratio, 3)``, rounded up.
        """
        if not self._is_stored[position]:
            return None
        slot = self._slot(position)
        if not self._is_checked[position] and not self._fits(position, slot):
            return None
        return slot

    def _fits(self, position: int, slot: np.ndarray) -> bool:
        """Compare an image of an earlier run with its checksum, once."""
        fits = zlib.crc32(slot) == self._checksums[position]
        with self._lock:
            is_first = not fits and not self._is_damaged
            self._is_damaged |= not fits
            if not self._is_checked[position]:
                self._is_checked[position], self._is_stored[position] = True, fits
        if is_first:
            self._when_damaged()
        return fits

    def keep(self, position: int, pixels: np.ndarray) -> None:
        """Store an image, shrunk by its ratio. An image of another size is not stored."""
        if pixels.shape != self._shapes[position] or self._is_stored[position]:
            return
        self._slot(position)[:] = pixels
        self._checksums[position] = zlib.crc32(np.ascontiguousarray(pixels))
        with self._lock:  # when several threads store the last images at the same time, only one of them is the last
            is_last = not self._is_stored[position] and np.count_nonzero(self._is_stored) == len(self._is_stored) - 1
            self._is_stored[position] = True
        if is_last:
            self._when_full(self._checksums)

    def at(self, positions: np.ndarray) -> "PixelCacheView":
        """The same images for an index of the samples at ``positions`` of this one, which may repeat."""
        return PixelCacheView(self, positions)

    def _slot(self, position: int) -> np.ndarray:
        return self._buffer[self._starts[position] : self._starts[position + 1]].reshape(self._shapes[position])


class PixelCacheView:
    """A ``PixelCache`` with the positions of another index; see ``PixelCache.at``."""

    def __init__(self, cache: PixelCache, positions: np.ndarray):
        self.ratios = cache.ratios[positions]
        self._cache, self._positions = cache, positions.tolist()

    def get(self, position: int) -> np.ndarray | None:
        """See ``PixelCache``."""
        return self._cache.get(self._positions[position])

    def keep(self, position: int, pixels: np.ndarray) -> None:
        """See ``PixelCache``."""
        self._cache.keep(self._positions[position], pixels)


def open_cache(
    index: Index, where: Where = "auto", *, ratios: np.ndarray | None = None, note: Callable[[str], None] = print
) -> PixelCache | None:
    """Open a cache for an index, if one is requested and fits.

    Args:
        index: a scanned index.
        ratios: int ``(N,)``, by which images may be shrunk for all epochs; see ``parameters.lasting_ratios``. Default: 1.
        where: "auto" chooses memory if the images fill at most ``MEMORY_SHARE`` of what is free, else the disk under the
            same condition if they are small, else none.
        note: takes a sentence on what was chosen, and why.

    Returns:
        the cache, or None without one.
    """
    ratios = np.ones(len(index), int) if ratios is None else ratios
    shapes = -(-index.shapes // ratios[:, None])
    num_bytes = int(3 * shapes.prod(axis=1).sum())
    free = psutil.virtual_memory().available
    shrunk = f" ({np.count_nonzero(ratios > 1)} of them shrunk, as no window needs more)" if (ratios > 1).any() else ""
    if where == "auto":
        where, reason = _choose(index, num_bytes, free)
        note(f"{len(index)} decoded images{shrunk} take {num_bytes / 1e6:,.0f} MB: {reason}.")
    if where == "none" or len(index) == 0:
        return None
    if where == "memory":
        return PixelCache(shapes, ratios, np.empty(num_bytes, np.uint8))
    return _on_disk(index, shapes, ratios, note)


def _choose(index: Index, num_bytes: int, free: int) -> tuple[Where, str]:
    if num_bytes <= MEMORY_SHARE * free:
        return "memory", f"kept in memory, of which {free / 1e9:.1f} GB are free"
    if num_bytes / 3 / len(index) > LARGEST_ON_DISK:
        return "none", "too much for the memory, and so large that decoding a part of each is faster than reading it from disk"
    folder = cache_folder() / "pixels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return "none", f"too much for the memory, and {folder} cannot be made ({error.strerror}), decoded anew in each epoch"
    if num_bytes <= DISK_SHARE * shutil.disk_usage(folder).free:
        return "disk", f"too much for the memory, kept in {folder}"
    return "none", "too much for memory and disk, decoded anew in each epoch"


def _on_disk(index: Index, shapes: np.ndarray, ratios: np.ndarray, note: Callable[[str], None]) -> PixelCache | None:
    num_bytes = int(3 * shapes.prod(axis=1).sum())
    contents = "".join(f"{info.digest}/{ratio}" for info, ratio in zip(index.infos, ratios.tolist(), strict=True))
    key = hashlib.blake2b(f"{DECODER}/{contents}".encode(), digest_size=16).hexdigest()
    path = cache_folder() / "pixels" / f"{key}.uint8"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        checksums = _stored_checksums(path, num_bytes, len(index))
        if checksums is not None:
            buffer = np.memmap(path, np.uint8, "c", shape=(num_bytes,))  # what is decoded anew stays in memory

            def damaged():
                path.unlink(missing_ok=True)
                note(f"{path} is damaged: images in it are decoded anew, and the next run makes the file anew.")

            return PixelCache(shapes, ratios, buffer, checksums=checksums, when_damaged=damaged)
        if os.path.lexists(path):
            note(f"{path} is damaged, or no file: it is made anew.")
            remove(path)
        return _new_file(path, shapes, ratios, note)
    except OSError as error:
        note(f"Decoded images are not kept in {path.parent} ({error.strerror}): they are decoded anew in each epoch.")
        return None


def _stored_checksums(path: Path, num_bytes: int, count: int) -> np.ndarray | None:
    """The checksums behind the images of a finished file; None where there is no whole file."""
    if not path.is_file() or path.stat().st_size != num_bytes + count * CHECKSUM.itemsize:
        return None
    with open_file(path) as file:
        file.seek(num_bytes)
        return np.frombuffer(file.read(), CHECKSUM)


def _new_file(path: Path, shapes: np.ndarray, ratios: np.ndarray, note: Callable[[str], None]) -> PixelCache:
    """A cache whose file gets its name when it is full.

    Raises:
        OSError: the disk has no space for all images.
    """
    num_bytes = int(3 * shapes.prod(axis=1).sum())
    handle, name = tempfile.mkstemp(prefix=".unfinished-", dir=path.parent)
    try:
        reserve(handle, num_bytes + len(shapes) * CHECKSUM.itemsize)
        buffer = np.memmap(name, np.uint8, "r+", shape=(num_bytes,))
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    finally:
        os.close(handle)
    cleaner = weakref.finalize(buffer, Path(name).unlink, missing_ok=True)

    def finish(checksums: np.ndarray):
        try:
            buffer.flush()
            with Path(name).open("r+b") as file:
                file.seek(num_bytes)
                file.write(checksums.tobytes())
            sync(Path(name))
            Path(name).replace(path)
            cleaner.detach()
        except OSError as error:
            note(f"Decoded images are not kept for other runs in {path} ({error.strerror}).")

    return PixelCache(shapes, ratios, buffer, when_full=finish)


def _sweep(folder: Path) -> None:
    """Remove unfinished files of killed runs; younger files may belong to a running one."""
    for file in folder.glob(".unfinished-*"):
        if time.time() - file.stat().st_mtime > DAY:
            file.unlink(missing_ok=True)
