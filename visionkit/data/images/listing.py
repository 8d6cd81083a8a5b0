"""Which files are meant: all images below a folder, globs, single names; and work on many files by all cores."""

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from visionkit.data.images.decode import IMAGE_SUFFIXES, ImageError
from visionkit.data.index import SkippedFiles
from visionkit.errors import UserError

Result = TypeVar("Result")


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


def list_files(names: Iterable[str], in_folder: Callable[[Path], list[Path]] | None = None) -> list[str]:
    """Files, folders and globs as a list of files.

    A name that matches nothing stays in the list: it is then reported as unreadable, not lost.

    Args:
        names: of files, folders and globs.
        in_folder: lists a folder. Default: all images below it.
    """
    in_folder = in_folder or (lambda folder: list_images(folder)[0])
    files = []
    for name in names:
        if Path(name).is_dir():
            files += [str(path) for path in in_folder(Path(name))]
        elif not Path(name).exists() and glob.has_magic(name):
            files += sorted(glob.glob(name, recursive=True)) or [name]
        else:
            files.append(name)
    return files


def map_files(
    function: Callable[..., Result], paths: Sequence[str], skipped: SkippedFiles, description: str, *columns: Iterable
) -> list[Result | None]:
    """``function`` of each file, on all cores and in order, with a progress bar.

    Args:
        function: raises ``ImageError``, ``UserError`` or ``OSError`` where a file cannot be used.
        paths: the files.
        skipped: takes the files that cannot be used.
        description: of the progress bar.
        columns: further arguments of ``function``, one a file.

    Returns:
        the results; None for each file that cannot be used.
    """

    def call_or_skip(path: str, *values: Any) -> Result | None:
        try:
            return function(path, *values)
        except (ImageError, UserError, OSError) as error:
            skipped.add(path, str(error))
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(call_or_skip, paths, *columns)
        return list(tqdm(results, description, total=len(paths), unit=" images", leave=False))
