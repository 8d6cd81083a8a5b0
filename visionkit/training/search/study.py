"""A search for hyperparameters: trials one after the other, chosen by Optuna, which can be interrupted at any moment.

Optuna: A Next-generation Hyperparameter Optimization Framework, Akiba et al. 2019, https://arxiv.org/abs/1907.10902.
"""

import dataclasses
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionkit.errors import UserError
from visionkit.files import read_file, remove, write_atomically
from visionkit.training.search import trial as trials
from visionkit.training.search.space import Option, Space, first_values, shown, words_of
from visionkit.training.search.trial import Outcome

SETUP, STORAGE, LOCK = "study.json", "study.db", ".lock"
NAME = "visionkit"  # of the study in Optuna's storage
COMPARED = 5  # trials that finish before others are compared with them and stopped
UNJUDGED = 2  # epochs in which no trial is stopped: learning rates rise at first
STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "interrupted"}


@dataclass(frozen=True)
class Setup:
    """What a study is, as its ``study.json`` keeps it.

    Attributes:
        recipe: its name in ``visionkit train``.
        arguments: the options that all trials have, as they were given.
        space: what is searched, and measured.
        first: the values of the first trial.
        seed: of what is drawn; the trials have the seed of their arguments.
        trials: how many there are to be, with those that are pruned or fail.
        working: the folder in which the study was begun, to which relative paths refer.
    """

    recipe: str
    arguments: tuple[str, ...]
    space: Space
    first: dict[str, Any]
    seed: int
    trials: int
    working: str

    def command(self, values: dict[str, str | float]) -> list[str]:
        """The command that trains with these values."""
        return ["visionkit", "train", self.recipe, *self.arguments, *words_of(self.space.options, values)]


@dataclass(frozen=True)
class Trial:
    """A trial of a study, for people.

    Attributes:
        number: counted from 1.
        values: of the options that were searched.
        outcome: how it ended.
    """

    number: int
    values: dict[str, str | float]
    outcome: Outcome

    @property
    def in_words(self) -> str:
        """The values, as on the command line but without dashes."""
        return "  ".join(f"{name.replace('_', '-')} {shown(value)}" for name, value in self.values.items())


def setup_of(recipe: str, arguments: Sequence[str], space: Space, config: Any, *, trials: int) -> Setup:
    """The setup of a new study in the current folder.

    Args:
        recipe: its name in ``visionkit train``.
        arguments: the options that all trials have.
        space: what is searched.
        config: the recipe's configuration, with the seed and the defaults.
        trials: how many there are to be.
    """
    return Setup(recipe, tuple(arguments), space, first_values(space, config), config.seed, trials, str(Path.cwd()))


def read_setup(folder: Path) -> Setup:
    """The setup of a study that was begun.

    Raises:
        UserError: the folder holds none, or its file is damaged.
    """
    file = folder / SETUP
    if not file.is_file():
        raise UserError(f"{folder}: no {SETUP} there; expected the folder of a study that visionkit tune began.")
    try:
        stored = json.loads(read_file(file))
        space = stored.pop("space")
        options = tuple(
            Option(**{name: tuple(value) if isinstance(value, list) else value for name, value in option.items()})
            for option in space.pop("options")
        )
        space = Space(options, tuple(space.pop("metrics")), **space)
        return Setup(space=space, arguments=tuple(stored.pop("arguments")), **stored)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{file} is damaged: the study cannot go on. Put it back, or begin another study.") from error


def check_new(folder: Path) -> None:
    """Refuse a folder that a study cannot be begun in.

    Raises:
        UserError: it is not empty, or no folder.
    """
    if folder.exists() and (not folder.is_dir() or any(file.name != LOCK for file in folder.iterdir())):
        raise UserError(f"{folder} holds no study, and is not an empty folder: name another one with --study.")


