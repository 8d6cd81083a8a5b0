"""``visionkit tune``: a search for hyperparameters of a recipe. Each trial is ``visionkit train`` in a process of its own."""

import dataclasses
import importlib.util
import os
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from visionkit.cli.train import PACKAGE, imported, recipe_file
from visionkit.command_line import flag_of, parse_options
from visionkit.errors import UserError, did_you_mean
from visionkit.files import resolved, write_atomically
from visionkit.printable import printable
from visionkit.training.recipe_names import RECIPES
from visionkit.training.search import study as studies
from visionkit.training.search.space import SPACES, find_space, space_of
from visionkit.training.search.study import Setup, Trial

INSTALL = "pip install 'visionkit[tune]'"
OPTIMISTIC = (
    "The best trial was chosen by these validation images, so its {metric} is optimistic: measure it on images that neither "
    "training nor this search has seen."
)


@dataclass(frozen=True)
class TuneOptions:
    """The options of the search itself."""

    trials: int | None = None
    """How many trials the study has in all, with those that are stopped early or fail. Default: 20."""
    study: Path | None = None
    """Folder of the study. Default: runs/tune-<recipe>-<time>."""
    timeout_minutes: float | None = None
    """Interrupt the search after so many minutes; --resume goes on with it."""
    resume: Path | None = None
    """Go on with the study in this folder: what has finished is kept, what was interrupted goes on."""

    def check(self) -> None:
        """Check the numbers.

        Raises:
            UserError: one is out of range.
        """
        if self.trials is not None and not 1 <= self.trials <= 10_000:
            raise UserError(f"--trials {self.trials}: expected 1 to 10000.")
        if self.timeout_minutes is not None and not self.timeout_minutes > 0:
            raise UserError(f"--timeout-minutes {self.timeout_minutes}: expected a number above 0.")
        if self.study is not None and self.resume is not None:
            raise UserError("--study and --resume both name the folder of the study: leave one of them out.")


OWN = tuple(flag_of(field.name) for field in dataclasses.fields(TuneOptions))  # each takes one value
TRIALS = 20


def tune(arguments: list[str]) -> int:
    """Search for good hyperparameters: visionkit tune classification --data my_images/ --trials 20.

    Args:
        arguments: the name of a recipe, then options of the search and of the recipe; or --resume DIR.

    Returns:
        the exit status: 0, or 1 if no trial has finished.

    Raises:
        UserError: there is no such recipe or option, Optuna is missing, or the first two trials failed.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_listed())
        return 0
    name, others = ("", arguments) if arguments[0].startswith("-") else (arguments[0], arguments[1:])
    if name and name not in RECIPES:
        names = ", ".join(SPACES)
        raise UserError(f"visionkit tune has no recipe {name!r}.{did_you_mean(name, SPACES)} The recipes are {names}.")
    own, of_recipe = divided(others)
    program = f"visionkit tune {name}".strip()
    if {"-h", "--help"} & set(of_recipe):
        print(_help(find_space(name).options, name) if name else _listed())
        return 0
    options = parse_options(TuneOptions, program, own)
    options.check()
    if not name and options.resume is None:
        raise UserError(f"visionkit tune: expected a recipe first, or --resume DIR. The recipes are {', '.join(SPACES)}.")
    if name:
        find_space(name)
    if importlib.util.find_spec("optuna") is None:
        raise UserError(f"visionkit tune searches with Optuna, which is not installed: {INSTALL}")
    folder, setup = _opened_setup(name, options, of_recipe)
    return _search(folder, setup, options)


def divided(arguments: list[str]) -> tuple[list[str], list[str]]:
    """The words of the search's own options, and all others, which are of the recipe."""
    own, others, words = [], [], iter(arguments)
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag.replace("_", "-") not in OWN:
            others.append(word)
            continue
        own += [word] if equals else [word, *(value for value in [next(words, None)] if value is not None)]
    return own, others


