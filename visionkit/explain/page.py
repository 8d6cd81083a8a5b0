"""The page of ``visionkit understand``: what excites the units of a network, and which pixels a prediction depends on."""

from pathlib import Path

import numpy as np
from PIL import Image

from visionkit.explain.top_patches import NUM_PATCHES
from visionkit.explain.understand import ExplainedImage, Stage, Understanding, montage
from visionkit.viz.page import inline_jpeg, write_page
from visionkit.viz.report import MAX_SKIPPED, thumbnail

CELL = 76  # side of a patch in pixels
WISHED = 234  # side of the image for a unit: as high as three patches
FILTER = 44  # side of a filter
IMAGE = 240  # side of an explained image
TARGETS = {  # what is explained, by the kind of model
    "classes": "the predicted class",
    "boxes": "the predicted box with the highest score (yellow)",
    "masks": "the largest class of the predicted mask, on the middle of the image",
    "features": "the length of the last features, since the model has no classes: it shows what in the image has any effect",
}


def write_understanding(understanding: Understanding, path: str | Path, *, label: str | None = None) -> Path:
    """Write the page atomically.

    Args:
        understanding: contents of the page.
        path: path of the page.
        label: the requested class; None if predicted classes are explained.

    Returns:
        the path of the page.
    """
    explained = TARGETS[understanding.model.kind] if label is None else f"the class {label!r}, whatever the prediction"
    return write_page(
        path,
        __package__,
        "page.html.j2",
        understanding=understanding,
        filters=_inline(montage(list(understanding.filters), FILTER, columns=16)),
        filter_sides=understanding.filters.shape[1:3],
        first=understanding.model.probe.first,
        stages=[_shown_stage(stage) for stage in understanding.stages],
        images=[_shown_image(image) for image in understanding.images],
        explained=explained,
        skipped=understanding.unreadable[:MAX_SKIPPED],
    )


def _shown_stage(stage: Stage) -> dict:
    height, width = stage.layer.place.field
    units = [
        {
            "number": unit.number,
            "patches": _inline(montage([patch.pixels for patch in unit.patches], CELL, columns=3, count=NUM_PATCHES)),
            "paths": "\n".join(patch.path for patch in unit.patches),
            "wished": _inline(montage([unit.wished], WISHED, columns=1)),
            "peak": unit.excitations[0],
            "noise": unit.excitations[1],
            "reached": unit.excitations[2],
        }
        for unit in stage.units
    ]
    return {"layer": stage.layer, "sees_all": stage.sees_all, "height": height, "width": width, "units": units}


def _shown_image(image: ExplainedImage) -> dict:
    target = image.target
    prediction = f"{target.label} {target.score:.0%}" if target.label is not None else f"length of features {target.score:.3g}"
    views = [image.image, image.saliency, image.grad_cam, image.occlusion]
    occlusion = f"occlusion lowers its score of {image.score:.3g} by up to {image.fall:.2g}"
    occlusion = occlusion if image.fall > 0 else "no occlusion lowers its score"
    return {
        "path": image.path,
        "prediction": prediction,
        "occlusion": occlusion,
        "heat_of": image.heat_of,
        "views": [thumbnail(view, IMAGE) for view in views],
    }


def _inline(image: np.ndarray) -> str:
    return inline_jpeg(Image.fromarray(image))
