"""The page of ``visionkit understand``: what the units of a network look for, and where it looks for its answer."""

from pathlib import Path

import numpy as np
from PIL import Image

from visionkit.explain.top_patches import NUM_PATCHES
from visionkit.explain.understand import ExplainedPicture, Stage, Understanding, montage
from visionkit.viz.page import inline_jpeg, write_page
from visionkit.viz.report import MAX_SKIPPED, thumbnail

CELL = 76  # pixels of a patch
WISHED = 234  # pixels of the picture that was made for a unit: as high as three patches
FILTER = 44
PICTURE = 240
NAMED = {  # what is explained, by the kind of model
    "classes": "the class that it answers",
    "boxes": "the surest box (yellow) that it answers",
    "masks": "the largest class of the mask that it answers, on the middle of the picture",
    "features": "how long its last features are, since it has no classes: what in the picture it finds worth noting at all",
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
        pictures=[_shown_picture(picture) for picture in found.pictures],
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


def _shown_picture(picture: ExplainedPicture) -> dict:
    target = picture.target
    said = f"{target.label} {target.score:.0%}" if target.label is not None else f"length of features {target.score:.3g}"
    views = [picture.picture, picture.saliency, picture.grad_cam, picture.occlusion]
    hidden = f"hiding a place lowers its score of {picture.score:.3g} by up to {picture.fall:.2g}"
    hidden = hidden if picture.fall > 0 else "hiding no place lowers its score"
    return {
        "path": picture.path,
        "said": said,
        "hidden": hidden,
        "heat_of": picture.heat_of,
        "views": [thumbnail(view, PICTURE) for view in views],
    }


def _inline(picture: np.ndarray) -> str:
    return inline_jpeg(Image.fromarray(picture))
