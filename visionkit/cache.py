"""Where visionkit keeps what it can make again: features, demonstration pictures. Safe to delete at any time."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """``$VISIONKIT_CACHE``, else the user's cache folder of this system."""
    return Path(os.environ.get("VISIONKIT_CACHE") or platformdirs.user_cache_dir("visionkit"))
