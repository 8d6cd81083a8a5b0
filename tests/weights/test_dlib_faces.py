"""The weights of the installed package, read whole."""

import sys

from visionkit.weights import dlib_faces


def test_the_published_file_is_read_to_its_end_and_its_package_not_run():
    file = dlib_faces.read()
    kinds = [layer.kind for layer in file.layers]
    counts = {"con_4": 29, "affine_": 29, "relu_": 29, "add_prev_": 14, "max_pool_2": 1, "avg_pool_2": 5, "fc_2": 1}
    assert {kind: kinds.count(kind) for kind in kinds} == counts
    assert sum(array.size for layer in file.layers for array in layer.arrays) == 5_614_592
    assert file.sides == (150, 150) and dlib_faces.PACKAGE not in sys.modules
