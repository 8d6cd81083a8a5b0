"""``visionkit predict``: predictions of an exported model for images, signals, volumes and videos."""

import errno
import glob
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import tyro

from visionkit.bundle_files import find_bundle, read_metadata
from visionkit.cli.arguments import AsJson, Trust
from visionkit.cli.output import full_disk_named, say, say_duration, to_json
from visionkit.errors import UserError


def predict(
    model: tyro.conf.Positional[Path],
    images: tyro.conf.Positional[tuple[str, ...]],
    as_json: AsJson = False,
    draw: Path | None = None,
    top: int = 5,
    threshold: float | None = None,
    tile: int | None = None,
    coco: Path | None = None,
    annotations: Path | None = None,
    instances: Literal["components", "watershed"] | None = None,
    style: str | None = None,
    trust: Trust = False,
) -> int:
    """Print what a model that a recipe exported predicts for images (or signals, or volumes).

    Detectors and stylizers also take video files, and the number of a camera, which Ctrl-C ends. A segmenter writes the mask of
    each image, with the class number of every pixel, and a stylizer each stylized image or video, into the folder of --draw, or
    into predictions/.

    Args:
        model: RUN/model, RUN, or a folder of saved_models/.
        images: Files, folders or globs.
        as_json: Print one JSON object a line, and nothing else.
        draw: Write each image with its prediction into this folder; for a video, a video.
        top: How many classes to show.
        threshold: For detectors: the score, 0 to 1, that a box must exceed. Default: the model's own.
        tile: For detectors: also look at overlapping tiles of this many pixels a side, for small objects in large images.
        coco: For detectors: write all boxes into this file, in COCO's results format.
        annotations: COCO annotations whose ids of images and categories the results get. Default: running numbers.
        instances: For segmenters: count objects, too: connected components, or components that are split at necks (watershed).
        style: For stylizers: the name of a style, or proportions of several: "starry=0.7,scream=0.3". Default: its own.
        trust: Load the model even if its graph does more than compute, such as read files. Only if you trust its maker.

    Returns:
        the exit status: 1 if an image could not be read.
    """
    if top < 1:
        raise UserError(f"--top {top}: expected at least 1.")
    if not images:
        raise UserError("No images given; expected files, folders or globs after the model.")
    read_metadata(find_bundle(model))  # that there is none is said before TensorFlow is imported, which takes seconds
    if all(map(_is_missing, images)):
        return _report_missing(images, as_json=as_json)
    from visionkit import quiet_tensorflow
    from visionkit.progress import bar, output_is_terminal, step

    # Else TensorFlow keeps what a large image took, beside what the next one takes.
    os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
    quiet_tensorflow()
    with step("starting TensorFlow"):
        import visionkit.inference.predictor  # noqa: F401
    from visionkit.data.images.listing import list_files
    from visionkit.inference.output import PredictOptions
    from visionkit.inference.video import is_video
    from visionkit.tasks import load

    options = PredictOptions(draw, top, threshold, tile, coco, annotations, instances, style)
    with step("loading the model"):
        predictor = load(model, trust=trust)
    predictor.check(options)
    files = list_files(images, predictor.list_files)
    if not files:
        raise UserError(f"No images in {', '.join(images)}.")
    kind = "files" if predictor.VIDEOS and any(map(is_video, files)) else "images"
    failures, began = 0, time.monotonic()
    shown = {"total": len(files), "unit": f" {kind}", "disable": len(files) == 1 or kind == "files" or output_is_terminal()}
    with full_disk_named():
        for line in bar(predictor.outputs(files, options), "predicting", **shown):
            text = line.text if not as_json else "" if line.record is None else to_json(line.record)
            print(text, end="\n" if text else "", flush=True)
            print(line.stderr, end="\n" if line.stderr else "", file=sys.stderr)
            failures += line.is_error
    if len(files) > 1:
        say_duration(f"{len(files):,} {kind}", began)
    if failures:
        print(f"{failures} of {len(files)} {kind} cannot be read.", file=sys.stderr)
    return 1 if failures else 0


def _is_missing(name: str) -> bool:
    """Whether nothing has this name: neither a file nor a folder, nor files that it may stand for, nor a camera."""
    return not os.path.lexists(name) and not glob.has_magic(name) and not name.isdecimal()


def _report_missing(names: Sequence[str], *, as_json: bool) -> int:
    """Print the lines of files of which none exists, as the predictor would, and return the exit status."""
    reason = os.strerror(errno.ENOENT)
    for name in names:
        say(*([to_json({"path": name, "error": reason})] if as_json else [name, f"    cannot be read: {reason}"]))
    say(f"{len(names)} of {len(names)} images cannot be read.", file=sys.stderr)
    return 1
