"""The folders of a data set, with the images and the other files in each."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.listing import is_hidden

LARGEST_LIST = 50_000_000  # bytes of a table or list that is looked into


class Place(NamedTuple):
    """A folder: its path, the same without links, the names of its images and of its other files, or why they are unknown."""

    parent: str
    real: str
    images: list[str]
    others: list[str]
    reason: str = ""


def walk(folder: Path) -> list[Place]:
    """A folder and all below it, in order, without hidden files and without links to folders."""
    places = []

    def unlisted(error: OSError) -> None:
        places.append(Place(error.filename, error.filename, [], [], error.strerror or str(error)))

    for parent, folders, names in os.walk(folder, onerror=unlisted):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        images, others = [], []
        for name in sorted(names):
            if not is_hidden(name):
                (images if is_image(name) else others).append(name)
        places.append(Place(parent, os.path.realpath(parent), images, others))
    return places


def is_image(name: str) -> bool:
    """Whether a file has the suffix of an image."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122 - a Path costs more


def stem_in(entry: str) -> str:
    """The name of a file in a path, without the suffix of an image."""
    name = re.split(r"[/\\]", entry)[-1]
    return os.path.splitext(name)[0] if is_image(name) else name  # noqa: PTH122
