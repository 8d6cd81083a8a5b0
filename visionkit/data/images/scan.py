"""Every file is opened once before training, so that broken files are known at the start and not in epoch seven."""

import hashlib
from dataclasses import replace
from typing import NamedTuple

from visionkit.data.images import decode
from visionkit.data.images.bit_depth import Depth
from visionkit.data.images.contents import read_contents
from visionkit.data.images.listing import map_files
from visionkit.data.index import DataError, Index


class ImageInfo(NamedTuple):
    """What the pipeline and the feature cache need to know about a file.

    Attributes:
        digest: BLAKE2 hash of the contents, hexadecimal.
        num_bytes: length of the file.
        height, width: size of the image in pixels, after EXIF rotation.
        plain_jpeg: whether a window of it can be decoded alone.
        depth: how its pixels are stored; None for 8 bits.
    """

    digest: str
    num_bytes: int
    height: int
    width: int
    plain_jpeg: bool
    depth: Depth | None = None


def inspect(path: str) -> ImageInfo:
    """Read and fully decode one file.

    Raises:
        ImageError: the file is missing, empty, damaged or not an image.
    """
    try:
        contents = read_contents(path)
    except OSError as error:
        raise decode.ImageError(error.strerror or str(error)) from error
    image = decode.decode_and_judge(contents)
    digest = hashlib.blake2b(contents, digest_size=16).hexdigest()
    return ImageInfo(digest, len(contents), *image.pixels.shape[:2], image.plain_jpeg, image.depth)


def scan(index: Index, *, description: str = "checking images") -> Index:
    """Open all files of an index on all cores.

    Args:
        index: the index of a reader; ``index.skipped`` collects the broken files, each with its reason.

    Returns:
        the index of the readable files, with their ``infos``.

    Raises:
        DataError: no file can be read.
    """
    infos = map_files(inspect, index.paths, index.skipped, description)
    readable = [position for position, info in enumerate(infos) if info is not None]
    if not readable:
        first = index.skipped.list()[:1]
        raise DataError(f"None of {len(index)} images can be read; the first: {'; '.join(map(': '.join, first))}.")
    return replace(index, infos=tuple(infos)).take(readable)
