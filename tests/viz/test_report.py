"""Figures and drawings; the pages of reports are tested with the tasks that fill them."""

import numpy as np
import pytest

from visionkit.viz import plots
from visionkit.viz.labels import draw_label

HISTORY = [
    {"phase": phase, "epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": 2 / e, "val_accuracy": 0.4}
    for phase in ("head", "last")
    for e in (1, 2)
]


def test_figures_are_pngs():
    assert plots.curves(HISTORY).startswith(b"\x89PNG")


@pytest.mark.parametrize("shape", [(1, 1), (20, 400), (300, 20)])
def test_a_drawing_holds_the_image_and_its_lines(shape):
    pixels = np.full((*shape, 3), 200, np.uint8)
    drawing = draw_label(pixels, ["cat  93.1%", "dog  4.2%"])
    assert drawing.height > shape[0] and drawing.width >= shape[1]
    left = (drawing.width - shape[1]) // 2
    assert (np.asarray(drawing)[: shape[0], left : left + shape[1]] == 200).all()
