"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

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
from visionkit.files import expand_home

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
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    try:
        status = tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="visionkit",
            description="Applied vision with TensorFlow and Keras.",
            args=[expand_home(argument) for argument in sys.argv[1:]],
        )
    except BrokenPipeError:  # whoever reads has seen enough: head, less
        sys.stdout = None  # else Python would complain when it flushes it at the end
        status = 0
    except (UserError, OSError) as error:
        print(f"visionkit: {error}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("visionkit: interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)
