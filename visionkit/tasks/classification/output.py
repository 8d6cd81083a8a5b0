"""What ``visionkit predict`` prints and draws for a classified image."""

from PIL import Image

from visionkit.inference.output import Options, Said
from visionkit.inference.predictor import PictureModel
from visionkit.inference.results import Prediction
from visionkit.viz.labels import draw_label


def classified(model: PictureModel, answer: Prediction, options: Options) -> tuple[Said, Image.Image | None]:
    """The line and the drawing of a classified picture."""
    best = answer.top[: options.top]
    lines = [f"{label}  {score:.1%}" for label, score in best]
    drawn = None if options.draw is None else draw_label(model.show(answer.path), lines)
    text = "\n".join([answer.path, *(f"    {score:6.1%}  {label}" for label, score in best)])
    return Said({"path": answer.path, "label": answer.label, "score": answer.score, "top": best}, text), drawn
