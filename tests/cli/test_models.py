"""``visionkit models`` as a separate process."""

import json
import subprocess
import sys
from functools import partial

import pytest

from tests.conftest import CLI
from visionkit.models.catalog import CATALOG


@pytest.fixture
def run(program):
    return partial(program, CLI)


@pytest.mark.exhaustive
def test_without_a_name_every_network_is_one_line_of_json(run):
    done = run("models", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and [line["name"] for line in lines] == list(CATALOG)
    assert all(line["parameters"] > 0 and line["multiply_adds"] > 0 and all(line["input_shape"]) for line in lines)
    assert lines[0] == {
        "name": "lenet5",
        "parameters": 61_706,
        "multiply_adds": 416_520,
        "input_shape": [32, 32, 1],
        "weights": [],
    }


def test_one_network_at_another_shape(run):
    done = run("models", "ResNet-18", "--input-shape", 100, 2, "--classes", 5, "--json")
    (network,) = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 0 and network["name"] == "resnet18" and network["input_shape"] == [100, 2]
    assert set(network["layers"][0]) == {"name", "kind", "shape", "size", "parameters", "multiply_adds"}
    for count in ("parameters", "multiply_adds"):
        assert sum(layer[count] for layer in network["layers"]) == network[count]
    assert network["layers"][-1]["shape"] == [5]


def test_the_table_of_one_network(run):
    done = run("models", "lenet5")
    assert done.returncode == 0 and done.stderr == "" and "416,520" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg16", "--input-shape", "14", "14", "3"], "nothing left"),
        (["--classes", "3"], "the name of one network"),
    ],
)
def test_bad_options_are_an_error_of_one_line(run, arguments, message):
    done = run("models", *arguments)
    assert done.returncode == 2 and message in done.stderr and done.stdout == ""
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["models", "edges"])
def test_help_needs_no_tensorflow(command):
    code = f"import sys; sys.argv = ['visionkit', '{command}', '--help']\nfrom visionkit.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    code += "print('heavy', sorted({'tensorflow', 'keras', 'numpy', 'cv2', 'tqdm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy []"
