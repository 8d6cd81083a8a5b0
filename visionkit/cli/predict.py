"""``visionkit predict``: what is on images, by a model that a recipe exported."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from visionkit.cli.output import to_json
from visionkit.errors import UserError


def predict(
    model: tyro.conf.Positional[Path],
    images: tyro.conf.Positional[tuple[str, ...]],
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False,
    draw: Path | None = None,
    top: int = 5,
    threshold: float | None = None,
    tile: int | None = None,
    coco: Path | None = None,
    annotations: Path | None = None,
    instances: Literal["components", "watershed"] | None = None,
    style: str | None = None,
) -> int:
    """Say what is on images (or in signals, or volumes), with a model that a recipe exported.

    Detectors and stylizers also take video files, and the number of a camera, which Ctrl-C ends. A segmenter writes each
    image's mask, the number of its class for every pixel, and a stylizer each painted image or video, into the folder of
    --draw, or into predictions/.

    Args:
        model: RUN/model, RUN, or a folder of saved_models/.
        images: Files, folders or globs.
        as_json: Print one JSON object a line, and nothing else.
        draw: Write each image with its answer into this folder; of a video, a video.
        top: How many classes to show.
        threshold: Of a detector: only boxes that score more, 0 to 1. Default: the model's own.
        tile: Of a detector: look also at overlapping tiles of so many pixels a side, for small objects on large images.
        coco: Of a detector: write all boxes into this file, as COCO has results.
        annotations: COCO annotations whose numbers of images and classes the results get. Default: running numbers.
        instances: Of a segmenter: count things, too: what touches is one (components), or parted at necks (watershed).
        style: Of a stylizer: the name of a style, or shares of several: "starry=0.7,scream=0.3". Default: its own.

    Returns:
        the exit status: 1 if an image could not be read.
    """
    if top < 1:
        raise UserError(f"--top {top}: expected at least 1.")
    if not images:
        raise UserError("No images given; expected files, folders or globs after the model.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.cli.answers import answers
    from visionkit.inference.output import PredictOptions

    status = 0
    for said in answers(model, images, PredictOptions(draw, top, threshold, tile, coco, annotations, instances, style)):
        line = said.text if not as_json else "" if said.plain is None else to_json(said.plain)
        print(line, end="\n" if line else "", flush=True)
        print(said.note, end="\n" if said.note else "", file=sys.stderr)
        status = max(status, int(said.is_failure))
    return status
