"""What is decided before a classifier of signals or volumes is trained."""

import json
from pathlib import Path

import numpy as np
import pytest

from visionkit.data.index import DataError
from visionkit.tasks.classification.plan_arrays import NETWORKS, Plan, choose_plan, choose_variation, open_data
from visionkit.training.config import RunConfig
from visionkit.training.recipe import Run

OPTIONS = {"built_in": "signals", "size": 4, "patches": 2}


@pytest.fixture
def run(tmp_path):
    return Run.start(tmp_path / "run", {})


def write_table(path, labels="ab", count=5):
    path.write_text("".join(f"{label} {number} 1 2\n" for label in labels for number in range(count)))
    return str(path)


def test_no_signals_are_an_error_and_leave_no_plan(run, tmp_path):
    with pytest.raises(DataError, match="no signal to train on"):
        open_data(run, RunConfig(data=write_table(tmp_path / "a.txt", count=0)), **OPTIONS)
    assert run.read_json("plan.json") is None


def test_a_resumed_run_keeps_its_split_and_says_what_is_skipped(run, tmp_path):
    config = RunConfig(data=write_table(tmp_path / "a.txt"))
    data = open_data(run, config, **OPTIONS)
    assert data.shape == (3, 1) and run.notes[0] == f"8 training and 2 validation signals of 2 classes: {config.data}."
    assert run.read_json("plan.json") == json.loads(json.dumps(data.to_plain()))
    with Path(config.data).open("a") as table:
        table.write("a 9 9 9\na x y z\n")
    again = open_data(run, config, **OPTIONS)
    assert again.train.paths == data.train.paths and (again.val_values == data.val_values).all()
    assert [file.path for file in again.skipped] == [f"{config.data}:12"] and f"Skipped {config.data}:12" in run.notes[-1]


@pytest.mark.parametrize(("built_in", "shape"), [("signals", (256, 1)), ("volumes", (14, 14, 14, 1))])
def test_built_in_data_of_a_smoke_run_are_few(run, built_in, shape):
    data = open_data(run, RunConfig(smoke=True), built_in=built_in, size=16, patches=1)
    assert data.shape == shape and data.kind == built_in[:-1] and set(data.train.counts()) == {32}
    assert run.notes[0].endswith("classes: built-in data.")


def test_volumes_are_resized_and_cubes_are_not_shifted(run, tmp_path):
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(5):
            np.save(tmp_path / "data" / name / f"{number}.npy", np.arange(216).reshape(6, 6, 6) % 2)
    data = open_data(run, RunConfig(data=str(tmp_path / "data")), **OPTIONS)
    assert data.fit == "crop" and data.shape == (4, 4, 4, 1) and len(data.train) == 16
    assert run.notes[1] == "Note: cubes of 4 voxels a side, 2 of each label from each volume, labelled by their middle voxels."
    assert run.notes[2] == "Note: whole volumes are held out for validation, by seed."
    variation = choose_variation(data, flip=True)
    assert variation.shift == 0 and variation.flip


def test_the_number_of_epochs_makes_the_steps_and_requests_come_first(run, tmp_path):
    data = open_data(run, RunConfig(data=write_table(tmp_path / "a.txt", count=50)), **OPTIONS)
    assert choose_plan(run, data, network=None, epochs=None, batch_size=8) == Plan(NETWORKS["signal"], 1200 * 8 // 80)
    assert run.notes[-2:] == [
        "Network resnet20: the default for signals.",
        "120 epochs: about 1200 steps of 8 signals, within 10 to 300 epochs.",
    ]
    assert choose_plan(run, data, network="resnet8", epochs=3, batch_size=8) == Plan("resnet8", 3)
    assert run.notes[-2:] == ["Network resnet8: as requested.", "3 epochs: as requested."]
    assert choose_plan(run, data, network=None, epochs=None, batch_size=1).epochs == 15
    assert choose_plan(run, data, network=None, epochs=None, batch_size=64).epochs == 300
