"""Names for class folders that are numbered."""

import numpy as np
import pytest

from tests.conftest import write_classes
from visionkit.data.formats.labelled.numbered import name_numbered_classes
from visionkit.data.index import Index
from visionkit.data.sources import read
from visionkit.data.splits import DataSet


def test_no_classes_have_no_names(tmp_path):
    data_set = DataSet({"all": Index((), (), np.zeros(0, np.int32))})
    assert name_numbered_classes(tmp_path, data_set) is data_set


@pytest.mark.parametrize(
    ("folders", "file", "content", "names"),
    [
        (("0", "1", "2"), "classes.txt", "dog\ncat\nant\n", ("dog", "cat", "ant")),
        (("1", "2", "10"), "labels.txt", "\n".join("abcdefghij"), ("a", "b", "j")),
        (("1", "2"), "cat_to_name.json", '{"2": "orchid", "1": "pink primrose", "3": "rose"}', ("pink primrose", "orchid")),
        (("00000", "00001"), "class_indices.json", '{"stop": 1, "yield": 0}', ("yield", "stop")),
        (("3", "7"), "classes.txt", "7: seven of\n3: three of\n", ("three of", "seven of")),
    ],
)
@pytest.mark.parametrize("wrapper", ["", "data"])
def test_a_file_names_the_numbers(tmp_path, folders, file, content, names, wrapper):
    write_classes(tmp_path / wrapper / "train", dict.fromkeys(folders, 2))
    (tmp_path / file).write_text(content)
    found = read(tmp_path)
    assert found.class_names == names and not found.problems
    assert found.splits["train"].labels.tolist() == [label for label in range(len(folders)) for _ in range(2)]
    assert any(f"names in {file}: {folders[0]} is {names[0]!r}" in note for note in found.notes)


@pytest.mark.parametrize(
    ("file", "content"),
    [("classes.txt", "dog\ncat\n"), ("classes.txt", "dog\ndog\ndog\n"), ("names.json", "[1"), ("names.json", '{"0": {}}')],
)
def test_a_file_that_does_not_name_each_number_is_not_used(tmp_path, file, content):
    write_classes(tmp_path, {"0": 2, "1": 2, "2": 2})
    (tmp_path / file).write_text(content)
    found = read(tmp_path)
    assert found.class_names == ("0", "1", "2") and [problem.kind for problem in found.problems] == ["class names"]


@pytest.mark.parametrize("content", ["2\n10\n", "cat\ndog\n"])
def test_names_that_are_no_numbers_or_the_numbers_themselves_stay(tmp_path, content):
    write_classes(tmp_path, dict.fromkeys(content.split(), 2))
    (tmp_path / "classes.txt").write_text(content)
    found = read(tmp_path)
    assert found.class_names == tuple(content.split()) and not found.problems


@pytest.mark.parametrize("wrapper", ["", "ILSVRC/Data/CLS-LOC"])
def test_synsets_are_named(tmp_path, wrapper):
    synsets = ("n01440764", "n02012849", "n03126707")
    write_classes(tmp_path / wrapper / "train", dict.fromkeys(synsets, 2))
    words = ("tench, Tinca tinca", "crane", "crane")
    lines = [f"{synset} {word}" for synset, word in zip(synsets, words, strict=True)]
    (tmp_path / "LOC_synset_mapping.txt").write_text("\n".join(lines))
    found = read(tmp_path)
    assert found.class_names == ("tench", "crane (n02012849)", "crane (n03126707)") and not found.problems
    (tmp_path / "LOC_synset_mapping.txt").write_text("\n".join(lines[:2]))
    assert read(tmp_path).class_names == synsets
