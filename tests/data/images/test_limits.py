"""Images that are too large, and the memory of those that are decoded at once."""

import io
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images import budget as module_of_budget
from visionkit.data.images.budget import LARGEST, TRIMMED, Budget
from visionkit.data.images.contents import ImageError
from visionkit.data.images.decode import decode, open_header
from visionkit.data.images.gif import first_frame
from visionkit.data.images.limits import HEIGHT, MAX_PIXELS, WIDTH, bytes_needed, bytes_of_tiff


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, contents: bytes) -> bytes:
    return struct.pack(">I", len(contents)) + name + contents + struct.pack(">I", zlib.crc32(name + contents))


def test_nothing_is_taken_of_nothing():
    with Budget(0).taken(0):
        pass


def test_one_waits_until_another_gives_back_and_one_that_wants_more_than_there_is_gets_all():
    budget, order = Budget(10), []
    began, go_on = threading.Event(), threading.Event()

    def large():
        with budget.kept():
            with budget.taken(99):
                began.set()
            go_on.wait(20)
            order.append("large")

    def small():
        with budget.taken(1):
            order.append("small")

    threads = [threading.Thread(target=large), threading.Thread(target=small)]
    threads[0].start()
    assert began.wait(20)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert order == ["large", "small"]
    with budget.taken(10), budget.taken(5):  # a thread never waits for itself
        pass


def test_an_error_gives_all_back():
    budget = Budget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), budget.kept(), budget.taken(10):
            raise ValueError("damaged")


def test_a_png_that_declares_more_than_it_can_hold():
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    contents = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="declares 12000 x 12000 pixels"):
        decode(b"\x89PNG\r\n\x1a\n" + contents)


@pytest.mark.parametrize("tag", [256, 257])
def test_a_tiff_that_declares_more_than_it_holds(tag):
    contents = bytearray(encoded(Image.new("RGB", (8, 8)), "TIFF"))
    place = (
        contents.index(struct.pack("<HHI", tag, 4, 1))
        if struct.pack("<HHI", tag, 4, 1) in contents
        else contents.index(struct.pack("<HHI", tag, 3, 1))
    )
    contents[place : place + 12] = struct.pack("<HHII", tag, 4, 1, 1_000_000)
    with pytest.raises(ImageError, match=r"declares|damaged"):
        decode(bytes(contents))


def test_the_largest_jpeg_is_read_and_the_largest_webp_is_not():
    header = open_header(encoded(Image.new("RGB", (8, 8)), "JPEG"))
    header._size = (13_377, 13_377)
    assert 3 * MAX_PIXELS < bytes_needed(header, 10**6) <= LARGEST
    header = open_header(encoded(Image.new("RGB", (8, 8)), "WEBP"))
    header._size = (13_377, 13_377)
    with pytest.raises(ImageError, match=r"13377 x 13377 pixels take 3\.6 GB of memory"):
        bytes_needed(header, 10**6)


def test_of_an_animation_the_first_image_is_left():
    images = [Image.fromarray(np.full((9, 9), level, np.uint8)) for level in (10, 90, 200)]
    animation = encoded(images[0], "GIF", save_all=True, append_images=images[1:])
    first = first_frame(animation)
    with Image.open(io.BytesIO(first)) as image:
        assert image.n_frames == 1
    assert (decode(animation) == 10).all() and (decode(first) == 10).all()
    assert [first_frame(part) for part in (b"", b"GIF89a", animation[:20])] == [b"", b"GIF89a", animation[:20]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("is_deep", [False, True])
def test_large_pngs_have_the_same_pixels_as_in_the_graph(mode, is_deep, monkeypatch):
    import cv2

    from visionkit.data.images import decode as module

    values = np.random.default_rng(3).integers(0, 65536 if is_deep else 256, (40, 50, len(mode)))
    contents = cv2.imencode(".png", values.astype(np.uint16 if is_deep else np.uint8))[1].tobytes()
    small = module.decode_and_judge(contents)
    monkeypatch.setattr(module, "PIXELS_OF_BAND", 100)
    large = module.decode_and_judge(contents)
    np.testing.assert_array_equal(large.pixels, small.pixels)
    assert large.depth == small.depth and large.pixels.flags.writeable


@pytest.mark.parametrize("width", [float("inf"), float("nan"), "x", None])
def test_a_tiff_whose_tags_hold_no_number_is_damaged(width):
    with pytest.raises(ImageError, match="damaged TIFF file"):
        bytes_of_tiff({WIDTH: width, HEIGHT: 1}, 100)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_large_images_are_turned_as_in_the_graph(kind, orientation, monkeypatch):
    from visionkit.data.images import decode as module

    values, exif = np.random.default_rng(4).integers(0, 256, (40, 50, 3), np.uint8), Image.Exif()
    exif[0x112] = orientation
    contents = encoded(Image.fromarray(values), kind, exif=exif)
    expected = module.decode_in_graph(contents).numpy()
    monkeypatch.setattr(module, "PIXELS_OF_BAND", 100)
    large = module.decode_and_judge(contents)
    np.testing.assert_array_equal(large.pixels, expected)
    assert large.pixels.flags.writeable and large.plain_jpeg == (kind == "JPEG" and orientation == 1)


def test_free_memory_is_given_back_before_much_is_taken(monkeypatch):
    events = []
    monkeypatch.setattr(module_of_budget, "_trim", lambda: events.append)
    with Budget(10**9).taken(TRIMMED + 1):
        assert events == [0]
    with Budget(10**9).taken(TRIMMED):
        assert events == [0, 0]
