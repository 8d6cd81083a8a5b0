"""Reads tables of images and their masks."""

from pathlib import Path

import numpy as np

from visionkit.data.formats.annotation_files import detection_index
from visionkit.data.formats.mask_layouts.folders import MASK_FOLDERS
from visionkit.data.formats.tables.images import ImageSearch
from visionkit.data.formats.tables.samples import Samples
from visionkit.data.images.inside import Boundary
from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.names import NamedClasses, find_names
from visionkit.data.index import Annotation, Index, Problem
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet


def read_masks(
    splits: Samples, files: list[Path], problems: list[Problem], named: NamedClasses | None, boundary: Boundary
) -> DataSet:
    """The data set of images and masks; all masks are opened, to decide what their values mean."""
    searches = {file: ImageSearch(file, MASK_FOLDERS, boundary) for file in files}
    paths: dict[str, list[str]] = {}
    masks: dict[str, list[str]] = {}
    for split, samples in splits.items():
        paths[split], masks[split] = [], []
        for path, rows, positions, file in samples:
            name, line = rows.masks[positions[0]], rows.lines[positions[0]]
            found = (search.find(name, split) for search in (searches[file], *searches.values()))
            mask = next(filter(None, found), None)
            if mask is None:
                problems.append(
                    boundary.refused(file, name)
                    if searches[file].leads_out(name)
                    else Problem("missing partner", path, f"line {line}: there is no mask {name!r}")
                )
                continue
            paths[split].append(path)
            masks[split].append(mask)
            for i in positions[1:]:
                if rows.masks[i] != name:
                    detail = f"line {rows.lines[i]}: the image is listed again, with the mask {rows.masks[i]!r}; it is left out"
                    problems.append(Problem("bad annotation", path, detail))
    all_masks = [mask for split in splits for mask in masks[split]]
    if not all_masks:
        return DataSet({WHOLE: Index((), (), np.zeros(0, np.int32))}, problems=tuple(problems))
    named = named or find_names(dict.fromkeys(file.parent for file in files))
    classes = find_classes(all_masks, named)
    indexes = {
        split: detection_index(
            classes.names, paths[split], [Annotation(mask=mask) for mask in masks[split]], mask_code=classes.code
        )
        for split in splits
    }
    names_files = frozenset(named.files if named else ())
    return DataSet(indexes, classes.notes, (*problems, *classes.problems), annotation_files=names_files)
