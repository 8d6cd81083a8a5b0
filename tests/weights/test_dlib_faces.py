"""The weights in the installed package are read completely."""

import sys

from visionkit.weights import dlib_faces


def test_the_published_file_is_read_completely_without_running_its_package():
    file = dlib_faces.read()
    kinds = [layer.kind for layer in file.layers]
    counts = {"con_4": 29, "affine_": 29, "relu_": 29, "add_prev_": 14, "max_pool_2": 1, "avg_pool_2": 5, "fc_2": 1}
    assert {kind: kinds.count(kind) for kind in kinds} == counts
    assert sum(array.size for layer in file.layers for array in layer.arrays) == 5_614_592
    assert file.sides == (150, 150) and dlib_faces.PACKAGE not in sys.modules
