"""Damaged and arbitrary files of annotation tools: each is read or reported, and nothing but ``DataError`` is raised."""

import json
import random
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.formats.test_annotation_fuzz import arbitrary, changed, check_objects, mutated, places, text_of, trees
from tests.data.layouts import annotation_tools as examples
from visionkit.data.formats.annotation_tools.labelme import looks_like_labelme, read_labelme
from visionkit.data.formats.annotation_tools.tool_files import looks_like_tool_files, read_tool_files
from visionkit.data.formats.darknet import looks_like_darknet, read_darknet
from visionkit.data.index import PROBLEM_KINDS, DataError

pytestmark = pytest.mark.exhaustive

MUTATIONS = 120  # per kind of file
KINDS = {
    "labelme": ("a.json", examples.build_labelme, looks_like_labelme, read_labelme),
    "VIA table": ("via_region_data.csv", examples.build_via_csv, looks_like_tool_files, read_tool_files),
    "VIA": ("via_project.json", examples.build_via_json, looks_like_tool_files, read_tool_files),
    "VIA 3": ("p.json", examples.build_via_3, looks_like_tool_files, read_tool_files),
    "CVAT": ("annotations.xml", examples.build_cvat, looks_like_tool_files, read_tool_files),
    "CreateML": ("train/_annotations.createml.json", examples.build_create_ml, looks_like_tool_files, read_tool_files),
    "Label Studio": ("project-4-at-2026-11-30.json", examples.build_label_studio_json, looks_like_tool_files, read_tool_files),
    "JSON-MIN": ("project-4-min.json", examples.build_label_studio_choices, looks_like_tool_files, read_tool_files),
    "obj.data": ("obj.data", examples.build_cvat_yolo, looks_like_darknet, read_darknet),
    "list": ("train.txt", examples.build_cvat_yolo, looks_like_darknet, read_darknet),
    "Darknet": ("a.txt", examples.build_darknet, looks_like_darknet, read_darknet),
}
COUNTS = {  # of objects, counted independently of the readers
    "labelme": lambda folder: sum(len(json.loads((folder / f"{name}.json").read_bytes())["shapes"]) for name in "ab"),
    "VIA": lambda folder: count_regions(json.loads((folder / "via_project.json").read_bytes())["_via_img_metadata"]),
    "VIA 3": lambda folder: count_shapes(json.loads((folder / "p.json").read_bytes())["metadata"]),
    "CVAT": lambda folder: sum(map(len, ET.parse(folder / "annotations.xml").findall("image"))),
    "Darknet": lambda folder: sum(
        bool(line.strip()) for name in "abc" for line in text_of(folder / f"{name}.txt").splitlines()
    ),
}
TREES = [kind for kind, (name, *_) in KINDS.items() if name.endswith(".json")]


def count_regions(images):
    return sum(len(entry["regions"]) for entry in images.values())


def count_shapes(metadata):
    return sum(entry["xy"] != [] for entry in metadata.values())  # without a shape, it is a label of the whole image


def check(folder, kind):
    """Read a data set with a damaged file. Returns whether it was read without a report."""
    _, _, looks_like, read = KINDS[kind]
    looks_like(folder)
    try:
        found = read(folder)
    except DataError as error:
        assert 10 < len(str(error)) < 2000
        return False
    assert len(found) > 0
    for problem in found.problems:
        assert problem.kind in PROBLEM_KINDS and problem.path and len(problem.detail) < 1000
    for index in found.splits.values():
        assert index.class_names == found.class_names and len(index.paths) == len(index.labels)
        assert len(index.annotations) in (0, len(index.paths))
        for annotation in index.annotations:
            check_objects(annotation.objects, len(found.class_names))
    if not found.problems and kind in COUNTS:
        objects = (annotation.objects for index in found.splits.values() for annotation in index.annotations)
        assert sum(map(len, objects)) == COUNTS[kind](folder)
    return not found.problems


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(tmp_path, kind):
    name, build, *_ = KINDS[kind]
    build(tmp_path)
    assert check(tmp_path, kind)
    sound = (tmp_path / name).read_bytes()
    unreported = 0
    for seed in range(MUTATIONS):
        (tmp_path / name).write_bytes(mutated(sound, random.Random(seed)))
        unreported += check(tmp_path, kind)
    assert 0 < unreported < MUTATIONS  # the changes are neither all harmless nor all fatal


@pytest.mark.parametrize("kind", TREES)
@arbitrary
@given(st.data())
def test_anything_anywhere_in_a_json_file(tmp_path, kind, data):
    name, build, *_ = KINDS[kind]
    build(tmp_path)
    tree = json.loads((tmp_path / name).read_text())
    way, value = data.draw(st.sampled_from(places(tree))), data.draw(trees)
    (tmp_path / name).write_text(json.dumps(changed(tree, way, value)))
    check(tmp_path, kind)
