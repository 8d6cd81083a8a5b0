"""What ``visionkit predict`` does: each file's answer as an object for programs and as text for people, and drawn."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from visionkit.errors import UserError
from visionkit.inference.coco_results import CocoNumbers, coco_results, numbers_of, running_numbers
from visionkit.inference.detecting import DetectedPicture, Detector
from visionkit.inference.embedding import Embedded
from visionkit.inference.loading import Prediction, expand, load
from visionkit.inference.locating import MarkedPicture
from visionkit.inference.picture_model import PictureModel, Unreadable
from visionkit.inference.said import Options, Said, unreadable
from visionkit.inference.style_answers import style_of, stylized_lines
from visionkit.inference.stylizing import PictureStylizer
from visionkit.inference.video_answers import FrameAnswer, of_video
from visionkit.inference.videos import Frame, is_video
from visionkit.training.run_folder import write_atomically
from visionkit.viz.draw import draw_label, drawing_names

if TYPE_CHECKING:
    from visionkit.inference.mask_answers import MaskNames

VISIBLE = 2  # as COCO has it
PREDICTIONS = Path("predictions")  # where masks and painted pictures are written without --draw


def answers(path: Path, pictures: Sequence[str], options: Options) -> Iterator[Said]:
    """The answers of a model to files, folders and globs; of detectors and stylizers also to videos and cameras.

    Args:
        path: the model.
        pictures: the names.
        options: what is to be done.

    Raises:
        UserError: no model, no pictures, or options that cannot be.
        KeyboardInterrupt: the reading of a video file was interrupted; what is written is whole.
    """
    model = load(path)
    files = expand(pictures, model.list_files)
    if not files:
        raise UserError(f"No pictures in {', '.join(pictures)}.")
    masks = _mask_names(model, files)
    drawings = [names.overlay for names in masks] or _drawing_names(model, files)
    _check(model, options, files, drawings, masks)
    numbers = None if options.coco is None else _numbers(options, files, model.labels)
    if options.draw is not None:
        options.draw.mkdir(parents=True, exist_ok=True)
    failures, collected = 0, []
    if masks:
        lines = _of_masks(model, list(zip(files, masks, strict=True)), options)
    elif isinstance(model, PictureStylizer):
        named = list(zip(files, drawings, strict=True))
        lines = stylized_lines(model, named, options.draw or PREDICTIONS, style_of(options.style, model))
    else:
        lines = _of_files(model, list(zip(files, drawings, strict=True)), options, collected)
    for said in lines:
        failures += said.is_failure
        yield said
    if numbers is not None:
        yield _write_coco(options.coco, coco_results(collected, numbers), numbers)
    if failures:
        kind = "files" if any(_is_video(model, file) for file in files) else "pictures"
        yield Said(note=f"{failures} of {len(files)} {kind} cannot be read.")


def _mask_names(model: PictureModel, files: Sequence[str]) -> "list[MaskNames]":
    """The files that a segmenter makes; none of other models."""
    if model.facts["task"] != "segmentation":
        return []
    from visionkit.inference.mask_answers import mask_names  # it counts things with libraries that are slow to import

    return mask_names(model, files)


def _drawing_names(model: PictureModel, files: Sequence[str]) -> list[str]:
    names = zip(files, drawing_names(files), strict=True)
    return [str(Path(name).with_suffix(".mp4")) if _is_video(model, file) else name for file, name in names]


def _is_video(model: PictureModel, file: str) -> bool:
    return isinstance(model, Detector | PictureStylizer) and is_video(file)


def _check(
    model: PictureModel, options: Options, files: Sequence[str], drawings: Sequence[str], masks: "Sequence[MaskNames]"
) -> None:
    """Do the options fit to the model and to the files?"""
    sources = {os.path.realpath(file): file for file in files}
    written = list(drawings) if options.draw is not None or isinstance(model, PictureStylizer) else []
    for name in [*written, *(each.mask for each in masks), *(each.instances for each in masks if options.instances)]:
        folder = options.draw or PREDICTIONS
        if source := sources.get(os.path.realpath(folder / name)):
            raise UserError(f"{folder / name} would write over {source}; name another folder with --draw.")
    if options.instances is not None and (not masks or model.facts.get("input") == "volume"):
        raise UserError("--instances counts things in masks of pictures; this model makes none.")
    if options.annotations is not None and options.coco is None:
        raise UserError("--annotations says how --coco is to number pictures and classes; name a file with --coco, too.")
    if options.draw is not None and model.facts["task"] == "embedding":
        raise UserError("--draw: an embedding cannot be drawn; visionkit faces identify and verify draw what they find.")
    if isinstance(model, PictureStylizer):
        style_of(options.style, model)
    elif options.style is not None:
        raise UserError(f"--style is for stylizers, which paint pictures; this model does {model.facts['task']}.")
    if isinstance(model, Detector):
        model.checked_options(options.threshold, options.tile)
        videos = [file for file in files if is_video(file)]
        if options.coco is not None and videos:
            raise UserError(f"--coco is for pictures, and {videos[0]} is a video; --json gives an object a frame.")
        return
    for name in ("threshold", "tile", "coco"):
        if getattr(options, name) is not None:
            raise UserError(f"--{name} is for detectors, which answer with boxes; this model does {model.facts['task']}.")


def _numbers(options: Options, files: Sequence[str], labels: Sequence[str]) -> CocoNumbers:
    if options.annotations is None:
        return running_numbers(files, labels)
    return numbers_of(options.annotations, files, labels)


def _of_files(
    model: PictureModel, named: Sequence[tuple[str, str]], options: Options, collected: list[DetectedPicture]
) -> Iterator[Said]:
    """Of all files in order, each with its drawing's name; detected pictures are collected for ``--coco``."""
    for are_videos, group in groupby(named, lambda pair: _is_video(model, pair[0])):
        if not are_videos:
            yield from _of_pictures(model, list(group), options, collected)
            continue
        for file, drawing in group:
            yield from _of_video(model, file, options, drawing)


