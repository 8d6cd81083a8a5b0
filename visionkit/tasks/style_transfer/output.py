"""What ``visionkit predict`` prints and writes with a stylizer: stylized images and videos become files."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.inference.output import (
    PREDICTIONS,
    OutputLine,
    PredictOptions,
    drawing_names,
    lines_of,
    refuse_overwriting,
    unreadable,
)
from visionkit.inference.predictor import Unreadable
from visionkit.inference.video import Frame, is_video
from visionkit.inference.video_output import FrameOutput, video_outputs
from visionkit.tasks.style_transfer.temporal import Steady
from visionkit.viz.labels import image_png

if TYPE_CHECKING:
    from visionkit.tasks.style_transfer.predict import Style, StyleResult, Stylizer


def parse_style(text: str | None, labels: Sequence[str]) -> "Style | None":
    """The style that ``--style`` asks for: a name, or shares of several, ``starry=0.7,scream=0.3``.

    Raises:
        UserError: the text is neither; whether the styles exist is not checked.
    """
    if text is None or text in labels or "=" not in text:
        return text
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = (each.strip() for each in part.rpartition("="))
        try:
            number = float(share)
        except ValueError:
            number = None
        if not name or number is None or name in shares:
            raise UserError(f"--style {text}: expected a name, or shares of several: --style {_example(labels)}.")
        shares[name] = number
    return shares


def _example(labels: Sequence[str]) -> str:
    first, second = (*labels, *labels)[:2]
    return f'"{first}=0.7,{second}=0.3"' if len(labels) > 1 else f'"{first}"'


def outputs(predictor: "Stylizer", files: Sequence[str], options: PredictOptions) -> Iterator[OutputLine]:
    """The output lines of all files, in order; the stylized images and videos are written.

    Raises:
        UserError: the style does not exist, or an output would replace an input.
        KeyboardInterrupt: the reading of a video file was interrupted; what is written is whole.
    """
    style, folder = predictor.arguments(options)["style"], options.draw or PREDICTIONS
    targets = [folder / name for name in drawing_names(files, videos=True)]
    refuse_overwriting(files, targets)
    folder.mkdir(parents=True, exist_ok=True)
    for are_videos, group in groupby(zip(files, targets, strict=True), lambda pair: is_video(pair[0])):
        if are_videos:
            for file, target in group:
                yield from _video_outputs(predictor, file, target, style)
        else:
            yield from _image_outputs(predictor, list(group), style)


def _image_outputs(predictor: "Stylizer", pairs: Sequence[tuple[str, Path]], style: "Style | None") -> Iterator[OutputLine]:
    for result, (_, target) in zip(predictor.predict_many([file for file, _ in pairs], style), pairs, strict=True):
        if isinstance(result, Unreadable):
            yield unreadable(result)
            continue
        write_atomically(target, image_png(result.pixels))
        yield line(result, target)


def line(result: "StyleResult", target: Path | None) -> OutputLine:
    """The output line of an image that was written to ``target``."""
    return OutputLine(result.to_dict(target), lines_of(result.path, f"    {target or result.summary()}"))


def _video_outputs(predictor: "Stylizer", name: str, target: Path, style: "Style | None") -> Iterator[OutputLine]:
    steady = Steady()

    def paint(frame: Frame) -> FrameOutput:
        return FrameOutput(drawn=steady(frame.pixels, predictor.predict(frame.pixels, style).pixels))

    def sum_up(num_frames: int, is_whole: bool) -> OutputLine:
        text = lines_of(name, f"    {num_frames} frames" + (f": {target}" if num_frames else ""))
        return OutputLine({"path": name, "stylized": str(target)} if num_frames and is_whole else None, text)

    return video_outputs(name, target, paint, sum_up)
