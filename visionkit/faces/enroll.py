"""Enrol images of people into a gallery.

PEOPLE/<person>/...      any number of images; or PEOPLE/train/<person>/ and PEOPLE/val/<person>/
PEOPLE/<person>.jpg      a single image
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.class_folders import visible_folders
from visionkit.data.formats.identities import read_identities
from visionkit.data.images.decode import IMAGE_SUFFIXES
from visionkit.data.images.listing import list_images
from visionkit.data.index import DataError
from visionkit.errors import UserError
from visionkit.faces.face import FAIR
from visionkit.faces.gallery import Gallery
from visionkit.faces.identified import Match
from visionkit.faces.names import canonical, is_blank
from visionkit.faces.reader import FaceReader, FacesRead
from visionkit.inference.predictor import Unreadable

WRITTEN_AT_ONCE = 64  # images; an interrupted program loses at most these


class Enrolled(NamedTuple):
    """Outcome for one image.

    Attributes:
        path: path of the image.
        name: name of the person.
        num_faces: number of faces on the image, of which the principal one was enrolled.
        is_new: whether this template of the person is new to the gallery.
        known_as: another person that was enrolled before, and whose face this one is within the gallery's threshold.
    """

    path: str
    name: str
    num_faces: int
    is_new: bool
    known_as: Match | None = None


def list_people(source: str | Path) -> list[tuple[str, Path]]:
    """List all images with the names of their people; no image is opened.

    Args:
        source: a folder as above, or one image that is named after the person.

    Raises:
        UserError: there are no images.
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
        data = read_identities(source)
    except DataError as error:
        if people:
            return people
        if any(list_images(child)[0] for child in visible_folders(source, [])):
            raise  # the error says what else than people the folders seem to be
        raise UserError(f"{source}: no images. Expected a folder a person, or images named after people.") from error
    for index in data.splits.values():
        people += [(data.class_names[label], Path(path)) for path, label in zip(index.paths, index.labels, strict=True)]
    return people


def enrol_images(gallery: Gallery, reader: FaceReader, people: Sequence[tuple[str, Path]]) -> Iterator[Enrolled | Unreadable]:
    """Embed the principal face of each image and add it to the gallery, if it is clear: see ``face.FAIR``.

    Args:
        gallery: a gallery of the reader's model.
        reader: finds and embeds faces.
        people: names and images, from ``list_people``.

    Yields:
        first the images whose name is blank; then the outcome for each other image in order, after its template is on disk.

    Raises:
        OSError: the gallery cannot be written.
    """
    yield from (_nameless(name, path) for name, path in people if is_blank(name))
    people = [(canonical(name), path) for name, path in people if not is_blank(name)]
    read = map(_clear, reader.read((path for _, path in people), principal_only=True))
    pairs = zip((name for name, _ in people), read, strict=True)
    while group := list(islice(pairs, WRITTEN_AT_ONCE)):
        found = [(name, faces) for name, faces in group if not isinstance(faces, Unreadable)]
        known_as = iter(_known_as(gallery, found))  # before they are enrolled themselves
        rows = defaultdict(list)
        for name, faces in found:
            rows[name].append(faces.embeddings[0])
        added = {name: iter(new) for name, new in gallery.enrol_many({n: np.stack(r) for n, r in rows.items()}).items()}
        for name, faces in group:
            if isinstance(faces, Unreadable):
                yield faces
            else:
                yield Enrolled(faces.path, name, len(faces.faces), bool(next(added[name])), next(known_as))


def _nameless(name: str, path: Path) -> Unreadable:
    what = "the file" if path.stem == name else "the folder"
    return Unreadable(str(path), f"the name of {what}, {name!r}, is blank, and would be the person's; rename it")


def _clear(faces: FacesRead | Unreadable) -> FacesRead | Unreadable:
    """Refuse a face that may be a piece of background; nobody would recognise the person by it."""
    if isinstance(faces, Unreadable) or faces.faces[0].score >= FAIR:
        return faces
    return Unreadable(faces.path, f"no clear face: its score is {faces.faces[0].score:.2f}, and {FAIR} is needed to enrol")


def _known_as(gallery: Gallery, group: Sequence[tuple[str, FacesRead]]) -> list[Match | None]:
    """For each face, the nearest other person within the threshold: of the gallery, or of the faces before it in the group."""
    if not group:
        return []
    embeddings = np.stack([faces.embeddings[0] for _, faces in group])
    names, nearest = [name for name, _ in group], []
    for row, known in enumerate(gallery.identify(embeddings, 2)):
        distances = np.linalg.norm(embeddings[:row] - embeddings[row], axis=1).tolist()
        matches = [*known.nearest, *map(Match, names, distances)]
        others = [match for match in matches if match.name != names[row] and match.distance <= gallery.metadata.threshold]
        nearest.append(min(others, key=lambda match: match.distance, default=None))
    return nearest
