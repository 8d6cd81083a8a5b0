"""A phase that is interrupted and resumed ends where one without interruption ends."""

import csv
import dataclasses
import itertools

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from visionkit.errors import UserError
from visionkit.training.fit import Phase, compile_phase, load_weights, restore, run_epoch, snapshot, train_in_order
from visionkit.training.rates.optimizers import warmup_cosine
from visionkit.training.run_folder import RunFolder, RunFolderError

FEATURES = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
LABELS = (FEATURES[:, 0] > 0).astype(int)
ONE_HOT = np.eye(2, dtype="float32")[LABELS]


def classification() -> dict:
    """The loss and the metrics of a classifier."""
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    return {"loss": loss, "metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")]}


class Killed(BaseException):
    """Stands in for kill -9, since nothing catches it."""


def head() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Dropout(0.5)(inputs)), name="head")


def batches(epoch: int) -> keras.utils.PyDataset:
    order = np.random.default_rng(epoch).permutation(40)

    class Rows(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, number):
            if number >= len(self):
                raise IndexError  # where a plain loop over the batches ends
            rows = order[number * 10 : number * 10 + 10]
            return FEATURES[rows], ONE_HOT[rows], np.ones(10, "float32")

    return Rows()


def phases(model, *, killed_in: tuple[str, int] | None = None):
    def make(name):
        def epoch_batches(epoch):
            if killed_in == (name, epoch):
                raise Killed
            return batches(epoch)

        def validate() -> dict[str, float]:
            predictions = keras.ops.convert_to_numpy(model(FEATURES)).argmax(1)
            return {"loss": 0.5, "accuracy": float((predictions == LABELS).mean())}

        loop = "train_on_batch" if name == "first" else "fit"
        return Phase(name, model, 3, 0.05, 4, epoch_batches, validate, **classification(), loop=loop)

    return {name: lambda name=name: make(name) for name in ("first", "second")}


def test_no_phases_leave_no_history(tmp_path):
    assert train_in_order(RunFolder.start(tmp_path / "run", {}), {}, head()) == []


PLACES = [("first", 0), ("first", 1), ("first", 2), ("second", 0), ("second", 2)]


@pytest.mark.parametrize("place", sweep(PLACES, PLACES[1:2]))
def test_a_killed_run_goes_on_from_the_last_epoch_and_ends_alike(tmp_path, place):
    uninterrupted = head()
    history = train_in_order(RunFolder.start(tmp_path / "whole", {}), phases(uninterrupted), uninterrupted)

    killed, run = head(), RunFolder.start(tmp_path / "run", {})
    with pytest.raises(Killed):
        train_in_order(run, phases(killed, killed_in=place), killed)
    run.release()
    resumed = head()
    resumed_history = train_in_order(RunFolder.resume(tmp_path / "run"), phases(resumed), resumed)

    strip = lambda rows: [{k: v for k, v in row.items() if k != "seconds"} for row in rows]  # noqa: E731
    assert strip(resumed_history) == strip(history)
    for one, other in zip(uninterrupted.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    with (tmp_path / "run" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["phase"], row["epoch"]) for row in rows] == [(p, str(e)) for p in ("first", "second") for e in (1, 2, 3)]


def test_training_learns(tmp_path):
    model = head()
    history = train_in_order(RunFolder.start(tmp_path / "run", {}), phases(model), model)
    assert history[-1]["val_accuracy"] >= 0.9 > history[0]["accuracy"]
    assert history[-1]["seconds"] >= history[0]["seconds"]


def test_what_validation_cannot_measure_is_left_out_of_the_history(tmp_path):
    model, run = head(), RunFolder.start(tmp_path / "run", {})
    measured = {"map": float("nan"), "loss": 0.5}
    phase = dataclasses.replace(phases(model)["first"](), validate=lambda: measured, epochs=1)
    (row,) = train_in_order(run, {"first": lambda: phase}, model)
    assert row["val_loss"] == 0.5 and "val_map" not in row


@pytest.mark.filterwarnings("ignore:invalid value")
def test_training_that_diverges_is_reported_and_the_last_good_epoch_stays(tmp_path):
    model, run = head(), RunFolder.start(tmp_path / "run", {})

    def phase():
        def epoch_batches(epoch):
            return [(np.full((4, 6), np.nan if epoch else 1.0, "float32"), ONE_HOT[:4], np.ones(4, "float32"))]

        return dataclasses.replace(phases(model)["first"](), steps_per_epoch=1, batches=epoch_batches)

    with pytest.raises(UserError, match="epoch 2 of 'first': the loss is nan, expected finite numbers"):
        train_in_order(run, {"first": phase}, model)
    assert run.load_checkpoint()[0]["epoch"] == 1


@pytest.mark.filterwarnings("ignore:invalid value")
def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    """The loss of the last batch belongs to the weights before its step."""
    model, run = head(), RunFolder.start(tmp_path / "run", {})

    def phase():
        def measure():
            model.layers[-1].bias.assign([np.nan, 0.0])
            return {"loss": 0.5}

        return dataclasses.replace(phases(model)["first"](), validate=measure)

    with pytest.raises(UserError, match="epoch 1 of 'first': the weights are not finite"):
        train_in_order(run, {"first": phase}, model)
    assert run.load_checkpoint() is None


@pytest.mark.parametrize("loop", ["fit", "train_on_batch"])
def test_the_metrics_of_an_epoch_are_those_of_all_its_batches(loop):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    predictions = keras.ops.convert_to_numpy(model(FEATURES)).argmax(1)
    phase = Phase("x", model, 1, 0.0, 4, batches, dict, **classification(), loop=loop)
    compile_phase(phase)
    assert run_epoch(phase, 0, lambda: None)["accuracy"] == pytest.approx((predictions == LABELS).mean(), abs=1e-6)


