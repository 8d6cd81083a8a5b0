"""Known faces, kept on disk: names and templates, and no images. Who is it?

    gallery = Gallery.create("staff", GalleryFacts(fingerprint, dimensions=128, threshold=0.6))
    gallery.enrol("Ada", embeddings)            one template is enough; nothing is trained anew
    gallery.identify(embedding[None])[0].name   None: not recognized

Any number of threads and processes may read while one writes; writers wait for each other. Removing a person leaves nothing of
its templates in the folder; what a disk keeps of deleted files, and copies made elsewhere, are out of its reach.
"""

import difflib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.errors import UserError
from visionkit.faces.gallery_files import (
    IN_USE,
    GalleryMetadata,
    Version,
    is_gallery,
    one_writer,
    other_files,
    read_pointer,
    read_version,
    sweep,
    write_version,
)
from visionkit.faces.search import Templates

SAME_IMAGE = 1e-4  # of a template's length: what rounding may do to the embedding of an image that is enrolled again
MOST_COMPARED = 10_000  # names among which the nearest spelling is looked for


class Match(NamedTuple):
    """A person, and how far the nearest of its templates is, as Euclidean distance."""

    name: str
    distance: float


class Identified(NamedTuple):
    """Whose face it is.

    Attributes:
        name: the nearest person, if at most the threshold away; None: not recognized.
        nearest: the nearest people, recognized or not, nearest first; empty in an empty gallery.
    """

    name: str | None
    nearest: tuple[Match, ...]

    @property
    def distance(self) -> float | None:
        """To the nearest person; None in an empty gallery."""
        return self.nearest[0].distance if self.nearest else None


