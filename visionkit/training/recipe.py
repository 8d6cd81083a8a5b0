"""What every recipe does around its work: open the run, tell the story, say where the results are, end well on bad input."""

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import tyro

from visionkit.errors import UserError
from visionkit.training.run_folder import RunFolder

Config = TypeVar("Config")  # a frozen dataclass with data, out, seed, resume and smoke


class Story:
    """Sentences on what happens and why: on the screen now, in the report later, also after an interruption."""

    def __init__(self, run: RunFolder):
        self._run = run
        self.sentences: list[str] = run.read_json("story.json") or []

    def tell(self, sentence: str) -> None:
        """Say a sentence and keep it."""
        print(sentence, flush=True)
        if sentence not in self.sentences:
            self.sentences.append(sentence)
            self._run.write_json("story.json", self.sentences)


def run_recipe(config: Config, work: Callable[[RunFolder, Config], Any], *, name: str, smoke: dict[str, Any]) -> RunFolder:
    """Open the run of a recipe and do its work, unless it was done already.

    Args:
        config: as the command line gave it. Its method ``checked()``, if it has one, returns it with names and files looked at,
            before a folder is made.
        work: from the run and the configuration in force to ``metrics.json``, ``report.html`` and ``model/`` in the run.
        name: of the recipe.
        smoke: values that ``--smoke`` sets where the command line did not.
    """
    run, config = open_run(config, name=name, smoke=smoke)
    if run.read_json("metrics.json") is not None:
        print(f"{run.path} was finished already.")
    else:
        try:
            work(run, config)
        except KeyboardInterrupt:
            print(f"\nInterrupted. Go on with: python {sys.argv[0]} --resume {run.path}", file=sys.stderr)
            sys.exit(130)
    announce(run, run.read_json("metrics.json"))
    return run


def open_run(config: Config, *, name: str, smoke: dict[str, Any]) -> tuple[RunFolder, Config]:
    """Start a run folder, or open the one to resume and take its configuration."""
    if config.resume is not None:
        run = RunFolder.resume(config.resume)
        kept = run.read_json("config.json")
        return run, type(config)(**_from_plain(config, kept))
    if config.smoke:
        asked = {field.name for field in dataclasses.fields(config) if getattr(config, field.name) != field.default}
        config = dataclasses.replace(config, **{name: value for name, value in smoke.items() if name not in asked})
    out = config.out or unused(Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    config = dataclasses.replace(config, out=out.resolve())
    if hasattr(config, "checked"):
        config = config.checked()
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(config).items()}
    return RunFolder.start(config.out, plain), config


def unused(path: Path) -> Path:
    """The path, or with a number after it if there is such a folder."""
    return next(p for p in (path, *(Path(f"{path}-{number}") for number in range(2, 1000))) if not p.exists())


def announce(run: RunFolder, metrics: dict[str, float]) -> None:
    """The last lines of a run."""
    first = next(iter(metrics))
    print(f"{first.replace('_', ' ')} {metrics[first]:.4f} in {metrics['seconds']:.0f} seconds")
    print(f"report   {run.path / 'report.html'}")
    print(f"model    {run.path / 'model'}")


def command_line(main: Callable[[Config], Any], config: type[Config], description: str) -> None:
    """Run a recipe from the command line: what the user got wrong ends in one line and status 2."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        main(tyro.cli(config, description=description))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def check_at_least(config: Config, **lowest: float) -> None:
    """Raise a ``UserError`` where a field that is not None lies below its lowest value, or is not finite; seeds: < 2 ** 32."""
    for name, least in lowest.items():
        value = getattr(config, name)
        if value is not None and not least <= value < math.inf:
            finite = "" if math.isfinite(value) else ", and finite"
            raise UserError(f"--{name.replace('_', '-')} {value}: expected at least {least}{finite}.")
    if config.seed >= 2**32:
        raise UserError(f"--seed {config.seed}: expected less than {2**32}.")


def _from_plain(config: Config, kept: dict[str, Any]) -> dict[str, Any]:
    """The values of ``config.json`` with the types of the configuration: paths, and tuples where JSON has lists."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    paths = {field.name for field in dataclasses.fields(config) if field.type in (Path, Path | None)}
    return values | {name: Path(values[name]) for name in paths if values.get(name) is not None}
