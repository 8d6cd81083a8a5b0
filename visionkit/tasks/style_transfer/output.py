"""What ``visionkit predict`` does with a stylizer: painted images and videos are written as files."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.inference.output import OutputLine, unreadable
from visionkit.inference.predictor import Unreadable
from visionkit.inference.video import Frame, is_video
from visionkit.inference.video_output import FrameAnswer, of_video
from visionkit.tasks.style_transfer.predict import Style, StyleResult, Stylizer
from visionkit.tasks.style_transfer.temporal import Steady
from visionkit.viz.labels import image_png

AT_ONCE = 8  # painted images that wait to be written, at most


def style_of(text: str | None, model: Stylizer) -> Style | None:
    """What ``--style`` says: a name, or shares of several, ``starry=0.7,scream=0.3``.

    Raises:
        UserError: no such style, or shares that cannot be.
    """
    style = _parsed(text, model.labels)
    model.shares(style)  # complains
    return style


def _parsed(text: str | None, labels: Sequence[str]) -> Style | None:
    if text is None or text in labels or "=" not in text:
        return text
    shares = {}
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


def stylized_lines(
    model: Stylizer, named: Sequence[tuple[str, str]], folder: Path, style: Style | None
) -> Iterator[OutputLine]:
    """Of all files in order, each with the name of its painted image or video, which is written into ``folder``.

    Raises:
        UserError: no such style.
        KeyboardInterrupt: the reading of a video file was interrupted; what is written is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for are_videos, group in groupby(named, lambda pair: is_video(pair[0])):
        if are_videos:
            for file, name in group:
                yield from _of_video(model, file, folder / name, style)
        else:
            yield from _of_images(model, list(group), folder, style)


def _of_images(model: Stylizer, named: Sequence[tuple[str, str]], folder: Path, style: Style | None) -> Iterator[OutputLine]:
    for start in range(0, len(named), AT_ONCE):
        some = named[start : start + AT_ONCE]
        for answer, (_, name) in zip(model.predict_many((file for file, _ in some), style), some, strict=True):
            yield unreadable(answer) if isinstance(answer, Unreadable) else _written(answer, folder / name)


def _written(answer: StyleResult, file: Path) -> OutputLine:
    write_atomically(file, image_png(answer.pixels))
    return OutputLine({"path": answer.path, "stylized": str(file)}, f"{answer.path}\n    {file}")


def _of_video(model: Stylizer, name: str, target: Path, style: Style | None) -> Iterator[OutputLine]:
    steady = Steady()

    def paint(frame: Frame) -> FrameAnswer:
        return FrameAnswer(drawn=steady(frame.pixels, model.predict(frame.pixels, style).pixels))

    def sum_up(num_frames: int, is_whole: bool) -> OutputLine:
        text = f"{name}\n    {num_frames} frames" + (f": {target}" if num_frames else "")
        return OutputLine({"path": name, "stylized": str(target)} if num_frames and is_whole else None, text)

    return of_video(name, target, paint, sum_up)