class Gallery:
    """A gallery that is open; made by ``Gallery.open`` or ``Gallery.create``. Threads may share it.

    Each answer is of the newest version on disk, whoever wrote it.

    Attributes:
        folder: where it lies.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._version = read_version(folder)
        self._ready: tuple[str, Templates, np.ndarray] | None = None  # what is searched: of which version, and whose it is

    @classmethod
    def open(cls, folder: str | Path, fingerprint: str | None = None) -> "Gallery":
        """Open a gallery.

        Args:
            folder: where it lies.
            fingerprint: of the model that is to be used with it; None asks for none.

        Raises:
            UserError: there is none, or another model made it.
            DamagedGalleryError: its files cannot be used.
        """
        gallery = cls(Path(folder))
        if fingerprint is not None:
            _check_model(gallery.folder, gallery.metadata, fingerprint)
        return gallery

    @classmethod
    def create(cls, folder: str | Path, metadata: GalleryMetadata, *, exist_ok: bool = False) -> "Gallery":
        """Make an empty gallery, in a folder that its owner alone may read.

        Args:
            folder: where; parents are made.
            metadata: what it is for.
            exist_ok: where a gallery of the same model stands already, open that.

        Raises:
            UserError: a gallery stands there, or one of another model; or other files do; or ``metadata`` cannot be.
        """
        folder = Path(folder)
        if metadata.dimensions < 1 or not 0 < metadata.threshold < float("inf"):
            raise UserError(
                f"A gallery with {metadata.dimensions} dimensions and threshold {metadata.threshold}: expected positive ones."
            )
        if not is_gallery(folder) and (others := other_files(folder)):
            raise UserError(f"{folder} holds other files, such as {others[0]}; name a new folder for the gallery.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        with one_writer(folder):
            if not is_gallery(folder):
                write_version(folder, metadata, {}, np.zeros((0, metadata.dimensions), np.float32))
            elif not exist_ok:
                raise UserError(f"{folder} holds a gallery already; enrol into it, or name another folder.")
        return cls.open(folder, metadata.fingerprint)

    @property
    def metadata(self) -> GalleryMetadata:
        """What it is for: model, dimensions, threshold."""
        return self._version.metadata

    def names(self) -> list[str]:
        """Everyone, in the order of enrolment."""
        return list(self.counts())

    def counts(self) -> dict[str, int]:
        """How many templates each person has, in the order of enrolment."""
        return dict(self._newest().counts)

    def enrol(self, name: str, embeddings: np.ndarray) -> int:
        """Add templates of a person, new or known; one is enough.

        Args:
            name: any text that is not blank.
            embeddings: float32 ``(K, D)``, of the gallery's model.

        Returns:
            how many were added: a template that the person has already is not taken again.

        Raises:
            UserError: a name or embeddings that cannot be.
        """
        return int(self.enrol_many({name: embeddings})[name].sum())

    def enrol_many(self, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Add templates of several people in one step: of all, or, if something is wrong, of none; see ``enrol``.

        Returns:
            for each person, bool ``(K,)``: which were added.
        """
        checked = {_checked_name(name): self._checked(embeddings) for name, embeddings in people.items()}
        with one_writer(self.folder):
            version = self._newest()
            held, added = _by_person(version), {}
            for name, embeddings in checked.items():
                before = held.get(name, embeddings[:0])
                added[name] = _are_new(before, embeddings)
                held[name] = np.concatenate([before, embeddings[added[name]]])
            self._write(version, held)
        return added

    def remove(self, name: str) -> int:
        """Forget a person; then the folder holds none of its templates.

        Returns:
            how many the person had.

        Raises:
            UserError: no such person; or the person is forgotten, but another program has a file of the old version open, which
                Windows then does not delete: the message names it.
        """
        with one_writer(self.folder):
            version = self._newest()
            if name not in version.counts:
                raise UserError(f"{self.folder} knows no {name!r}{_nearest_name(name, version.counts)}")
            held = _by_person(version)
            del held[name]
            self._write(version, held)
            if left := sweep(self.folder, self._version.name, IN_USE):
                raise UserError(
                    f"{name!r} is removed, but {left[0]}, which another program has open, has its templates; delete it."
                )
        return version.counts[name]

    def identify(self, embeddings: np.ndarray, k: int = 5, *, threshold: float | None = None) -> list[Identified]:
        """Whose faces are these? A person is as near as the nearest of its templates.

        Args:
            embeddings: float32 ``(Q, D)``, of the gallery's model.
            k: how many of the nearest people are told.
            threshold: Euclidean distance up to which a face is recognized. Default: the gallery's.

        Returns:
            one answer for each row.

        Raises:
            UserError: embeddings of other dimensions, or not finite; ``k`` below 1.
        """
        if k < 1:
            raise UserError(f"The {k} nearest people: expected 1 or more.")
        embeddings, version = self._checked(embeddings), self._newest()
        threshold = version.metadata.threshold if threshold is None else threshold
        if not version.counts:
            return [Identified(None, ())] * len(embeddings)
        templates, people = self._searched(version)
        names = list(version.counts)
        # Among so many templates are k people, even where the k - 1 with the most templates have all of theirs in front.
        enough = 1 + sum(sorted(version.counts.values(), reverse=True)[: k - 1])
        answers = []
        for distances, places in zip(*templates.nearest(embeddings, enough), strict=True):
            persons, firsts = np.unique(people[places], return_index=True)
            order = np.argsort(firsts)[:k]
            nearest = tuple(Match(names[persons[i]], float(distances[firsts[i]])) for i in order)
            answers.append(Identified(nearest[0].name if nearest[0].distance <= threshold else None, nearest))
        return answers

    def _newest(self) -> Version:
        version = self._version
        if read_pointer(self.folder)[1] != version.name:
            newer = read_version(self.folder)
            _check_model(self.folder, newer.metadata, version.metadata.fingerprint)  # it may have been deleted and made anew
            self._version = version = newer
        return version

    def _write(self, version: Version, held: dict[str, np.ndarray]) -> None:
        held = {name: templates for name, templates in held.items() if len(templates)}
        counts = {name: len(templates) for name, templates in held.items()}
        if counts != version.counts:
            templates = np.concatenate([version.templates[:0], *held.values()])
            self._version = write_version(self.folder, version.metadata, counts, templates)

    def _searched(self, version: Version) -> tuple[Templates, np.ndarray]:
        """A version's templates made ready, kept until another is asked for; and the person of each."""
        ready = self._ready
        if ready is None or ready[0] != version.name:
            people = np.repeat(np.arange(len(version.counts)), list(version.counts.values()))
            self._ready = ready = (version.name, Templates(version.templates), people)
        return ready[1:]

    def _checked(self, embeddings: np.ndarray) -> np.ndarray:
        embeddings = np.asarray(embeddings, np.float32)
        dimensions = self.metadata.dimensions
        if embeddings.ndim != 2 or embeddings.shape[1] != dimensions:
            raise UserError(
                f"Embeddings of shape {embeddings.shape}; {self.folder} is of a model with {dimensions} numbers a face, "
                f"expected (faces, {dimensions})."
            )
        if not np.isfinite(embeddings).all():
            raise UserError("Embeddings with numbers that are not finite; expected what the gallery's model answers.")
        return embeddings


def _check_model(folder: Path, metadata: GalleryMetadata, fingerprint: str) -> None:
    if metadata.fingerprint != fingerprint:
        made_by = metadata.model or "the one that comes with an installed package"
        raise UserError(
            f"{folder} holds templates of another model than {fingerprint[:12]}...: {metadata.fingerprint[:12]}..., {made_by}. "
            "Use that one, or enrol with this one into a new gallery."
        )


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise UserError(f"A person named {name!r}: expected a text that is not blank.")
    return name


def _nearest_name(name: str, known: Mapping[str, int]) -> str:
    near = difflib.get_close_matches(name, list(known)[:MOST_COMPARED], n=1)
    return f"; is it {near[0]!r}?" if near else f"; it knows {len(known)} people, which visionkit faces list names."


def _by_person(version: Version) -> dict[str, np.ndarray]:
    ends = itertools.accumulate(version.counts.values())
    return {name: version.templates[end - count : end] for (name, count), end in zip(version.counts.items(), ends, strict=True)}


def _are_new(held: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Which of a person's templates differ from all that are held and all before them."""
    new = np.zeros(len(embeddings), bool)
    for row, embedding in enumerate(embeddings):
        known = np.concatenate([held, embeddings[:row][new[:row]]])
        new[row] = not (np.linalg.norm(known - embedding, axis=1) <= SAME_IMAGE * np.linalg.norm(embedding)).any()
    return new
