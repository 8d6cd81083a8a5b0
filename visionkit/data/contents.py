"""The bytes of a picture, wherever an index says that it lies."""

from pathlib import Path


def read_contents(path: str | Path) -> bytes:
    """The encoded picture (or mask) that ``path`` of an index names.

    Raises:
        OSError: it is missing or cannot be read.
    """
    return Path(path).read_bytes()
