"""A phase ends where validation says, leaves its best weights, and a kill at any moment changes nothing."""

import dataclasses

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from tests.training.test_fit import Killed, head, phases
from visionkit.training import early_stopping
from visionkit.training.averaging import AveragingTrainer, averaged_phase
from visionkit.training.fit import Schedule, train_in_order
from visionkit.training.run_folder import RunFolder

SCORES = [0.5, 0.7, 0.6, 0.7, 0.65, 0.9]


def rows(values, phase="train", monitor="val_accuracy"):
    return [{"phase": phase, "epoch": epoch, monitor: value} for epoch, value in enumerate(values, start=1)]


def test_nothing_measured_never_ends():
    assert early_stopping.best_row([], "train", "accuracy") is None
    assert not early_stopping.is_over([{"phase": "train", "epoch": 1, "loss": 1.0}] * 9, "train", "accuracy", 1)


@pytest.mark.parametrize(
    ("values", "patience", "over"),
    [([0.5], 1, False), ([0.5, 0.5], 1, True), ([0.5, 0.4, 0.6], 1, False), ([0.5, 0.4, 0.3], 2, True), ([0.5, 0.4], 2, False)],
)
def test_a_phase_is_over_after_so_many_validations_without_improvement(values, patience, over):
    assert early_stopping.is_over(rows(values), "train", "accuracy", patience) == over
    others = rows([0.9, 0.1, 0.1], phase="before")
    assert early_stopping.is_over(others + rows(values), "train", "accuracy", patience) == over


def test_errors_and_losses_are_better_when_they_are_lower():
    assert early_stopping.best_row(rows([0.5, 0.3, 0.4], monitor="val_median_error"), "train", "median_error")["epoch"] == 2
    assert early_stopping.best_row(rows([0.5, 0.3, 0.4]), "train", "accuracy")["epoch"] == 1


def test_of_equal_accuracies_the_lower_loss_wins_and_of_those_the_first():
    history = [row | {"val_loss": loss} for row, loss in zip(rows([0.5, 0.5, 0.5]), [0.9, 0.8, 0.8], strict=True)]
    assert early_stopping.best_row(history, "train", "accuracy")["epoch"] == 2


def test_epochs_without_a_validation_do_not_count():
    history = [*rows([0.5]), {"phase": "train", "epoch": 2}, {"phase": "train", "epoch": 3, "val_accuracy": 0.4}]
    assert not early_stopping.is_over(history, "train", "accuracy", 2)


def make_phases(model, scores=SCORES, *, killed_in=None, patience=2):
    def make():
        plain = phases(model)["second"]()
        calls = {"epoch": 0}

        def batches(epoch):
            calls["epoch"] = epoch
            if killed_in == epoch:
                raise Killed
            return plain.batches(epoch)

        def validate():
            return {"accuracy": scores[calls["epoch"]]}

        changes = {"epochs": 6, "batches": batches, "validate": validate, "patience": patience, "monitor": "accuracy"}
        return dataclasses.replace(plain, **changes)

    return {"second": make, "third": lambda: dataclasses.replace(phases(model)["first"](), name="third")}


def test_training_ends_early_and_the_best_weights_are_kept(tmp_path):
    model, run = head(), RunFolder.start(tmp_path / "run", {})
    history = train_in_order(run, {"second": make_phases(model)["second"]}, model)
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    (note,) = run.notes
    assert "'second' ended early, after epoch 4: 2 validations brought no improvement; the weights after epoch 2" in note
    kept = np.load(run.path / "checkpoint.npz")
    for position, variable in enumerate(model.variables):
        np.testing.assert_array_equal(variable, kept[f"best/model/{position}"])
    assert any((kept[f"best/model/{n}"] != kept[f"model/{n}"]).any() for n in range(len(model.variables)))


@pytest.mark.parametrize("epoch", sweep([0, 2, 3], [2]))
def test_a_killed_run_ends_as_one_that_was_not(tmp_path, epoch):
    whole, run = head(), RunFolder.start(tmp_path / "whole", {})
    history = train_in_order(run, make_phases(whole), whole)
    killed, run = head(), RunFolder.start(tmp_path / "run", {})
    with pytest.raises(Killed):
        train_in_order(run, make_phases(killed, killed_in=epoch), killed)
    run.release()
    resumed = head()
    again = train_in_order(RunFolder.resume(run.path), make_phases(resumed), resumed)
    assert [(row["phase"], row["epoch"], row.get("val_accuracy")) for row in again] == [
        (row["phase"], row["epoch"], row.get("val_accuracy")) for row in history
    ]
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_run_that_has_ended_early_ends_alike_when_it_is_resumed(tmp_path):
    model, run = head(), RunFolder.start(tmp_path / "run", {})
    only = {"second": make_phases(model)["second"]}
    history = train_in_order(run, only, model)
    run.release()
    resumed = head()
    run = RunFolder.resume(run.path)
    again = train_in_order(run, {"second": make_phases(resumed)["second"]}, resumed)
    assert again == history and len(run.notes) == 1
    for one, other in zip(model.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_averaged_weights_the_best_average_is_left(tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    network = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    trainer = AveragingTrainer(network, lambda y, truth: {"square": keras.ops.mean((y - truth) ** 2)}, ["square"])
    scores, measured = iter([0.5, 0.9, 0.6, 0.4]), []

    def measure():
        measured.append(network.get_weights()[0].copy())
        return {"map": next(scores)}

    batch = (np.ones((4, 6), "float32"), np.ones((4, 1), "float32"))
    options = {"name": "train", "steps_per_epoch": 1, "batches": lambda epoch: (each for each in [batch]), "monitor": "map"}
    phase = averaged_phase(trainer, measure, Schedule(epochs=4, batch_size=4, learning_rate=0.1), **options)
    train_in_order(RunFolder.start(tmp_path / "run", {}), {"train": lambda: dataclasses.replace(phase, patience=2)}, network)
    assert len(measured) == 4
    np.testing.assert_allclose(network.get_weights()[0], measured[1], rtol=1e-6)


def test_the_rows_of_the_kept_weights():
    history = [*rows([0.9, 0.1], phase="head"), *rows([0.2, 0.3])]
    epochs = lambda **options: {name: row["epoch"] for name, row in early_stopping.kept_rows(history, **options).items()}  # noqa: E731
    assert epochs(monitor="accuracy", stops_early=True) == {"head": 1, "train": 2}
    assert epochs(monitor="accuracy", stops_early=False) == epochs(monitor=None, stops_early=True) == {"head": 2, "train": 2}
