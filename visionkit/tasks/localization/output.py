"""What ``visionkit predict`` prints and draws for landmarks."""

import numpy as np
from PIL import Image

from visionkit.inference.output import OutputLine, PredictOptions
from visionkit.inference.predictor import Predictor
from visionkit.tasks.localization.predict import LandmarkResult

VISIBLE = 2  # as COCO has it


def marked(model: Predictor, answer: LandmarkResult, options: PredictOptions) -> tuple[OutputLine, Image.Image | None]:
    """The line and the drawing of landmarks."""
    drawn = None
    if options.draw is not None:
        from visionkit.viz.annotate import draw_keypoints  # matplotlib takes half a second to import

        pixels = model.show(answer.path)
        relative = np.array(answer.points) / pixels.shape[1::-1]
        drawn = Image.fromarray(draw_keypoints(pixels, np.insert(relative, 2, VISIBLE, axis=1)[None]))
    lines = [f"    {x:.0f} {y:.0f}" for x, y in answer.points]
    return OutputLine(answer.to_plain(), "\n".join([answer.path, *lines])), drawn
