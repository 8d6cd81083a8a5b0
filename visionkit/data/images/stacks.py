"""Pages of multi-page TIFF files (stacks, as microscopes write them), each an image of its own.

An index names a page by a path that no file has, ``<stack>.tif@page=<number>``; the first is number 1, as in viewers.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from visionkit.data.index import Problem

SUFFIXES = (".tif", ".tiff")
PAGE = "@page="  # between a stack and the number
VIRTUAL_PATH = re.compile(rf"(?P<stack>.+\.tiff?){PAGE}(?P<number>[1-9]\d{{0,8}})", re.DOTALL | re.IGNORECASE)
NAME_BESIDE = re.compile(r"(?:(?P<stem>.*)[-_])?(?:(?P<images>volume|images)|labels|masks)", re.DOTALL | re.IGNORECASE)

Pairs = list[tuple[Path, Path]]


class Page(NamedTuple):
    """Where one image of a stack lies; ``number`` counts from 1."""

    stack: str
    number: int

    def path(self) -> str:
        """The path by which an index names it."""
        return f"{self.stack}{PAGE}{self.number}"


def parse_path(path: str) -> Page | None:
    """The inverse of ``Page.path``; None for all other paths, such as those of files whose names hold @."""
    match = VIRTUAL_PATH.fullmatch(path)
    return Page(match["stack"], int(match["number"])) if match and Path(match["stack"]).is_file() else None


@contextmanager
def opened(file: str | Path) -> Iterator[Image.Image]:
    """A TIFF file, lazily: its pages are decoded where they are sought.

    Raises:
        OSError: also for all else that Pillow's decoders raise, inside, too.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large images and odd metadata
            with Image.open(file, formats=["TIFF"]) as stack:
                yield stack
    except OSError:
        raise
    except Exception as error:  # SyntaxError, struct.error, ...
        raise OSError(f"damaged TIFF file ({error})") from error


def num_pages(file: Path) -> int:
    """How many images a file holds: 1 if it is no TIFF, is broken, or has pages of several sizes, which are thumbnails."""
    if file.suffix.lower() not in SUFFIXES:
        return 1
    try:
        with opened(file) as stack:
            sizes = [_at(stack, number).size for number in range(1, stack.n_frames + 1)]
    except OSError:  # whoever reads it says what is wrong
        return 1
    return len(sizes) if len(set(sizes)) == 1 else 1


def read_page(page: Page) -> bytes:
    """One page as a TIFF file of its own, uncompressed, in the page's own mode: the same bytes each time.

    Raises:
        OSError: the stack cannot be read, has no such page or is damaged there.
    """
    alone = io.BytesIO()
    with opened(page.stack) as stack:
        copy = _at(stack, page.number).copy()
        copy.info = {}  # else it would be compressed as the stack is, which may lose something
        copy.save(alone, "TIFF")
    return alone.getvalue()


def in_pages(pairs: Iterable[tuple[Path, Path]]) -> tuple[Pairs, list[Problem]]:
    """Images and masks with a pair for each page, in order, in the place of those that are stacks."""
    found, problems = [], []
    for image, mask in pairs:
        count, of_mask = num_pages(image), num_pages(mask)
        if count != of_mask:
            problems.append(Problem("missing partner", str(image), f"{count} pages; its mask {mask} has {of_mask}"))
        elif count == 1:
            found.append((image, mask))
        else:
            pages = range(1, count + 1)
            found += [(Path(Page(str(image), n).path()), Path(Page(str(mask), n).path())) for n in pages]
    return found, problems


def pairs_beside(files: Iterable[Path]) -> Pairs:
    """``x-volume.tif`` (or images) with ``x-labels.tif`` (or masks) of the same folder; an underscore does as well."""
    images, masks = {}, {}
    for file in files:
        match = NAME_BESIDE.fullmatch(file.stem)
        if match and file.suffix.lower() in SUFFIXES:
            (images if match["images"] else masks)[file.parent, stem_of(file)] = file
    return [(image, masks[key]) for key, image in images.items() if key in masks]


def stem_of(file: Path) -> str:
    """``train`` of ``Train-volume.tif``; "" of other names."""
    match = NAME_BESIDE.fullmatch(file.stem)
    return (match["stem"] or "").lower() if match else ""


def _at(stack: Image.Image, number: int) -> Image.Image:
    try:
        stack.seek(number - 1)
    except EOFError as error:
        raise OSError(f"no page {number}") from error
    return stack
