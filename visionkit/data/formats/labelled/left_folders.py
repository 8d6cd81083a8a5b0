"""Folders and files beside class folders that no class is made of, although they may hold images."""

from collections import Counter
from pathlib import Path

from PIL import Image

from visionkit.data.images.listing import files_in
from visionkit.data.index import Problem
from visionkit.data.split_names import SPLITS, TEXT_SUFFIXES, split_name
from visionkit.files import open_file

# Files of a folder that is not meant as a class: texts, code, annotations, models, archives.
NO_IMAGES = frozenset(
    [
        *TEXT_SUFFIXES,
        *(".py", ".pyc", ".ipynb", ".m", ".sh", ".bat", ".r", ".c", ".cpp", ".h", ".js", ".css", ".cfg", ".ini", ".toml"),
        *(".mat", ".pkl", ".pickle", ".jsonl", ".xls", ".xlsx", ".doc", ".docx", ".pdf", ".log", ".names", ".data", ".lst"),
        *(".pt", ".pth", ".h5", ".hdf5", ".keras", ".onnx", ".tflite", ".ckpt", ".weights", ".caffemodel", ".prototxt"),
        *(".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".arrow", ".parquet", ".tfrecord", ".labels", ".cat", ".md5"),
    ]
)
OPENED = 3  # files of each suffix
SUFFIXES = 10  # the most common ones of a folder; names such as subject01.glasses have many


def folder_without_images(folder: Path, others: list[Path]) -> Problem | None:
    """The problem that a folder beside class folders is no class, unless its files show that it is none.

    Args:
        folder: holds no file with the suffix of an image.
        others: all files in it.
    """
    if split_name(folder.name) in SPLITS:  # an empty one is reported as such
        return None
    if not others:
        detail = f"folder {folder.name}/ is empty: there are no images of such a class; add them or remove the folder"
        return Problem("unclear layout", str(folder), detail)
    counts = Counter(path.suffix.lower() for path in others)
    likely = [suffix for suffix in counts if suffix not in NO_IMAGES and (suffix or _images_among(others, ""))]
    if not likely:
        return None
    found = ", ".join(f"{counts[suffix]} {suffix or 'without suffix'}" for suffix in likely[:3])
    detail = f"folder {folder.name}/ has no images that can be read (files: {found}) and is not used as a class; "
    return Problem("unclear layout", str(folder), f"{detail}save them as JPEG or PNG, or remove the folder")


def images_without_suffix(folder: Path, others: list[Path]) -> Problem | None:
    """The problem that files in a class folder are images by their contents, but are left out for their suffixes."""
    counts = Counter(path.suffix.lower() for path in others)
    common = [suffix for suffix, _ in counts.most_common(SUFFIXES) if suffix not in NO_IMAGES]
    found = {suffix: example for suffix in common if (example := _images_among(others, suffix))}
    if not found:
        return None
    count = sum(counts[suffix] for suffix in found)
    example = next(iter(found.values()))
    detail = f"{count} files such as {example} are images by their contents, but do not have the suffix of an image that "
    return Problem("unclear layout", str(folder), f"{detail}can be read: they are left out. Rename or convert them")


def broken_links(folder: Path) -> list[Problem]:
    """A problem for each link in a folder that may have been a class folder, and leads nowhere."""
    names = (name for name in files_in(folder)[1] if not Path(name).suffix)
    broken = [folder / name for name in names if (folder / name).is_symlink() and not (folder / name).exists()]
    return [
        Problem("unclear layout", str(link), f"link {link.name} leads nowhere, to {link.readlink()}, and is not a class")
        for link in broken
    ]


def _images_among(files: list[Path], suffix: str) -> str:
    """The name of one of the first files with a suffix that is an image by its contents; "" if none is."""
    some = [path for path in files if path.suffix.lower() == suffix][:OPENED]
    return next((path.name for path in some if _is_image(path)), "")


def _is_image(path: Path) -> bool:
    try:
        with open_file(path) as file, Image.open(file):
            return True
    except (OSError, ValueError, Image.DecompressionBombError, SyntaxError):
        return False
