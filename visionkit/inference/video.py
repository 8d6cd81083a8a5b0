"""Videos and cameras that are read frame by frame with OpenCV, and videos that are written atomically."""

import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from visionkit.data.images.decode import ImageError
from visionkit.errors import UserError
from visionkit.files import check_file, refuse_special
from visionkit.outputs import MARK

VIDEO_SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mts", ".3gp"))
USUAL_RATE = 25.0  # frames a second, where a video or a camera does not say
WHOLE = 0.9  # of the frames that a file declares: a file with fewer is broken


class Frame(NamedTuple):
    """One image of a video: its number from 0, its time in seconds, uint8 RGB ``(H, W, 3)``."""

    number: int
    seconds: float
    pixels: np.ndarray


def is_camera(name: str) -> bool:
    """Whether a name is the number of a camera and not a file."""
    return name.isdecimal() and not Path(name).exists()


def is_video(name: str) -> bool:
    """Whether a name is a camera, or has the suffix of a video file."""
    return is_camera(name) or Path(name).suffix.lower() in VIDEO_SUFFIXES


class Video:
    """A video file or a camera, open.

    Args:
        name: a file, or the number of a camera.

    Attributes:
        rate: frames a second.
        num_frames: number of frames that the file declares; None without a declaration, and for a camera.

    Raises:
        ImageError: the video cannot be opened.
    """

    def __init__(self, name: str):
        self.is_camera = is_camera(name)
        if not self.is_camera and Path(name).exists():
            try:
                check_file(name)
            except OSError as error:
                raise ImageError(error.strerror or str(error)) from error
        with _quiet_opencv():
            self._capture = cv2.VideoCapture(int(name) if self.is_camera else name)
        if not self._capture.isOpened():
            if self.is_camera:
                raise ImageError(f"no camera {name}")
            raise ImageError("not a video that OpenCV can open" if Path(name).exists() else "No such file or directory")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 1000 else USUAL_RATE
        declared = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.num_frames = declared if declared > 0 and not self.is_camera else None

    def frames(self) -> Iterator[Frame]:
        """All frames, each read when it is requested.

        Raises:
            ImageError: the file ends before ``WHOLE`` of its declared frames.
        """
        number, start = 0, time.monotonic()
        while True:
            is_read, pixels = self._capture.read()
            if not is_read:
                break
            seconds = time.monotonic() - start if self.is_camera else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield Frame(number, seconds, np.ascontiguousarray(pixels[..., ::-1]))
            number += 1
        if number == 0 or (self.num_frames and number < WHOLE * self.num_frames):
            raise ImageError(f"ends after {number} of {self.num_frames or 'unknown'} frames")

    def close(self) -> None:
        """Release the file or the camera."""
        self._capture.release()


class VideoWriter:
    """Writes an MP4 file, which appears when it is closed, if a frame was written.

    Args:
        path: path of the file.
        rate: frames a second.
    """

    def __init__(self, path: Path, rate: float):
        self._path, self._rate = path, rate
        self._beside = path.with_name(f".unfinished-{path.name}")
        self._writer: cv2.VideoWriter | None = None
        self._size, self._written = (0, 0), 0

    def write(self, pixels: np.ndarray, seconds: float | None = None) -> None:
        """Append a frame.

        Args:
            pixels: uint8 RGB ``(H, W, 3)``; resized if the first frame had another size. Videos have even sides: an odd last
                row or column is lost.
            seconds: time of the frame by the clock; frames are repeated or left out, so that the video plays in real time.

        Raises:
            UserError: the file cannot be written.
        """
        if self._writer is None:
            self._size = pixels.shape[1::-1]
            with _quiet_opencv():
                self._writer = cv2.VideoWriter(str(self._beside), cv2.VideoWriter_fourcc(*"mp4v"), self._rate, self._size)
            if not self._writer.isOpened():
                raise UserError(f"{self._path} cannot be written as a video of {self._size[0]} x {self._size[1]} pixels.")
        if pixels.shape[1::-1] != self._size:
            pixels = cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA)
        times = 1 if seconds is None else int(seconds * self._rate) + 1 - self._written
        for _ in range(times):
            self._writer.write(np.ascontiguousarray(pixels[..., ::-1]))
            self._written += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            OSError: the disk is full, or what is no regular file has the name; see ``files.refuse_special``.
        """
        if self._writer is not None:
            self._writer.release()
            if not self._written:  # no frame: the video of that name stays
                self._beside.unlink(missing_ok=True)
                return
            try:
                refuse_special(self._path)
                with self._beside.open("ab") as file:  # a box "free" of MP4, which players pass over
                    file.write(struct.pack(">I4s", 8 + len(MARK), b"free") + MARK.encode())
                os.replace(self._beside, self._path)
            except OSError as error:
                self._beside.unlink(missing_ok=True)
                raise OSError(error.errno, error.strerror, str(self._path)) from error


@contextmanager
def interrupt_noted() -> Iterator[threading.Event]:
    """Yields an event that Ctrl-C sets instead of interrupting; a second Ctrl-C interrupts."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # where no signals come
        yield event
        return

    def note(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Silence OpenCV: we report what cannot be opened. FFmpeg reads its variable once, when it is first used."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
