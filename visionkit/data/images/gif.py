"""The first image of an animated GIF: TensorFlow would decode all of them, of which a small file may hold thousands."""

HEADER, IMAGE_HEADER = 13, 10  # bytes before the table of colors
EXTENSION, IMAGE, END = 0x21, 0x2C, 0x3B  # the first byte of each block


def first_frame(contents: bytes) -> bytes:
    """The file up to its first image; as it is, if that cannot be found."""
    try:
        place = HEADER + _colors(contents[10])
        while contents[place] == EXTENSION:
            place = _after(contents, place + 2)
        if contents[place] != IMAGE:
            return contents
        place = _after(contents, place + IMAGE_HEADER + _colors(contents[place + 9]) + 1)
    except IndexError:  # damaged or cut off: the decoder says so
        return contents
    return contents[:place] + bytes([END])


def _colors(flags: int) -> int:
    """The length of a table of colors."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 128 else 0


def _after(contents: bytes, place: int) -> int:
    """The end of a chain of blocks, each of which begins with its length; one of length 0 ends it."""
    while contents[place]:
        place += contents[place] + 1
    return place + 1
