"""The figure shows the responses of edge filters."""

import numpy as np

from visionkit.viz.edge_figure import GAP, bundled_photograph, edge_figure

SIDE = 128


def cell(figure: np.ndarray, number: int) -> np.ndarray:
    """The image of a panel, without margins and captions."""
    row, column = divmod(number, 4)
    top, left = row * len(figure) // 2 + GAP, column * (SIDE + 2 * GAP) + GAP
    return figure[top : top + SIDE, left : left + SIDE].astype(int)


def test_a_plain_image_has_no_edges():
    figure = edge_figure(np.full((1, 1, 3), 90, np.uint8), SIDE)
    for number in range(1, 6):
        assert set(np.unique(cell(figure, number))) == {128}
    assert cell(figure, 6).min() == 255 and cell(figure, 7).max() == 0


def test_white_and_black_show_which_side_is_brighter():
    step = np.zeros((SIDE, SIDE, 3), np.uint8)
    step[:, SIDE // 2 :] = 200
    figure, middle = edge_figure(step, SIDE), SIDE // 2
    responses = [cell(figure, number)[middle, middle, 0] for number in range(7)]
    assert responses == [200, 1, 128, 255, 128, 255, 0]
    assert cell(figure, 7)[middle, middle].tolist() == [255, 0, 0]


def test_the_bundled_photograph_and_a_wide_one_are_drawn(photograph):
    assert bundled_photograph().shape == (512, 512, 3)
    figure = edge_figure(photograph, SIDE)
    assert figure.dtype == np.uint8 and figure.shape[1] == 4 * (SIDE + 2 * GAP)
    assert len(figure) < len(edge_figure(photograph[:, :300], SIDE)) - 40
