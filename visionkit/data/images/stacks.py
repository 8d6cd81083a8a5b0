"""Pages of multi-page TIFF files (stacks, as microscopes write them), each an image of its own.

An index names a page by a virtual path, ``<stack>.tif@page=<number>``. The first page is number 1, as in viewers.
"""

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
from PIL import Image

from visionkit.data.images.contents import ImageError
from visionkit.data.images.deep_color import is_deep_color
from visionkit.data.images.limits import memory_for
from visionkit.data.index import Problem, counted
from visionkit.files import open_file

SUFFIXES = (".tif", ".tiff")
WITH_PAGES = (b"II", b"MM", b"GIF8", b"RIFF", b"\x89PNG")  # the first bytes of files that may hold several images
PAGE = "@page="  # between the path of a stack and the number of a page
VIRTUAL_PATH = re.compile(rf"(?P<stack>.+\.tiff?){PAGE}(?P<number>[1-9]\d{{0,8}})", re.DOTALL | re.IGNORECASE)
NAME_BESIDE = re.compile(r"(?:(?P<stem>.*)[-_])?(?:(?P<images>volume|images)|labels|masks)", re.DOTALL | re.IGNORECASE)

Pairs = list[tuple[Path, Path]]


class Page(NamedTuple):
    """The location of one page of a stack; ``number`` counts from 1."""

    stack: str
    number: int

    def path(self) -> str:
        """The virtual path that an index holds."""
        return f"{self.stack}{PAGE}{self.number}"


def parse_path(path: str) -> Page | None:
    """The inverse of ``Page.path``; None for all other paths, such as those of files whose names hold @."""
    match = VIRTUAL_PATH.fullmatch(path)
    return Page(match["stack"], int(match["number"])) if match and Path(match["stack"]).is_file() else None


@contextmanager
def opened(file: str | Path) -> Iterator[Image.Image]:
    """Open a TIFF file; pages are decoded only when they are used.

    Raises:
        OSError: the file cannot be read or is damaged. All errors of Pillow's decoders become this, also inside the context.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about large images and odd metadata
            with open_file(file) as contents, Image.open(contents, formats=["TIFF"]) as stack:
                yield stack
    except (OSError, ImageError):
        raise
    except Exception as error:  # SyntaxError, struct.error, ...
        raise OSError(f"damaged TIFF file ({error})") from error


def has_more_pages(contents: bytes) -> bool:
    """Whether a TIFF, GIF, PNG or WebP holds further pages or frames as large as the first; smaller ones are thumbnails."""
    if not contents.startswith(WITH_PAGES):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(contents)) as image:
                if image.format != "TIFF":
                    return image.is_animated
                size = image.size
                image.seek(1)  # "is_animated" would read through all pages
                return image.size == size
    except Exception:  # there is no second one, or it is damaged
        return False


def note_on_pages(paths: Sequence[str]) -> list[str]:
    """The sentence on images that ``has_more_pages`` found; nothing if there are none."""
    several = ("image holds several pages or frames", "images hold several pages or frames")
    return [f"{counted(len(paths), *several)} (such as {paths[0]}): the first is used"] if paths else []


def num_pages(file: Path) -> int:
    """The number of images in a file: 1 if it is not a TIFF, is broken, or has pages of several sizes (thumbnails)."""
    if file.suffix.lower() not in SUFFIXES:
        return 1
    try:
        with opened(file) as stack:
            sizes = [_at(stack, number).size for number in range(1, stack.n_frames + 1)]
    except OSError:  # reported when the image is read
        return 1
    return len(sizes) if len(set(sizes)) == 1 else 1


def read_page(page: Page) -> bytes:
    """One page as a TIFF file of its own, uncompressed, in the mode of the page; the bytes are the same each time.

    Raises:
        ImageError: the page is too large.
        OSError: the stack cannot be read, has no such page or is damaged there.
    """
    buffer = io.BytesIO()
    with opened(page.stack) as stack:
        stored = _at(stack, page.number)
        with memory_for(stored, Path(page.stack).stat().st_size):
            if is_deep_color(stored):
                return _deep_page(page)
            copy = stored.copy()
            copy.info = {}  # otherwise it would be compressed like the stack, perhaps with loss
            copy.save(buffer, "TIFF")
    return buffer.getvalue()


def _deep_page(page: Page) -> bytes:
    """A color page of more than 8 bits, of which Pillow would keep 8."""
    _, pages = cv2.imreadmulti(page.stack, page.number - 1, 1, flags=cv2.IMREAD_UNCHANGED)
    if not pages:
        raise OSError(f"page {page.number} is damaged, or of a kind that is not read")
    return cv2.imencode(".tiff", pages[0])[1].tobytes()


def in_pages(pairs: Iterable[tuple[Path, Path]]) -> tuple[Pairs, list[Problem]]:
    """Replace pairs of stacks by a pair for each page, in order; and problems with stacks of different lengths."""
    all_pairs, problems = [], []
    for image, mask in pairs:
        count, mask_count = num_pages(image), num_pages(mask)
        if count != mask_count:
            detail = f"the image has {count} pages, its mask {mask} has {mask_count}"
            problems.append(Problem("missing partner", str(image), detail))
        elif count == 1:
            all_pairs.append((image, mask))
        else:
            pages = range(1, count + 1)
            all_pairs += [(Path(Page(str(image), n).path()), Path(Page(str(mask), n).path())) for n in pages]
    return all_pairs, problems


def pairs_beside(files: Iterable[Path]) -> Pairs:
    """Pairs of ``x-volume.tif`` (or images) with ``x-labels.tif`` (or masks) in the same folder; also with an underscore."""
    images, masks = {}, {}
    for file in files:
        match = NAME_BESIDE.fullmatch(file.stem)
        if match and file.suffix.lower() in SUFFIXES:
            (images if match["images"] else masks)[file.parent, stem_of(file)] = file
    return [(image, masks[key]) for key, image in images.items() if key in masks]


def stem_of(file: Path) -> str:
    """``train`` for ``Train-volume.tif``; "" for other names."""
    match = NAME_BESIDE.fullmatch(file.stem)
    return (match["stem"] or "").lower() if match else ""


def _at(stack: Image.Image, number: int) -> Image.Image:
    try:
        stack.seek(number - 1)
    except EOFError as error:
        raise OSError(f"it has no page {number}") from error
    return stack
