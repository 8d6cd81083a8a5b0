"""The options of ``visionkit predict``, its output lines, and the names of the files that it writes."""

import itertools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from visionkit.errors import UserError
from visionkit.inference.video import is_video
from visionkit.outputs import check_folder, check_output
from visionkit.printable import printable

if TYPE_CHECKING:
    from visionkit.inference.predictor import Unreadable
    from visionkit.inference.results import DetectionResult

PREDICTIONS = Path("predictions")  # where masks and stylized images are written without --draw


class OutputLine(NamedTuple):
    """One line of output.

    Attributes:
        record: the object of ``--json``; None where only text is to be shown.
        text: for people; empty where only the object is to be shown.
        is_error: whether the line reports a file that cannot be used.
        stderr: text for standard error.
    """

    record: dict[str, Any] | None = None
    text: str = ""
    is_error: bool = False
    stderr: str = ""


class PredictOptions(NamedTuple):
    """The options of ``visionkit predict``; see its ``--help``."""

    draw: Path | None = None
    top: int = 5
    threshold: float | None = None
    tile: int | None = None
    coco: Path | None = None
    annotations: Path | None = None
    instances: Literal["components", "watershed"] | None = None
    style: str | None = None


MEANT_FOR = {  # the options that not every model has
    "threshold": "detection",
    "tile": "detection",
    "coco": "detection",
    "annotations": "detection",
    "instances": "segmentation of images",
    "style": "style transfer",
}


def lines_of(*lines: object) -> str:
    """The text of several lines, of which no name in them makes more, nor commands a terminal."""
    return "\n".join(map(printable, lines))


def unreadable(failure: "Unreadable") -> OutputLine:
    """The line for a file that cannot be used."""
    return OutputLine(failure._asdict(), lines_of(failure.path, f"    cannot be read: {failure.error}"), is_error=True)


def boxes_line(result: "DetectionResult") -> OutputLine:
    """The line for one image, with the boxes that were found."""
    boxes = [f"    {box.score:6.1%}  {box.label}  {' '.join(f'{value:.0f}' for value in box.xyxy)}" for box in result.boxes]
    return OutputLine(result.to_dict(), lines_of(result.path, *(boxes or ["    nothing found"])))


def drawing_names(sources: Sequence[str], *, videos: bool = False) -> list[str]:
    """Names of drawings after their source files; a number is appended where two files share a name.

    Args:
        sources: the source files.
        videos: whether drawings of videos are videos; else each drawing is an image.
    """
    names, taken = [], set()
    for source in sources:
        stem, suffix = Path(source).stem, ".mp4" if videos and is_video(source) else ".png"
        candidates = itertools.chain([f"{stem}{suffix}"], (f"{stem}_{number}{suffix}" for number in itertools.count(2)))
        names.append(next(name for name in candidates if name.lower() not in taken))
        taken.add(names[-1].lower())
    return names


def refuse_overwriting(sources: Sequence[str], written: Iterable[Path]) -> None:
    """Check that no output replaces an input, nor a file that visionkit did not write.

    Raises:
        UserError: an output would replace an input, or may not be written: see ``check_output``.
    """
    by_path = {os.path.realpath(source): source for source in sources}
    written = list(written)
    for folder in {file.parent for file in written}:
        check_folder(folder, "--draw")
    for file in written:
        if source := by_path.get(os.path.realpath(file)):
            raise UserError(f"{file} would be written over {source}; name another folder with --draw.")
        check_output(file, "--draw")
