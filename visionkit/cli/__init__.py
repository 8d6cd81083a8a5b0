"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import errno
import sys

import tyro

from visionkit.cli.augment import augment
from visionkit.cli.check import check
from visionkit.cli.convert import convert
from visionkit.cli.edges import edges
from visionkit.cli.ensemble import ensemble
from visionkit.cli.faces import faces
from visionkit.cli.models import models
from visionkit.cli.predict import predict
from visionkit.cli.understand import understand
from visionkit.errors import UserError
from visionkit.files import arguments_expanded
from visionkit.printable import printable, printable_streams
from visionkit.training.stopping import in_words, stopped_by_signals

COMMANDS = {
    "predict": predict,
    "check": check,
    "convert": convert,
    "augment": augment,
    "models": models,
    "edges": edges,
    "ensemble": ensemble,
    "understand": understand,
    "faces": faces,
}


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
            arguments = arguments_expanded(sys.argv[1:])
            description = "Applied vision with TensorFlow and Keras."
            status = tyro.extras.subcommand_cli_from_dict(COMMANDS, prog="visionkit", description=description, args=arguments)
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
