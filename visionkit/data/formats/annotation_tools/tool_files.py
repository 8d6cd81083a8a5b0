"""Files of annotation tools that hold many images: VIA, CVAT, Label Studio, CreateML. Layouts:

x.json (or .csv, .xml)                 or FOLDER/x.json; images next to it, in its images/, or where its names say
FOLDER/annotations/x.json              images in FOLDER or FOLDER/images/
FOLDER/train/x.json                    and the same in val/ (or valid/) and test/

A word of a file's name (via_train.json), its folder or that of an image names the split, unless the file itself does.
All files that the same tool wrote are read, and an image that stands in two of them is used once.
"""

import re
from collections import Counter
from pathlib import Path

from visionkit.data.formats.annotation_tools.create_ml import read_create_ml
from visionkit.data.formats.annotation_tools.cvat import looks_like_cvat, read_cvat
from visionkit.data.formats.annotation_tools.json_trees import tool_of_json
from visionkit.data.formats.annotation_tools.label_studio import read_label_studio
from visionkit.data.formats.annotation_tools.labelme import read_labelme
from visionkit.data.formats.annotation_tools.records import Reading, data_set_of, note_unused_images, with_progress
from visionkit.data.formats.annotation_tools.via import COLUMNS, read_via
from visionkit.data.formats.tables.rows import read_head
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in, list_images
from visionkit.data.index import DataError, Problem, natural_order
from visionkit.data.split_names import SPLITS, WHOLE, split_name, split_of_path
from visionkit.data.splits import DataSet

READERS = {
    "CVAT": read_cvat,
    "VIA": read_via,
    "VIA 3": read_via,
    "Label Studio": read_label_studio,
    "CreateML": read_create_ml,
}
NUM_PROBED = 20  # files of a folder that are opened to see whether a tool wrote them
FOLDERS = ("annotations", "labels")  # besides those named after splits


def tool_of(file: Path) -> str | None:
    """Which annotation tool wrote a file: one of ``READERS``, "labelme", or None."""
    suffix = file.suffix.lower()
    if suffix == ".json":
        return tool_of_json(file)
    if suffix == ".xml":
        return "CVAT" if looks_like_cvat(file) else None
    if suffix == ".csv":
        try:
            header = [name.lstrip("#").strip().lower() for name in next(iter(read_head(file)), [])]
        except DataError:
            return None
        return "VIA" if set(COLUMNS) <= set(header) else None
    return None


def looks_like_tool_files(path: Path) -> bool:
    """Whether a tool wrote this file, or files in this folder, in one of the layouts above."""
    path = Path(path)
    return tool_of(path) is not None if path.is_file() else bool(_files(path, NUM_PROBED))


def read_tool_files(path: str | Path, boundary: Boundary | None = None) -> DataSet:
    """Index the images of all files that one tool wrote; an image is opened only if its file lacks the size.

    Args:
        path: a folder in one of the layouts above, or one file, which may also be labelme's.
        boundary: which files may be named; by default, those in the folder of the data set.

    Raises:
        DataError: no tool that is known wrote a file here, or no image can be used.
    """
    path = Path(path)
    if path.is_file() and tool_of(path) == "labelme":
        return read_labelme(path, boundary)
    files = {path: tool_of(path)} if path.is_file() else _files(path)
    tool = next((tool for tool in READERS if tool in files.values()), None)
    if tool is None:
        raise DataError(f"{path}: no annotations of a tool that is known. Expected a file of {', '.join(READERS)} or labelme.")
    boundary = boundary or Boundary.of(path)
    reading, used = Reading(path.parent if path.is_file() else path, boundary=boundary), []
    for file in with_progress([file for file, tool_of_file in files.items() if tool_of_file == tool]):
        start = len(reading.records)
        try:
            READERS[tool](file, reading)
        except DataError as error:
            reading.problems.append(Problem("bad annotation", str(file), str(error)))
            continue
        reading.files.add(str(file))
        used.append(file)
        split = _split_of_file(file, reading.root)
        for record in reading.records[start:] if split != WHOLE else ():
            record.split = record.split or split
    if path.is_dir():
        note_unused_images(reading, list_images(path)[0], f"are in no file of {tool}")
    counts = Counter(file.name for file in used)
    names = [f"{name} x{count}" if count > 1 else name for name, count in counts.items()]
    name = f"{tool} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})" if used else tool
    return data_set_of(reading, path, name)


def _files(folder: Path, limit: int | None = None) -> dict[Path, str]:
    """The files of tools, in natural order, and the tool of each; of each folder at most ``limit`` files are opened."""
    _, _, folders = files_in(folder)
    parts = [folder / name for name in folders if name.lower() in FOLDERS or split_name(name) in SPLITS]
    found = {}
    for place in (folder, *parts):
        images, others, _ = files_in(place)
        stems = {name.rpartition(".")[0] for name in images}
        paths = [place / name for name in others if name.lower().endswith((".json", ".xml", ".csv"))]
        paths.sort(key=lambda path: (path.stem in stems, natural_order(path.name)))  # one file for all images is more likely
        for path in paths[:limit]:
            tool = tool_of(path)
            if tool in READERS:
                found[path] = tool
    return found


def _split_of_file(file: Path, root: Path) -> str:
    words = re.split(r"[-_. ]", file.stem)
    return next((name for word in words if (name := split_name(word)) in SPLITS), None) or split_of_path(file, root)
