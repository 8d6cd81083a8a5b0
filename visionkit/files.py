"""The cache folder, the place of a bundle's metadata, and the atomic writing of files."""

import json
import os
from pathlib import Path
from typing import Any

import platformdirs

BUNDLE_METADATA = Path("assets.extra", "bundle.json")  # in a bundle: task, labels, size, metrics


def cache_folder() -> Path:
    """``$VISIONKIT_CACHE``, else the user's cache folder of this system; it is safe to delete at any time."""
    return Path(os.environ.get("VISIONKIT_CACHE") or platformdirs.user_cache_dir("visionkit"))


def write_atomically(path: Path, contents: bytes) -> None:
    """Write beside ``path`` and rename, so that no reader ever sees half a file."""
    beside = path.with_name(f".{path.name}.unfinished")
    beside.write_bytes(contents)
    os.replace(beside, path)


def update_json(path: Path, **values: Any) -> None:
    """Add to the object in a JSON file, or replace some of its values, atomically."""
    contents = json.loads(path.read_text(encoding="utf-8")) | values
    write_atomically(path, json.dumps(contents, indent=2, ensure_ascii=False).encode())
