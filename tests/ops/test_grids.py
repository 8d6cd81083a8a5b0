import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from visionkit.ops import grids


def test_no_boxes():
    assert grids.decode(np.zeros((0, 4), "float32"), np.zeros((0, 2)), np.zeros((0, 2)), (4, 4)).shape == (0, 4)


def test_the_cells_of_a_grid():
    assert np.asarray(grids.cells(2, 3)).tolist() == [[[0, 0], [1, 0], [2, 0]], [[0, 1], [1, 1], [2, 1]]]


def test_decoding_by_hand():
    """No offset: the middle of the cell, the anchor's sides. A sigmoid of 1: half a cell beyond, four times the anchor."""
    none = grids.decode(np.zeros((1, 4), "float32"), np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]), (4, 8))
    np.testing.assert_allclose(none, [[1.5 / 4 - 0.125, 2.5 / 8 - 0.25, 1.5 / 4 + 0.125, 2.5 / 8 + 0.25]], rtol=1e-6)
    most = grids.decode(np.full((1, 4), 100, "float32"), np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]), (4, 8))
    np.testing.assert_allclose(most, [[2.5 / 4 - 0.5, 3.5 / 8 - 1, 2.5 / 4 + 0.5, 3.5 / 8 + 1]], rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(*[st.floats(0, 1)] * 2),
    st.tuples(*[st.floats(-0.45, 1.45)] * 2),
    st.tuples(*[st.floats(0.02, 3.5)] * 2),
    st.tuples(*[st.floats(0.05, 0.9)] * 2),
)
def test_encodable_boxes_round_trip(grid, place, within, ratio, anchor):
    """Also of centers in the neighboring cell, and of sides beyond the image."""
    cell = np.floor(np.array(place) * (np.array(grid) - 1e-6))
    center, sides = (cell + within) / grid, np.array(ratio) * anchor / grid
    box = np.concatenate([center - sides / 2, center + sides / 2])[None].astype("float32")
    given_cell, anchors = cell[None].astype("float32"), np.array([anchor], "float32")
    offsets = grids.encode(box, given_cell, anchors, grid)
    np.testing.assert_allclose(grids.decode(offsets, given_cell, anchors, grid), box, atol=2e-4)


def test_the_offsets_of_other_boxes_are_finite():
    box = np.array([[0.9, 0.9, 0.9, 0.9], [-3, -3, 5, 5]], "float32")
    offsets = np.asarray(grids.encode(box, np.zeros((2, 2), "float32"), np.full((2, 2), 0.4, "float32"), (4, 4)))
    assert np.isfinite(offsets).all()
