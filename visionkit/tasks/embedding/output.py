"""What ``visionkit predict`` prints for an embedding."""

from typing import TYPE_CHECKING

from visionkit.inference.output import OutputLine, lines_of

if TYPE_CHECKING:
    from visionkit.tasks.embedding.predict import EmbeddingResult


def line(result: "EmbeddingResult") -> OutputLine:
    """The line of one image."""
    return OutputLine(result.to_dict(), lines_of(result.path, f"    {result.summary()}; --json gives all"))