def _of_pictures(
    model: PictureModel, named: Sequence[tuple[str, str]], options: Options, collected: list[DetectedPicture]
) -> Iterator[Said]:
    is_detector = isinstance(model, Detector)
    how = {"threshold": options.threshold, "tile": options.tile} if is_detector else {}
    for answer, (_, drawing) in zip(model.predict_many((file for file, _ in named), **how), named, strict=True):
        if isinstance(answer, Unreadable):
            yield unreadable(answer)
            continue
        if options.coco is not None:
            collected.append(answer)
        told = {DetectedPicture: _detected, MarkedPicture: _marked, Embedded: _embedded}.get(type(answer), _classified)
        said, drawn = told(model, answer, options)
        if drawn is not None:
            drawn.save(options.draw / drawing)
        yield said


def _of_masks(model: PictureModel, named: "Sequence[tuple[str, MaskNames]]", options: Options) -> Iterator[Said]:
    """Of all files in order; their masks are written."""
    from visionkit.inference.mask_answers import segmented

    folder = options.draw or PREDICTIONS
    folder.mkdir(parents=True, exist_ok=True)
    for answer, (_, names) in zip(model.predict_many(file for file, _ in named), named, strict=True):
        yield unreadable(answer) if isinstance(answer, Unreadable) else segmented(model, answer, names, folder, options)


def _classified(model: PictureModel, answer: Prediction, options: Options) -> tuple[Said, Image.Image | None]:
    best = answer.top[: options.top]
    lines = [f"{label}  {score:.1%}" for label, score in best]
    drawn = None if options.draw is None else draw_label(model.show(answer.path), lines)
    text = "\n".join([answer.path, *(f"    {score:6.1%}  {label}" for label, score in best)])
    return Said({"path": answer.path, "label": answer.label, "score": answer.score, "top": best}, text), drawn


def _marked(model: PictureModel, answer: MarkedPicture, options: Options) -> tuple[Said, Image.Image | None]:
    drawn = None
    if options.draw is not None:
        from visionkit.viz.annotate import draw_keypoints  # matplotlib takes half a second to import

        pixels = model.show(answer.path)
        relative = np.array(answer.points) / pixels.shape[1::-1]
        drawn = Image.fromarray(draw_keypoints(pixels, np.insert(relative, 2, VISIBLE, axis=1)[None]))
    lines = [f"    {x:.0f} {y:.0f}" for x, y in answer.points]
    return Said(answer.to_plain(), "\n".join([answer.path, *lines])), drawn


def _embedded(model: PictureModel, answer: Embedded, options: Options) -> tuple[Said, Image.Image | None]:
    first = " ".join(f"{value:.3f}" for value in answer.embedding[:4])
    text = f"{answer.path}\n    {len(answer.embedding)} numbers: {first} ...; --json gives all"
    return Said(answer.to_plain(), text), None


def _detected(model: PictureModel, answer: DetectedPicture, options: Options) -> tuple[Said, Image.Image | None]:
    drawn = None if options.draw is None else Image.fromarray(_with_boxes(model, model.show(answer.path), answer))
    lines = [f"    {box.score:6.1%}  {box.label}  {' '.join(f'{value:.0f}' for value in box.xyxy)}" for box in answer.boxes]
    return Said(answer.to_plain(), "\n".join([answer.path, *(lines or ["    nothing found"])])), drawn


def _with_boxes(model: PictureModel, pixels: np.ndarray, answer: DetectedPicture) -> np.ndarray:
    from visionkit.viz.boxes import draw_boxes  # supervision takes a second to import

    boxes = np.array([box.xyxy for box in answer.boxes]).reshape(-1, 4) / np.tile(answer.size[::-1], 2)
    scores = np.array([box.score for box in answer.boxes])
    return draw_boxes(pixels, boxes, np.array(answer.classes, int), model.labels, scores)


def _of_video(model: Detector, name: str, options: Options, drawing: str) -> Iterator[Said]:
    """An object a frame, and at last a line of text."""
    seen = Counter()

    def detect(frame: Frame) -> FrameAnswer:
        answer = model.predict(frame.pixels, threshold=options.threshold, tile=options.tile)
        seen.update({box.label for box in answer.boxes})
        place = {"path": name, "frame": frame.number, "seconds": round(frame.seconds, 3)}
        drawn = None if options.draw is None else _with_boxes(model, frame.pixels, answer)
        return FrameAnswer(Said(place | {"boxes": answer.to_plain()["boxes"]}), drawn)

    def sum_up(num_frames: int, is_whole: bool) -> Said:
        counts = ", ".join(f"{label} on {count}" for label, count in seen.most_common()) or "nothing found"
        return Said(text=f"{name}\n    {num_frames} frames: {counts}")

    return of_video(name, (options.draw or Path()) / drawing, detect, sum_up)


def _write_coco(file: Path, results: list[dict[str, Any]], numbers: CocoNumbers) -> Said:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, json.dumps(results).encode())
    return Said(note="\n".join([f"{file}: {len(results)} boxes", *numbers.notes]))