def write_setup(folder: Path, setup: Setup) -> None:
    """Write what a study is into its folder, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = dataclasses.asdict(setup)
    plain["space"]["options"] = [option._asdict() for option in setup.space.options]
    write_atomically(folder / SETUP, json.dumps(plain, indent=2).encode())


def _keep_setup(folder: Path, setup: Setup) -> None:
    """Write the setup of a study that this process has."""
    kept = read_setup(folder) if (folder / SETUP).exists() else None
    if kept is not None and dataclasses.replace(kept, trials=setup.trials) != setup:
        raise UserError(f"{folder}: another process has begun a study there meanwhile; name another --study.")
    if kept != setup:
        write_setup(folder, setup)


@contextmanager
def opened(folder: Path, setup: Setup) -> Iterator[Any]:
    """Open the study of a folder, for this process alone; its ``study.json`` is written, or has another number of trials.

    Raises:
        UserError: another process has it, or has begun another study there meanwhile.
    """
    import sqlite3

    import optuna
    import sqlalchemy
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{folder}: another process is working on this study.") from None
    try:
        _keep_setup(folder, setup)
    except BaseException:
        lock.release()
        raise
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    engine = {"creator": lambda: sqlite3.connect(folder / STORAGE, check_same_thread=False)}  # a path needs no escapes so
    try:
        storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=engine)
    except sqlalchemy.exc.DatabaseError as error:
        lock.release()
        raise UserError(f"{folder / STORAGE} is damaged ({error.orig}): put it back, or name another --study.") from error
    try:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=COMPARED, n_warmup_steps=UNJUDGED + 1)
        options = {"study_name": NAME, "direction": setup.space.direction, "load_if_exists": True}
        study = optuna.create_study(storage=storage, pruner=pruner, **options)
        states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
        if states and set(states) == {"FAIL"}:  # the reason may be gone, and nothing is lost
            for number in range(1, len(states) + 1):
                remove(run_folder(folder, number))
            optuna.delete_study(study_name=NAME, storage=storage)
            study = optuna.create_study(storage=storage, pruner=pruner, **options)
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(setup.first)
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()
        lock.release()


def search(
    study: Any,
    setup: Setup,
    folder: Path,
    *,
    command: Callable[[list[str]], list[str]],
    environment: dict[str, str],
    deadline: float | None = None,
    told: Callable[[Trial], None],
    shows: Callable[[int, int, str, float], None] | None = None,
) -> None:
    """Run trials until the study has so many; one that was interrupted goes on first.

    Args:
        study: Optuna's, see ``opened``.
        setup: what the study is.
        folder: of the study; each trial has a run folder in it.
        command: makes the command of a process of the arguments of ``visionkit``.
        environment: of the processes.
        deadline: when the trial that runs is interrupted, as ``time.monotonic`` counts.
        told: is called after each trial.
        shows: is called after each epoch with the number of the trial, that of its epochs, the metric and its value.

    Raises:
        UserError: the first two trials failed.
    """
    while deadline is None or time.monotonic() < deadline:
        trial, is_begun = _next_trial(study, setup)
        if trial is None:
            return
        values, number = suggest(trial, setup.space), trial.number + 1
        run, log = run_folder(folder, number), folder / f"trial_{number:03}.log"
        trials.wait_until_free(run)
        words = [*setup.arguments, *words_of(setup.space.options, values), "--out", str(run)]
        words = ["--resume", str(run)] if is_begun and (run / "config.json").exists() else words
        before = log.stat().st_size if log.exists() else 0
        process = trials.begin(command(["train", setup.recipe, *words]), log, _working(setup), environment)
        try:
            show = None if shows is None else (lambda *measured, number=number: shows(number, *measured))
            options = {"log": log, "log_before": before, "deadline": deadline, "shows": show}
            outcome = trials.follow(trial, run, process, setup.space, **options)
        except BaseException:
            trials.end(process)
            raise
        _tell(study, trial, outcome)
        told(Trial(number, values, outcome))
        if number == 2 and all(each.outcome.state == "failed" for each in all_trials(study, setup)):
            raise UserError(
                f"The first two trials failed, so the search ends: {outcome.error} ({log} has all that was printed.)"
            )


def run_folder(folder: Path, number: int) -> Path:
    """The folder of a trial's run; trials are counted from 1."""
    return folder / f"trial_{number:03}"


def _working(setup: Setup) -> Path:
    """Where the trials run: where the study was begun, if that is still there."""
    return Path(setup.working) if Path(setup.working).is_dir() else Path.cwd()


def _next_trial(study: Any, setup: Setup) -> tuple[Any, bool]:
    """The trial that was interrupted, or another, None if there are enough; and whether it was interrupted.

    What the sampler draws depends on the seed and the number of the trial, so that interruptions change nothing.
    """
    import optuna

    begun = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]
    running = [trial for trial in begun if trial.state.name == "RUNNING"]
    number = running[0].number if running else len(begun)
    study.sampler = optuna.samplers.TPESampler(seed=random.Random(f"{setup.seed} {number}").getrandbits(32))
    if running:
        return optuna.trial.Trial(study, running[0]._trial_id), True
    return study.ask() if len(begun) < setup.trials else None, False


def suggest(trial: Any, space: Space) -> dict[str, str | float]:
    """The values of a trial, for the options that have an effect beside those before them."""
    values: dict[str, str | float] = {}
    for option in space.options:
        if option.unless is not None and values.get(option.unless[0]) == option.unless[1]:
            continue
        if option.rate is None:
            values[option.name] = trial.suggest_categorical(option.name, option.values)
        else:
            values[option.name] = trial.suggest_float(option.name, *option.rates, log=True)
    return values


def _tell(study: Any, trial: Any, outcome: Outcome) -> None:
    """Keep the outcome of a trial; one that was interrupted stays as it is."""
    import optuna

    if outcome.state == "interrupted":
        return
    for name in ("metric", "epochs", "seconds", "error"):
        trial.set_user_attr(name, getattr(outcome, name))
    if outcome.state == "finished":
        study.tell(trial, outcome.value)
    else:
        state = optuna.trial.TrialState
        study.tell(trial, state=state.PRUNED if outcome.state == "pruned" else state.FAIL)


def all_trials(study: Any, setup: Setup) -> list[Trial]:
    """All trials so far, by number."""
    return [
        Trial(
            trial.number + 1,
            {option.name: trial.params[option.name] for option in setup.space.options if option.name in trial.params},
            Outcome(STATES[trial.state.name], trial.value, **trial.user_attrs),
        )
        for trial in study.get_trials(deepcopy=False)
        if trial.state.name in STATES
    ]


def best_of(found: Sequence[Trial], setup: Setup) -> Trial | None:
    """The trial with the best value, the first of several; None if none has finished."""
    finished = [trial for trial in found if trial.outcome.state == "finished"]
    sign = 1 if setup.space.direction == "maximize" else -1
    return max(finished, key=lambda trial: sign * trial.outcome.value, default=None)


def importances(study: Any, setup: Setup) -> dict[str, float]:
    """How much of the metric's variance each option explains, by Optuna's fANOVA; empty if too few trials have finished.

    Only trials that have all options count: an option without effect has no value.
    """
    import optuna

    names = [option.name for option in setup.space.options]
    finished = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    whole = [trial for trial in finished if all(name in trial.params for name in names)]
    if len(whole) < 4 or len({trial.value for trial in whole}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=setup.seed)
    return optuna.importance.get_param_importances(study, evaluator=evaluator, params=names)
