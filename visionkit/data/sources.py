"""Chooses the reader of a data set, for everything that ``--data`` may be."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visionkit.data.formats import coco, darknet, identities, mask_folders, tfds, voc, yolo
from visionkit.data.formats.annotation_files import only_inside
from visionkit.data.formats.annotation_tools import labelme, tool_files
from visionkit.data.formats.class_folders import (
    LAYOUTS,
    find_class_folders,
    holds_one_folder_alone,
    only_child,
    only_folder,
    only_with_splits,
    visible_folders,
)
from visionkit.data.formats.class_names import header_among, notes_on_lists, similar_names, undecoded_names, with_clean_names
from visionkit.data.formats.labelled import cub, flat_names, pets, tiny_imagenet
from visionkit.data.formats.labelled.evidence import GENERIC
from visionkit.data.formats.labelled.masks_among import masks_beside_images
from visionkit.data.formats.labelled.numbered import name_numbered_classes
from visionkit.data.formats.split_lists import find_list
from visionkit.data.formats.tables import table
from visionkit.data.formats.tables.files import find_tables
from visionkit.data.formats.unread.find import naming_unlisted, seen, unread_files, unused_images
from visionkit.data.formats.unread.walk import walk
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.inside import Boundary
from visionkit.data.images.listing import files_in, list_images
from visionkit.data.images.masks.names import OPTION, NamedClasses, parse_values
from visionkit.data.index import DataError, Index, Problem, counted
from visionkit.data.split_names import MEASURING, SPLITS, TRAIN_NAMES, WHOLE, empty_split_folders, split_name, split_order
from visionkit.data.splits import DataSet, Splits, parted_by_folders, train_and_val
from visionkit.files import home_expanded, kind_of_file
from visionkit.printable import some

EXPECTED = (
    "Expected a folder of one of these layouts: class folders; VOC (Annotations/*.xml, JPEGImages/); COCO (a .json with images "
    "and annotations); YOLO (data.yaml, or images/ and labels/, or .txt next to the images); files of labelme, VIA, CVAT, "
    "Label Studio or CreateML; images/ and masks/; a table (.csv) of images; one folder per person with other people in train/ "
    "than in val/; or a .json, .yaml, .xml, .csv or .tsv file of these kinds; or tfds:NAME."
)
PEOPLE = "one folder per person"
TABLE = "a table"
NAMED = 10  # classes that a message names
READERS_OF_FILES = {
    ".json": ("COCO", coco.read_coco),
    ".yaml": ("YOLO", yolo.read_yolo),
    ".yml": ("YOLO", yolo.read_yolo),
    ".csv": (TABLE, table.read_table),
    ".tsv": (TABLE, table.read_table),
    ".xml": ("CVAT", tool_files.read_tool_files),
    ".data": ("YOLO Darknet", darknet.read_darknet),
}
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
MASKS = "images and masks"
# The layouts that are easiest to recognise come first. Class folders come after all of them: nearly any folder could be some.
READERS_OF_FOLDERS = (
    ("tensorflow-datasets", tfds.looks_like_tfds, tfds.read_tfds_folder),
    ("Pascal VOC", voc.looks_like_voc, voc.read_voc),
    ("YOLO", yolo.looks_like_yolo, yolo.read_yolo),
    ("COCO", coco.looks_like_coco, coco.read_coco),
    ("labelme", labelme.looks_like_labelme, labelme.read_labelme),
    ("an annotation tool", tool_files.looks_like_tool_files, tool_files.read_tool_files),
    ("YOLO Darknet", darknet.looks_like_darknet, darknet.read_darknet),
    (TABLE, table.looks_like_table_of_masks, table.read_tables),
    (MASKS, mask_folders.looks_like_masks, mask_folders.read_masks),
    (TABLE, table.looks_like_table, table.read_tables),
    ("Tiny ImageNet", tiny_imagenet.looks_like_tiny_imagenet, tiny_imagenet.read_tiny_imagenet),
    ("CUB-200-2011", cub.looks_like_cub, cub.read_cub),
    ("labels in file names", flat_names.looks_like_flat_names, flat_names.read_flat_names),
    (PEOPLE, identities.looks_like_identities, identities.read_identities),
)
WITH_ENTRIES = (  # they open files that lists and annotations name
    *(yolo.looks_like_yolo, table.looks_like_table_of_masks, table.looks_like_table),
    *(coco.read_coco, yolo.read_yolo, table.read_table, table.read_tables, tool_files.read_tool_files, darknet.read_darknet),
    *(voc.read_voc, labelme.read_labelme, cub.read_cub),
)
READERS_OF_MASKS = (tfds.read_tfds, tfds.read_tfds_folder, mask_folders.read_masks, table.read_table, table.read_tables)


class Wanted(NamedTuple):
    """What a data set is read for: ``prefer`` and the mask values of ``read``, and which files may be opened."""

    prefer: str | None
    named: NamedClasses | None
    boundary: Boundary


def read(
    data: str | Path, *, prefer: str | None = None, mask_values: Sequence[str] = (), allow_outside: bool = False
) -> DataSet:
    """Index a data set of any kind that visionkit knows; masks are opened, to decide what their values mean, but no image.

    Args:
        data: a folder, a file or ``tfds:NAME[/config][:split]``.
        prefer: "masks" asks for the masks first, where a folder holds boxes, too (such as Pascal VOC).
        mask_values: what the values of masks mean: ``("0=background", "128=cell", "255=ignore")``, see
            ``masks.names.parse_values``. By default, files of names and the values themselves say it.
        allow_outside: whether lists and annotations may name files outside of the data set's folder; see ``inside.Boundary``.

    Raises:
        DataError: the data does not exist, or has no known layout.
        UserError: the mask values are misspelt, or the data has no masks.
    """
    data = home_expanded(str(data))
    wanted = Wanted(prefer, named := parse_values(mask_values), Boundary.of(data, allow_outside=allow_outside))
    data_set = with_clean_names(only_inside(_read(data, wanted), wanted.boundary, data), data)
    data_set = replace(data_set, splits={name: data_set.splits[name] for name in sorted(data_set.splits, key=split_order)})
    if named is not None and not any(index.has_masks for index in data_set.splits.values()):
        raise DataError(f"{OPTION} is for masks, and {data} has none; it is read as {data_set.format}.")
    if data_set.format.startswith(PEOPLE):
        alike, few = identities.doubts_of_people(data, data_set)
        data_set = replace(data_set, problems=(*data_set.problems, *alike, *few))
    known = {problem.detail for problem in data_set.problems}  # readers of folders and tables name the file
    alike = [problem for problem in similar_names(data_set.class_names, data) if problem.detail not in known]
    alike += [*header_among(data_set), *undecoded_names(data_set.class_names, data_set.annotation_files)]
    return replace(data_set, notes=(*data_set.notes, *notes_on_lists(data_set)), problems=(*data_set.problems, *alike))


def _read(data: str | Path, wanted: Wanted) -> DataSet:
    if str(data).startswith("tfds:"):
        return _with_format(tfds.read_tfds(str(data), wanted.named), "tensorflow-datasets")
    if not str(data).strip():
        raise DataError(f"The path of the data set is empty. {EXPECTED}")
    path = Path(data)
    if path.is_dir():
        try:
            data_set = _read_folder(path, wanted if wanted.named is None else wanted._replace(prefer="masks"))
        except (DataError, OSError) as error:
            raise naming_unlisted(error, path) from None
        if data_set.format.startswith("class folders"):
            data_set = name_numbered_classes(path, data_set)
        elif data_set.annotation_files:
            data_set = parted_by_folders(data_set)
        return _with_left_out(path, data_set)
    if path.is_file():
        return parted_by_folders(_read_file(path, wanted))
    if kind := kind_of_file(path):
        raise DataError(f"{data}: is {kind}, not a file or folder. {EXPECTED}")
    raise DataError(f"{data}: no such file or folder. {EXPECTED}")


def read_classified(data: str | Path, *, seed: int = 0, multi_label: bool = False, allow_outside: bool = False) -> Splits:
    """Training and validation images with labels, from all that ``read`` reads and that has labels; no image is opened.

    Where images have labels as well as boxes or masks, the labels are read.

    Args:
        data: as for ``read``.
        seed: seed that draws the held-out images if the data has no validation split.
        multi_label: whether images may have several labels; ``Index.label_sets`` then holds them.
        allow_outside: see ``read``.

    Raises:
        DataError: the data does not exist, has no known layout, no labels or fewer than two classes, or a split is empty.
    """
    data_set = labelled(data, read_labels(data, allow_outside), multi_label=multi_label)
    class_names, hint = data_set.class_names, _unread(data_set.problems)
    if len(class_names) < 2 and not any(index.label_sets is not None for index in data_set.splits.values()):
        raise DataError(f"{data}: only one class, {class_names[0]!r}; a classifier needs at least two. {LAYOUTS}{hint}")
    splits = train_and_val(data_set, seed=seed)
    are_people = data_set.format.startswith(PEOPLE)
    if are_people and not set(splits.train.labels.tolist()) & set(splits.val.labels.tolist()):
        raise DataError(
            f"{data}: validation has classes that training lacks, and shares none with it. A classifier needs the same folders "
            "in both; if the folders are people, use `visionkit train verification`."
        )
    if len(splits.val) == 0:
        raise DataError(f"{data}: no validation images; there are too few to hold any out. {LAYOUTS}")
    notes = list(splits.notes)
    shared = set(splits.train.paths) & set(splits.val.paths)
    if shared:
        are = counted(len(shared), "file is", "files are")
        notes.append(f"{are} in both training and validation: the accuracy will flatter the model")
    return replace(splits, notes=tuple(notes))


def read_people(data: str | Path, *, allow_outside: bool = False) -> DataSet:
    """Images of people, whose names are the labels: one folder for each person, or anything that ``read`` reads with labels.

    Args:
        data: as for ``read``.
        allow_outside: see ``read``.

    Raises:
        DataError: the data does not exist, has no known layout, or no labels.
    """
    data = home_expanded(str(data))
    path, wanted = Path(data), Wanted(None, None, Boundary.of(data, allow_outside=allow_outside))
    if (
        path.is_dir()
        and not any(_call(recognises, path, wanted) for _, recognises, _ in READERS_OF_FOLDERS)
        and not pets.looks_like_pets(path)
    ):
        inner = only_folder(path)
        if inner is not None and split_name(inner.name) not in SPLITS:
            return read_people(inner, allow_outside=allow_outside)
        return with_clean_names(identities.read_identities(path), path)
    found = labelled(data, read_labels(data, allow_outside))
    _, few = identities.doubts_of_people(data, found)
    return identities.people_of(replace(found, problems=tuple(each for each in found.problems if each not in few)))


def read_labels(data: str | Path, allow_outside: bool) -> DataSet:
    """As ``read``, but labels go before boxes and masks where there are several of them."""
    data = home_expanded(str(data))
    if str(data).startswith("tfds:"):
        data_set = _with_format(tfds.read_tfds(str(data), labels_first=True), "tensorflow-datasets")
    elif Path(data).is_dir() and tfds.looks_like_tfds(Path(data)):
        data_set = _with_format(tfds.read_tfds_folder(data, labels_first=True), "tensorflow-datasets")
    elif Path(data).is_dir() and pets.looks_like_pets(Path(data)):
        data_set = pets.read_pets(data)
    else:
        return read(data, allow_outside=allow_outside)
    return with_clean_names(data_set, data)


def labelled(data: str | Path, data_set: DataSet, *, multi_label: bool = False) -> DataSet:
    """The data set of ``read_labels`` without the images that have no label, which are noted.

    Raises:
        DataError: the images have boxes or masks, several labels where one is expected, or none has a label.
    """
    indexes = list(data_set.splits.values())
    found = f"{data}: {data_set.format}"
    if any(index.has_masks for index in indexes):
        raise DataError(f"{found}: each image has a mask, and no label; for masks use `visionkit train segmentation`.")
    if any(index.has_objects for index in indexes):
        names = _some(data_set.class_names)
        raise DataError(f"{found}: the images have boxes of {names}, and no label; for boxes use `visionkit train detection`.")
    if any(index.label_sets is not None for index in indexes):
        if not multi_label:
            names = _some(data_set.class_names)
            raise DataError(f"{found}: an image may have several labels ({names}): use `visionkit train classification`.")
        return data_set
    if not data_set.class_names or not any((index.labels >= 0).any() for index in indexes):
        hint = _unread(data_set.problems)
        raise DataError(f"{data}: {counted(len(data_set), 'image')} in it, without class folders or labels. {LAYOUTS}{hint}")
    unlabelled = {name: int((index.labels < 0).sum()) for name, index in data_set.splits.items()}
    splits = {name: index.take(np.flatnonzero(index.labels >= 0)) for name, index in data_set.splits.items()}
    splits = {name: index for name, index in splits.items() if len(index) or not unlabelled[name]}
    notes = tuple(
        f"not used: {counted(count, 'image')} of {name} without a label" for name, count in unlabelled.items() if count
    )
    return replace(data_set, splits=splits, notes=data_set.notes + notes)


def _unread(problems: Sequence[Problem]) -> str:
    """A sentence on the first file of annotations that no reader has read; "" if there is none."""
    first = next((problem for problem in problems if problem.kind == "unread annotations"), None)
    if first is None:
        return ""
    kind = first.detail.partition(": it was not read")[0]
    return f" There is {first.path} ({kind}), which was not read."


def _some(names: Sequence[str]) -> str:
    return some([repr(name) if "," in name else name for name in names], NAMED)


def _call(function: Callable[..., Any], path: Path, wanted: Wanted) -> Any:
    """A reader's data set, or whether it recognises the folder."""
    more = {"boundary": wanted.boundary} if function in WITH_ENTRIES else {}
    return function(path, wanted.named, **more) if function in READERS_OF_MASKS else function(path, **more)


