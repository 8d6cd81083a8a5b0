"""What a report says about its run besides the results: the options in force, the phases, the versions, the command line."""

import time
from typing import Any

from visionkit.printable import duration
from visionkit.training import runtime
from visionkit.training.run_files import FOUND
from visionkit.training.run_folder import ABOUT, PLAN, RunFolder

DATE = "%Y-%m-%d %H:%M"
MEANINGLESS = "A smoke run: it only tests that everything works, with few samples and few steps. Its numbers are meaningless."
IN_PLAN = {"unfreeze": "approach"}  # options whose choice has another name in the plan
OWN, BY_TRYING = "the recipe's own", "found by trying"
OF_PHASES = ("epochs", "size", "batch_size", "learning_rate")


def begin(run: RunFolder, command: str) -> None:
    """Keep when a run is begun, and the command lines that begin and resume it."""
    about = run.read_json(ABOUT) or {}
    commands = [each for each in (*(about.get("commands") or ()), command) if each]
    run.write_json(ABOUT, {"begun": time.strftime(DATE)} | about | {"commands": commands})


def keep_phase(run: RunFolder, name: str, facts: dict[str, Any]) -> None:
    """Keep the facts of a phase, for a report that a later process writes."""
    about = run.read_json(ABOUT) or {}
    run.write_json(ABOUT, about | {"phases": (about.get("phases") or {}) | {name: facts}})


def phases_of(run: RunFolder) -> dict[str, dict[str, Any]]:
    """The facts of the phases that have begun, by name: epochs, steps, batch size, peak learning rate, weights."""
    return (run.read_json(ABOUT) or {}).get("phases") or {}


def facts_of(run: RunFolder) -> dict[str, str]:
    """What a reader of a report asks about its run, by name."""
    about = run.read_json(ABOUT) or {}
    facts = {"command line": "; then ".join(about.get("commands") or ()), "folder": str(run.path)}
    facts |= {"begun": str(about.get("begun", "")), "report written": time.strftime(DATE), "duration": duration(run.seconds())}
    facts |= {"seed": str(run.read_config().get("seed", "")), "device": runtime.device_name(), "versions": runtime.versions()}
    return {name: fact for name, fact in facts.items() if fact}


def options_of(run: RunFolder) -> dict[str, str]:
    """The options of a run as text; in the place of those that were left to the run stands what it chose."""
    plan, phases = run.read_json(PLAN) or {}, phases_of(run)
    return {name: _option(name, value, plan, phases) for name, value in run.read_config().items() if name != "resume"}


def _option(name: str, value: Any, plan: dict[str, Any], phases: dict[str, dict[str, Any]]) -> str:
    if value not in (None, "auto"):
        return plain(value)
    chosen = plan.get(IN_PLAN.get(name, name))
    if isinstance(chosen, str | int | float):
        return f"{plain(chosen)} (chosen by the run)"
    if name in OF_PHASES:
        values = {phase: plain(facts[name]) for phase, facts in phases.items() if facts.get(name) is not None}
        found = [phase for phase in values if name == "learning_rate" and phase in plan.get(FOUND, {})]
        if len(set(values.values())) == 1:
            return f"{next(iter(values.values()))} ({BY_TRYING if found else OWN})"
        if values:
            sources = {phase: f"{phase}, {BY_TRYING}" if phase in found else phase for phase in values}
            return ", ".join(f"{value} ({sources[phase]})" for phase, value in values.items())
    if name == "data":
        return "the built-in data"
    return plain(value) if value else "not set"


def plain(value: Any) -> str:
    """The value of an option for people: yes and no, six digits at most, the parts of a list one after the other."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(plain, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
