"""Lists of files from folders, globs and names; and a function that is mapped over many files on all cores."""

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from visionkit.data.images.decode import IMAGE_SUFFIXES, ImageError
from visionkit.data.index import SkippedFiles
from visionkit.errors import UserError
from visionkit.progress import bar

# Usual names of the folder that holds the images, in order of preference.
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "leftimg8bit")
# Left by Windows, Linux and network storage; names that begin with a dot are hidden anyway.
OF_THE_SYSTEM = frozenset(
    [
        *("@eadir", "#recycle", "#snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found"),
        *("thumbs.db", "ehthumbs.db", "desktop.ini"),
    ]
)


def list_images(
    folder: Path,
    *,
    within: Path | None = None,
    not_followed: list[Path] | None = None,
    unreadable: list[Path] | None = None,
) -> tuple[list[Path], list[Path]]:
    """All images below ``folder``, by name, and the other files; hidden ones are left out.

    Links to folders elsewhere are followed. Those that lead back are not, since their images would be listed twice: to a folder
    that the link lies in, or into the data set. An image whose link leads nowhere is listed, so that the scan reports it.

    Args:
        folder: the folder.
        within: the folder of the data set, if ``folder`` is a part of it.
        not_followed: collects the links to folders that are not followed.
        unreadable: collects the folders that cannot be listed, such as those of others.
    """

    def collect(error: OSError) -> None:
        if unreadable is not None:
            unreadable.append(Path(error.filename))

    files, visited = [], set()
    root = os.path.realpath(within or folder)
    for parent, folders, names in os.walk(folder, onerror=collect, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:  # a second link to a folder elsewhere
            if not_followed is not None:
                not_followed.append(Path(parent))
            folders.clear()
            continue
        visited.add(real)
        back = {name for name in folders if leads_back(os.path.join(parent, name), root)}  # noqa: PTH118 - fast
        if not_followed is not None:
            not_followed += [Path(parent, name) for name in sorted(back) if not is_hidden(name)]
        folders[:] = sorted(name for name in folders if name not in back and not is_hidden(name))
        files += [Path(parent, name) for name in names if not is_hidden(name)]
    files.sort()
    images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    return images, [path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES]


def files_in(folder: Path) -> tuple[list[str], list[str], list[str]]:
    """The names of the images, other files and folders directly in a folder, without hidden ones, sorted."""
    images, others, folders = [], [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_hidden(entry.name):
                    continue
                is_image = os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a Path costs more
                (folders if entry.is_dir() else images if is_image else others).append(entry.name)
    except OSError:
        pass
    return sorted(images), sorted(others), sorted(folders)


def image_folders(folder: Path) -> list[Path]:
    """The subfolders that are named like those that hold images, in the order of ``IMAGE_FOLDERS``."""
    by_name = {name.lower(): name for name in files_in(folder)[2]}
    return [folder / by_name[name] for name in IMAGE_FOLDERS if name in by_name]


def leads_back(path: str | Path, root: str | Path) -> bool:
    """Whether a path is a link to a folder that it lies in, or that lies in the folder ``root`` or holds it."""
    if not os.path.islink(path):  # noqa: PTH114 - fast
        return False
    target, root = os.path.realpath(path), os.path.realpath(root)
    place = os.path.realpath(os.path.dirname(path))  # noqa: PTH120
    return is_inside(place, target) or is_inside(root, target) or is_inside(target, root)


def is_inside(path: str, folder: str) -> bool:
    """Whether a path is that of the folder, or of something in it; both without links."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is left out, since the system or an archiver made it."""
    return name.startswith((".", "__MACOSX")) or name.lower() in OF_THE_SYSTEM


def list_files(names: Iterable[str], in_folder: Callable[[Path], list[Path]] | None = None) -> list[str]:
    """Expand files, folders and globs to a list of files.

    A name that matches nothing stays in the list, and so does a folder below one that cannot be listed: they are then reported
    as unreadable, not lost.

    Args:
        names: files, folders and globs.
        in_folder: lists the files of a folder. Default: all images below it.
    """
    files: list[str] = []
    for name in names:
        if Path(name).is_dir():
            unreadable: list[Path] = []
            images, _ = list_images(Path(name), unreadable=unreadable)
            found = images if in_folder is None else in_folder(Path(name))
            files += [str(path) for path in (*found, *unreadable)]
        elif not Path(name).exists() and glob.has_magic(name):
            files += sorted(glob.glob(name, recursive=True)) or [name]
        else:
            files.append(name)
    return files


def map_files(
    function: Callable[..., Any],
    paths: Sequence[str],
    skipped: SkippedFiles,
    description: str,
    *columns: Iterable,
    then: Callable[[Any], Any] = lambda result: result,
) -> list[Any | None]:
    """Call ``function`` for each file, on all cores and in order, with a progress bar.

    Args:
        function: raises ``ImageError``, ``UserError`` or ``OSError`` where a file cannot be used.
        paths: the files.
        skipped: collects the files that cannot be used.
        description: text of the progress bar.
        columns: further arguments of ``function``, with one value per file.
        then: called with each result of ``function``, on the same core; its errors are not taken for those of a file.

    Returns:
        the results; None for each file that cannot be used.
    """

    def call_or_skip(path: str, *values: Any) -> Any | None:
        try:
            result = function(path, *values)
        except (ImageError, UserError, OSError) as error:
            skipped.add(path, str(error))
            return None
        return then(result)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(call_or_skip, paths, *columns)
        return list(bar(results, description, total=len(paths), unit=" images"))