def _read_file(file: Path, wanted: Wanted) -> DataSet:
    name, reader = READERS_OF_FILES.get(file.suffix.lower(), ("", None))
    if reader is None:
        remedy = ""
        if file.suffix.lower() in ARCHIVES:
            remedy = " Unpack it, and give its folder."
        elif file.suffix.lower() in IMAGE_SUFFIXES:
            remedy = " Give the folder of the images; visionkit predict shows what a network finds in one image."
        raise DataError(f"{file}: a file with this suffix is not a data set.{remedy} {EXPECTED}")
    if tool_files.looks_like_tool_files(file):
        reader = tool_files.read_tool_files
    return _with_format(_call(reader, file, wanted), name)


def _read_folder(folder: Path, wanted: Wanted) -> DataSet:
    readers = sorted(READERS_OF_FOLDERS, key=lambda row: wanted.prefer != "masks" or row[0] != MASKS)
    if (
        holds_one_folder_alone(folder)
        and (inner := _wrapped(folder, wanted)) is not None
        and split_name(inner.name) not in SPLITS
    ):
        # First, since layouts that are known at any depth know no lists from there; but a single sample needs them.
        with suppress(DataError):
            return _entered(inner, wanted)
    for name, recognises, reader in readers:
        if _call(recognises, folder, wanted):
            try:
                data_set = _with_format(_call(reader, folder, wanted), name)
            except DataError as error:
                if name != TABLE or (data_set := _split_classes_beside_table(folder, error, wanted)) is None:
                    raise
                return data_set
            return _better_below(folder, data_set, wanted) or data_set
    inner = (
        None if find_list(folder, TRAIN_NAMES) else only_folder(folder) or _wrapped(folder, wanted) or only_with_splits(folder)
    )
    if inner is not None and split_name(inner.name) not in SPLITS:
        return _entered(inner, wanted)
    try:
        return _with_format(find_class_folders(folder, wanted.boundary), "class folders")
    except DataError as error:
        images, _ = list_images(folder)
        folders = {path.parent for path in images}
        is_split = len(folders) > 1 or any(each.name.lower() not in GENERIC for each in folders - {folder})
        if is_split or find_list(folder, TRAIN_NAMES) is not None:
            raise DataError(f"{error}{seen(folder)}") from error
        if not images:
            raise DataError(f"{folder}: no layout that is known; {_contents(folder)}. {EXPECTED}{seen(folder)}") from error
    index = Index((), tuple(map(str, images)), np.full(len(images), -1, np.int32))
    notes, problem = (f"{counted(len(images), 'image')} without labels or annotations",), masks_beside_images(folder, images)
    return DataSet({WHOLE: index}, notes, () if problem is None else (problem,), format="images without labels")


