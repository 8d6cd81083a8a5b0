"""Writes Pascal VOC's format: one XML file per image."""

import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

from visionkit.data.formats.annotation_files import (
    Images,
    brief,
    decimal,
    new_name,
    one_line,
    put_image,
    split_file_name,
    with_known_class,
)
from visionkit.data.formats.voc import CORNERS, NO_ATTRIBUTES, NO_OBJECT_ATTRIBUTES
from visionkit.data.images.decode import read_size
from visionkit.data.index import Annotation, Objects
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet
from visionkit.progress import bar

DIGITS = 8  # decimals of a pixel coordinate in files; whole numbers are written without decimals


def write_voc(data_set: DataSet, folder: str | Path, *, images: Images = "copy") -> Counter[str]:
    """Write a data set of boxes in Pascal VOC's format: Annotations/, JPEGImages/, classes.txt and, if it is split, ImageSets/.

    Args:
        data_set: a data set whose images exist and can be decoded.
        folder: target folder, which holds no files of that data set yet.
        images: "copy" copies the images, "link" makes symbolic links.

    Returns:
        what the format cannot express, with the number of each kind.

    Raises:
        ImageError: an image of unknown size cannot be read.
        OSError: a file cannot be written.
    """
    folder, lost, taken = Path(folder), Counter(), {}
    written: dict[str, list[tuple[str, bytes]]] = {}  # by source path: an image may be in several splits
    for part in ("Annotations", "JPEGImages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    class_names = [one_line(name) for name in data_set.class_names]
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")
    for split, index in data_set.splits.items():
        stems = []
        pairs = zip(index.paths, index.annotations, strict=True)
        for path, annotation in bar(pairs, f"writing {split}", total=len(index), unit=" images"):
            size = annotation.size or read_size(path)
            objects = with_known_class(annotation.objects, lost)
            same = (name for name, xml in written.get(path, ()) if _xml(name, annotation, objects, size, class_names) == xml)
            if (name := next(same, None)) is None:
                name = new_name(path, taken, lost, by_stem=True)
                put_image(path, folder / "JPEGImages" / name, images)
                xml = _xml(name, annotation, objects, size, class_names, lost)
                (folder / "Annotations" / f"{Path(name).stem}.xml").write_bytes(xml)
                written.setdefault(path, []).append((name, xml))
            stems.append(Path(name).stem)
        if split != WHOLE:
            list_file = folder / "ImageSets" / "Main" / f"{split_file_name(split)}.txt"
            list_file.parent.mkdir(parents=True, exist_ok=True)
            list_file.write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    class_attributes = next(iter(data_set.splits.values())).class_attributes
    lost["classes with attributes such as an id: VOC has only names"] += sum(map(bool, class_attributes))
    return lost


def _xml(name, annotation: Annotation, objects: Objects, size: tuple[int, int], class_names: list[str], lost=None) -> bytes:
    lost = Counter() if lost is None else lost
    root = ET.Element("annotation")
    _add(root, {"folder": "JPEGImages", "filename": name}, lost)
    attributes = {"segmented": 0} | annotation.attributes
    sizes = {"width": size[1], "height": size[0], "depth": attributes.pop("depth", 3)}
    _add(ET.SubElement(root, "size"), sizes, lost)
    _add(root, {tag: value for tag, value in attributes.items() if tag not in NO_ATTRIBUTES}, lost)
    corners = objects.boxes * (size[1], size[0], size[1], size[0])
    for row, label in enumerate(objects.classes.tolist()):
        element = ET.SubElement(root, "object")
        attributes = {"pose": "Unspecified", "truncated": 0, "difficult": 0} | (objects.attributes or ({},) * len(objects))[row]
        attributes = {tag: value for tag, value in attributes.items() if tag not in NO_OBJECT_ATTRIBUTES}
        _add(element, {"name": class_names[label]} | attributes, lost)
        pixels = (decimal(corner, DIGITS) for corner in corners[row].tolist())
        _add(ET.SubElement(element, "bndbox"), dict(zip(CORNERS, pixels, strict=True)), lost)
    lost["outlines: VOC has only boxes"] += sum(outline is not None for outline in objects.outlines)
    if objects.keypoints is not None:
        lost["objects with keypoints: VOC has only boxes"] += int(objects.keypoints[..., 2].any(axis=1).sum())
    ET.indent(root, "\t")
    return ET.tostring(root, "utf-8")


def _add(parent: ET.Element, children: dict[str, Any], lost: Counter[str]) -> None:
    for tag, value in children.items():
        if re.fullmatch("[A-Za-z_][A-Za-z0-9_.-]*", tag) and isinstance(value, int | float | str):
            ET.SubElement(parent, tag).text = one_line(str(int(value) if isinstance(value, bool) else value))
        elif value is not None:
            lost[f"attributes {brief(tag)}: VOC has only plain values"] += 1