def test_a_snapshot_holds_weights_random_state_and_optimizer():
    model = head()
    phase = Phase("x", model, 1, 0.1, 4, batches, dict, **classification())
    compile_phase(phase)
    model.fit(batches(0), verbose=0, shuffle=False)
    kept = snapshot(model)
    model.fit(batches(1), verbose=0, shuffle=False)
    after = snapshot(model)
    assert sum((kept[name] != after[name]).any() for name in kept) >= 5  # kernel, bias, dropout seed, momenta, iterations
    restore(model, kept)
    model.fit(batches(1), verbose=0, shuffle=False)
    for name, value in snapshot(model).items():
        np.testing.assert_allclose(value, after[name], rtol=1e-5, atol=1e-7)


def test_a_snapshot_of_another_model_is_refused():
    model = head()
    compile_phase(Phase("x", model, 1, 0.1, 4, batches, dict, **classification()))
    with pytest.raises(ValueError, match="does not fit head"):
        restore(model, {"model/0": np.zeros((9, 9))})


def test_a_kill_between_checkpoint_and_history_loses_no_row(tmp_path):
    model, run = head(), RunFolder.start(tmp_path / "run", {})
    train_in_order(run, phases(model), model)
    whole = (run.path / "history.csv").read_text()
    (run.path / "history.csv").unlink()
    run.release()
    train_in_order(RunFolder.resume(run.path), phases(model), model)
    assert (run.path / "history.csv").read_text() == whole


def test_a_run_folder_is_never_overwritten_once_it_holds_an_epoch(tmp_path):
    run = RunFolder.start(tmp_path / "run", {"a": 1})
    run.release()
    run = RunFolder.start(tmp_path / "run", {"a": 2})
    assert run.read_json("config.json") == {"a": 2}
    run.save_checkpoint("first", 1, {}, [])
    run.release()
    with pytest.raises(RunFolderError, match="--resume"):
        RunFolder.start(tmp_path / "run", {})


def test_what_a_run_without_a_state_left_is_removed_when_another_starts(tmp_path):
    """Else its weights and rows would count as phases that the other run has finished."""
    run = RunFolder.start(tmp_path, {})
    run.save_weights("first", lambda path: path.write_bytes(b"weights"))
    run.write_history([{"phase": "first", "epoch": 1}])
    run.write_json("data.json", {".jpg": [1, "digest"]})
    run.note("A note.")
    (tmp_path / "mine.txt").touch()
    run.release()
    run = RunFolder.start(tmp_path, {})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".lock", "config.json", "digests.json", "mine.txt"} and run.notes == [] == run.read_history()


def test_a_run_with_a_state_of_a_task_is_not_overwritten(tmp_path):
    run = RunFolder.start(tmp_path, {})
    run.write("painting.npz", b"an image")
    run.release()
    with pytest.raises(RunFolderError, match="--resume"):
        RunFolder.start(tmp_path, {})
    assert (tmp_path / "painting.npz").read_bytes() == b"an image"


def test_a_model_folder_of_somebody_else_is_not_touched(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(RunFolderError, match="model/"):
        RunFolder.start(tmp_path, {})


def test_one_process_at_a_time_has_a_run(tmp_path):
    run = RunFolder.start(tmp_path, {})
    with pytest.raises(RunFolderError, match="another process"):
        RunFolder.resume(tmp_path)
    run.release()
    assert RunFolder.resume(tmp_path).read_json("config.json") == {}


def test_unfinished_files_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / ".model-x1").mkdir()
    for name in (".checkpoint.npz.unfinished", "unfinished_after_head.weights.h5", "notes.txt"):
        (tmp_path / name).touch()
    RunFolder.resume(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "config.json", "notes.txt"]


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path):
    with pytest.raises(RunFolderError, match=r"no config\.json"):
        RunFolder.resume(tmp_path)


@pytest.mark.parametrize("contents", [b"", b"PK\3\4 half a zip", b"\x93NUMPY", b"text"])
def test_a_damaged_checkpoint_is_said_and_set_aside(tmp_path, contents, capsys):
    run = RunFolder.start(tmp_path / "run", {})
    (run.path / "checkpoint.npz").write_bytes(contents)
    assert run.load_checkpoint() is None
    assert (run.path / "damaged_checkpoint.npz").read_bytes() == contents
    (line,) = capsys.readouterr().out.splitlines()
    assert "checkpoint.npz is damaged" in line


def test_the_schedule_warms_up_and_ends_at_zero():
    schedule = warmup_cosine(1.0, 100)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0) and rates.index(max(rates)) == 10
    assert rates[-1] == pytest.approx(0.0, abs=1e-6)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))


def test_weights_of_a_run_come_back_or_are_refused_in_a_sentence(tmp_path):
    model, path = head(), tmp_path / "after_last.weights.h5"
    with pytest.raises(UserError, match=r"after_last\.weights\.h5 cannot be loaded into head: .*No such file"):
        load_weights(model, path)
    model.save_weights(path)
    whole, expected = path.read_bytes(), model.get_weights()
    model.set_weights([np.zeros_like(weight) for weight in expected])
    load_weights(model, path)
    for one, other in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    for damaged in (b"", whole[:1000], whole[:-100], whole.replace(expected[0].tobytes(), b"\xff" * expected[0].nbytes)):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"after_last\.weights\.h5"):
            load_weights(model, path)
        for one, other in zip(model.get_weights(), expected, strict=True):  # also where a part of them was read
            np.testing.assert_array_equal(one, other)
    keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)]).save_weights(path)
    with pytest.raises(UserError, match="is damaged, or was written by another model"):
        load_weights(head(), path)
