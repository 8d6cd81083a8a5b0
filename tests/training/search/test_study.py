"""The search: order, pruning, failures, interruptions; over trials that train nothing."""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.training.search import fake_trial
from visionkit.errors import UserError
from visionkit.training.search import study as studies
from visionkit.training.search import trial as trials_module
from visionkit.training.search.space import Option, Space
from visionkit.training.search.study import Setup

SPACE = Space((Option("learning_rate", rate=0.01), Option("augment", ("medium", "light", "strong"))), ("accuracy",))
COMMAND = [sys.executable, "-S", "-P", fake_trial.__file__]


def setup(trials: int, **changes) -> Setup:
    first = {"learning_rate": 0.01, "augment": "medium"}
    return Setup(**{"recipe": "signals", "arguments": ("--epochs", "4"), "space": SPACE, "first": first, "seed": 3} | changes,
                 trials=trials, working=str(Path.cwd()))  # fmt: skip


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch):
    monkeypatch.setattr(trials_module, "POLL", 0.01)


def run(folder: Path, setup: Setup, *, shows=None, deadline=None, **environment: str) -> list[studies.Trial]:
    """Search, and return what was told; then compare it with what is kept."""
    told = []
    folder.mkdir(exist_ok=True)
    with studies.opened(folder, setup) as study:
        options = {"environment": os.environ | environment, "deadline": deadline, "told": told.append, "shows": shows}
        studies.search(study, setup, folder, command=lambda arguments: [*COMMAND, *arguments], **options)
        kept = {trial.number: trial for trial in studies.all_trials(study, setup)}
    assert all(kept[trial.number].outcome.state == trial.outcome.state for trial in told)
    return told


def results(trials: list[studies.Trial]) -> list[tuple]:
    return [(trial.number, trial.values, trial.outcome.state, trial.outcome.value) for trial in trials]


def all_of(folder: Path, setup: Setup) -> list[studies.Trial]:
    with studies.opened(folder, setup) as study:
        return studies.all_trials(study, setup)


def test_without_trials_there_is_no_best_one(tmp_path):
    assert run(tmp_path, setup(0)) == [] and all_of(tmp_path, setup(0)) == []
    assert studies.best_of([], setup(0)) is None
    with studies.opened(tmp_path, setup(0)) as study:
        assert studies.importances(study, setup(0)) == {}


def test_the_first_trial_has_the_defaults_and_the_same_seed_gives_the_same_trials(tmp_path):
    trials = run(tmp_path / "a", setup(4))
    assert [trial.number for trial in trials] == [1, 2, 3, 4] and trials[0].values == setup(4).first
    assert all(0.001 <= trial.values["learning_rate"] <= 0.1 for trial in trials)
    calls = (tmp_path / "a" / "trial_001" / "calls.txt").read_text()
    assert calls == f"train signals --epochs 4 --learning-rate 0.01 --augment medium --out {tmp_path}/a/trial_001\n"
    best = studies.best_of(trials, setup(4))
    assert best.outcome.value == max(trial.outcome.value for trial in trials) and best.outcome.seconds == 7.5
    assert results(run(tmp_path / "b", setup(4))) == results(trials)
    assert results(run(tmp_path / "c", setup(4, seed=4)))[1:] != results(trials)[1:]
    assert studies.best_of(trials, setup(4, space=Space(SPACE.options, SPACE.metrics, "minimize"))) != best


def test_a_study_that_is_opened_again_has_its_trials_and_goes_on_as_if_it_had_not_ended(tmp_path):
    whole = run(tmp_path / "whole", setup(4))
    parts = run(tmp_path / "parts", setup(2)) + run(tmp_path / "parts", setup(4)) + run(tmp_path / "parts", setup(4))
    assert results(parts) == results(whole)
    with studies.opened(tmp_path / "parts", setup(4)) as study:
        shares = studies.importances(study, setup(4))
    assert shares.keys() == {"learning_rate", "augment"} and sum(shares.values()) == pytest.approx(1)


def test_a_trial_that_is_interrupted_goes_on_first_with_its_own_values(tmp_path):
    def interrupt(number: int, epochs: int, metric: str, value: float) -> None:
        if number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", setup(3), shows=interrupt, HANG="2")
    states = [trial.outcome.state for trial in all_of(tmp_path / "a", setup(3))]
    assert states == ["finished", "interrupted"]
    again = run(tmp_path / "a", setup(3))
    assert results(again) == results(run(tmp_path / "b", setup(3)))[1:]
    calls = (tmp_path / "a" / "trial_002" / "calls.txt").read_text().splitlines()
    assert calls[1:] == [f"train signals --resume {tmp_path}/a/trial_002"]


