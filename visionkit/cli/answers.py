"""What ``visionkit predict`` does: each file's answer as an object for programs and as text for people, and drawn."""

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from visionkit.data.images.listing import expand
from visionkit.errors import UserError
from visionkit.inference.output import PREDICTIONS, OutputLine, PredictOptions, unreadable
from visionkit.inference.predictor import Predictor, Unreadable
from visionkit.inference.results import DetectionResult
from visionkit.inference.video import is_video
from visionkit.tasks import load
from visionkit.tasks.classification.output import classified
from visionkit.tasks.detection.coco_results import coco_results
from visionkit.tasks.detection.output import coco_numbers, detected, detected_video, write_coco
from visionkit.tasks.detection.predict import Detector
from visionkit.tasks.embedding.output import embedded
from visionkit.tasks.embedding.predict import EmbeddingResult
from visionkit.tasks.localization.output import marked
from visionkit.tasks.localization.predict import LandmarkResult
from visionkit.tasks.style_transfer.output import style_of, stylized_lines
from visionkit.tasks.style_transfer.predict import Stylizer
from visionkit.viz.labels import drawing_names

if TYPE_CHECKING:
    from visionkit.tasks.segmentation.output import MaskNames


def answers(path: Path, images: Sequence[str], options: PredictOptions) -> Iterator[OutputLine]:
    """The answers of a model to files, folders and globs; of detectors and stylizers also to videos and cameras.

    Args:
        path: the model.
        images: the names.
        options: what is to be done.

    Raises:
        UserError: no model, no images, or options that cannot be.
        KeyboardInterrupt: the reading of a video file was interrupted; what is written is whole.
    """
    model = load(path)
    files = expand(images, model.list_files)
    if not files:
        raise UserError(f"No images in {', '.join(images)}.")
    masks = _mask_names(model, files)
    drawings = [names.overlay for names in masks] or _drawing_names(model, files)
    _check(model, options, files, drawings, masks)
    numbers = None if options.coco is None else coco_numbers(options, files, model.labels)
    if options.draw is not None:
        options.draw.mkdir(parents=True, exist_ok=True)
    failures, collected = 0, []
    if masks:
        from visionkit.tasks.segmentation.output import of_masks

        lines = of_masks(model, list(zip(files, masks, strict=True)), options)
    elif isinstance(model, Stylizer):
        named = list(zip(files, drawings, strict=True))
        lines = stylized_lines(model, named, options.draw or PREDICTIONS, style_of(options.style, model))
    else:
        lines = _of_files(model, list(zip(files, drawings, strict=True)), options, collected)
    for said in lines:
        failures += said.is_error
        yield said
    if numbers is not None:
        yield write_coco(options.coco, coco_results(collected, numbers), numbers)
    if failures:
        kind = "files" if any(_is_video(model, file) for file in files) else "images"
        yield OutputLine(stderr=f"{failures} of {len(files)} {kind} cannot be read.")


def _mask_names(model: Predictor, files: Sequence[str]) -> "list[MaskNames]":
    """The files that a segmenter makes; none of other models."""
    if model.metadata["task"] != "segmentation":
        return []
    from visionkit.tasks.segmentation.output import mask_names  # it counts things with libraries that are slow to import

    return mask_names(model, files)


def _drawing_names(model: Predictor, files: Sequence[str]) -> list[str]:
    names = zip(files, drawing_names(files), strict=True)
    return [str(Path(name).with_suffix(".mp4")) if _is_video(model, file) else name for file, name in names]


def _is_video(model: Predictor, file: str) -> bool:
    return isinstance(model, Detector | Stylizer) and is_video(file)


def _check(
    model: Predictor, options: PredictOptions, files: Sequence[str], drawings: Sequence[str], masks: "Sequence[MaskNames]"
) -> None:
    """Do the options fit to the model and to the files?"""
    sources = {os.path.realpath(file): file for file in files}
    written = list(drawings) if options.draw is not None or isinstance(model, Stylizer) else []
    for name in [*written, *(each.mask for each in masks), *(each.instances for each in masks if options.instances)]:
        folder = options.draw or PREDICTIONS
        if source := sources.get(os.path.realpath(folder / name)):
            raise UserError(f"{folder / name} would write over {source}; name another folder with --draw.")
    if options.instances is not None and (not masks or model.metadata.get("input") == "volume"):
        raise UserError("--instances counts things in masks of images; this model makes none.")
    if options.annotations is not None and options.coco is None:
        raise UserError("--annotations says how --coco is to number images and classes; name a file with --coco, too.")
    if options.draw is not None and model.metadata["task"] == "embedding":
        raise UserError("--draw: an embedding cannot be drawn; visionkit faces identify and verify draw what they find.")
    if isinstance(model, Stylizer):
        style_of(options.style, model)
    elif options.style is not None:
        raise UserError(f"--style is for stylizers, which paint images; this model does {model.metadata['task']}.")
    if isinstance(model, Detector):
        model.checked_options(options.threshold, options.tile)
        videos = [file for file in files if is_video(file)]
        if options.coco is not None and videos:
            raise UserError(f"--coco is for images, and {videos[0]} is a video; --json gives an object a frame.")
        return
    for name in ("threshold", "tile", "coco"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name} is for detectors, which answer with boxes; this model does {model.metadata['task']}.")


def _of_files(
    model: Predictor, named: Sequence[tuple[str, str]], options: PredictOptions, collected: list[DetectionResult]
) -> Iterator[OutputLine]:
    """Of all files in order, each with its drawing's name; detected images are collected for ``--coco``."""
    for are_videos, group in groupby(named, lambda pair: _is_video(model, pair[0])):
        if not are_videos:
            yield from _of_images(model, list(group), options, collected)
            continue
        for file, drawing in group:
            yield from detected_video(model, file, options, drawing)


def _of_images(
    model: Predictor, named: Sequence[tuple[str, str]], options: PredictOptions, collected: list[DetectionResult]
) -> Iterator[OutputLine]:
    is_detector = isinstance(model, Detector)
    how = {"threshold": options.threshold, "tile": options.tile} if is_detector else {}
    for answer, (_, drawing) in zip(model.predict_many((file for file, _ in named), **how), named, strict=True):
        if isinstance(answer, Unreadable):
            yield unreadable(answer)
            continue
        if options.coco is not None:
            collected.append(answer)
        told = {DetectionResult: detected, LandmarkResult: marked, EmbeddingResult: embedded}.get(type(answer), classified)
        said, drawn = told(model, answer, options)
        if drawn is not None:
            drawn.save(options.draw / drawing)
        yield said
