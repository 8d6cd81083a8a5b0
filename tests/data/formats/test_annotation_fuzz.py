"""More than a thousand damaged and arbitrary annotation files: each is read correctly or reported.

Nothing but ``DataError`` may be raised (warnings are errors here, too). Where a reader reports nothing, all that the file holds
must have arrived; it is counted independently, without our readers.
"""

import json
import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.data.formats.test_coco import CATEGORIES, tree
from tests.data.formats.test_voc import annotate, cat, image, lists
from visionkit.data.formats.coco import looks_like_coco, read_coco
from visionkit.data.formats.voc import looks_like_voc, read_voc
from visionkit.data.formats.yolo import looks_like_yolo, read_yolo
from visionkit.data.index import PROBLEM_KINDS, DataError

pytestmark = pytest.mark.exhaustive

MUTATIONS = 220  # per kind of file
NASTY = [
    *(
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "1e999",
        "-1e308",
        "1e-320",
        "-0",
        "-1",
        "0",
        "99999999999999999999",
        "9" * 5000,
        "0x10",
    ),
    *(
        "null",
        "true",
        '""',
        '"x"',
        "[]",
        "{}",
        "[[]]",
        "\0",
        "\u2028",
        "é",
        "<",
        "&amp;",
        "&x;",
        "]]>",
        "\ud800",
        "~",
        "*a",
        "!!binary x",
    ),
    *("[" * 1000, "{'a':" * 500, "<a>" * 3000, "../../..", "/", ".", " ", "\n", "\r", "- ", ": "),
]
CONFIG = {"path": ".", "train": "images", "names": {0: "cat", 1: "dog"}, "kpt_shape": [2, 3]}
KEYPOINT_CATEGORIES = [CATEGORIES[0] | {"keypoints": ["a", "b"], "skeleton": [[1, 2]]}, CATEGORIES[1]]
COCO_TREE = tree(
    {"segmentation": [[4, 2, 20.5, 2, 20, 10]], "area": 4.5, "iscrowd": 0, "keypoints": [1, 2, 2, 0, 0, 0]},
    {"segmentation": {"size": [20, 40], "counts": [0] + [3, 17] * 40}, "category_id": 3},
    {"segmentation": {"size": [20, 40], "counts": "U35fe0"}, "id": "x"},
    images=("1.jpg", "2.jpg"),
    categories=KEYPOINT_CATEGORIES,
    licenses=[{"id": 1}],
)


def make_voc(folder):
    annotate(folder, "1", cat(4, 2, 20.5, 10, more="<pose>Left</pose><difficult>1</difficult>") + cat(0, 0, 40, 20, name="dög"))
    annotate(folder, "2", cat(1, 1, 2, 2))
    lists(folder, train=["1"], val=["2"])


def make_coco(folder):
    for number in (1, 2):
        image(folder / f"{number}.jpg")
    (folder / "x.json").write_text(json.dumps(COCO_TREE))


def make_yolo(folder):
    for number in (1, 2):
        image(folder / "images" / f"{number}.jpg")
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{number}.txt").write_text("0 0.5 0.5 0.2 0.2 0.1 0.1 2 0 0 0\n1 0.25 0.75 0.1 0.3\n")
    (folder / "data.yaml").write_text(yaml.safe_dump(CONFIG))


def count_voc(folder):
    listed = [(folder / "ImageSets" / "Main" / f"{split}.txt").read_text().split() for split in ("train", "val")]
    return [sum(len(ET.parse(folder / "Annotations" / f"{stem}.xml").findall("object")) for stem in stems) for stems in listed]


