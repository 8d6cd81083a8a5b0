"""The names of splits, as people write them, and the folders that have such a name."""

import os.path
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from visionkit.data.images.listing import files_in, list_images
from visionkit.data.index import Index, Problem

SPLITS = ("train", "val", "test")
# In order of preference, where a data set has two splits of one kind.
TRAIN_NAMES = (
    *("train", "training", "train_set", "training_set", "trainset"),
    *("entrenamiento", "entrainement", "entraînement", "treino"),
)
VAL_NAMES = (
    *("val", "valid", "validation", "dev", "eval", "val_set", "validation_set", "valset", "evaluation", "holdout", "validate"),
    *("validierung", "validacion", "validación", "validacao", "validação"),
)
TEST_NAMES = ("test", "testing", "test_set", "testset", "prueba", "teste")
SPLIT_WORDS = {
    word: split
    for split, words in zip(SPLITS, (TRAIN_NAMES, VAL_NAMES, TEST_NAMES), strict=True)
    for word in (*words, *(name.replace("_", "") for name in words))
}
# Words that may stand beside the word of a split: train_images, stage1_train, test-set, final_test, train_v2, images_val2017.
BESIDE_A_SPLIT = frozenset(
    [
        *("image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "data", "dataset", "set", "split"),
        *("list", "stage", "final", "v", "jpg", "jpeg", "png", "tif", "zip"),
    ]
)
TRAIN_AND_VAL = re.compile(r"(images?_)?train[\W_]*val(id|idation)?(_images?)?", re.IGNORECASE)  # not divided yet
MEASURING = ("val", "test")  # the splits that measure
WORDS = {"train": "training", "val": "validation"}  # for splits in sentences
WHOLE = "all"  # the name of the only split of a data set that is not split
TEXT_SUFFIXES = (".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".yaml", ".yml", ".html")  # of files that are no images
VAL_SHARE = 0.2  # share that is held out if the data has no validation split of its own


def split_name(name: str) -> str:
    """Train, val or test for the names that people give them; else the name itself.

    Letter case, numbers ("val2017", "test1", "Train (1)") and the words of ``BESIDE_A_SPLIT`` ("stage1_train",
    "training_images") do not matter; any other word ("training dog", "testament", "trainval") makes it no name of a split.
    """
    spaced = re.sub("(?<=[a-z])(?=[A-Z])", " ", name.strip())  # TrainImages
    words = [re.sub("[0-9]+$", "", word) for word in re.split(r"[\W_]+", spaced.lower())]
    words = [word for word in words if word and word not in BESIDE_A_SPLIT]
    return SPLIT_WORDS.get(words[0], name) if len(words) == 1 else name


def split_names(names: Iterable[str]) -> dict[str, str]:
    """The split that each of the names stands for, without those that stand for none.

    Words that all names begin or end with do not matter: "seg_train" and "seg_test" are splits. So are "rps" and "rps-test".
    """
    names = list(names)
    words = {name: re.split(r"[\W_]+", name.lower()) for name in names}
    first = min(names, key=len, default="")
    rest = {name: split_name(name[len(first) :]) for name in names if re.match(re.escape(first) + r"[\W_]", name)}
    if len(rest) == len(names) - 1 > 0 and set(rest.values()) <= set(MEASURING) and split_name(first) not in SPLITS:
        return {first: "train", **rest}
    start = end = 0
    if len(names) > 1:
        shortest = min(map(len, words.values()))
        while start < shortest - 1 and len({parts[start] for parts in words.values()}) == 1:
            start += 1
        while end < shortest - 1 - start and len({parts[-1 - end] for parts in words.values()}) == 1:
            end += 1
    found = {}
    for name, parts in words.items():
        split = split_name(name)
        if split not in SPLITS:
            split = split_name(" ".join(parts[start : len(parts) - end]))
        if split in SPLITS:
            found[name] = split
    return found


class SplitFolders(NamedTuple):
    """The folder of each split, in the order of ``SPLITS``; notes on folders that are not used; and those that lose images."""

    folders: dict[str, Path]
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


def split_folders(folders: Iterable[Path], holds_data: Callable[[Path], Any] | None = None) -> SplitFolders:
    """Those of the folders that are named like a split.

    Of several for one split, such as val/ and valid/, the first that holds data is chosen, in the order of the names above.
    Besides other splits, trainval/ is the folder of training images, if there is none of them alone.

    Args:
        folders: the subfolders of one folder.
        holds_data: whether there is anything in a folder that the reader can use; default: anything that is not hidden.
    """
    holds_data = cache(holds_data or is_not_empty)
    by_name = {child.name: child for child in sorted(folders) if child.is_dir()}
    found: dict[str, list[Path]] = {}
    for name, split in split_names(by_name).items():
        found.setdefault(split, []).append(by_name[name])
    undivided = [child for name, child in by_name.items() if TRAIN_AND_VAL.fullmatch(name)]
    if found and "train" not in found and undivided:
        found["train"] = undivided
    chosen, notes, problems = {}, [], []
    for split, names in zip(SPLITS, (TRAIN_NAMES, VAL_NAMES, TEST_NAMES), strict=True):
        candidates = sorted(found.get(split, []), key=lambda child: (not holds_data(child), _preference(child, names)))
        for child in candidates:
            if chosen.setdefault(split, child) == child:
                continue
            note = f"{child} is not used: {chosen[split].name}/ is the {split} split, too"
            numbered = split == "test" and all(each.name[-1:].isdecimal() for each in (child, chosen[split]))  # test1/, test2/
            if is_not_empty(child) and not numbered:
                detail = f"{note}; move the images into one folder, or remove one"
                problems.append(Problem("unclear layout", str(child), detail))
            else:
                notes.append(note)
    return SplitFolders(chosen, tuple(notes), tuple(problems))


def is_not_empty(folder: Path) -> bool:
    """Whether anything that is not hidden lies in a folder."""
    return any(files_in(folder))


def _preference(folder: Path, names: tuple[str, ...]) -> int:
    name = folder.name.strip().lower()
    return names.index(name) if name in names else len(names)


def split_order(name: str) -> tuple[int, str]:
    """Sort key of split names: train, val and test come first, then the others by name."""
    return (SPLITS.index(name) if name in SPLITS else len(SPLITS), name)


def split_of_path(path: str | Path, root: Path) -> str:
    """The split that a folder between ``root`` and a file is named after; ``WHOLE`` if none is."""
    try:
        folders = Path(path).parent.relative_to(root).parts
    except ValueError:
        return WHOLE
    return next((name for folder in folders if (name := split_name(folder)) in SPLITS), WHOLE)


def word_of(name: str) -> str:
    """A split in a sentence: "training", "validation", "test"; all data without splits serve for training."""
    return "training" if name == WHOLE else WORDS.get(name, name)


def training_split(splits: Iterable[str]) -> str | None:
    """The name of the split to train on; None if there is none."""
    names = list(splits)
    return next((name for name in ("train", WHOLE, "trainval") if name in names), names[0] if len(names) == 1 else None)


def place_of(index: Index, name: str) -> str:
    """The folder that holds the images of a split; the name of the split where they have none in common."""
    try:
        return os.path.commonpath({path.rpartition("/")[0] for path in index.paths}) or name
    except ValueError:  # no images, or absolute and relative paths
        return name


def empty_splits(splits: Mapping[str, Index]) -> tuple[Problem, ...]:
    """A problem for each split without images, besides others that have some."""
    if not any(map(len, splits.values())):
        return ()
    return tuple(
        Problem("unmeasurable split", name, f"there are no {word_of(name)} images: {_instead(name, splits)}")
        for name, index in splits.items()
        if not len(index)
    )


def empty_split_folders(folder: Path, splits: Mapping[str, Index]) -> tuple[Problem, ...]:
    """A problem for each folder of validation or test images that exists and holds no images, and that no reader used.

    Args:
        folder: of the data set.
        splits: what was read there.
    """
    problems = []
    for parent in (folder, folder / "images"):
        for child in (parent / name for name in files_in(parent)[2]):
            name = split_name(child.name)
            if name in MEASURING and name not in splits and _holds_no_data(child):
                detail = f"the folder of {word_of(name)} images holds none: {_instead(name, splits)}"
                problems.append(Problem("unmeasurable split", str(child), detail))
    return tuple(problems)


def _holds_no_data(folder: Path) -> bool:
    images, others = list_images(folder)
    return not images and all(file.suffix.lower() in TEXT_SUFFIXES for file in others)


def _instead(name: str, splits: Mapping[str, Index]) -> str:
    """What happens without the images of a split."""
    if name != "val":
        return "nothing can be learnt" if name == training_split(splits) else "nothing can be measured with them"
    instead = "the test images" if len(splits.get("test", ())) else f"{VAL_SHARE:.0%} of the training images"
    return f"{instead} measure in their place"
