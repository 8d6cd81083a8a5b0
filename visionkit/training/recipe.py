"""What all recipes share: their options, the run with its plan and results, and the errors on bad input."""

import dataclasses
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import keras

import visionkit
from visionkit.bundle_files import finite, update_metadata
from visionkit.command_line import parse_options
from visionkit.errors import UserError
from visionkit.files import arguments_expanded, cache_folder, resolved
from visionkit.printable import printable, printable_streams
from visionkit.training.config import Config, RunConfig, requested, start_of, with_start_model
from visionkit.training.fit import Phase, load_weights, train_in_order
from visionkit.training.options import from_plain, named_options, whole_path
from visionkit.training.rates import finder as rate_finder
from visionkit.training.resume import (
    DATA,
    check_apart,
    check_model,
    contradictions,
    current_epochs,
    describe_data,
    move_data,
    train_longer,
)
from visionkit.training.run_files import FOUND
from visionkit.training.run_folder import PLAN, RunFolder
from visionkit.training.start_model import Head, StartModel, start_model, take_weights
from visionkit.training.stopping import NO_SPACE, how_to_free, in_words, refused_write, stopped_by_signals
from visionkit.training.watching import about
from visionkit.training.watching.watch import open_watch, write_report

Plan = TypeVar("Plan")  # a frozen dataclass of what JSON can hold


class Report(Protocol):
    """The part of a report that ``Run.finish`` needs; ``visionkit.viz.report.Report`` is one."""

    def write(self, path: Path, *, notes: list[str], metrics: dict[str, float], config: dict[str, Any], **others: Any) -> Path:
        """Write the page."""


class Run(RunFolder):
    """One run of a recipe: its folder, notes, plan, training and results.

    Attributes:
        recipe: the name of the recipe.
    """

    recipe = ""
    _start: StartModel | None = None  # until its weights are taken: a network is read once

    @property
    def config(self) -> dict[str, Any]:
        """The options in force, from ``config.json``."""
        return self.read_config()

    def described(self, config: RunConfig, **shaping: Any) -> dict[str, Any]:
        """For the metadata of the bundle: the program that made it, and the options by which ``--from`` builds its network.

        Args:
            config: the options; those of ``SHAPING`` are kept.
            shaping: what else shapes the network, as JSON can hold it; where it is an option that was not set, it is preferred.
        """
        options = {name: getattr(config, name) for name in config.SHAPING} | shaping
        made_by = f"visionkit {visionkit.__version__}, recipes/{self.recipe}.py"
        return {"made_by": made_by, "training": {"recipe": self.recipe, "options": options}}

    def start_option(self, config: RunConfig, name: str) -> Any:
        """What the model that ``--from`` names has of an option; None without such a model."""
        return None if config.from_model is None else self._start_model(config).options.get(name)

    def start_from(self, config: RunConfig, network: keras.Model, class_names: Sequence[str], heads: dict[str, Head]) -> None:
        """Give a network the weights of the model that ``--from`` names, if it names one; see ``start_model.take_weights``."""
        if config.from_model is not None:
            self.note(take_weights(self._start_model(config), network, class_names, heads))
            self._start = None

    def _start_model(self, config: RunConfig) -> StartModel:
        return self._start or start_model(config.from_model, self.recipe)

    @property
    def found_rates(self) -> dict[str, dict[str, Any]]:
        """The learning rates that were found by trying; see ``rates.finder``."""
        return (self.read_json(PLAN) or {}).get(FOUND, {})

    @property
    def model(self) -> Path:
        """Where the bundle is exported to."""
        return self.path / "model"

    def plan(self, kind: type[Plan], decide: Callable[[], Plan]) -> Plan:
        """Return the plan of the run, which is decided once, at the start, and kept when the run is resumed.

        Args:
            kind: a dataclass of values that JSON can hold.
            decide: makes the plan, and notes each choice with its reason; it is not called when ``plan.json`` has the values.
        """
        stored = self.read_json(PLAN) or {}
        names = [field.name for field in dataclasses.fields(kind)]
        if all(name in stored for name in names):
            return kind(**{name: stored[name] for name in names})
        plan = decide()
        self.write_json(PLAN, (self.read_json(PLAN) or {}) | dataclasses.asdict(plan))
        return plan

    def train(self, phases: dict[str, Callable[[], Phase]], whole: keras.Model) -> list[dict]:
        """Train the phases in order, continue where an interrupted run stopped, and leave the last weights in ``whole``.

        Returns:
            the history; see ``fit.train_in_order``.
        """
        phases = {name: partial(rate_finder.with_rate, self, make) for name, make in phases.items()}
        history = train_in_order(self, phases, whole)
        load_weights(whole, self.weights_file(list(phases)[-1]))
        if self.watch is not None:
            self.watch.measuring()
        return history

    def finish(
        self, bundle: Path, metrics: dict[str, float], report: Report, *, bundle_metrics: dict[str, float] | None = None
    ) -> None:
        """Add the metrics to the bundle, write ``report.html``, and last ``metrics.json``, which marks the run as finished.

        Args:
            bundle: the exported model.
            metrics: name -> number, for ``metrics.json``; the seconds that the run took are added. A value that is not finite
                was not measured, and becomes null.
            report: the page.
            bundle_metrics: the metrics for the bundle's metadata. Default: all metrics.
        """
        metrics = finite(metrics) | {"seconds": round(self.seconds(), 1)}
        meaningless = {"metrics_note": about.MEANINGLESS} if self.config.get("smoke") else {}
        update_metadata(bundle, metrics=metrics if bundle_metrics is None else finite(bundle_metrics), **meaningless)
        write_report(self, report, metrics)
        if self.watch is not None:
            self.watch.finished(metrics)
        self.write_json("metrics.json", metrics)


