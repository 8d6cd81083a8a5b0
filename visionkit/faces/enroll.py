"""Images of people into a gallery.

PEOPLE/<person>/...      any number of images; train/ and val/ may stand in between
PEOPLE/<person>.jpg      a single image
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.identities import read_identities
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.index import DataError
from visionkit.errors import UserError
from visionkit.faces.gallery import Gallery
from visionkit.faces.reader import FaceReader
from visionkit.inference.predictor import Unreadable

WRITTEN_AT_ONCE = 64  # images; what an interrupted program has not yet written is lost


class Enrolled(NamedTuple):
    """What became of one image.

    Attributes:
        path: of the image.
        name: the person.
        num_faces: on the image; the principal one counts.
        is_new: whether the gallery did not have this face of the person before.
    """

    path: str
    name: str
    num_faces: int
    is_new: bool


def list_people(source: str | Path) -> list[tuple[str, Path]]:
    """A person's name and an image of it, for all images; none is opened.

    Args:
        source: a folder as above, or one image, named after the person.

    Raises:
        UserError: no images there.
    """
    source = Path(source)
    if source.is_file():
        return [(source.stem, source)]
    if not source.is_dir():
        raise UserError(f"{source}: no such folder or image. Expected a folder a person, or images named after people.")
    people = [
        (path.stem, path)
        for path in sorted(source.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    ]
    try:
        found = read_identities(source)
    except DataError as error:
        if not people:
            raise UserError(f"{source}: no images. Expected a folder a person, or images named after people.") from error
        return people
    for index in found.splits.values():
        people += [(found.class_names[label], Path(path)) for path, label in zip(index.paths, index.labels, strict=True)]
    return people


def enrol_images(gallery: Gallery, reader: FaceReader, people: Sequence[tuple[str, Path]]) -> Iterator[Enrolled | Unreadable]:
    """Embed the principal face of each image and add it to the gallery.

    Args:
        gallery: of the reader's model.
        reader: finds and embeds faces.
        people: as ``list_people`` says.

    Yields:
        for each image in order, after it is on disk, what became of it.
    """
    read = zip((name for name, _ in people), reader.read((path for _, path in people), principal_only=True), strict=True)
    while some := list(islice(read, WRITTEN_AT_ONCE)):
        rows = defaultdict(list)
        for name, faces in some:
            if not isinstance(faces, Unreadable):
                rows[name].append(faces.embeddings[0])
        added = {name: iter(new) for name, new in gallery.enrol_many({n: np.stack(r) for n, r in rows.items()}).items()}
        for name, faces in some:
            if isinstance(faces, Unreadable):
                yield faces
            else:
                yield Enrolled(faces.path, name, len(faces.faces), bool(next(added[name])))
