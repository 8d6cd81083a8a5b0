"""The labels of Oxford-IIIT Pet; ``mask_folders`` reads its trimaps.

FOLDER/images/Abyssinian_100.jpg
FOLDER/annotations/trainval.txt, test.txt      lines "Abyssinian_100 1 1 1": image, class from 1, species (1 cat, 2 dog), breed
"""

from collections import Counter
from pathlib import Path

import numpy as np

from visionkit.data.formats.annotation_files import brief
from visionkit.data.images.contents import read_text
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import list_images
from visionkit.data.index import DataError, Index, Problem
from visionkit.data.splits import DataSet

LISTS = {"train": "annotations/trainval.txt", "test": "annotations/test.txt"}


def looks_like_pets(folder: Path) -> bool:
    """Whether a folder has images, and the list for training with lines such as "Abyssinian_100 1 1 1"."""
    file = folder / LISTS["train"]
    if not file.is_file() or not (folder / "images").is_dir():
        return False
    try:
        lines = [line for line in read_text(file).splitlines() if line.strip() and not line.startswith("#")][:20]
    except OSError:
        return False
    return bool(lines) and all(_parse(line) is not None for line in lines)


def read_pets(folder: str | Path) -> DataSet:
    """Index the images by breed. The class names are the file names without their numbers; "train" is their trainval.txt.

    Raises:
        DataError: a list cannot be read, or no listed image exists.
    """
    folder = Path(folder)
    images = {path.stem: path for path in reversed(list_images(folder / "images", within=folder)[0])}
    problems: list[Problem] = []
    rows: dict[str, list[tuple[str, int]]] = {}
    names: dict[int, Counter] = {}
    files = {split: folder / name for split, name in LISTS.items() if (folder / name).is_file()}
    for split, file in files.items():
        try:
            lines = read_text(file).splitlines()
        except OSError as error:
            raise DataError(f"{file}: cannot be read ({error.strerror or error}).") from error
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            if (parsed := _parse(line)) is None:
                detail = f"line {number}: {brief(line)}: expected a name and three numbers"
                problems.append(Problem("bad annotation", str(file), detail))
            elif parsed[0] not in images and Boundary(folder).leads_out([folder / "images"], parsed[0]):
                problems.append(Boundary(folder).refused(file, parsed[0]))
            elif parsed[0] not in images:
                problems.append(Problem("missing partner", str(file), f"line {number}: there is no image {brief(parsed[0])}"))
            else:
                stem, label = parsed
                rows.setdefault(split, []).append((str(images[stem]), label))
                names.setdefault(label, Counter())[stem.rpartition("_")[0].replace("_", " ")] += 1
    if not rows:
        raise DataError(f"{folder}: none of the images in {', '.join(map(str, files.values()))} exists.")
    labels = sorted(names)
    class_names = [names[label].most_common(1)[0][0] for label in labels]
    counts = Counter(class_names)
    class_names = [name if counts[name] == 1 else f"{name} {label}" for name, label in zip(class_names, labels, strict=True)]
    numbers = {label: number for number, label in enumerate(labels)}
    indexes = {
        split: Index(
            tuple(class_names),
            tuple(path for path, _ in pairs),
            np.array([numbers[label] for _, label in pairs], np.int32),
        )
        for split, pairs in rows.items()
    }
    notes = ("labels are the breeds; masks and boxes are not used",)
    layout = "Oxford-IIIT Pet (annotations/trainval.txt)"
    return DataSet(indexes, notes, tuple(problems), layout, frozenset(map(str, files.values())))


def _parse(line: str) -> tuple[str, int] | None:
    """The name of the image and its class; None if the line is of another form."""
    fields = line.split()
    are_numbers = len(fields) == 4 and all(field.isdecimal() and len(field) < 6 for field in fields[1:])
    return (fields[0], int(fields[1])) if are_numbers and int(fields[2]) in (1, 2) else None
