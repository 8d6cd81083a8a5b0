"""The folders of a data set, with the images and the other files in each."""

import os
from pathlib import Path
from typing import NamedTuple

from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.listing import is_hidden


class Place(NamedTuple):
    """A folder: its path, the same without links, and the names of its images and of its other files."""

    parent: str
    real: str
    images: list[str]
    others: list[str]


def walk(folder: Path) -> list[Place]:
    """A folder and all below it, in order, without hidden files and without links to folders."""
    places = []
    for parent, folders, names in os.walk(folder):
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
