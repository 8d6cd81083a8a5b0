"""Images in class folders, in any of three layouts:

FOLDER/<class>/...                       one part of it is held out for validation
FOLDER/train/<class>/... and FOLDER/val/<class>/...
FOLDER/train.txt and FOLDER/val.txt      lines "path" (its folder is the class) or "path label"
"""

import glob
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from visionkit.data.images.decode import IMAGE_SUFFIXES


def list_images(folder: Path) -> tuple[list[Path], list[Path]]:
    """All images below ``folder``, by name, and the other files; hidden ones do not count.

    Links are followed; an image whose link leads nowhere is listed, for the scan to name it.
    """
    files, entered = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in entered:  # a link that leads back
            folders.clear()
            continue
        entered.add(real)
        folders[:] = [name for name in folders if not is_hidden(name)]
        files += [Path(parent, name) for name in names if not is_hidden(name)]
    files.sort()
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    return images, [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out: of the system, or of an archive."""
    return name.startswith((".", "__MACOSX"))


def expand(images: Iterable[str], list_files: Callable[[Path], list[Path]] | None = None) -> list[str]:
    """Files, folders (all images below them, or what ``list_files`` finds there) and globs, as a list of files.

    A name that matches nothing stays in the list: it is then reported as unreadable, not lost.
    """
    list_files = list_files or (lambda folder: list_images(folder)[0])
    files = []
    for name in images:
        if Path(name).is_dir():
            files += [str(path) for path in list_files(Path(name))]
        elif not Path(name).exists() and glob.has_magic(name):
            files += sorted(glob.glob(name, recursive=True)) or [name]
        else:
            files.append(name)
    return files
