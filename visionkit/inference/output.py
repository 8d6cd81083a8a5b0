"""What ``visionkit predict`` is asked for, and one line of what it says."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from visionkit.inference.predictor import Unreadable

PREDICTIONS = Path("predictions")  # where masks and painted images are written without --draw


class OutputLine(NamedTuple):
    """One line of an answer.

    Attributes:
        plain: the object of ``--json``; None where text alone is to be shown.
        text: for people; empty where the object alone is to be shown.
        is_error: it says why a file cannot be used.
        note: for standard error.
    """

    plain: dict[str, Any] | None = None
    text: str = ""
    is_error: bool = False
    note: str = ""


class PredictOptions(NamedTuple):
    """What was asked for; see ``visionkit predict --help``."""

    draw: Path | None = None
    top: int = 5
    threshold: float | None = None
    tile: int | None = None
    coco: Path | None = None
    annotations: Path | None = None
    instances: Literal["components", "watershed"] | None = None
    style: str | None = None


def unreadable(answer: "Unreadable") -> OutputLine:
    """Why a file cannot be used."""
    return OutputLine(answer._asdict(), f"{answer.path}\n    cannot be read: {answer.error}", is_error=True)