def _split_classes_beside_table(folder: Path, error: DataError, wanted: Wanted) -> DataSet | None:
    """Class folders in train/ and other splits, beside a table of images that do not exist, which is a problem."""
    try:
        tables = find_tables(folder, wanted.boundary).tables
    except DataError:
        return None
    if not tables or any(each.meaning.folders for each in tables):
        return None
    while (inner := only_folder(folder)) is not None and split_name(inner.name) not in SPLITS:
        folder = inner
    try:
        data_set = find_class_folders(folder, wanted.boundary)
    except DataError:
        return None
    if data_set.problems or len(data_set.splits) < 2:
        return None
    detail = f"the class folders are read, since the table is of no use: {error}"
    problem = Problem("unread annotations", str(tables[0].file), detail)
    return replace(_with_format(data_set, "class folders"), problems=(problem,))


def _better_below(folder: Path, data_set: DataSet, wanted: Wanted) -> DataSet | None:
    """The data set of the only folder beside a table of a few test images, where more images have boxes there."""
    if not data_set.format.startswith(TABLE) or not set(data_set.splits) <= set(MEASURING):
        return None
    children = visible_folders(folder, [])
    if len(children) != 1 or not _is_recognised(children[0], wanted):
        return None
    below = _entered(children[0], wanted)
    return below if len(below) > len(data_set) and any(index.has_objects for index in below.splits.values()) else None


