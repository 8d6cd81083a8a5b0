"""What ``visionkit predict`` does with a video, whatever the model: frame after frame, and what was drawn as a video."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from visionkit.data.images.decode import ImageError
from visionkit.inference.output import OutputLine, unreadable
from visionkit.inference.predictor import Unreadable
from visionkit.inference.video import Frame, Video, VideoWriter, interrupt_noted


class FrameAnswer(NamedTuple):
    """What is made of one frame: what is said of it, and what is written into the video, uint8 ``(H, W, 3)``."""

    said: OutputLine | None = None
    drawn: np.ndarray | None = None


def of_video(
    name: str, target: Path, answer: Callable[[Frame], FrameAnswer], sum_up: Callable[[int, bool], OutputLine]
) -> Iterator[OutputLine]:
    """What is said of the frames of a video, and at last of all of it. Ctrl-C ends a camera; a file too, and then the program.

    Args:
        name: a file, or the number of a camera.
        target: the video of what is drawn; it appears if anything is.
        answer: what is made of a frame.
        sum_up: what is said at the end, of so many frames, and whether they are all that there are.

    Raises:
        KeyboardInterrupt: the reading of a file was interrupted; what is written is whole.
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
        tqdm(total=video.num_frames, desc=Path(name).name, unit=" frames", leave=False) as progress,
    ):
        try:
            for frame in video.frames():
                said, drawn = answer(frame)
                if drawn is not None:
                    writer.write(drawn, frame.seconds if video.is_camera else None)
                num_frames += 1
                progress.update()
                if said is not None:
                    yield said
                if interrupted.is_set():
                    break
        except ImageError as error:
            failure = Unreadable(name, str(error))
    if failure is not None:
        yield unreadable(failure)
    if interrupted.is_set() and not video.is_camera:
        raise KeyboardInterrupt
    yield sum_up(num_frames, failure is None)
