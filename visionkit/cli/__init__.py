"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import errno
import inspect
import sys
from collections.abc import Callable

import visionkit
from visionkit.cli.arguments import parse
from visionkit.cli.augment import augment
from visionkit.cli.check import check
from visionkit.cli.convert import convert
from visionkit.cli.edges import edges
from visionkit.cli.ensemble import ensemble
from visionkit.cli.evaluate import evaluate
from visionkit.cli.faces import FACES
from visionkit.cli.models import models
from visionkit.cli.predict import predict
from visionkit.cli.train import train
from visionkit.cli.tune import tune
from visionkit.cli.understand import understand
from visionkit.errors import UserError, did_you_mean
from visionkit.files import arguments_expanded
from visionkit.printable import printable, printable_streams
from visionkit.training.stopping import in_words, stopped_by_signals

Command = Callable[..., int] | dict[str, Callable[..., int]]  # a dict has further commands
COMMANDS: dict[str, Command] = {
    "train": train,
    "tune": tune,
    "predict": predict,
    "evaluate": evaluate,
    "check": check,
    "convert": convert,
    "augment": augment,
    "models": models,
    "ensemble": ensemble,
    "understand": understand,
    "faces": FACES,
    "edges": edges,
}
SUMMARIES = {"faces": "Verify and identify people: enrol, identify, verify, remove, list."}


def main() -> None:
    """Entry point of the ``visionkit`` command."""
    with printable_streams():
        status, is_read = _run()
    if not is_read:
        sys.stdout = None  # else Python would complain when it flushes it at the end
    sys.exit(status)


def _run() -> tuple[int, bool]:
    """The exit status of the command, and whether standard output took all that was written."""
    try:
        with stopped_by_signals():
            status = run_command("visionkit", COMMANDS, arguments_expanded(sys.argv[1:]))
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough: head, less
        return 0, False
    except (UserError, OSError) as error:
        print(f"visionkit: {printable(in_words(error) if isinstance(error, OSError) else error)}", file=sys.stderr)
        return 2, getattr(error, "errno", None) != errno.ENOSPC
    except KeyboardInterrupt as interrupt:
        print("visionkit: interrupted", file=sys.stderr)
        return getattr(interrupt, "status", 130), True
    return status, True


def run_command(program: str, commands: dict[str, Command], arguments: list[str]) -> int:
    """Run the command that the first argument names with the others, and return its exit status.

    Raises:
        UserError: there is no such command, or it has no such option.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help(program, commands), file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"visionkit {visionkit.__version__}")
        return 0
    name, *others = arguments
    if name not in commands:
        raise UserError(
            f"{program} has no command {name!r}.{did_you_mean(name, commands)} The commands are {', '.join(commands)}."
        )
    command = commands[name]
    if isinstance(command, dict):
        return run_command(f"{program} {name}", command, others)
    return command(others) if command in (train, tune) else parse(command, f"{program} {name}", others)


def _help(program: str, commands: dict[str, Command]) -> str:
    """The commands, one a line, with what they do."""
    width = max(map(len, commands)) + 2
    lines = [f"{name:{width}}{SUMMARIES.get(name) or _summary(command)}" for name, command in commands.items()]
    head = "Applied vision with TensorFlow and Keras." if program == "visionkit" else SUMMARIES[program.split()[-1]]
    version = "\n\nvisionkit --version prints the version." if program == "visionkit" else ""
    return (
        f"usage: {program} COMMAND ...\n\n{head}\n\n" + "\n".join(f"  {line}" for line in lines) + "\n\n"
        f"{program} COMMAND --help lists the options of a command.{version}"
    )


def _summary(command: Callable[..., int]) -> str:
    """The first paragraph of a command's docstring."""
    return " ".join((inspect.getdoc(command) or "").split("\n\n")[0].split())