def text_of(file):
    contents = file.read_bytes()
    for encoding in ("utf-16" if contents.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig", "latin-1"):
        try:
            return contents.decode(encoding)
        except UnicodeDecodeError:
            pass
    raise AssertionError("any bytes are latin-1")


def count_coco(folder):
    return [len(json.loads(text_of(folder / "x.json"))["annotations"])]


def count_yolo(folder):
    return [sum(bool(line.strip()) for path in (folder / "labels").glob("*.txt") for line in text_of(path).splitlines())]


FILES = {
    "xml": ("Annotations/1.xml", make_voc, read_voc, looks_like_voc, count_voc),
    "list": ("ImageSets/Main/train.txt", make_voc, read_voc, looks_like_voc, None),
    "json": ("x.json", make_coco, read_coco, looks_like_coco, count_coco),
    "label": ("labels/1.txt", make_yolo, read_yolo, looks_like_yolo, count_yolo),
    "yaml": ("data.yaml", make_yolo, read_yolo, looks_like_yolo, None),
}


@pytest.fixture(params=FILES)
def kind(request):
    return request.param


def mutated(contents, rng):
    """One to three changes to a file, each of a different kind."""
    for _ in range(rng.randint(1, 3)):
        place, other = sorted(rng.randrange(len(contents) + 1) for _ in range(2))
        choice = rng.randrange(8)
        nasty = rng.choice(NASTY).encode("utf-8", "surrogatepass")
        numbers = list(re.finditer(rb"[0-9.]+|\"[^\"]*\"|[a-z_]+", contents))
        if choice == 0 and contents:
            flipped = bytearray(contents)
            for _ in range(rng.randint(1, 8)):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            contents = bytes(flipped)
        elif choice == 1:
            contents = contents[:place]
        elif choice == 2:
            contents = contents[:place] + nasty + contents[place:]
        elif choice == 3:
            contents = contents[:place] + contents[min(other, place + 20) :]
        elif choice == 4:
            contents = contents[:place] + contents[place : place + 60] * 2 + contents[place + 60 :]
        elif choice == 5 and rng.random() < 0.2:
            contents = rng.choice([rng.randbytes(50), contents.decode("latin-1").encode("utf-16"), b"\xef\xbb\xbf" + contents])
        elif numbers:
            chosen = rng.choice(numbers)
            contents = contents[: chosen.start()] + nasty + contents[chosen.end() :]
    return contents


def check(folder, kind):
    """Read a data set with a damaged file and check the result. Returns whether it was read without a report."""
    _, _, read, looks_like, count = FILES[kind]
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
        assert index.class_names == found.class_names and len(index.paths) == len(index.labels) == len(index.annotations)
        for path, annotation in zip(index.paths, index.annotations, strict=True):
            assert Path(path).is_file() and (annotation.size is None or annotation.size == (20, 40) or kind in ("xml", "json"))
            check_objects(annotation.objects, len(found.class_names))
    if found.problems:
        return False
    if count is not None:
        assert [sum(len(one.objects) for one in index.annotations) for index in found.splits.values()] == count(folder)
    return True


def check_objects(objects, num_classes):
    assert objects.boxes.shape == (len(objects), 4) and objects.boxes.dtype == np.float64 and np.isfinite(objects.boxes).all()
    assert objects.classes.shape == (len(objects),) and objects.classes.dtype == np.int32
    assert ((objects.classes >= -1) & (objects.classes < num_classes)).all()
    assert len(objects.outlines) in (0, len(objects)) and len(objects.attributes) in (0, len(objects))
    for outline in objects.outlines:
        for polygon in outline if type(outline) is tuple else ():
            assert polygon.ndim == 2 and polygon.shape[1] == 2 and np.isfinite(polygon).all()
    if objects.keypoints is not None:
        assert objects.keypoints.shape[0::2] == (len(objects), 3) and np.isfinite(objects.keypoints).all()


def test_the_sound_files_are_read_without_a_report(tmp_path, kind):
    FILES[kind][1](tmp_path)
    assert check(tmp_path, kind)


def test_damaged_files(tmp_path, kind):
    name, make, *_ = FILES[kind]
    make(tmp_path)
    sound = (tmp_path / name).read_bytes()
    unreported = 0
    for seed in range(MUTATIONS):
        (tmp_path / name).write_bytes(mutated(sound, random.Random(seed)))
        unreported += check(tmp_path, kind)
    assert 0 < unreported < MUTATIONS  # the changes are neither all harmless nor all fatal


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.sampled_from([10**30, 1e308, "train"])
)
trees = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4), max_leaves=8
)
arbitrary = settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def places(tree):
    """The path to each part of a tree: keys and positions."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [(), *((key, *way) for key, child in children for way in places(child))]


def changed(tree, way, value):
    if not way:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[way[0]] = changed(tree[way[0]], way[1:], value)
    return copy


@arbitrary
@given(st.sampled_from(places(COCO_TREE)), trees)
def test_anything_anywhere_in_a_json_file(tmp_path, way, value):
    make_coco(tmp_path)
    (tmp_path / "x.json").write_text(json.dumps(changed(COCO_TREE, way, value)))
    check(tmp_path, "json")


@arbitrary
@given(st.sampled_from(places(CONFIG)), trees)
def test_anything_anywhere_in_a_yaml_file(tmp_path, way, value):
    make_yolo(tmp_path)
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(changed(CONFIG, way, value)), encoding="utf-8")
    check(tmp_path, "yaml")


tags = st.sampled_from(
    ["annotation", "object", "name", "bndbox", "size", "width", "height", "depth", "xmin", "ymax", "filename", "a"]
)
texts = st.sampled_from(["", "1", "1.jpg", "-1", "nan", "1e999", "cat", "9" * 5000, "../1.jpg", "ß"]) | st.text(
    st.characters(exclude_categories=["C"]), max_size=6
)
elements = st.recursive(st.tuples(tags, texts), lambda inner: st.tuples(tags, st.lists(inner, max_size=5)), max_leaves=12)


def element_of(plain):
    element = ET.Element(plain[0])
    if isinstance(plain[1], str):
        element.text = plain[1]
    else:
        element.extend(map(element_of, plain[1]))
    return element


@arbitrary
@given(st.lists(elements, max_size=6))
def test_any_tree_of_xml(tmp_path, children):
    make_voc(tmp_path)
    ET.ElementTree(element_of(("annotation", children))).write(tmp_path / "Annotations" / "1.xml", "utf-8")
    check(tmp_path, "xml")


@arbitrary
@given(
    st.lists(
        st.lists(st.floats().map(str) | st.integers().map(str) | st.text(max_size=3), max_size=12).map(" ".join), max_size=4
    )
)
def test_any_lines_in_a_label_file(tmp_path, lines):
    make_yolo(tmp_path)
    (tmp_path / "labels" / "1.txt").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    check(tmp_path, "label")
