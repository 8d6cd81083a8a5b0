"""Batches of one shape."""

import numpy as np
import pytest

from visionkit.data.index import NO_OBJECTS, Annotation, Index, Objects
from visionkit.data.pipeline.collate import ALIGNMENT, batch_of, num_keypoints, pad_objects, stack
from visionkit.data.pipeline.samples import Sample


def objects_of(number: int, num_points: int = 0) -> Objects:
    rng = np.random.default_rng(number)
    keypoints = rng.random((number, num_points, 3)) if num_points else None
    return Objects(rng.random((number, 4)), rng.integers(0, 9, number).astype(np.int32), keypoints=keypoints)


def index_of(*of_images: Objects | None) -> Index:
    annotations = tuple(Annotation(objects) for objects in of_images)
    return Index(("a",), ("x",) * len(annotations), np.zeros(len(annotations), np.int32), annotations=annotations)


def test_no_arrays_stack_to_an_empty_array():
    assert stack([], (4, 4, 3), np.uint8).shape == (0, 4, 4, 3)


def test_no_samples_have_no_rows():
    padded = pad_objects([], 2)
    assert {name: array.shape for name, array in padded.items()} == {
        "boxes": (0, 8, 4),
        "classes": (0, 8),
        "keypoints": (0, 8, 2, 3),
    }


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int32])
def test_arrays_are_stacked_in_memory_that_is_not_copied(rng, dtype):
    for number, shape in [(1, (3, 5)), (7, (11, 2, 3)), (4, ())]:
        arrays = [rng.integers(0, 200, shape).astype(dtype) for _ in range(number)]
        whole = stack(arrays, shape, dtype)
        np.testing.assert_array_equal(whole, np.stack(arrays))
        assert whole.dtype == dtype and whole.ctypes.data % ALIGNMENT == 0 and whole.flags.c_contiguous


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="broadcast"):
        stack([np.zeros((3, 4))], (4, 4), np.uint8)


def test_padded_rows_have_no_class_and_no_box():
    samples = [objects_of(2), NO_OBJECTS, objects_of(9)]
    padded = pad_objects(samples, 0)
    assert set(padded) == {"boxes", "classes"}
    assert padded["boxes"].shape == (3, 16, 4) and padded["boxes"].dtype == np.float32
    assert padded["classes"].shape == (3, 16) and padded["classes"].dtype == np.int32
    for row, objects in enumerate(samples):
        np.testing.assert_allclose(padded["boxes"][row, : len(objects)], objects.boxes, rtol=1e-6)
        np.testing.assert_array_equal(padded["classes"][row, : len(objects)], objects.classes)
        assert (padded["classes"][row, len(objects) :] == -1).all() and not padded["boxes"][row, len(objects) :].any()


@pytest.mark.parametrize(("most", "rows"), [(0, 8), (1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (100, 128)])
def test_the_number_of_rows_is_a_power_of_two(most, rows):
    assert pad_objects([objects_of(most)], 0)["boxes"].shape == (1, rows, 4)


def test_keypoints_are_padded_and_missing_ones_are_unlabelled():
    padded = pad_objects([objects_of(2, 5), objects_of(3), NO_OBJECTS], 5)["keypoints"]
    assert padded.shape == (3, 8, 5, 3) and padded.dtype == np.float32
    np.testing.assert_allclose(padded[0, :2], objects_of(2, 5).keypoints, rtol=1e-6)
    assert not padded[1:].any() and not padded[0, 2:].any()


def test_the_number_of_keypoints_is_that_of_the_first_object_that_has_any():
    assert num_keypoints(index_of()) == 0
    assert num_keypoints(index_of(None, NO_OBJECTS, objects_of(2))) == 0
    assert num_keypoints(index_of(None, NO_OBJECTS, objects_of(2), objects_of(1, 17))) == 17


def test_sets_of_labels_become_rows_of_numbers():
    sets = np.array([[0, 0], [1, 1], [0, 1]], bool)
    index = Index(("a", "b"), ("x",) * 3, np.full(3, -1, np.int32), label_sets=sets)
    label = batch_of(index, np.array([2, 0]), [Sample(np.zeros((4, 4, 3), np.uint8))] * 2, 4, np.uint8)["label"]
    assert label.dtype == np.float32 and label.tolist() == [[0, 1], [0, 0]]