def _entered(inner: Path, wanted: Wanted) -> DataSet:
    """The data set of a folder within the one that was given."""
    data_set = _read_folder(inner, wanted)
    return replace(data_set, notes=(f"the data set is in {inner.name}/", *data_set.notes))


def _wrapped(folder: Path, wanted: Wanted) -> Path | None:
    """The only folder in a folder, if it holds images and a reader knows it: a lone folder of images could be a class."""
    child = only_child(folder)
    return child if child is not None and _is_recognised(child, wanted) else None


def _is_recognised(folder: Path, wanted: Wanted) -> bool:
    return any(_call(recognises, folder, wanted) for name, recognises, _ in READERS_OF_FOLDERS if name != PEOPLE)


def _with_left_out(folder: Path, data_set: DataSet) -> DataSet:
    """The data set, with what its reader did not use: files that look like annotations, and images in no split."""
    places = walk(folder)
    repeated: list[str] = []
    more = (*empty_split_folders(folder, data_set.splits), *unread_files(places, data_set, repeated))
    notes = dict.fromkeys(data_set.notes)  # readers of several files may note the same of each
    if repeated:
        names = [Path(file).relative_to(folder).as_posix() for file in repeated]
        it_names, says = ("it names", "says") if len(names) == 1 else ("they name", "say")
        notes[f"not used: {_some(names)}: {it_names} only files that were read, and {says} nothing new of them"] = None
    return replace(data_set, notes=tuple(notes), problems=(*data_set.problems, *more), left_out=unused_images(places, data_set))


def _with_format(data_set: DataSet, name: str) -> DataSet:
    """The data set, with the name of its reader unless the reader was more precise."""
    return data_set if data_set.format else replace(data_set, format=name)


def _contents(folder: Path) -> str:
    images, others, folders = files_in(folder)
    suffixes = Counter(Path(name).suffix.lower() or name for name in (*images, *others))
    files = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common(5))
    folders = ", ".join(f"{name}/" for name in folders[:100])
    return f"it holds {'; '.join(filter(None, (files, folders))) or 'nothing'}"
