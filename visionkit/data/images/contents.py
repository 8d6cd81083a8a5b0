"""Reads the bytes of an image wherever an index locates it, and the text of a small file in any encoding."""

from pathlib import Path


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
    with open(path, "rb") as file:  # noqa: PTH123 - a Path takes as long as the reading
        return file.read()


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


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8 (with or without a byte order mark) or UTF-16 (with one), else read as Latin-1.

    Raises:
        OSError: the file is missing or cannot be read.
    """
    contents = Path(path).read_bytes()
    encoding = "utf-16" if contents[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return contents.decode(encoding)
    except UnicodeDecodeError:
        return contents.decode("latin-1")
