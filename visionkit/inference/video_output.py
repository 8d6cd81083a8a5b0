"""The output of ``visionkit predict`` for a video, with any model: a line for each frame, and a video of the drawings."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.images.decode import ImageError
from visionkit.inference.output import OutputLine, unreadable
from visionkit.inference.predictor import Unreadable
from visionkit.inference.video import Frame, Video, VideoWriter, interrupt_noted
from visionkit.progress import bar


class FrameOutput(NamedTuple):
    """The output of one frame: the line that is printed, and the frame that is written into the video, uint8 ``(H, W, 3)``."""

    line: OutputLine | None = None
    drawn: np.ndarray | None = None


def video_outputs(
    name: str, target: Path, predict: Callable[[Frame], FrameOutput], sum_up: Callable[[int, bool], OutputLine]
) -> Iterator[OutputLine]:
    """The output lines of a video's frames, and last a line about the whole video. Ctrl-C ends a camera, or first a file and
    then the program.

    Args:
        name: a file, or the number of a camera.
        target: the video that is written, if any frame is drawn.
        predict: makes the output of a frame.
        sum_up: makes the last line from the number of frames, and whether the video was read to its end.

    Raises:
        KeyboardInterrupt: the reading of a file was interrupted; what was written is complete.
    """
    try:
        video = Video(name)
    except ImageError as error:
        yield unreadable(Unreadable(name, str(error)))
        return
    num_frames, failure = 0, None
    with (
        interrupt_noted() as interrupted,
        closing(video),
        closing(VideoWriter(target, video.rate)) as writer,
        bar(total=video.num_frames, description=Path(name).name, unit=" frames") as progress,
    ):
        try:
            for frame in video.frames():
                line, drawn = predict(frame)
                if drawn is not None:
                    writer.write(drawn, frame.seconds if video.is_camera else None)
                num_frames += 1
                progress.update()
                if line is not None:
                    yield line
                if interrupted.is_set():
                    break
        except ImageError as error:
            failure = Unreadable(name, str(error))
    if failure is not None:
        yield unreadable(failure)
    if interrupted.is_set() and not video.is_camera:
        raise KeyboardInterrupt
    yield sum_up(num_frames, failure is None)
