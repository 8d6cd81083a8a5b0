"""The assignment of objects to slots."""

import numpy as np
import pytest

from visionkit.ops.matching import assign, count_collisions, fitting

ANCHORS = np.array([[0.1, 0.1], [0.4, 0.4]], "float32")


def boxes_at(*centers_and_sides):
    rows = np.array(centers_and_sides, "float32").reshape(-1, 4)
    return np.concatenate([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2], axis=1)[None]


def slots_of(boxes, classes, anchors, grid):
    """By a loop: the set of (image, row, column, anchor, object)."""
    assigned, columns, rows = set(), *grid
    for n in range(len(boxes)):
        for m in range(len(boxes[n])):
            if classes[n][m] < 0:
                continue
            left, top, right, bottom = boxes[n][m].astype(float)
            ratios = [max((right - left) / w, w / (right - left), (bottom - top) / h, h / (bottom - top)) for w, h in anchors]
            x, y = (left + right) / 2 * columns, (top + bottom) / 2 * rows
            column, row = min(max(int(np.floor(x)), 0), columns - 1), min(max(int(np.floor(y)), 0), rows - 1)
            cells = [(row, column)]
            cells += [(row, column - 1)] if x - column < 0.5 else [(row, column + 1)] if x - column > 0.5 else []
            cells += [(row - 1, column)] if y - row < 0.5 else [(row + 1, column)] if y - row > 0.5 else []
            for a, ratio in enumerate(ratios):
                if ratio < 4 or a == int(np.argmin(ratios)):
                    inside = [(r, c) for r, c in cells if 0 <= r < rows and 0 <= c < columns]
                    assigned |= {(n, r, c, a, m) for r, c in inside}
    return assigned


def assigned_rows(boxes, classes, anchors, grid):
    given_slots = assign(boxes, classes, fitting(boxes, anchors), grid)
    filled = np.asarray(given_slots.filled)
    num_anchors, most = len(anchors), boxes.shape[1]
    objects = np.repeat(np.arange(boxes.shape[0] * most), 5 * num_anchors)[filled] % most
    slots = np.asarray(given_slots.slots)[filled]
    places = np.stack(np.unravel_index(slots, (len(boxes), grid[1], grid[0], num_anchors)), axis=1)
    cells = np.asarray(given_slots.cells)[filled]
    assert (cells[:, ::-1] == places[:, 1:3]).all()
    assert (np.asarray(given_slots.anchors)[filled] == places[:, 3]).all()
    return {(*map(int, place), int(m)) for place, m in zip(places, objects, strict=True)}


def test_images_without_objects():
    boxes, classes = np.zeros((2, 3, 4), "float32"), np.full((2, 3), -1, "int32")
    fits = fitting(boxes, ANCHORS)
    given_slots = assign(boxes, classes, fits, (4, 4))
    assert not np.asarray(given_slots.filled).any()
    assert count_collisions(given_slots, fits) == (0, 0, 0)


def test_one_object_by_hand():
    """Its center lies in cell (1, 2), nearer to its left and to its lower neighbor; both anchors fit."""
    boxes = boxes_at((0.3, 0.7, 0.2, 0.2))
    expected = {(0, row, column, a, 0) for row, column in ((2, 1), (2, 0), (3, 1)) for a in (0, 1)}
    assert assigned_rows(boxes, np.zeros((1, 1), "int32"), ANCHORS, (4, 4)) == expected


@pytest.mark.parametrize(
    ("center", "cells"),
    [((0.0, 0.0), {(0, 0)}), ((1.0, 1.0), {(3, 3)}), ((0.5, 0.99), {(3, 2), (3, 1)})],
    ids=["corner", "far corner", "on a line, at the border"],
)
def test_objects_at_the_border_keep_a_cell(center, cells):
    rows = assigned_rows(boxes_at((*center, 0.4, 0.4)), np.zeros((1, 1), "int32"), ANCHORS[1:], (4, 4))
    assert {place[1:3] for place in rows} == cells


@pytest.mark.parametrize("side", [1e-4, 3.0], ids=["far smaller than a cell", "larger than the image"])
def test_an_object_that_fits_no_anchor_is_assigned_to_the_nearest(side):
    rows = assigned_rows(boxes_at((0.3, 0.3, side, side)), np.zeros((1, 1), "int32"), ANCHORS, (4, 4))
    assert {place[3] for place in rows} == {0 if side < 0.1 else 1}


@pytest.mark.parametrize(("seed", "grid"), [(0, (1, 1)), (1, (3, 2)), (2, (7, 5)), (3, (1, 6)), (4, (4, 4))])
def test_assignments_equal_those_of_a_loop(seed, grid):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.random((2, 6, 2, 2)), axis=2)
    boxes = np.concatenate([corners[:, :, 0], corners[:, :, 1] + 1e-3], axis=2).astype("float32")
    classes = rng.integers(-1, 3, (2, 6)).astype("int32")
    assert assigned_rows(boxes, classes, ANCHORS, grid) == slots_of(boxes, classes, ANCHORS, grid)


def test_collisions_are_counted():
    """Two objects at one place hide each other; a third, in a neighboring cell, shares some slots with them; a fourth none."""
    boxes = boxes_at((0.30, 0.30, 0.4, 0.4), (0.30, 0.30, 0.4, 0.4), (0.45, 0.30, 0.4, 0.4), (0.9, 0.9, 0.4, 0.4))
    fits = fitting(boxes, ANCHORS[1:])
    counted = count_collisions(assign(boxes, np.zeros((1, 4), "int32"), fits, (4, 4)), fits)
    assert counted == (4, 3, 3) or counted == (4, 3, 2)
