"""Every file is opened once before training, so that broken files are known at the start and not in epoch seven."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from visionkit.data.boxes import rotation_of, upright
from visionkit.data.images import budget, decode
from visionkit.data.images.bit_depth import Depth
from visionkit.data.images.contents import read_contents
from visionkit.data.images.listing import map_files
from visionkit.data.images.stacks import has_more_pages, note_on_pages
from visionkit.data.index import DataError, Index, counted

SAME_SHAPE = 0.02  # relative difference of width to height up to which an image was resized, but not cropped


class ImageInfo(NamedTuple):
    """What the pipeline and the feature cache need to know about a file.

    Attributes:
        digest: BLAKE2 hash of the contents, hexadecimal.
        num_bytes: length of the file.
        height, width: size of the image in pixels, after EXIF rotation.
        plain_jpeg: whether a window of it can be decoded alone.
        orientation: how its EXIF header turns and mirrors it, 1 (not at all) to 8.
        rotation: whether its objects were turned with it; see ``boxes.rotation_of``.
        depth: how its pixels are stored; None for 8 bits.
        has_more_pages: whether the file holds further images, which are not used; see ``stacks.has_more_pages``.
    """

    digest: str
    num_bytes: int
    height: int
    width: int
    plain_jpeg: bool
    orientation: int = 1
    rotation: str = ""
    depth: Depth | None = None
    has_more_pages: bool = False


def inspect(path: str) -> ImageInfo:
    """Read and fully decode one file.

    Raises:
        ImageError: the file is missing, empty, damaged or not an image.
    """
    with budget.decoding().kept():
        try:
            contents = read_contents(path)
        except OSError as error:
            raise decode.ImageError(error.strerror or str(error)) from error
        image = decode.decode_and_judge(contents)
        has_more = has_more_pages(contents)
    digest = hashlib.blake2b(contents, digest_size=16).hexdigest()
    orientation = 1 if image.plain_jpeg else decode.orientation_of(contents)
    height, width = image.pixels.shape[:2]
    return ImageInfo(digest, len(contents), height, width, image.plain_jpeg, orientation, "", image.depth, has_more)


def scan(index: Index, *, description: str = "checking images") -> Index:
    """Open all files of an index on all cores.

    Args:
        index: the index of a reader; ``index.skipped`` collects the broken files, each with its reason.

    Returns:
        the index of the readable files, with their ``infos``. Objects that were annotated in an image before its EXIF header
        turned it are turned with it.

    Raises:
        DataError: no file can be read.
    """
    infos = map_files(inspect, index.paths, index.skipped, description)
    readable = [position for position, info in enumerate(infos) if info is not None]
    if not readable:
        first = index.skipped.list()[:1]
        raise DataError(f"None of {len(index)} images can be read; the first: {'; '.join(map(': '.join, first))}.")
    return _upright(replace(index, infos=tuple(infos)).take(readable))


def _upright(index: Index) -> Index:
    if not index.annotations or all(info.orientation == 1 for info in index.infos):
        return index
    infos, annotations = [], []
    for info, annotation in zip(index.infos, index.annotations, strict=True):
        shown = (info.height, info.width)
        infos.append(info._replace(rotation=rotation_of(annotation, shown, info.orientation)))
        annotations.append(upright(annotation, shown, info.orientation))
    return replace(index, infos=tuple(infos), annotations=tuple(annotations))


def size_notes(indexes: Iterable[Index]) -> list[str]:
    """Sentences on scanned indexes: objects that were turned with their images, that may have to be, or of another size; and
    images of several pages.
    """
    indexes = list(indexes)
    pairs = (pair for index in indexes for pair in zip(index.paths, index.infos, strict=bool(index.infos)))
    several = note_on_pages([path for path, info in pairs if info.has_more_pages])
    paths: dict[str, list[str]] = {}
    for index in indexes:
        for path, info, annotation in zip(index.paths, index.infos, index.annotations, strict=bool(index.annotations)):
            kind = info.rotation
            if not kind and annotation.objects and annotation.size not in (None, (info.height, info.width)):
                kind = "" if _same_shape(annotation.size, (info.height, info.width)) else "other"
            paths.setdefault(kind, []).append(path)
    sentences = {
        "turned": (
            "image was annotated before its EXIF header turned it, as its declared size shows: its boxes are turned, too",
            "images were annotated before their EXIF headers turned them, as declared sizes show: their boxes are turned, too",
        ),
        "unclear": (
            "image is turned by its EXIF header, and nothing says whether its boxes fit it before or after that: they stay",
            "images are turned by their EXIF headers, and nothing says whether boxes fit them before or after that: they stay",
        ),
        "other": (
            "image has another shape than its annotation declares: its boxes may be wrong",
            "images have another shape than their annotations declare: their boxes may be wrong",
        ),
    }
    turned = (
        f"{counted(len(paths[kind]), *sentences[kind])} (such as {paths[kind][0]})" for kind in sentences if kind in paths
    )
    return [*turned, *several]


def _same_shape(declared: tuple[int, int], real: tuple[int, int]) -> bool:
    """Whether relative boxes are right although the image was resized."""
    return abs(declared[0] * real[1] / (declared[1] * real[0]) - 1) <= SAME_SHAPE
