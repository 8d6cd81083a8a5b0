"""Tables of costs have the right sums and fit into a terminal."""

import keras
import pytest

from tests.conftest import sweep
from visionkit.models.catalog import CATALOG
from visionkit.models.cost import build_to_count, layer_costs, separable_blocks
from visionkit.viz.cost_table import cost_lines, list_header, list_line, shown_count


def lines_of(model: keras.Model) -> list[str]:
    return cost_lines(model.name, layer_costs(model), separable_blocks(model))


def test_a_network_without_layers():
    image = keras.Input((4, 5, 3), name="image")
    lines = lines_of(keras.Model(image, image, name="nothing"))
    assert lines[0] == "nothing: 0 parameters, 0 multiply-adds an image"
    assert not any("Not shown" in line or "separable" in line for line in lines)


def test_lenet_has_the_table_that_textbooks_show():
    lines = lines_of(build_to_count("lenet5"))
    assert [line.split() for line in lines[4:6]] == [
        ["image", "InputLayer", "32", "x", "32", "x", "1", "1,024", "0", "0"],
        ["conv1", "Conv2D", "28", "x", "28", "x", "6", "4,704", "156", "117,600"],
    ]
    assert any(line.split()[-3:] == ["10,542", "61,706", "416,520"] for line in lines)
    assert any("weights" in line and "0.25 MB" in line for line in lines)
    assert any("inference" in line and "0.02 MB" in line and line.endswith("pool1") for line in lines)


@pytest.mark.parametrize("name", sweep(["mobilenet_v2", "efficientnet_b7", "resnet152_v2"], ["mobilenet_v2"]))
def test_tables_fit_into_120_columns(name):
    lines = lines_of(build_to_count(name))
    assert max(map(len, lines)) <= 120
    assert ("all blocks" in lines[-1]) == (name != "resnet152_v2")


def test_long_names_are_shortened():
    image = keras.Input((3,))
    lines = lines_of(keras.Model(image, keras.layers.Dense(1, name="n" * 99)(image)))
    assert any("nnn...nnn" in line for line in lines) and max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (999, "999"), (61_706, "61.7 k"), (9_999_000, "10.0 M"), (999_900_000, "1,000 M"), (3.858e9, "3.86 G")],
)
def test_counts_have_three_digits(count, shown):
    assert shown_count(count).replace("1000", "1,000") == shown


def test_the_list_has_one_line_for_each_network():
    costs = {"name": "lenet5", "parameters": 61_706, "multiply_adds": 416_520, "input_shape": [32, 32, 1], "weights": []}
    header, line = list_header(list(CATALOG)), list_line(list(CATALOG), costs | {"weights": ["imagenet"]})
    assert line.split() == ["lenet5", "32", "x", "32", "x", "1", "61.7", "k", "417", "k", "imagenet"]
    assert header.index("weights") == line.index("imagenet")
