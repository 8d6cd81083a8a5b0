"""What a report says of its run."""

import re

from visionkit.training.run_folder import RunFolder
from visionkit.training.watching import about


def run_of(tmp_path, config, plan=None):
    run = RunFolder.start(tmp_path / "run", config)
    if plan is not None:
        run.write_json("plan.json", plan)
    return run


def test_a_run_without_options_or_phases_has_facts_of_its_own(tmp_path):
    run = run_of(tmp_path, {})
    assert about.options_of(run) == {} == about.phases_of(run)
    assert {"folder", "device", "versions", "duration"} <= set(about.facts_of(run))


def test_in_the_place_of_a_default_stands_what_was_chosen(tmp_path):
    config = {
        **{"data": None, "size": None, "epochs": None, "learning_rate": None, "batch_size": None, "unfreeze": "auto"},
        **{
            "base": None,
            "flip": True,
            "names": [],
            "filters": [8, 16],
            "weight": 0.9666666865,
            "cache": "auto",
            "resume": None,
        },
    }
    run = run_of(tmp_path, config | {"resume": None}, {"size": 224, "approach": "last", "data": ["a.jpg"], "network": "x"})
    about.keep_phase(run, "head", {"epochs": 20, "learning_rate": 1e-3, "batch_size": 32})
    about.keep_phase(run, "last", {"epochs": 8, "learning_rate": 1e-4, "batch_size": 32})
    assert about.options_of(run) == {
        "data": "the built-in data",
        "size": "224 (chosen by the run)",
        "epochs": "20 (head), 8 (last)",
        "learning_rate": "0.001 (head), 0.0001 (last)",
        "batch_size": "32 (the recipe's own)",
        "unfreeze": "last (chosen by the run)",
        "base": "not set",
        "flip": "yes",
        "names": "none",
        "filters": "8 16",
        "weight": "0.966667",
        "cache": "auto",
    }


def test_a_run_that_goes_on_keeps_its_beginning_and_all_command_lines(tmp_path):
    run = run_of(tmp_path, {"seed": 3})
    about.begin(run, "visionkit train x --seed 3")
    run.write_json("about.json", run.read_json("about.json") | {"begun": "2026-01-01 00:00"})
    about.begin(run, "visionkit train x --resume run")
    facts = about.facts_of(run)
    assert facts["command line"] == "visionkit train x --seed 3; then visionkit train x --resume run"
    assert facts["begun"] == "2026-01-01 00:00" and facts["seed"] == "3"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", facts["report written"])


def test_a_damaged_file_is_no_obstacle(tmp_path):
    run = run_of(tmp_path, {})
    for contents in ("[1]", "no JSON"):
        (run.path / "about.json").write_text(contents)
        assert about.phases_of(run) == {}
        about.keep_phase(run, "head", {"epochs": 1})
        assert about.phases_of(run) == {"head": {"epochs": 1}}


def test_a_learning_rate_that_was_found_stands_there(tmp_path):
    run = run_of(tmp_path, {"learning_rate": "auto"}, {"found_rates": {"last": {"rate": 3e-4}}})
    assert about.options_of(run) == {"learning_rate": "auto"}  # not found yet
    about.keep_phase(run, "last", {"learning_rate": 3e-4})
    assert about.options_of(run) == {"learning_rate": "0.0003 (found by trying)"}
    about.keep_phase(run, "head", {"learning_rate": 1e-3})
    assert about.options_of(run) == {"learning_rate": "0.0003 (last, found by trying), 0.001 (head)"}
