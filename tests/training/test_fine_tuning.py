"""The options of recipes over a base: what is refused, how old runs are read, and the phases that follow from them."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from tests.models.small_backbones import small_backbone
from visionkit.command_line import parse_options
from visionkit.errors import UserError
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.config import TrainConfig
from visionkit.training.fine_tuning import check_base, parts_of, phases_of
from visionkit.training.fit import Schedule, train_in_order
from visionkit.training.options import from_plain
from visionkit.training.run_folder import RunFolder

SIDE = 32


@dataclass(frozen=True)
class Detection(TrainConfig):
    """A recipe that freezes the first layers."""

    FROZEN = "4"


def test_without_options_all_is_as_it_was():
    config = TrainConfig()
    config.check_options()
    check_base(config, "there is none")
    assert parts_of(config, None, 3) == [("train", "none", 0, 3)]
    assert (config.freeze, config.unfreeze, config.stage_decay, config.patience, config.learning_rate) == (
        None,
        (),
        1,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--freeze base", {"freeze": "base"}),
        ("--freeze 16 --stage-decay 0.3 --patience 3", {"freeze": "16", "stage_decay": 0.3, "patience": 3}),
        ("--unfreeze 5:16 10:none", {"unfreeze": ("5:16", "10:none")}),
        ("--learning-rate auto", {"learning_rate": "auto"}),
        ("--learning-rate 1e-4", {"learning_rate": 1e-4}),
    ],
)
def test_options_are_read_and_kept_in_the_configuration(words, expected, tmp_path):
    config = parse_options(TrainConfig, "recipe", [*words.split(), "--out", str(tmp_path)])
    assert {name: getattr(config, name) for name in expected} == expected
    stored = json.loads(json.dumps(dataclasses.asdict(config) | {"out": str(tmp_path)}))
    assert TrainConfig(**from_plain(config, stored)) == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stage_decay": 0.0}, "--stage-decay 0.0: expected at least 0.001"),
        ({"stage_decay": 1.5}, "--stage-decay 1.5: expected at most 1"),
        ({"base_rate": 0.0}, "--base-rate 0.0: expected at least 0.001"),
        ({"patience": 0}, "--patience 0: expected at least 1"),
        ({"learning_rate": -1.0}, "--learning-rate -1.0: expected at least 0"),
        ({"unfreeze": ("3:4",), "freeze": "4"}, "freezes as much or more"),
        ({"unfreeze": ("whole",)}, "'whole' is not understood"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        TrainConfig(**options).check_options()


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({"freeze": "8"}, "--freeze 8"),
        ({"unfreeze": ("gradual",)}, "--unfreeze gradual"),
        ({"stage_decay": 0.5}, "--stage-decay 0.5"),
        ({"base_rate": 0.5}, "--base-rate 0.5"),
    ],
)
def test_options_for_a_pretrained_base_need_one(options, shown):
    check_base(TrainConfig(**options), None)
    check_base(TrainConfig(resume=Path("run"), **options), "the base has random weights")
    with pytest.raises(UserError, match=f"{shown}: the base has random weights .--weights none.; leave the option out"):
        check_base(TrainConfig(**options), TrainConfig(weights="none").why_random())


@pytest.mark.parametrize(("old", "now"), [(0, "none"), (4, "4"), (16, "16"), ("8", "8"), (None, None)])
def test_runs_that_were_begun_with_numbers_are_read(old, now, tmp_path):
    values = from_plain(TrainConfig(resume=tmp_path), {"out": str(tmp_path), "freeze": old, "unfreeze": "auto"})
    assert values["freeze"] == now and values["unfreeze"] == ("auto",)


def test_a_number_that_no_recipe_knew_is_damage(tmp_path):
    with pytest.raises(UserError, match="its option 'freeze' is 3"):
        from_plain(TrainConfig(resume=tmp_path), {"out": str(tmp_path), "freeze": 3})


def test_gradual_begins_with_all_of_the_base_frozen_unless_freeze_says_otherwise():
    base = small_backbone((SIDE, SIDE))
    freezes = lambda config: [part.freeze for part in parts_of(config, base, 8)]  # noqa: E731
    assert freezes(TrainConfig(unfreeze=("gradual",))) == ["base", "16", "8", "none"]
    assert freezes(TrainConfig(unfreeze=("gradual",), freeze="8")) == ["8", "none"]
    assert freezes(TrainConfig()) == ["none"]
    with pytest.raises(UserError, match="4: the base has no feature map of that stride"):
        freezes(Detection())


def test_a_run_with_a_schedule_is_not_trained_longer():
    assert TrainConfig().why_not_longer() is None
    assert "--unfreeze" in TrainConfig(unfreeze=("gradual",)).why_not_longer()


class Killed(BaseException):
    """Stands in for kill -9, since nothing catches it."""


def make_phases(run, *, killed_in=None):
    """A network with dropout on a base, trained in three parts, which is killed in an epoch of the whole training."""
    keras.utils.set_random_seed(0)
    base = small_backbone((SIDE, SIDE), filters=4)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(base(base.input)["stride_32"]))
    network = keras.Model(base.input, keras.layers.Dense(2)(x))
    config = TrainConfig(unfreeze=("3:16", "4:none"), freeze="base", stage_decay=0.5)
    lists = []

    def batches(epoch):
        if epoch == killed_in:
            raise Killed
        rng = np.random.default_rng(epoch)
        for _ in range(2):
            yield rng.uniform(0, 255, (4, SIDE, SIDE, 3)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")

    def make():
        trainer = AveragingTrainer(network, lambda y, truth: {"square": keras.ops.mean((y - truth) ** 2)}, ["square"])
        lists.append(len(trainer.trainable_variables))
        schedule = Schedule(epochs=5, batch_size=4, learning_rate=0.01)
        measure = lambda: {"mean": float(np.mean(network.get_weights()[-1]))}  # noqa: E731
        return averaged_phase(trainer, measure, schedule, name="train", steps_per_epoch=2, batches=batches)

    return phases_of(run, config, base, parts_of(config, base, 5), make), network, lists


@pytest.mark.parametrize("killed_in", sweep([2, 3, 4], [3]))
def test_parts_are_phases_and_a_kill_in_any_of_them_changes_nothing(tmp_path, killed_in):
    run = RunFolder.start(tmp_path / "whole", {})
    phases, network, lists = make_phases(run)
    history = train_in_order(run, phases, network)
    assert [(row["phase"], row["epoch"]) for row in history] == [
        ("train", 1),
        ("train", 2),
        ("train_16", 1),
        ("train_none", 1),
        ("train_none", 2),
    ]
    assert lists == [2, 4, 10]  # a trainer for each part
    assert run.notes[1] == "'train_16': 584 parameters of the base are trained, in epochs 3 to 3."
    run = RunFolder.start(tmp_path / "run", {})
    phases, other, _ = make_phases(run, killed_in=killed_in)
    with pytest.raises(Killed):
        train_in_order(run, phases, other)
    run.release()
    run = RunFolder.resume(run.path)
    phases, other, _ = make_phases(run)
    again = train_in_order(run, phases, other)
    assert [(row["phase"], row["loss"]) for row in again] == [(row["phase"], pytest.approx(row["loss"])) for row in history]
    for one, another in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(one, another, rtol=1e-5, atol=1e-7)
