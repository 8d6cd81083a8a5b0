"""What ``visionkit predict`` prints for an embedding."""

from PIL import Image

from visionkit.inference.output import Options, Said
from visionkit.inference.predictor import PictureModel
from visionkit.tasks.embedding.predict import Embedded


def embedded(model: PictureModel, answer: Embedded, options: Options) -> tuple[Said, Image.Image | None]:
    """The line of an embedding."""
    first = " ".join(f"{value:.3f}" for value in answer.embedding[:4])
    text = f"{answer.path}\n    {len(answer.embedding)} numbers: {first} ...; --json gives all"
    return Said(answer.to_plain(), text), None
