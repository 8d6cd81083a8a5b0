"""Metrics for TensorBoard, MLflow and Weights & Biases, the latter two by modules that record their calls."""

import importlib.machinery
import sys
from types import ModuleType, SimpleNamespace

import pytest
import tensorflow as tf

from tests.conftest import sweep
from tests.training.test_fit import Killed
from tests.training.watching.test_watch import Config, start
from visionkit.errors import UserError
from visionkit.training.recipe import run_recipe
from visionkit.training.watching.loggers import check_installed


class Calls(list):
    """Records calls as ``(name, arguments, options)``."""

    def taking(self, name, result=None):
        def call(*arguments, **options):
            self.append((name, arguments, options))
            return result

        return call

    def of(self, name):
        return [(arguments, options) for called, arguments, options in self if called == name]


@pytest.fixture
def calls():
    return Calls()


def module(monkeypatch, name, **contents):
    made = ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    made.__dict__.update(contents)
    monkeypatch.setitem(sys.modules, name, made)


@pytest.fixture
def mlflow(monkeypatch, calls):
    names = ("set_tag", "log_params", "log_metrics", "end_run")
    active = SimpleNamespace(info=SimpleNamespace(run_id="a1"))
    module(monkeypatch, "mlflow", start_run=calls.taking("start_run", active), **{name: calls.taking(name) for name in names})
    return calls


@pytest.fixture
def wandb(monkeypatch, calls):
    run = SimpleNamespace(
        id="b2",
        config=SimpleNamespace(update=calls.taking("config")),
        summary=SimpleNamespace(update=calls.taking("summary")),
        log=calls.taking("log"),
        finish=calls.taking("finish"),
    )
    module(monkeypatch, "wandb", init=calls.taking("init", run))
    return calls


def killed_in_the_third_epoch(run, epoch):
    if epoch == 2:
        run.release()
        raise Killed


