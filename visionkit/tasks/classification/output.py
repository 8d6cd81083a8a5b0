"""What ``visionkit predict`` prints for a classified image, signal or volume."""

from visionkit.inference.output import OutputLine, lines_of
from visionkit.inference.results import NO_LABEL, ClassificationResult, MultiLabelResult


def output_line(result: ClassificationResult, top: int) -> OutputLine:
    """The line of one file: its ``top`` best classes; of several labels an image, all that reach their thresholds."""
    shown = result.labels if isinstance(result, MultiLabelResult) else result.top[:top]
    lines = [f"    {score:6.1%}  {label}" for label, score in shown] or [f"    {NO_LABEL}"]
    return OutputLine(result.to_dict(top), lines_of(result.path, *lines))


def drawn_lines(result: ClassificationResult, top: int) -> list[str]:
    """What is written below a drawing: a line for each of the ``top`` best classes; of several labels, for all."""
    shown = result.labels if isinstance(result, MultiLabelResult) else result.top[:top]
    return [f"{label}  {score:.1%}" for label, score in shown] or [NO_LABEL]
