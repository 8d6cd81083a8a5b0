"""Where visionkit keeps what it can make again: features, demonstration images. Safe to delete at any time."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """``$VISIONKIT_CACHE``, else the user's cache folder of this system."""
    return Path(os.environ.get("VISIONKIT_CACHE") or platformdirs.user_cache_dir("visionkit"))


def write_atomically(path: Path, contents: bytes) -> None:
    """Write beside ``path`` and rename, so that no reader ever sees half a file."""
    beside = path.with_name(f".{path.name}.unfinished")
    beside.write_bytes(contents)
    os.replace(beside, path)
