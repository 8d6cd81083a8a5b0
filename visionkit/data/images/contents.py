"""Reads the bytes of an image wherever an index locates it, and the text of a small file in any encoding."""

from pathlib import Path

from visionkit.data.images import budget
from visionkit.files import LARGEST_IMAGE, LARGEST_TEXT, open_file, read_file, size_of

PROBED = 4096  # bytes of a text that show its encoding


class ImageError(ValueError):
    """A file that is no image, or a damaged one; the message is a short reason."""


def read_contents(path: str | Path) -> bytes:
    """The encoded image or mask at a path of an index: a file, a part of one (see ``records`` and ``stacks``), or the union of
    several masks (see ``mask_union``).

    Raises:
        OSError: the file is missing, damaged or cannot be read.
    """
    if "@" in str(path):
        from visionkit.data.images import records, stacks
        from visionkit.data.images.masks import union

        if (place := records.parse_path(str(path))) is not None:
            return records.read_feature(place)
        if (members := union.parse_path(str(path))) is not None:
            return union.read_union(members)
        if (page := stacks.parse_path(str(path))) is not None:
            return stacks.read_page(page)
    with open_file(path) as file:
        size = size_of(file, most=LARGEST_IMAGE)
        if size <= budget.LARGE_FILE:
            return file.read(size)
        with budget.decoding().taken(size * budget.DECODED_TO_FILE):
            return file.read(size)


def file_of(path: str | Path) -> str:
    """The file that holds the image at a path of an index; usually ``path`` itself."""
    path = str(path)
    if "@" in path:
        from visionkit.data.images import records, stacks
        from visionkit.data.images.masks import union

        if (place := records.parse_path(path)) is not None:
            return place.shard
        if (page := stacks.parse_path(path)) is not None:
            return page.stack
        if (members := union.parse_path(path)) is not None:
            return members.folder
    return path


def encoding_of(contents: bytes) -> str:
    """The encoding of a text by its first bytes: UTF-16 if it has a mark, or if every other byte is zero; else UTF-8."""
    if contents[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    first, second = (contents[start:PROBED:2] for start in (0, 1))
    for encoding, zeros, others in (("utf-16-le", second, first), ("utf-16-be", first, second)):
        if 2 * zeros.count(0) > len(zeros) > 1 and 10 * others.count(0) < len(others):
            return encoding
    return "utf-8-sig"


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8 or UTF-16 (with or without a byte order mark), else read as Latin-1.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    contents = read_file(path, LARGEST_TEXT)
    try:
        return contents.decode(encoding_of(contents))
    except UnicodeDecodeError:
        return contents.decode("latin-1")
