"""HEIC images are known by their contents, read through pillow-heif, and named with the remedy where that is not installed."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.decode import ImageError, decode, open_header, read_image, read_size
from visionkit.data.images.heic import kind_of
from visionkit.data.images.listing import list_images
from visionkit.data.quality.inspect import inspect_image, other_suffix
from visionkit.inference.predictor import map_in_order

HEADER = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"


def heic(pixels: np.ndarray, **options) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(buffer, quality=95, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("contents", "kind"),
    [
        (b"", None),
        (b"\0\0\0\x1cftyp", None),
        (HEADER, "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0avif", "AVIF"),
        (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp41", None),  # a video
        (b"\xff\xd8\xff\xe0\0\x10JFIF", None),
    ],
)
def test_the_kind_is_told_by_the_brands(contents, kind):
    assert kind_of(contents) == kind


def test_without_pillow_heif_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        ImageError, match=r"a HEIC image, whatever its name says: pip install 'visionkit\[heic\]', or convert it"
    ):
        decode(HEADER + bytes(100))


def test_a_damaged_file_is_called_a_damaged_heic_file():
    pytest.importorskip("pillow_heif")
    with pytest.raises(ImageError, match="damaged HEIC file"):
        decode(HEADER + bytes(100))


def test_a_truncated_file_is_an_error(photograph):
    contents = heic(photograph)
    with pytest.raises(ImageError):
        decode(contents[: len(contents) // 2])


def test_it_is_read_whatever_its_name(photograph, tmp_path):
    for name in ("IMG_1.jpg", "IMG_2.HEIC"):
        (tmp_path / name).write_bytes(heic(photograph))
        pixels = read_image(tmp_path / name)
        assert np.abs(pixels.astype(int) - photograph).mean() < 4
        assert read_size(tmp_path / name) == photograph.shape[:2]
    misnamed = inspect_image(str(tmp_path / "IMG_1.jpg"))
    assert misnamed.format == "HEIF" and other_suffix(str(tmp_path / "IMG_1.jpg"), misnamed)
    assert not other_suffix(str(tmp_path / "IMG_2.HEIC"), misnamed)


def test_it_is_turned_upright_once(tmp_path):
    halves = np.zeros((64, 96, 3), np.uint8)
    halves[:32] = 250  # bright above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: bright at the right
    contents = heic(halves, exif=exif.tobytes())
    (tmp_path / "x.heic").write_bytes(contents)
    pixels = decode(contents)
    assert pixels.shape == (96, 64, 3) == (*read_size(tmp_path / "x.heic"), 3)
    assert pixels[:, :28].mean() < 10 and pixels[:, 36:].mean() > 240


def test_files_of_iphones_are_listed(tmp_path):
    for name in ("a.heic", "b.HEIC", "c.heif", "d.txt"):
        (tmp_path / name).write_bytes(HEADER)
    images, others = list_images(tmp_path)
    assert [path.name for path in images] == ["a.heic", "b.HEIC", "c.heif"] and [path.name for path in others] == ["d.txt"]


def test_threads_read_it_together(photograph):
    contents = heic(photograph)
    first = decode(contents)
    assert all((pixels == first).all() for pixels in map_in_order(decode, [contents] * 8))


def test_avif_is_read_by_its_contents(photograph):
    buffer = io.BytesIO()
    Image.fromarray(photograph).save(buffer, "AVIF", quality=95)
    assert np.abs(decode(buffer.getvalue()).astype(int) - photograph).mean() < 4
    assert open_header(buffer.getvalue()).format == "AVIF"
