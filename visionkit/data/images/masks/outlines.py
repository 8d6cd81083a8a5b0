"""Outlines of objects (COCO's polygons and run-length masks) drawn as masks of classes, for segmentation."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from visionkit.data.images.masks.read import mask_of_objects
from visionkit.data.index import IGNORE, NO_OBJECTS, Annotation, DataError, Index, Objects
from visionkit.files import write_atomically
from visionkit.progress import bar

NO_OUTLINE = "its objects have boxes, but no outlines"


def with_masks(index: Index, folder: str | Path) -> Index:
    """Draw one mask for each image, as ``masks.mask_of_objects`` does; an image without objects is all background.

    If an object has no outline or no class, the pixels of its box that belong to no other object are ignored.

    Args:
        index: scanned, with objects.
        folder: takes an index PNG for each image, written atomically. The same index writes the same files again.

    Returns:
        the images that can be used, with masks instead of objects; class names are "background" and those of the index.

    Raises:
        DataError: no object has an outline, or there are more than 254 classes.
        OSError: a mask cannot be written.
    """
    folder = Path(folder)
    objects = [annotation.objects or NO_OBJECTS for annotation in index.annotations]
    has_outline = [any(outline is not None for outline in each.outlines) for each in objects]
    if not any(has_outline):
        boxes = sum(map(len, objects))
        raise DataError(f"{boxes:,} boxes, but no outlines to draw masks from: use `visionkit train detection`.")
    usable = [i for i, each in enumerate(objects) if has_outline[i] or len(each) == 0]
    for i in set(range(len(index))) - set(usable):
        index.skipped.add(index.paths[i], NO_OUTLINE)
    folder.mkdir(parents=True, exist_ok=True)

    def draw(position):
        info = index.infos[position]
        file = folder / f"{position:06d}_{info.digest[:8]}.png"  # other images, such as another split's, do not replace it
        _write(_draw_mask(objects[position], info.height, info.width), file)
        return Annotation(mask=str(file))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        annotations = tuple(bar(pool.map(draw, usable), "drawing masks", total=len(usable), unit=" masks"))
    names = ("background", *index.class_names)
    return replace(index.take(usable), class_names=names, annotations=annotations, class_attributes=(), mask_code=None)


def _draw_mask(objects: Objects, height: int, width: int) -> np.ndarray:
    mask = mask_of_objects(objects, height, width)
    for row, label in enumerate(objects.classes.tolist()):
        if label < 0 or not objects.outlines or objects.outlines[row] is None:
            x1, y1, x2, y2 = np.round(objects.boxes[row].clip(0, 1) * (width, height, width, height)).astype(int)
            box = mask[y1:y2, x1:x2]
            box[box == 0] = IGNORE
    return mask


def _write(mask: np.ndarray, file: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    write_atomically(file, buffer.getvalue())
