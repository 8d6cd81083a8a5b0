"""What ``visionkit predict`` prints for an embedding."""

from PIL import Image

from visionkit.inference.output import OutputLine, PredictOptions
from visionkit.inference.predictor import Predictor
from visionkit.tasks.embedding.predict import EmbeddingResult


def embedded(model: Predictor, answer: EmbeddingResult, options: PredictOptions) -> tuple[OutputLine, Image.Image | None]:
    """The line of an embedding."""
    first = " ".join(f"{value:.3f}" for value in answer.embedding[:4])
    text = f"{answer.path}\n    {len(answer.embedding)} numbers: {first} ...; --json gives all"
    return OutputLine(answer.to_plain(), text), None