def run_recipe(config: Config, work: Callable[[Run, Config], None], *, name: str, smoke: dict[str, Any]) -> Run:
    """Open the run of a recipe and do its work, unless it is finished already.

    Args:
        config: as the command line gave it.
        work: takes the run and the configuration in force, and writes ``metrics.json``, ``report.html`` and ``model/``.
        name: name of the recipe.
        smoke: values that ``--smoke`` sets where the command line did not.
    """
    program, command, is_resumed = config.program, config.command, config.resume is not None
    run, config = open_run(config, name=name, smoke=smoke)
    run.recipe = name
    if run.read_metrics() is not None:
        run.say(f"{run.path} was finished already.")
    else:
        check_model(run)
        resume = f"{program} --resume {shlex.quote(str(run.path))}"
        run.watch = open_watch(run, config.log, command=command, resume=resume, is_resumed=is_resumed)
        try:
            work(run, config)
        except KeyboardInterrupt as interrupt:
            run.watch.stopped("It was interrupted")
            print(f"\nInterrupted. Continue with: {printable(resume)}", file=sys.stderr)
            sys.exit(getattr(interrupt, "status", 130))
        except Exception as error:
            refused = refused_write(error, (run.path, cache_folder()))
            run.watch.stopped(f"It ended with an error: {refused or error}".rstrip("."))
            if refused is None:
                raise
            is_full = any(os.strerror(number) in refused for number in NO_SPACE)
            mend = how_to_free(error, "free some") if is_full else "make it writable"
            raise UserError(f"{refused}; {run.kept()}; {mend} and go on with --resume {run.path}") from error
        finally:
            run.watch = None  # which holds the run: the lock of a run that has failed goes with it
    announce(run, run.read_metrics())
    return run


def open_run(config: Config, *, name: str, smoke: dict[str, Any]) -> tuple[Run, Config]:
    """Start a run folder, or open the one to resume and take its configuration."""
    if config.resume is not None:
        return _resume(config)
    config.check_options()
    given = requested(config)
    start = start_of(config, name)
    config = with_start_model(config, start)
    if config.smoke:
        kept = given if config.from_model is None else {*given, *config.SHAPING}
        config = dataclasses.replace(config, **{option: value for option, value in smoke.items() if option not in kept})
    out = config.out or unused(Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}")
    config = dataclasses.replace(config, out=resolved(out, "--out"))
    check_apart(whole_path(config.data), config.out)
    config = config.checked()
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(config).items()}
    run = Run.start(config.out, plain)
    run._start = start
    if described := describe_data(config.data):
        run.write_json(DATA, described)
    return run, config