def _opened_setup(name: str, options: TuneOptions, of_recipe: list[str]) -> tuple[Path, Setup]:
    """The folder of the study and what it is: begun now, or before."""
    named, option = (options.study, "--study") if options.resume is None else (options.resume, "--resume")
    folder = None if named is None else resolved(named, option)
    if folder is not None and (options.resume is not None or (folder / studies.SETUP).exists()):
        setup = studies.read_setup(folder)
        if name not in ("", setup.recipe) or tuple(of_recipe) not in ((), setup.arguments):
            raise UserError(
                f"{folder} holds a study of {shlex.join([setup.recipe, *setup.arguments])}, which goes on with its own "
                f"options: {_resume(folder)}. Name another --study for another one."
            )
        if options.trials is not None and options.trials != setup.trials:
            setup = dataclasses.replace(setup, trials=options.trials)
        return folder, setup
    if folder is not None:
        studies.check_new(folder)
    config = _parsed(name, of_recipe)
    from visionkit.training.recipe import requested, unused

    space = space_of(name, config, requested(config) & config.named)
    setup = studies.setup_of(name, of_recipe, space, config, trials=options.trials or TRIALS)
    folder = folder or unused(Path("runs") / f"tune-{name}-{time.strftime('%Y%m%d-%H%M%S')}").resolve()
    return folder, setup


def _parsed(name: str, arguments: list[str]) -> Any:
    """The configuration of a recipe, with whole paths; data that cannot be read is reported now."""
    import visionkit

    visionkit.quiet_tensorflow()
    recipe = imported(recipe_file(name))
    from visionkit.training import runtime
    from visionkit.training.config import start_of, with_start_model
    from visionkit.training.options import named_options

    runtime.leave_accelerators()  # they are for the trials
    program = f"visionkit tune {name}"
    fields = [flag_of(field.name) for field in dataclasses.fields(recipe.Config)]
    for word in (word.split("=")[0].replace("_", "-") for word in arguments if word.startswith("--")):
        if word not in fields and f"--{word[5:]}" not in fields and (meant := did_you_mean(word, [*OWN, *fields])):
            raise UserError(f"{program} has no option {word}.{meant} `{program} --help` lists the options.")
    config = parse_options(recipe.Config, program, arguments)
    named = named_options(config, arguments)
    if "out" in named:
        raise UserError("--out: each trial has a run folder in that of the study, which --study names.")
    object.__setattr__(config, "named", named)
    config.check_options()
    config = with_start_model(config, start_of(config, RECIPES[name])).checked()
    object.__setattr__(config, "named", named)
    return config


def _search(folder: Path, setup: Setup, options: TuneOptions) -> int:
    """Run the trials, and say what was found."""
    num_trials = setup.trials
    deadline = None if options.timeout_minutes is None else time.monotonic() + 60 * options.timeout_minutes
    with studies.opened(folder, setup) as study:
        found = studies.all_trials(study, setup)
        print(f"{printable(folder)}: searches {setup.recipe} for {_searched(setup)}.", flush=True)
        if finished := [trial for trial in found if trial.outcome.state != "interrupted"]:
            print(f"{_number(len(finished), 'trial')} of {num_trials} had ended before, and are kept.", flush=True)

        def told(trial: Trial) -> None:
            _clear()
            trials = studies.all_trials(study, setup)
            if trial.outcome.state != "interrupted":
                _write_results(folder, setup, trials, studies.importances(study, setup))
            print(printable(line(trial, num_trials, studies.best_of(trials, setup))), flush=True)

        try:
            measures = {"deadline": deadline, "told": told, "shows": _show if sys.stderr.isatty() else None}
            environment = _environment()
            studies.search(study, setup, folder, command=_process, environment=environment, **measures)
        except KeyboardInterrupt as interrupt:
            _clear()
            _stopped(folder, "Interrupted", getattr(interrupt, "status", 130))
        trials = studies.all_trials(study, setup)
        ended = [trial for trial in trials if trial.outcome.state != "interrupted"]
        if deadline is not None and len(ended) < num_trials:
            print(f"The {options.timeout_minutes:g} minutes are over. Go on with: {printable(_resume(folder))}")
        return _conclude(folder, setup, ended)


def _stopped(folder: Path, why: str, status: int) -> NoReturn:
    print(f"{why}. Go on with: {printable(_resume(folder))}", file=sys.stderr)
    sys.exit(status)


def _resume(folder: Path) -> str:
    return shlex.join(["visionkit", "tune", "--resume", str(folder)])


def _process(arguments: list[str]) -> list[str]:
    """The command of a trial. What lies in the current folder is not imported (-P)."""
    return [sys.executable, "-P", "-m", "visionkit.cli.trial", *arguments]


def _environment() -> dict[str, str]:
    """That of the trials: they import the visionkit of this process, also in a clone that is not installed."""
    root = PACKAGE.parent
    if root.name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))}


