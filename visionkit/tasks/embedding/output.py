"""What ``visionkit predict`` prints for an embedding."""

from typing import TYPE_CHECKING

from visionkit.inference.output import OutputLine

if TYPE_CHECKING:
    from visionkit.tasks.embedding.predict import EmbeddingResult


def line(result: "EmbeddingResult") -> OutputLine:
    """The line of one image."""
    return OutputLine(result.to_dict(), f"{result.path}\n    {result.summary()}; --json gives all")