def events(folder):
    """The numbers of all event files of a folder: name -> [(step, value)]; and the names of texts."""
    found, texts = {}, {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name in ("scalars", "text")
                contents = tf.make_ndarray(value.tensor)
                if value.metadata.plugin_data.plugin_name == "text":
                    texts[value.tag] = contents.item().decode()
                else:
                    found.setdefault(value.tag, []).append((event.step, round(float(contents), 4)))
    return found, texts


def test_nothing_is_logged_by_default(tmp_path):
    run = start(Config(out=tmp_path / "run"))
    assert not (run.path / "logs").exists()


@pytest.mark.parametrize("loop", sweep(["first", "second"], ["second"]))  # train_on_batch, fit
def test_tensorboard_reads_the_epochs_the_end_and_the_options(tmp_path, loop):
    run = start(Config(out=tmp_path / "run", log=("tensorboard",)), only=loop)
    history = run.read_history()
    trained, texts = events(run.path / "logs" / "train")
    validated, _ = events(run.path / "logs" / "validation")
    for found, prefix in ((trained, ""), (validated, "val_")):
        for name in ("loss", "accuracy"):
            assert found[name] == [(row["epoch"], pytest.approx(row[f"{prefix}{name}"], abs=1e-4)) for row in history]
    assert validated["end/accuracy"] == [(3, 0.9667)]
    assert "| seed | 0 |" in texts["options"] and "| epochs | 3 |" in texts[f"options/{loop}"]
    assert any("tensorboard --logdir" in note for note in run.notes)


def test_a_run_that_goes_on_appends_to_the_same_log(tmp_path):
    with pytest.raises(Killed):
        start(Config(out=tmp_path / "run", log=("tensorboard",)), at_epoch=killed_in_the_third_epoch)
    assert [step for step, _ in events(tmp_path / "run" / "logs" / "train")[0]["loss"]] == [1, 2]
    start(Config(resume=tmp_path / "run"))
    assert [step for step, _ in events(tmp_path / "run" / "logs" / "train")[0]["loss"]] == [1, 2, 3]


def test_mlflow_takes_options_epochs_and_the_end(tmp_path, mlflow):
    start(Config(out=tmp_path / "run", log=("mlflow",), seed=3))
    assert mlflow.of("start_run") == [((), {"run_name": "run"})]
    params = {name: value for (params,), _ in mlflow.of("log_params") for name, value in params.items()}
    assert params["seed"] == "3" and params["first/epochs"] == "3"
    logged = mlflow.of("log_metrics")
    assert [options["step"] for _, options in logged] == [1, 2, 3, 3]
    assert set(logged[0][0][0]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert logged[-1][0][0]["end/accuracy"] == pytest.approx(0.9666666865)
    assert mlflow[-1] == ("end_run", ("FINISHED",), {})


def test_mlflow_goes_on_with_the_same_run(tmp_path, mlflow):
    with pytest.raises(Killed):
        start(Config(out=tmp_path / "run", log=("mlflow",)), at_epoch=killed_in_the_third_epoch)
    before = len(mlflow.of("log_params"))
    start(Config(resume=tmp_path / "run"))
    assert mlflow.of("start_run")[1] == ((), {"run_id": "a1"}) and len(mlflow.of("log_params")) == before
    assert [options["step"] for _, options in mlflow.of("log_metrics")] == [1, 2, 3, 3]


def test_weights_and_biases_take_options_epochs_and_the_end(tmp_path, wandb, monkeypatch):
    monkeypatch.delenv("WANDB_PROJECT", raising=False)
    with pytest.raises(Killed):
        start(Config(out=tmp_path / "run", log=("wandb",), seed=3), at_epoch=killed_in_the_third_epoch)
    start(Config(resume=tmp_path / "run"))
    options = {"project": "visionkit", "name": "run", "resume": "allow", "dir": str(tmp_path / "run")}
    assert wandb.of("init") == [((), options | {"id": None}), ((), options | {"id": "b2"})]
    assert wandb.of("config")[0][0][0]["seed"] == "3"
    assert [options["step"] for _, options in wandb.of("log")] == [1, 2, 3]
    assert wandb.of("summary")[0][0][0]["end/accuracy"] == pytest.approx(0.9666666865)
    assert wandb[-1] == ("finish", (), {"exit_code": 0})


def test_an_interrupted_run_is_no_finished_one(tmp_path, mlflow):
    def interrupted(run, epoch):
        run.release()
        raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        start(Config(out=tmp_path / "run", log=("mlflow",)), at_epoch=interrupted)
    assert mlflow[-1] == ("end_run", ("KILLED",), {})


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_package_that_is_missing_is_said_before_a_folder_is_made(tmp_path, monkeypatch, name):
    monkeypatch.setattr("visionkit.training.watching.loggers.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=f"--log {name}: .* is not installed. Install it: pip install {name}"):
        run_recipe(Config(out=tmp_path / "run", log=("tensorboard", name)), None, name="example", smoke={})
    assert not (tmp_path / "run").exists()
    check_installed(["tensorboard"])


def test_a_logger_that_cannot_be_started_is_an_error_of_one_line(tmp_path, monkeypatch):
    def refuse(**options):
        raise RuntimeError("no API key.\nMore lines.")

    module(monkeypatch, "wandb", init=refuse)
    with pytest.raises(UserError, match=r"^--log wandb: Weights & Biases cannot be started: no API key\. Log in"):
        start(Config(out=tmp_path / "run", log=("wandb",)))


def test_a_logger_that_fails_later_does_not_end_the_training(tmp_path, mlflow, monkeypatch):
    def refuse(*arguments, **options):
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(sys.modules["mlflow"], "log_metrics", refuse)
    run = start(Config(out=tmp_path / "run", log=("mlflow", "tensorboard")))
    assert "MLflow is not written any more: the server is gone." in run.notes
    assert len(run.read_history()) == 3 and (run.path / "metrics.json").is_file()
    assert len(events(run.path / "logs" / "train")[0]["loss"]) == 3


def test_a_run_goes_on_without_a_logger_that_is_missing(tmp_path, mlflow, monkeypatch):
    with pytest.raises(Killed):
        start(Config(out=tmp_path / "run", log=("mlflow", "tensorboard")), at_epoch=killed_in_the_third_epoch)
    monkeypatch.setitem(sys.modules, "mlflow", None)  # as where it is not installed
    run = start(Config(resume=tmp_path / "run"))
    assert [note for note in run.notes if note.startswith("The run goes on without MLflow, which cannot be started here: ")]
    assert len(mlflow.of("log_metrics")) == 2 and len(run.read_history()) == 3
    assert len(events(run.path / "logs" / "train")[0]["loss"]) == 3  # the other one is written


def test_a_run_goes_on_without_a_logger_whose_server_is_gone(tmp_path, mlflow, monkeypatch):
    def refuse(**options):
        raise ConnectionError("no server.\nMore lines.")

    with pytest.raises(Killed):
        start(Config(out=tmp_path / "run", log=("mlflow",)), at_epoch=killed_in_the_third_epoch)
    monkeypatch.setattr(sys.modules["mlflow"], "start_run", refuse)
    run = start(Config(resume=tmp_path / "run", log=("mlflow",)))
    assert "The run goes on without MLflow, which cannot be started here: no server." in run.notes
    assert (run.path / "metrics.json").is_file()
