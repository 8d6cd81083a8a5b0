"""What ``visionkit predict`` prints for one object, and for landmarks."""

from typing import TYPE_CHECKING

from visionkit.inference.output import OutputLine
from visionkit.inference.results import DetectionResult

if TYPE_CHECKING:
    from visionkit.tasks.localization.predict import LandmarkResult


def object_line(result: DetectionResult) -> OutputLine:
    """The line for one image, with its object, if it shows one."""
    boxes = [f"    {box.score:6.1%}  {box.label}  {' '.join(f'{value:.0f}' for value in box.xyxy)}" for box in result.boxes]
    return OutputLine(result.to_dict(), "\n".join([result.path, *(boxes or ["    nothing found"])]))


def landmark_line(result: "LandmarkResult") -> OutputLine:
    """The line for one image, with x and y of each landmark."""
    points = [f"    {x:.0f} {y:.0f}" for x, y in result.points]
    return OutputLine(result.to_dict(), "\n".join([result.path, *points]))
