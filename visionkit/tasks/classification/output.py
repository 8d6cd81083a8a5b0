"""What ``visionkit predict`` prints for a classified image, signal or volume."""

from visionkit.inference.output import OutputLine
from visionkit.inference.results import ClassificationResult


def output_line(result: ClassificationResult, top: int) -> OutputLine:
    """The line of one file: its ``top`` best classes."""
    text = "\n".join([result.path, *(f"    {score:6.1%}  {label}" for label, score in result.top[:top])])
    return OutputLine(result.to_dict(top), text)


def drawn_lines(result: ClassificationResult, top: int) -> list[str]:
    """What is written below a drawing: a line for each of the ``top`` best classes."""
    return [f"{label}  {score:.1%}" for label, score in result.top[:top]]