def test_when_the_time_is_over_the_trial_that_runs_is_interrupted(tmp_path):
    trials = run(tmp_path, setup(3), deadline=time.monotonic() + 2, HANG="1")
    assert [trial.outcome.state for trial in trials] == ["interrupted"]
    assert run(tmp_path, setup(3), deadline=time.monotonic() - 1) == []
    assert [trial.outcome.state for trial in run(tmp_path, setup(1))] == ["finished"]


def test_a_trial_that_is_worse_than_the_median_is_stopped_after_the_epochs_that_are_not_judged(tmp_path):
    trials = run(tmp_path, setup(9))
    pruned = [trial for trial in trials if trial.outcome.state == "pruned"]
    assert pruned and all(trial.number > studies.COMPARED for trial in pruned)
    assert {trial.outcome.epochs for trial in pruned} == {studies.UNJUDGED + 1}
    finished = sorted(trial.outcome.value for trial in trials if trial.outcome.state == "finished")
    assert all(trial.outcome.value / (studies.UNJUDGED + 1) < finished[-1] / fake_trial.EPOCHS for trial in pruned)
    assert results(all_of(tmp_path, setup(9))) == results(trials)


def test_a_trial_that_fails_is_kept_with_its_error_and_the_search_goes_on(tmp_path):
    trials = run(tmp_path, setup(4), FAIL="1", NAN="3")
    assert [trial.outcome.state for trial in trials] == ["failed", "finished", "failed", "finished"]
    assert trials[0].outcome.error == "my_images: no images there."
    assert trials[2].outcome.error == "accuracy could not be measured"
    assert all_of(tmp_path, setup(4))[0].outcome.error == trials[0].outcome.error


def test_two_failures_at_the_start_end_the_search_which_begins_anew_when_the_reason_is_gone(tmp_path):
    with pytest.raises(UserError, match=r"first two trials failed, so the search ends: my_images: no images there\. \(.*002"):
        run(tmp_path, setup(4), FAIL="1 2 3 4")
    assert not (tmp_path / "trial_003").exists()
    trials = run(tmp_path, setup(2))
    assert [trial.outcome.state for trial in trials] == ["finished", "finished"] and trials[0].values == setup(2).first


def test_one_process_at_a_time_has_a_study(tmp_path):
    with studies.opened(tmp_path, setup(1)), pytest.raises(UserError, match="another process is working on this study"):
        run(tmp_path, setup(1))


def test_a_study_that_another_process_has_is_not_changed(tmp_path):
    with studies.opened(tmp_path, setup(1)):
        with pytest.raises(UserError, match="another process is working on this study"):
            run(tmp_path, setup(9))
        assert studies.read_setup(tmp_path) == setup(1)
    run(tmp_path, setup(2))
    assert studies.read_setup(tmp_path) == setup(2)
    with pytest.raises(UserError, match="another process has begun a study there meanwhile"):
        run(tmp_path, setup(2, seed=8))


def test_the_path_of_a_study_needs_no_escapes(tmp_path):
    folder = tmp_path / "what? 100% #1"
    assert len(run(folder, setup(1))) == 1 and (folder / "study.db").is_file()


def test_what_a_study_is_can_be_read_as_it_was_written(tmp_path):
    space = Space((Option("mix", ("none", "mixup"), unless=("unfreeze", "head")), *SPACE.options), ("accuracy",), shared="head")
    written = setup(2, space=space)
    studies.write_setup(tmp_path / "study", written)
    assert studies.read_setup(tmp_path / "study") == written
    with pytest.raises(UserError, match=r"expected the folder of a study"):
        studies.read_setup(tmp_path)


@pytest.mark.parametrize("contents", ["", "{", "[]", "{}", '{"space": 3}', '{"recipe": "signals", "space": {"options": [[]]}}'])
def test_a_damaged_study_is_an_error_of_one_line(tmp_path, contents):
    (tmp_path / "study.json").write_text(contents)
    with pytest.raises(UserError, match="is damaged"):
        studies.read_setup(tmp_path)


def test_a_study_is_begun_in_a_new_or_an_empty_folder(tmp_path):
    studies.check_new(tmp_path)
    studies.check_new(tmp_path / "new")
    (tmp_path / ".lock").touch()  # of a study that was killed before it was begun
    studies.check_new(tmp_path)
    (tmp_path / "mine.txt").write_text("")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UserError, match="holds no study, and is not an empty folder"):
            studies.check_new(folder)


def test_the_command_of_a_trial_can_be_pasted(tmp_path):
    command = setup(1).command({"learning_rate": 0.00031284, "augment": "light"})
    assert " ".join(command) == "visionkit train signals --epochs 4 --learning-rate 0.000313 --augment light"
