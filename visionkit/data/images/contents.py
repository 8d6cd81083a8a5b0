"""The bytes of an image, wherever an index says that it lies; and the text of a small file, however it is encoded."""

from pathlib import Path


def read_contents(path: str | Path) -> bytes:
    """The encoded image (or mask) that ``path`` of an index names: a file, or what lies in one (see ``records``, ``stacks``).

    Raises:
        OSError: it is missing, damaged or cannot be read.
    """
    if "@" in str(path):
        from visionkit.data.images import records, stacks

        if (place := records.parse_path(str(path))) is not None:
            return records.read_feature(place)
        if (page := stacks.parse_path(str(path))) is not None:
            return stacks.read_page(page)
    with open(path, "rb") as file:  # noqa: PTH123 - a Path costs as much as the reading
        return file.read()


def file_of(path: str | Path) -> str:
    """The file in which lies what ``path`` of an index names; mostly this is ``path``."""
    path = str(path)
    if "@" in path:
        from visionkit.data.images import records, stacks

        if (place := records.parse_path(path)) is not None:
            return place.shard
        if (page := stacks.parse_path(path)) is not None:
            return page.stack
    return path


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8 or UTF-16 with or without its mark; else it is taken for Latin-1, which any bytes are.

    Raises:
        OSError: it is missing or cannot be read.
    """
    contents = Path(path).read_bytes()
    encoding = "utf-16" if contents[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return contents.decode(encoding)
    except UnicodeDecodeError:
        return contents.decode("latin-1")
