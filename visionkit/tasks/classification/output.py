"""What ``visionkit predict`` prints and draws for a classified image."""

from PIL import Image

from visionkit.inference.output import OutputLine, PredictOptions
from visionkit.inference.predictor import Predictor
from visionkit.inference.results import ClassificationResult
from visionkit.viz.labels import draw_label


def classified(
    model: Predictor, answer: ClassificationResult, options: PredictOptions
) -> tuple[OutputLine, Image.Image | None]:
    """The line and the drawing of a classified image."""
    best = answer.top[: options.top]
    lines = [f"{label}  {score:.1%}" for label, score in best]
    drawn = None if options.draw is None else draw_label(model.show(answer.path), lines)
    text = "\n".join([answer.path, *(f"    {score:6.1%}  {label}" for label, score in best)])
    return OutputLine({"path": answer.path, "label": answer.label, "score": answer.score, "top": best}, text), drawn
