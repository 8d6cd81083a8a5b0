"""Images without class folders, whose names begin with their class: ``cat.0.jpg``, ``dog_12.jpg``, ``cat (3).jpg``.

FOLDER/train/cat.0.jpg, FOLDER/test1/1.jpg      as in Kaggle's Dogs vs. Cats; a split whose names say nothing has no labels
FOLDER/cat.0.jpg                                a guess, which is reported: the words may be places, cameras or videos
"""

import re
from pathlib import Path

from visionkit.data.formats.class_folders import index_of_files, visible_folders
from visionkit.data.formats.labelled.evidence import refuse_pairs
from visionkit.data.images.listing import files_in
from visionkit.data.index import DataError, Problem, natural_order
from visionkit.data.split_names import WHOLE, is_not_empty, split_folders, split_names
from visionkit.data.splits import DataSet

NAME = re.compile(r"(?P<label>.*?[^\W\d_].*?)(?:[._\- ]+\d+|\s*\(\d+\))")  # a label with a letter, then a number
# Names that cameras and programs give, and of what is no class: several patients, videos or sides.
GENERIC_WORDS = frozenset(
    [
        *("img", "image", "images", "im", "pic", "picture", "photo", "dsc", "dscn", "dscf", "pxl", "vid", "screenshot", "scan"),
        *("frame", "file", "sample", "train", "val", "valid", "test", "unknown", "mask", "label", "page", "slide", "tile"),
        *("patch", "crop", "video", "clip", "cam", "camera", "left", "right", "copy", "untitled", "whatsapp", "at", "of"),
        *("patient", "subject", "sub", "case", "slice", "scene", "seq", "sequence", "shot", "view", "id", "stack", "volume"),
        *("mvi", "dji", "gx", "gopr", "gp", "gopro", "mov", "movie", "dcim", "rimg", "sam", "hpim", "cimg", "imag", "burst"),
        *("front", "back", "rear", "top", "bottom", "side", "up", "down", "center", "centre", "middle", "depth", "rgb", "ir"),
    ]
)
FEWEST = 2  # classes, and images of each
SURE = re.compile(r"[^\W\d_]+\.\d+")  # in train/: Kaggle's cat.0.jpg

Files = dict[str, list[Path]]


def looks_like_flat_names(folder: Path) -> bool:
    """Whether all names of the images of training, or in a folder without others, are a class and a number."""
    return bool(_splits(folder)[0])


def read_flat_names(folder: str | Path) -> DataSet:
    """Index a folder of the layout above.

    Raises:
        DataError: names are not classes with numbers.
    """
    folder = Path(folder)
    splits, notes, problems = _splits(folder)
    if not splits:
        raise DataError(
            f"{folder}: expected names of a class and a number, such as cat.0.jpg and dog.0.jpg, in it or in train/."
        )
    for files in splits.values():
        refuse_pairs(folder, files)
    class_names = tuple(sorted(set().union(*splits.values()), key=natural_order))
    shown = f"labels are the beginnings of the file names: {', '.join(class_names[:5])}{', ...' * (len(class_names) > 5)}"
    names = (path.stem for files in splits.values() for paths in files.values() for path in paths)
    if "train" in splits and all(map(SURE.fullmatch, names)):
        notes.append(shown)
    else:
        remedy = "if these are no classes, such as places, videos or cameras, label the images with class folders or a table"
        problems += (Problem("unclear layout", str(folder), f"{shown}; {remedy}"),)
    indexes = {split: index_of_files(class_names, files) for split, files in splits.items()}
    return DataSet(indexes, tuple(notes), problems, "labels in file names")


def _splits(folder: Path) -> tuple[dict[str, Files], list[str], tuple[Problem, ...]]:
    """The images of each class in each split, notes and problems; no splits if the layout is another."""
    notes: list[str] = []
    children = visible_folders(folder, notes)
    images, others, _ = files_in(folder)
    if len(children) == 1 and not images:
        return _splits(children[0])
    if not any(map(is_not_empty, children)):
        files = _classes(folder, images)
        return ({WHOLE: files} if _are_sure(files, others) else {}), notes, ()
    found = split_folders(children, lambda child: _classes(_unwrapped(child)))
    train = _unwrapped(found.folders["train"]) if "train" in found.folders and not images else None
    if train is None or not _are_sure(_classes(train), files_in(train)[1]):
        return {}, notes, ()
    splits: dict[str, Files] = {}
    named = split_names(child.name for child in children)
    unused = [child.name for child in children if child.name not in named]
    for split, child in found.folders.items():
        place = _unwrapped(child)
        images = files_in(place)[0]
        files = _classes(place, images)
        if files and set(files) <= set(splits.get("train", files)):
            splits[split] = files
        elif images:
            notes.append(f"{child.name}/ is not used: the names of its {len(images)} images are no classes of train")
        else:
            unused.append(child.name)
    notes += [*found.notes, *([f"not used: {', '.join(unused)}"] if unused else [])]
    return splits, notes, found.problems


def _unwrapped(folder: Path) -> Path:
    """The folder; or the only one in it, if the images are there: train/train/cat.0.jpg."""
    children = visible_folders(folder, [])
    return children[0] if len(children) == 1 and not files_in(folder)[0] and files_in(children[0])[0] else folder


def _classes(folder: Path, images: list[str] | None = None) -> Files:
    """Class -> images of a folder, if the names of all are a class and a number; else nothing."""
    files: Files = {}
    for name in files_in(folder)[0] if images is None else images:
        path = folder / name
        match = NAME.fullmatch(path.stem)
        label = match["label"].strip(" ._-") if match else ""
        words = re.findall(r"[^\W\d_]+", label.lower())
        if re.search(r"\d", label) or all(word in GENERIC_WORDS for word in words):  # a second number counts places or videos
            return {}
        files.setdefault(label, []).append(path)
    return files


def _are_sure(files: Files, others: list[str]) -> bool:
    """Whether there are several classes with several images each, and none of the other files belongs to an image."""
    if len(files) < FEWEST or min(map(len, files.values())) < FEWEST:
        return False
    images = [path for paths in files.values() for path in paths]
    stems = {path.stem for path in images}
    return len(stems) == len(images) and stems.isdisjoint(Path(name).stem for name in others)
