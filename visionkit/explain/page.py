"""The page of ``visionkit understand``: what the units of a network look for, and where it looks for its answer."""

from pathlib import Path

import numpy as np
from PIL import Image

from visionkit.explain.top_patches import NUM_PATCHES
from visionkit.explain.understand import ExplainedImage, Stage, Understanding, montage
from visionkit.viz.page import inline_jpeg, write_page
from visionkit.viz.report import MAX_SKIPPED, thumbnail

CELL = 76  # pixels of a patch
WISHED = 234  # pixels of the image that was made for a unit: as high as three patches
FILTER = 44
IMAGE = 240
NAMED = {  # what is explained, by the kind of model
    "classes": "the class that it answers",
    "boxes": "the surest box (yellow) that it answers",
    "masks": "the largest class of the mask that it answers, on the middle of the image",
    "features": "how long its last features are, since it has no classes: what in the image it finds worth noting at all",
}


def write_understanding(found: Understanding, path: str | Path, *, label: str | None = None) -> Path:
    """Write the page, beside and then renamed.

    Args:
        found: what it shows.
        path: of the page.
        label: the class that was asked for; None explains what the model answers.

    Returns:
        its path.
    """
    explained = NAMED[found.model.kind] if label is None else f"the class {label!r}, whatever it answers"
    return write_page(
        path,
        __package__,
        "page.html.j2",
        found=found,
        filters=_inline(montage(list(found.filters), FILTER, columns=16)),
        filter_sides=found.filters.shape[1:3],
        first=found.model.probe.first,
        stages=[_shown_stage(stage) for stage in found.stages],
        images=[_shown_image(image) for image in found.images],
        explained=explained,
        skipped=found.unreadable[:MAX_SKIPPED],
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
    said = f"{target.label} {target.score:.0%}" if target.label is not None else f"length of features {target.score:.3g}"
    views = [image.image, image.saliency, image.grad_cam, image.occlusion]
    hidden = f"hiding a place lowers its score of {image.score:.3g} by up to {image.fall:.2g}"
    hidden = hidden if image.fall > 0 else "hiding no place lowers its score"
    return {
        "path": image.path,
        "said": said,
        "hidden": hidden,
        "heat_of": image.heat_of,
        "views": [thumbnail(view, IMAGE) for view in views],
    }


def _inline(image: np.ndarray) -> str:
    return inline_jpeg(Image.fromarray(image))
