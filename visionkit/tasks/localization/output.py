"""What ``visionkit predict`` prints and draws for landmarks."""

import numpy as np
from PIL import Image

from visionkit.inference.output import Options, Said
from visionkit.inference.predictor import PictureModel
from visionkit.tasks.localization.predict import MarkedPicture

VISIBLE = 2  # as COCO has it


def marked(model: PictureModel, answer: MarkedPicture, options: Options) -> tuple[Said, Image.Image | None]:
    """The line and the drawing of landmarks."""
    drawn = None
    if options.draw is not None:
        from visionkit.viz.annotate import draw_keypoints  # matplotlib takes half a second to import

        pixels = model.show(answer.path)
        relative = np.array(answer.points) / pixels.shape[1::-1]
        drawn = Image.fromarray(draw_keypoints(pixels, np.insert(relative, 2, VISIBLE, axis=1)[None]))
    lines = [f"    {x:.0f} {y:.0f}" for x, y in answer.points]
    return Said(answer.to_plain(), "\n".join([answer.path, *lines])), drawn
