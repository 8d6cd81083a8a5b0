"""The search for a learning rate chooses a sensible one, and leaves no trace in the training."""

import dataclasses
import json
import random

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from tests.training.test_fit import FEATURES, ONE_HOT, Killed, batches, classification, head, phases
from visionkit.training.averaging import AveragingTrainer
from visionkit.training.fit import Phase, train_in_order
from visionkit.training.rates import finder as rate_finder
from visionkit.training.rates.finder import USUAL, choose_rate, find_rate, longest_valley, smooth, with_rate
from visionkit.training.rates.optimizers import momentum_sgd
from visionkit.training.run_folder import RunFolder


def test_no_losses_have_no_valley_and_get_the_usual_rate():
    assert longest_valley([]) == (0, 0)
    assert choose_rate([], [], 100) == (USUAL, "the usual one, since the loss fell at none of the rates")
    assert smooth([], 0.9) == []


@pytest.mark.parametrize(
    ("losses", "valley"),
    [([1.0], (0, 0)), ([1, 2, 3], (0, 0)), ([3, 2, 1], (0, 2)), ([1, 5, 4, 9, 3, 2, 8], (2, 5)), ([2, 1, 9, 8, 7], (2, 4))],
)
def test_the_longest_falling_subsequence_is_found(losses, valley):
    assert longest_valley(losses) == valley


def test_the_rate_lies_in_the_middle_of_the_valley():
    rates = (10.0 ** np.linspace(-7, 0, 100)).tolist()
    losses = [2.0] * 40 + np.linspace(2, 1, 30).tolist() + np.linspace(1, 4, 30).tolist()
    rate, reason = choose_rate(rates, losses, 100)
    assert rates[50] < rate < rates[60] and "where the loss falls longest" in reason


def test_the_mean_of_losses_has_no_bias_at_its_start():
    assert smooth([2.0, 2.0, 2.0], 0.98) == pytest.approx([2.0, 2.0, 2.0])
    assert smooth([0.0, 1.0], 0.5) == pytest.approx([0.0, 2 / 3])


def phase_of(model, **changes) -> Phase:
    return dataclasses.replace(Phase("train", model, 3, 0.05, 4, batches, dict, **classification()), **changes)


def test_everything_is_as_it_was_after_the_search():
    """Weights, BatchNorm, the state of Dropout, and the random numbers of Python and NumPy."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    x = keras.layers.BatchNormalization()(keras.layers.Dropout(0.5)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    before, states = [np.array(each) for each in model.variables], (random.getstate(), np.random.get_state()[1].tolist())
    changed = []

    def spied(epoch):
        random.random(), np.random.rand()
        yield from batches(epoch)
        changed.append(any((np.array(v) != b).any() for v, b in zip(model.variables, before, strict=True)))

    found = find_rate(phase_of(model, batches=spied))
    assert changed[0] and len(found.rates) == len(found.losses) <= 30
    assert 1e-7 < found.rate < 1
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states


@pytest.mark.filterwarnings("ignore:overflow|invalid value")
def test_the_search_stops_where_the_loss_diverges():
    """Gradient descent on a square diverges from some rate on; AdamW would not."""
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    rows = [(100 * FEATURES, ONE_HOT)]
    phase = Phase("train", model, 200, 0.1, 1, lambda epoch: rows, dict, loss="mse", optimizer=momentum_sgd)
    found = find_rate(phase)
    assert len(found.losses) < 40 and found.rate < 1e-3


@pytest.mark.parametrize("killed_in", sweep([None, 0, 2], [0]))
def test_a_run_trains_as_with_the_found_rate_given_also_after_a_kill(tmp_path, killed_in):
    def auto(model, killed=None):
        make = phases(model, killed_in=killed)["second"]
        return {"second": lambda: with_rate(run, lambda: dataclasses.replace(make(), learning_rate="auto"))}

    run, model = RunFolder.start(tmp_path / "run", {}), head()
    if killed_in is not None:
        with pytest.raises(Killed):
            train_in_order(run, auto(model, ("second", killed_in)), model)
        run.release()
        run, model = RunFolder.resume(run.path), head()
    history = train_in_order(run, auto(model), model)
    found = json.loads((run.path / "plan.json").read_text())["found_rates"]["second"]
    assert run.notes[0].startswith(f"Learning rate {found['rate']:.2g} for 'second': ") and len(run.notes) == 1

    given = head()
    phase = dataclasses.replace(phases(given)["second"](), learning_rate=found["rate"])
    expected = train_in_order(RunFolder.start(tmp_path / "given", {}), {"second": lambda: phase}, given)
    assert [row["loss"] for row in history] == pytest.approx([row["loss"] for row in expected], abs=2e-5)
    for one, other in zip(model.get_weights(), given.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_the_rate_of_a_later_phase_does_not_contradict_the_checkpoint(tmp_path):
    """The checkpoint knows its plan by a digest."""
    run, model = RunFolder.start(tmp_path / "run", {}), head()
    made = phases(model)
    later = lambda: with_rate(run, lambda: dataclasses.replace(made["second"](), learning_rate="auto"))  # noqa: E731
    train_in_order(run, {"first": made["first"], "second": later}, model)
    assert run.load_checkpoint()[0]["phase"] == "second"


def test_a_number_is_kept(tmp_path):
    run = RunFolder.start(tmp_path / "run", {})
    assert with_rate(run, lambda: phase_of(head())).learning_rate == 0.05 and not (run.path / "plan.json").exists()


def test_a_trainer_with_averages_is_put_back():
    inputs = keras.Input((6,))
    network = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    trainer = AveragingTrainer(network, lambda y, truth: {"square": keras.ops.mean((y - truth) ** 2)}, ["square"])
    before = [np.array(variable) for variable in trainer.variables]
    find_rate(Phase("train", trainer, 3, 0.1, 2, lambda epoch: [(FEATURES, ONE_HOT)] * 2, dict))
    for variable, value in zip(trainer.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_few_steps_are_tried_for_a_short_training(monkeypatch):
    counts = []
    monkeypatch.setattr(rate_finder, "_losses", lambda phase, steps: counts.append(steps) or [1.0] * steps)
    for epochs in (1, 100, 1000):
        find_rate(phase_of(head(), epochs=epochs))
    assert counts == [30, 80, 100]
