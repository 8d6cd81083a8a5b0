"""Masks of every kind, and the files that name their classes."""

import contextlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from visionkit.data.formats.mask_folders import read_masks
from visionkit.data.images.decode import ImageError
from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.meaning import BINARY_NAMES
from visionkit.data.images.masks.names import find_names, read_names
from visionkit.data.images.masks.read import mask_of_objects, read_mask
from visionkit.data.index import IGNORE, NO_OBJECTS, DataError, Objects, Rle
from visionkit.data.split_names import WHOLE
from visionkit.data.splits import DataSet

RED, GREEN, BLACK = (255, 0, 0), (0, 128, 0), (0, 0, 0)


def save(path, values, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(values)
    Image.fromarray(values if values.dtype != np.int64 else values.astype(np.uint8)).save(path, **options)
    return path


def image(path):
    return save(path, np.full((4, 6, 3), 90))


def pairs(folder, masks, suffix=".png"):
    """Images a, b, ... and these masks, in images/ and masks/."""
    for name, values in zip("abcdefgh", masks, strict=False):
        image(folder / "images" / f"{name}.jpg")
        save(folder / "masks" / f"{name}{suffix}", values)
    return folder


def masks_of(found: DataSet, split=WHOLE):
    index = found.splits[split]
    return [read_mask(annotation.mask, index).tolist() for annotation in index.annotations]


def test_without_a_file_of_names_there_are_none(tmp_path):
    assert find_names([tmp_path]) is None


def test_masks_of_0_and_255_are_binary(tmp_path):
    found = read_masks(pairs(tmp_path, [[[0, 255]], [[255, 255]]]))
    assert found.class_names == BINARY_NAMES
    assert found.notes == ("mask values: 0 is background, 255 is foreground (all 2 masks)",)
    assert masks_of(found) == [[[0, 1]], [[1, 1]]]
    assert found.splits[WHOLE].task == "segmentation" and found.splits[WHOLE].labels.tolist() == [-1, -1]
    assert found.problems == ()


def test_masks_of_0_and_1_are_binary(tmp_path):
    found = read_masks(pairs(tmp_path, [[[0, 1]], [[0, 0]]]))
    assert found.class_names == BINARY_NAMES
    assert masks_of(found) == [[[0, 1]], [[0, 0]]]


def test_masks_of_one_bit_are_binary(tmp_path):
    found = read_masks(pairs(tmp_path, [np.array([[False, True]])]))
    assert found.class_names == BINARY_NAMES and masks_of(found) == [[[0, 1]]]


def test_a_single_name_is_that_of_the_foreground(tmp_path):
    (tmp_path / "classes.txt").write_text("polyp\n")
    found = read_masks(pairs(tmp_path, [[[0, 255]]]))
    assert found.class_names == ("background", "polyp") and masks_of(found) == [[[0, 1]]]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("id name\n0 sky\n1 road\n", "classes.txt: its first line, 'id name', is a header"),
        ("sky, road\n", "classes.txt: its only line is a list of 2 names"),
        ("sky\nroad\n", None),
    ],
)
def test_a_header_and_a_list_in_one_line_are_noted(tmp_path, text, note):
    (tmp_path / "classes.txt").write_text(text)
    found = read_masks(pairs(tmp_path, [[[0, 1]]]))
    assert found.class_names == ("sky", "road")
    assert [each for each in found.notes if each.startswith("classes.txt:")] == ([note] if note else [])


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("_classes.csv", "Pixel Value, Class\n0, sky\n1, road\n2, tree\n"),
        ("class_names.txt", "__ignore__\nsky\nroad\ntree\n"),
        ("class_names.txt", "sky\nroad\ntree\n"),
    ],
)
def test_names_as_roboflow_and_labelme_write_them(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    named = find_names([tmp_path])
    assert named.names == ("sky", "road", "tree") and named.values in (None, (0, 1, 2))
    assert named.source == str(tmp_path / file)


def test_a_table_of_labels_names_no_mask_values(tmp_path):
    (tmp_path / "_classes.csv").write_text("filename, cat, dog\n0.jpg, 1, 0\n")
    assert find_names([tmp_path]) is None


def test_two_names_may_be_those_of_a_binary_mask(tmp_path):
    (tmp_path / "classes.txt").write_text("membrane\ncell\n")
    found = read_masks(pairs(tmp_path, [[[0, 255]]]))
    assert found.class_names == ("membrane", "cell") and masks_of(found) == [[[0, 1]]]


def test_255_is_ignored_beside_0_and_1_even_if_the_classes_are_named_like_binary_ones(tmp_path):
    (tmp_path / "classes.txt").write_text("background\nforeground\n")
    found = read_masks(pairs(tmp_path, [[[0, 1, 1, 1, 255]]]))
    assert found.class_names == BINARY_NAMES and masks_of(found) == [[[0, 1, 1, 1, IGNORE]]]
    assert found.notes[-1] == "pixels of the mask value 255 are ignored: 1 of all pixels (20.0%)"


def test_soft_edges_are_cut_in_the_middle(tmp_path):
    values = np.zeros((100, 100), np.uint8)
    values[:, 50:] = 255
    values[0, :100] = np.arange(100, 200)
    found = read_masks(pairs(tmp_path, [values]))
    assert found.class_names == BINARY_NAMES and "128" in found.notes[0]
    assert masks_of(found)[0][0] == [0] * 28 + [1] * 72


def test_jpeg_masks_are_binary_and_noted(tmp_path):
    values = np.zeros((16, 16), np.uint8)
    values[:, 8:] = 255
    found = read_masks(pairs(tmp_path, [values], suffix=".jpg"))
    assert found.class_names == BINARY_NAMES and "JPEG" in found.notes[0]
    assert masks_of(found)[0] == (values > 127).astype(int).tolist()


def test_jpeg_masks_of_many_classes_are_an_error(tmp_path):
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    with pytest.raises(DataError, match="Save them as PNG"):
        read_masks(pairs(tmp_path, [np.eye(16, dtype=np.uint8)], suffix=".jpg"))


def test_index_masks_are_named_by_a_file(tmp_path):
    (tmp_path / "classes.txt").write_text("sky\nroad\ncar\n")
    found = read_masks(pairs(tmp_path, [[[0, 1, 2, 255, 7]]]))
    assert found.class_names == ("sky", "road", "car")
    assert masks_of(found) == [[[0, 1, 2, IGNORE, IGNORE]]]
    assert found.notes[0] == "values without a name are ignored: 7"


@pytest.mark.parametrize("last", ["void", "Unlabelled", "ignore"])
def test_a_last_name_for_what_is_unlabelled_is_no_class(tmp_path, last):
    (tmp_path / "classes.txt").write_text(f"sky\nroad\ncar\n{last}\n")
    found = read_masks(pairs(tmp_path, [[[0, 1, 2, 3]]]))
    assert found.class_names == ("sky", "road", "car")
    assert masks_of(found) == [[[0, 1, 2, IGNORE]]] and any(last in note for note in found.notes)


def test_nameless_classes_are_named_by_their_numbers(tmp_path):
    found = read_masks(pairs(tmp_path, [[[0, 1, 3, 3, 255]]]))
    assert found.class_names == ("0", "1", "2", "3") and "classes.txt" in found.notes[0]
    assert masks_of(found) == [[[0, 1, 3, 3, IGNORE]]]


def test_numbers_far_apart_are_grey_levels(tmp_path):
    found = read_masks(pairs(tmp_path, [[[0, 100, 200]]]))
    assert found.class_names == ("0", "100", "200")
    assert masks_of(found) == [[[0, 1, 2]]]


def test_palette_masks_hold_indices(tmp_path):
    folder = pairs(tmp_path, [[[0, 1, 2, 255]]])
    mask = Image.new("P", (4, 1))
    mask.putdata([0, 1, 2, 255])
    mask.putpalette([*BLACK, *RED, *GREEN] + [7] * 759)
    mask.save(folder / "masks" / "a.png")
    found = read_masks(folder)
    assert found.class_names == ("0", "1", "2", "255") and masks_of(found) == [[[0, 1, 2, 3]]]


def test_masks_of_16_bits_hold_indices(tmp_path):
    found = read_masks(pairs(tmp_path, [np.array([[0, 1, 2, 3]], np.uint16)]))
    assert masks_of(found) == [[[0, 1, 2, 3]]]


def test_values_beyond_255_are_classes(tmp_path):
    found = read_masks(pairs(tmp_path, [np.array([[0, 1, 65535, 4000]], np.uint16)]))
    assert found.class_names == ("0", "1", "4000", "65535") and masks_of(found) == [[[0, 1, 3, 2]]]


def test_grey_saved_as_color_is_grey(tmp_path):
    found = read_masks(pairs(tmp_path, [np.repeat(np.array([[[0], [1], [2]]], np.uint8), 3, axis=2)]))
    assert found.class_names == ("0", "1", "2") and masks_of(found) == [[[0, 1, 2]]]


def test_colors_are_found_in_the_masks(tmp_path):
    found = read_masks(pairs(tmp_path, [[[RED, BLACK]], [[GREEN, BLACK]]]))
    assert found.class_names == ("#000000", "#008000", "#ff0000") and "colors.csv" in found.notes[0]
    assert masks_of(found) == [[[2, 0]], [[1, 0]]]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("colors.csv", "name,r,g,b\nroad,255,0,0\ntree,0,128,0\n"),
        ("class_dict.csv", "r;g;b;name\n255;0;0;road\n0;128;0;tree\n"),
        ("palette.csv", "road,255,0,0\ntree,0,128,0\n"),
        ("classes.txt", "255 0 0 road\n0 128 0\ttree\n"),
        ("labelmap.txt", "# label:color_rgb:parts:actions\nroad:255,0,0::\ntree:0,128,0::\n"),
    ],
)
def test_colors_are_named_by_a_file_and_others_are_ignored(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = read_masks(pairs(tmp_path, [[[RED, BLACK, GREEN]]]))
    assert found.class_names == ("road", "tree")
    assert masks_of(found) == [[[0, IGNORE, 1]]]


def test_void_among_colors_is_no_class(tmp_path):
    (tmp_path / "colors.csv").write_text("void,0,0,0\nroad,255,0,0\ntree,0,128,0\n")
    found = read_masks(pairs(tmp_path, [[[RED, BLACK, GREEN]]]))
    assert found.class_names == ("road", "tree") and masks_of(found) == [[[0, IGNORE, 1]]]


def test_a_palette_mask_in_the_colors_of_the_file_is_read_by_color(tmp_path):
    (tmp_path / "colors.csv").write_text("road,255,0,0\ntree,0,128,0\nsky,0,0,0\n")
    folder = pairs(tmp_path, [[[RED, BLACK, GREEN]]])
    Image.open(folder / "masks" / "a.png").convert("P", palette=Image.Palette.ADAPTIVE).save(folder / "masks" / "a.png")
    assert masks_of(read_masks(folder)) == [[[0, 2, 1]]]


def test_colors_blurred_by_jpeg_are_the_nearest(tmp_path):
    (tmp_path / "colors.csv").write_text("road,255,0,0\ntree,0,128,0\n")
    values = np.full((16, 16, 3), RED, np.uint8)
    values[:, 8:] = GREEN
    found = read_masks(pairs(tmp_path, [values], suffix=".jpg"))
    assert masks_of(found)[0] == [[0] * 8 + [1] * 8] * 16


def test_a_photograph_is_no_mask(tmp_path, photograph):
    with pytest.raises(DataError, match=r"colors\.csv"):
        read_masks(pairs(tmp_path, [photograph]))


def test_transparency_does_not_change_a_color(tmp_path):
    (tmp_path / "colors.csv").write_text("road,255,0,0\ntree,0,128,0\n")
    assert masks_of(read_masks(pairs(tmp_path, [[[(*RED, 0), (*GREEN, 9)]]]))) == [[[0, 1]]]


@pytest.mark.parametrize("text", ["road,256,0,0", "road,red,0,0", "road", "name,r,g,b\nroad,1,2"])
def test_a_line_that_is_no_color_is_an_error(tmp_path, text):
    (tmp_path / "colors.csv").write_text(text)
    with pytest.raises(DataError, match="is no class"):
        read_names(tmp_path / "colors.csv")


@given(st.binary(max_size=200), st.sampled_from(["colors.csv", "classes.txt"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_for_names_ends_as_names_or_as_an_error_of_the_data(tmp_path, contents, name):
    (tmp_path / name).write_bytes(contents)
    with contextlib.suppress(DataError):
        read_names(tmp_path / name)


def test_a_broken_mask_raises_when_it_is_read(tmp_path):
    folder = pairs(tmp_path, [[[0, 1]], [[0, 1]]])
    (folder / "masks" / "a.png").write_bytes(b"no image")
    found = read_masks(folder)
    assert len(found) == 2
    with pytest.raises(ImageError, match="not an image"):
        masks_of(found)
    with pytest.raises(ImageError, match="No such file"):
        read_mask(tmp_path / "nowhere.png", found.splits[WHOLE])


def test_only_broken_masks_are_an_error(tmp_path):
    folder = pairs(tmp_path, [[[0, 1]]])
    (folder / "masks" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="None of 1 masks"):
        read_masks(folder)
    with pytest.raises(DataError, match="None of 0 masks"):
        find_classes([])


def test_a_mask_in_colors_among_masks_of_numbers_cannot_be_used(tmp_path):
    found = read_masks(pairs(tmp_path, [[[0, 1, 2]]]))
    other = save(tmp_path / "other.png", [[RED, GREEN]])
    with pytest.raises(ImageError, match="the mask has colors"):
        read_mask(other, found.splits[WHOLE])


def test_no_objects_make_a_mask_of_background():
    assert mask_of_objects(NO_OBJECTS, 2, 3).tolist() == [[0, 0, 0], [0, 0, 0]]


def square(x1, y1, x2, y2):
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], float)


def objects_of(outlines, classes):
    return Objects(np.zeros((len(classes), 4)), np.array(classes, np.int32), tuple(outlines))


def test_a_small_object_lies_on_a_large_one_whatever_their_order():
    large, small = (square(0, 0, 1, 1),), (square(0.25, 0.5, 0.75, 1),)
    expected = [[5, 5, 5, 5], [5, 5, 5, 5], [5, 1, 1, 5], [5, 1, 1, 5]]
    assert mask_of_objects(objects_of([small, large], [0, 4]), 4, 4).tolist() == expected
    assert mask_of_objects(objects_of([large, small], [4, 0]), 4, 4).tolist() == expected


def test_an_object_may_have_several_polygons():
    polygons = (square(0, 0, 0.5, 0.5), square(0.5, 0.5, 1, 1))
    assert mask_of_objects(objects_of([polygons], [0]), 2, 2).tolist() == [[1, 0], [0, 1]]


def test_a_run_length_encoded_object():
    from faster_coco_eval.core import mask as coco_mask

    inside = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)
    outline = Rle((2, 3), coco_mask.encode(np.asfortranarray(inside))["counts"])
    assert mask_of_objects(objects_of([outline], [1]), 2, 3).tolist() == (inside * 2).tolist()
    assert mask_of_objects(objects_of([outline], [1]), 4, 6).tolist() == (inside * 2).repeat(2, 0).repeat(2, 1).tolist()


def test_objects_without_outline_or_class_are_left_out():
    outlines = [None, (square(0, 0, 1, 1),), (), (square(0, 0, 1, 1)[:2],)]
    assert not mask_of_objects(objects_of(outlines, [0, -1, 0, 0]), 3, 3).any()
    assert not mask_of_objects(Objects(np.zeros((1, 4)), np.zeros(1, np.int32)), 3, 3).any()


@given(st.binary(max_size=60), st.lists(st.tuples(st.floats(), st.floats()), max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_damaged_outline_is_drawn_as_far_as_it_goes(counts, points):
    outlines = [Rle((4, 4), counts), (np.array(points).reshape(-1, 2),)]
    assert mask_of_objects(objects_of(outlines, [0, 1]), 4, 4).shape == (4, 4)


def test_more_classes_than_a_mask_can_hold_are_an_error():
    with pytest.raises(DataError, match="at most 254"):
        mask_of_objects(objects_of([None], [254]), 3, 3)
