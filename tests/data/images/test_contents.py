"""The text of files, in any encoding."""

import pytest

from visionkit.data.images.contents import encoding_of, read_text


def test_an_empty_file_has_no_text(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"")
    assert read_text(tmp_path / "x.txt") == ""


@pytest.mark.parametrize("text", ["image,label\n0.jpg,cat\n", "image,label\n0.jpg,\u732b\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_utf_8_and_utf_16(tmp_path, text, encoding):
    (tmp_path / "x.txt").write_bytes(text.encode(encoding))
    assert read_text(tmp_path / "x.txt") == text


def test_other_text_is_latin_1(tmp_path):
    (tmp_path / "x.txt").write_bytes("caf\u00e9".encode("latin-1"))
    assert read_text(tmp_path / "x.txt") == "caf\u00e9"


@pytest.mark.parametrize("contents", [b"image\0", b"\0" * 100, b"a\0\0\0b\0\0\0"])
def test_other_zero_bytes_are_no_utf_16(contents):
    assert encoding_of(contents) == "utf-8-sig"
