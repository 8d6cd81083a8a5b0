"""The memory that decoding images takes, over all threads: an image waits until what it takes is free.

A file of a few hundred kilobytes may hold 179 million pixels, and each core opens one.
"""

import ctypes
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

LARGEST = 5 * 2**29  # bytes for all images that are being decoded at once, and for one
SHARE = 0.25  # of the memory of the machine, where that is less
TRIMMED = 2**28  # bytes of one image, from which freed memory goes back to the system
LARGE_FILE = 2**26  # bytes; reading larger ones counts, too
DECODED_TO_FILE = 8  # bytes that a large file is taken to need for each of its own, before its header is known


class Budget:
    """So many bytes, which threads take and give back; one that asks for more than there are gets them alone."""

    def __init__(self, num_bytes: int):
        self._num_bytes = self._free = num_bytes
        self._changed = threading.Condition()
        self._thread = threading.local()

    @contextmanager
    def taken(self, num_bytes: int) -> Iterator[None]:
        """Wait until the bytes are free, and hold them; inside of ``kept``, until that ends.

        A thread that holds bytes already does not wait, since others may wait for those.
        """
        before = self._held()
        more = max(min(num_bytes, self._num_bytes) - before, 0)
        with self._changed:
            if before == 0:
                self._changed.wait_for(lambda: self._free >= more)
            self._free -= more
        _trimmed_for(more)
        self._thread.held = before + more
        try:
            yield
        finally:
            _trimmed_for(more)
            if not getattr(self._thread, "keeps", False):
                self._give_back(more)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Hold all that this thread takes inside until the end, since what it decoded is still in use."""
        if getattr(self._thread, "keeps", False):
            yield
            return
        before = self._held()
        self._thread.keeps = True
        try:
            yield
        finally:
            self._thread.keeps = False
            self._give_back(self._held() - before)

    def _held(self) -> int:
        return getattr(self._thread, "held", 0)

    def _give_back(self, num_bytes: int) -> None:
        self._thread.held = self._held() - num_bytes
        with self._changed:
            self._free += num_bytes
            self._changed.notify_all()


def _trimmed_for(num_bytes: int) -> None:
    """Give back what is free before much is taken, and after: else the C library keeps what Pillow freed, for each thread."""
    if num_bytes > TRIMMED and (trim := _trim()) is not None:
        trim(0)


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """Gives freed memory back to the system; None where the C library cannot."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None


@functools.cache
def decoding() -> Budget:
    """The budget of this process."""
    return Budget(min(LARGEST, int(SHARE * psutil.virtual_memory().total)))