def line(trial: Trial, num_trials: int, best: Trial | None) -> str:
    """A trial in a line: its number, values and outcome, the time it took, and the best trial so far."""
    outcome = trial.outcome
    ended = {
        "finished": f"{outcome.metric} {outcome.value or 0:.4f}",
        "pruned": f"pruned after {_number(outcome.epochs, 'epoch')}, {outcome.metric} {outcome.value or 0:.4f}",
        "failed": f"failed: {outcome.error}",
        "interrupted": "interrupted",
    }[outcome.state]
    so_far = "" if best is None else f"  best {best.outcome.value:.4f} (trial {best.number})"
    return (
        f"trial {trial.number:>{len(str(num_trials))}}/{num_trials}  {trial.in_words}  {ended}  {outcome.seconds:.0f} s{so_far}"
    )


def _show(number: int, epochs: int, metric: str, value: float) -> None:
    """Show on a terminal how far a trial is."""
    print(f"\r\x1b[Ktrial {number}: epoch {epochs}, {metric} {value:.4f}", end="", file=sys.stderr, flush=True)


def _clear() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _write_results(folder: Path, setup: Setup, trials: list[Trial], importances: dict[str, float]) -> None:
    """Write the report, and the best command."""
    from visionkit.viz.study_page import write_study_page

    best = studies.best_of(trials, setup)
    if best is not None:
        write_atomically(folder / "best.txt", f"{_command(setup, best)}\n".encode())
    rows = [
        {"number": trial.number, "values": trial.in_words, **trial.outcome._asdict(), "is_best": trial is best}
        for trial in trials
    ]
    write_study_page(
        folder / "report.html",
        title=f"Search for hyperparameters: {setup.recipe}",
        command=None if best is None else _command(setup, best),
        model=None if best is None else f"{studies.run_folder(folder, best.number).name}/model",
        searched=_searched(setup),
        caution=None if best is None else _caution(setup, best.outcome.metric),
        trials=rows,
        is_maximized=setup.space.direction == "maximize",
        importances={flag_of(name): share for name, share in importances.items()},
    )


def _conclude(folder: Path, setup: Setup, trials: list[Trial]) -> int:
    """Print what was found."""
    best = studies.best_of(trials, setup)
    if best is None:
        print(f"No trial has finished, so there is no best one. What they printed: {folder}/trial_*.log", file=sys.stderr)
        return 1
    metric, value = best.outcome.metric, best.outcome.value
    print(f"\nThe best of {_number(len(trials), 'trial')} is number {best.number}, with {metric} {value:.4f}:\n")
    print(f"  {printable(_command(setup, best))}\n")
    print(_caution(setup, metric))
    print(f"report   {printable(folder / 'report.html')}")
    print(f"model    {printable(studies.run_folder(folder, best.number) / 'model')}")
    return 0


def _caution(setup: Setup, metric: str) -> str:
    smoke = "These runs were small (--smoke), and their metrics mean nothing. " if "--smoke" in setup.arguments else ""
    return smoke + OPTIMISTIC.format(metric=metric)


def _command(setup: Setup, trial: Trial) -> str:
    return shlex.join(setup.command(trial.values))


def _searched(setup: Setup) -> str:
    return ", ".join(option.in_words for option in setup.space.options)


def _number(count: int, of: str) -> str:
    return f"{count} {of}{'' if count == 1 else 's'}"


def _listed() -> str:
    return (
        "usage: visionkit tune RECIPE [--data DATA] [--trials N] [--study DIR] [--timeout-minutes M] [OPTIONS OF THE RECIPE]\n"
        "       visionkit tune --resume DIR [--trials N]\n\n"
        f"RECIPE is {', '.join(SPACES)}.\n"
        "visionkit tune RECIPE --help lists what is searched, and the options."
    )


def _help(options: tuple[Any, ...], name: str) -> str:
    texts = {
        "--trials N": "trials of the study in all, with those that are stopped early or fail (20)",
        "--study DIR": "folder of the study (runs/tune-<recipe>-<time>); if it holds one, that goes on",
        "--timeout-minutes M": "interrupt the search after so many minutes; --resume goes on with it",
        "--resume DIR": "go on with the study in this folder",
    }
    lines = "\n".join(f"  {flag:<21}{text}" for flag, text in texts.items())
    searched = "\n".join(f"  {option.in_words}" for option in options)
    return (
        f"usage: visionkit tune {name} [--data DATA] [OPTIONS]\n\nOptions of the search:\n\n{lines}\n\n"
        f"Searched, unless you give it or it has no effect:\n\n{searched}\n\n"
        "All options of the recipe but --out may be given, and are those of all trials; "
        f"visionkit train {name} --help lists them."
    )
