"""What ``visionkit predict`` prints for landmarks; for one object, see ``inference.output.boxes_line``."""

from typing import TYPE_CHECKING

from visionkit.inference.output import OutputLine, lines_of

if TYPE_CHECKING:
    from visionkit.tasks.localization.predict import LandmarkResult


def landmark_line(result: "LandmarkResult") -> OutputLine:
    """The line for one image, with x and y of each landmark."""
    points = [f"    {x:.0f} {y:.0f}" for x, y in result.points]
    return OutputLine(result.to_dict(), lines_of(result.path, *points))
