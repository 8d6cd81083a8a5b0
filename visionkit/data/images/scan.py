"""Opens every file once before training, so that what is broken is known at second one and not in epoch seven."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from tqdm import tqdm

from visionkit.data.images import decode
from visionkit.data.images.contents import read_contents
from visionkit.data.index import DataError, Index, SkippedFiles


class Facts(NamedTuple):
    """What the pipeline and the feature cache need to know of a file.

    Attributes:
        digest: BLAKE2 of its contents, hexadecimal.
        num_bytes: its length.
        height, width: of the picture in pixels, after EXIF rotation.
        plain_jpeg: whether a window of it can be decoded alone.
    """

    digest: str
    num_bytes: int
    height: int
    width: int
    plain_jpeg: bool


def look_at(path: str) -> Facts:
    """Read and fully decode one file.

    Raises:
        PictureError: it is missing, empty, damaged or not a picture.
    """
    try:
        contents = read_contents(path)
    except OSError as error:
        raise decode.PictureError(error.strerror or str(error)) from error
    image, plain = decode.decode_and_judge(contents)
    digest = hashlib.blake2b(contents, digest_size=16).hexdigest()
    return Facts(digest, len(contents), image.shape[0], image.shape[1], plain)


def scan(index: Index, skipped: SkippedFiles, *, description: str = "checking pictures") -> Index:
    """Open all files of an index on all cores.

    Args:
        index: as a reader made it.
        skipped: takes the broken files, each with its reason.

    Returns:
        the index of the sound files, with their ``facts``.

    Raises:
        DataError: not one file is sound.
    """

    def look(path):
        try:
            return look_at(path)
        except decode.PictureError as error:
            skipped.add(path, str(error))
            return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        facts = list(tqdm(pool.map(look, index.paths), description, total=len(index), unit=" pictures", leave=False))
    sound = [position for position, fact in enumerate(facts) if fact is not None]
    if not sound:
        first = skipped.list()[:1]
        raise DataError(f"None of {len(index)} pictures can be read; the first: {'; '.join(map(': '.join, first))}.")
    return replace(index, facts=tuple(facts)).take(sound)
