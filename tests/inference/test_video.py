"""Videos are read frame by frame, and written atomically."""

import os
import signal
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from visionkit.data.images.decode import ImageError
from visionkit.errors import UserError
from visionkit.inference.video import Video, VideoWriter, interrupt_noted, is_camera, is_video


def write(path: Path, count: int, shape: tuple[int, int] = (48, 64), rate: float = 10, times=None) -> Path:
    """Write frames whose red channel encodes their number."""
    with closing(VideoWriter(path, rate)) as writer:
        for number in range(count):
            pixels = np.zeros((*shape, 3), np.uint8)
            pixels[..., 0] = 20 * number
            writer.write(pixels, None if times is None else times[number])
    return path


def read(path: Path) -> list:
    with closing(Video(str(path))) as video:
        return list(video.frames())


def test_no_frames_make_no_file(tmp_path):
    write(tmp_path / "a.mp4", 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(48, 64), (49, 65)])
def test_frames_come_back_in_order_with_their_times(tmp_path, shape):
    frames = read(write(tmp_path / "a.mp4", 12, shape))
    assert [frame.number for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(12) / 10, atol=1e-6)
    assert frames[0].pixels.shape == (48, 64, 3) and frames[0].pixels.dtype == np.uint8
    np.testing.assert_allclose([frame.pixels[..., 0].mean() for frame in frames], 20 * np.arange(12), atol=8)
    assert max(frame.pixels[..., 2].mean() for frame in frames) < 8  # red stays red
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_by_the_clock_frames_are_repeated_or_left_out(tmp_path):
    frames = read(write(tmp_path / "a.mp4", 4, rate=10, times=[0, 0.05, 0.1, 0.5]))
    assert [round(frame.pixels[..., 0].mean() / 20) for frame in frames] == [0, 2, 3, 3, 3, 3]


def test_frames_of_another_size_are_fitted(tmp_path):
    with closing(VideoWriter(tmp_path / "a.mp4", 10)) as writer:
        for shape in ((48, 64), (30, 30), (48, 64)):
            writer.write(np.zeros((*shape, 3), np.uint8))
    assert [frame.pixels.shape for frame in read(tmp_path / "a.mp4")] == [(48, 64, 3)] * 3


def test_a_file_that_is_no_video_is_reported(tmp_path, capfd):
    (tmp_path / "a.mp4").write_text("text")
    for name, message in ((tmp_path / "a.mp4", "not a video"), (tmp_path / "b.mp4", "No such file"), ("63", "no camera 63")):
        with pytest.raises(ImageError, match=message):
            Video(str(name))
    assert capfd.readouterr().err == ""


def test_a_truncated_video_is_reported(tmp_path, rng):
    with closing(VideoWriter(tmp_path / "a.mp4", 10)) as writer:
        for _ in range(40):
            writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    contents = bytearray((tmp_path / "a.mp4").read_bytes())
    third = len(contents) // 3
    contents[third : 2 * third] = bytes(third)
    (tmp_path / "a.mp4").write_bytes(contents)
    with pytest.raises(ImageError, match=r"ends after \d+ of 40 frames"):
        read(tmp_path / "a.mp4")


def test_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_camera("0") and is_video("0") and is_video("A.MP4") and is_video("clip.webm")
    assert not is_video("a.gif") and not is_video("folder") and not is_camera("clip.mp4") and not is_video("-1")
    Path("0").touch()
    assert not is_camera("0") and not is_video("0")


def test_the_first_interruption_is_noted_and_the_second_interrupts():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with interrupt_noted() as interrupted:
        assert not interrupted.is_set()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_video_takes_no_place_of_a_pipe_and_leaves_nothing_beside_it(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    writer = VideoWriter(tmp_path / "a.mp4", 10)
    writer.write(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(OSError, match="is a named pipe, and is not replaced"):
        writer.close()
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"] and (tmp_path / "a.mp4").is_fifo()


def test_a_video_without_a_frame_leaves_the_earlier_one(tmp_path):
    write_video = tmp_path / "a.mp4"
    write_video.write_bytes(b"earlier")
    with pytest.raises(UserError, match="cannot be written as a video"), closing(VideoWriter(write_video, 10)) as writer:
        writer.write(np.zeros((1, 1, 3), np.uint8))
    assert write_video.read_bytes() == b"earlier" and [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