def _resume(config: Config) -> tuple[Run, Config]:
    """Open a run with its own options, and with more epochs or data in another place if the command line says so.

    Raises:
        UserError: the command line has options that contradict the run.
    """
    config.check_options()
    run = Run.resume(config.resume)
    try:
        stored = _stored_config(config, run)
        named = requested(config) - {"resume"}
        given = {field.name: getattr(config, field.name) for field in dataclasses.fields(config) if field.name in named}
        _apply(run, stored, given)
        return run, _stored_config(config, run)
    except BaseException:
        run.release()
        raise


def _stored_config(config: Config, run: Run) -> Config:
    return type(config)(**from_plain(config, run.config))


def _apply(run: Run, stored: RunConfig, given: dict[str, Any]) -> None:
    """Change what may be changed of a run, and refuse the rest before anything is changed."""
    options, epochs, data = vars(stored), given.get("epochs"), whole_path(given.get("data"))
    if data == stored.data or (data is not None and data == whole_path(stored.data)):
        data = None
    movable = data is not None and stored.data is not None and not any(d.startswith("tfds:") for d in (data, stored.data))
    current = None if epochs is None else current_epochs(run, stored.epochs)
    longer = epochs is not None and (current is None or epochs > current) and epochs != stored.epochs
    others = {name: value for name, value in given.items() if name not in ("data", "epochs")}
    if data is not None and not movable:
        others["data"] = data
    if epochs is not None and not longer and epochs != current:
        others["epochs"], options = epochs, options | {"epochs": current}
    wrong = contradictions(others, options, run)
    if wrong:
        raise UserError(
            f"--resume {run.path} goes on with the run's own options; leave out {', '.join(wrong)}, or start a new run "
            "with another --out."
        )
    if longer and (reason := stored.why_not_longer()) is not None:
        raise UserError(f"--epochs {epochs}: {reason}; start a new run.")
    if movable:
        move_data(run, stored.data, data)
    if longer:
        train_longer(run, epochs)


def unused(path: Path) -> Path:
    """The path, with a number after it if it exists already."""
    return next(p for p in (path, *(Path(f"{path}-{number}") for number in range(2, 1000))) if not p.exists())


def announce(run: Run, metrics: dict[str, float | None]) -> None:
    """Print the last lines of a run."""
    first = next(iter(metrics))
    value = "not measured" if metrics[first] is None else f"{metrics[first]:.4f}"
    if run.config.get("smoke"):
        run.say(about.MEANINGLESS)
    run.say(f"{first.replace('_', ' ')} {value} in {metrics['seconds']:.0f} seconds")
    run.say(f"report   {run.path / 'report.html'}")
    run.say(f"model    {run.path / 'model'}")


def command_line(
    main: Callable[[Config], Run],
    config: type[Config],
    description: str,
    *,
    program: str | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Run a recipe from the command line: an error of the user ends in one line and status 2.

    Args:
        main: runs the recipe.
        config: its options.
        description: for ``--help``.
        program: how the recipe was called. Default: the Python file that is running.
        arguments: the options. Default: those of the process.
    """
    program = program or f"python {sys.argv[0]}"
    with printable_streams():
        try:
            arguments = arguments_expanded(sys.argv[1:] if arguments is None else arguments)
            options = parse_options(config, program, arguments, description)
            object.__setattr__(options, "named", named_options(options, arguments))
            object.__setattr__(options, "program", program)
            object.__setattr__(options, "command", shlex.join([*program.split(), *arguments]))
            with stopped_by_signals():
                main(options).release()
        except KeyboardInterrupt as interrupt:
            print("\nInterrupted.", file=sys.stderr)
            sys.exit(getattr(interrupt, "status", 130))
        except (UserError, OSError) as error:
            print(f"error: {printable(in_words(error) if isinstance(error, OSError) else error)}", file=sys.stderr)
            sys.exit(2)
