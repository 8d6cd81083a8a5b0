"""A gallery of known faces on disk: names and templates, and no images.

    gallery = Gallery.create("staff", GalleryMetadata(fingerprint, dimensions=128, threshold=0.6))
    gallery.enrol("Ada", embeddings)            one template is enough; nothing is trained
    gallery.identify(embedding[None])[0].name   None: not recognized

Any number of threads and processes may read while one writes; writers wait for each other. Removing a person deletes all of its
templates from the folder; copies made elsewhere, and deleted data that a disk still holds, are out of reach.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from visionkit.errors import UserError
from visionkit.faces.gallery_files import (
    IN_USE,
    GalleryMetadata,
    Version,
    discard,
    is_gallery,
    one_writer,
    other_files,
    read_pointer,
    read_version,
    remove_unused,
    room_needed,
    sweep,
    write_version,
)
from visionkit.faces.identified import Identified, Match, named_once
from visionkit.faces.names import by_person, canonical, is_blank, nearest_name, variants
from visionkit.faces.search import Templates

MAKE_ROOM = "Make room on its disk, and run the command again"
ENROL_AGAIN = f"the gallery is as it was before this step, with all that was reported as enrolled. {MAKE_ROOM}"
SAME_IMAGE = 1e-4  # of a template's length: largest rounding difference if an image is enrolled again


class Gallery:
    """An open gallery, from ``Gallery.open`` or ``Gallery.create``. Threads may share it.

    Every method uses the newest version on disk, whoever wrote it.

    Attributes:
        folder: folder of the gallery.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._version = read_version(folder)
        # Name of a version, its templates prepared for search, and the number of each template's person.
        self._prepared: tuple[str, Templates, np.ndarray] | None = None

    @classmethod
    def open(cls, folder: str | Path, fingerprint: str | None = None) -> "Gallery":
        """Open a gallery.

        Args:
            folder: folder of the gallery.
            fingerprint: fingerprint of the model in use; None skips the check that the gallery was made with it.

        Raises:
            UserError: there is no gallery, or another model made it.
            DamagedGalleryError: its files cannot be used.
        """
        gallery = cls(Path(folder))
        if fingerprint is not None:
            _check_model(gallery.folder, gallery.metadata, fingerprint)
        return gallery

    @classmethod
    def create(cls, folder: str | Path, metadata: GalleryMetadata, *, exist_ok: bool = False) -> "Gallery":
        """Create an empty gallery, in a folder that its owner alone may read.

        Args:
            folder: folder of the gallery; parents are created.
            metadata: model, dimensions and threshold.
            exist_ok: open an existing gallery of the same model.

        Raises:
            UserError: the folder holds a gallery (with ``exist_ok``: of another model) or other files; or ``metadata`` is
                invalid.
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
        try:
            with room_needed(folder, f"there is no gallery yet. {MAKE_ROOM}"), one_writer(folder):
                if not is_gallery(folder):
                    write_version(folder, metadata, {}, np.zeros((0, metadata.dimensions), np.float32))
                elif not exist_ok:
                    raise UserError(f"{folder} holds a gallery already; enrol into it, or name another folder.")
        except OSError:
            remove_unused(folder)
            raise
        return cls.open(folder, metadata.fingerprint)

    def discard_if_empty(self) -> bool:
        """Delete the gallery if nobody is in it, and its folder if nothing else is there; whether it was deleted."""
        with one_writer(self.folder):
            if self._newest().counts:
                return False
            discard(self.folder)
        remove_unused(self.folder)
        return True

    @property
    def metadata(self) -> GalleryMetadata:
        """Model, dimensions and threshold of the gallery."""
        return self._version.metadata

    def names(self) -> list[str]:
        """Names of all people, in the order of enrolment."""
        return list(self.counts())

    def counts(self) -> dict[str, int]:
        """Number of templates of each person, in the order of enrolment."""
        return dict(self._newest().counts)

    def enrol(self, name: str, embeddings: np.ndarray) -> int:
        """Add templates of a new or known person; one is enough.

        Args:
            name: any text that is not blank; spaces around it do not count, nor how its letters are encoded: see
                ``names.canonical``.
            embeddings: float32 ``(K, D)``, of the gallery's model.

        Returns:
            number of templates that were added; those that the person already has are not.

        Raises:
            UserError: the name is blank, or the embeddings have another shape or are not finite.
        """
        return int(self.enrol_many({name: embeddings})[name].sum())

    def enrol_many(self, people: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Add templates of several people in one step: after an error, none are added; see ``enrol``.

        Returns:
            for each name as it was given, bool ``(K,)``: which templates were added.
        """
        if blank := [name for name in people if isinstance(name, str) and is_blank(name)]:
            raise UserError(f"A person named {blank[0]!r}: expected a text that is not blank.")
        checked = {name: (canonical(name), self._checked(embeddings)) for name, embeddings in people.items()}
        with room_needed(self.folder, ENROL_AGAIN), one_writer(self.folder):
            version = self._newest()
            templates, added = by_person(version.counts, version.templates), {}
            for name, (person, embeddings) in checked.items():
                known = templates.get(person, embeddings[:0])
                added[name] = _are_new(known, embeddings)
                templates[person] = np.concatenate([known, embeddings[added[name]]])
            self._write(version, templates)
        return added

    def variants(self, name: str) -> list[str]:
        """Other people whose names differ from this one in case or invisible characters alone: perhaps the same person."""
        return variants(canonical(name), self.counts())

    def remove(self, name: str) -> int:
        """Remove a person; afterwards the folder holds none of its templates.

        Args:
            name: name of the person; all forms of it count, see ``names.canonical``.

        Returns:
            number of templates that the person had.

        Raises:
            UserError: there is no such person; or the person was removed, but another program has a file of the old version
                open, which Windows then does not delete: the message names it.
        """
        name = canonical(name)
        kept = f"{name!r} is still in the gallery, as its new version is written before the old one is deleted. {MAKE_ROOM}"
        with room_needed(self.folder, kept), one_writer(self.folder):
            version = self._newest()
            templates = by_person(version.counts, version.templates)
            if name not in templates:
                raise UserError(f"{self.folder} knows no {name!r}{nearest_name(name, version.counts)}")
            count = len(templates.pop(name))
            self._write(version, templates)
            if left := sweep(self.folder, self._version.name, IN_USE):
                raise UserError(
                    f"{name!r} is removed, but {left[0]}, which another program has open, has its templates; delete it."
                )
        return count

    def identify_together(
        self, embeddings: np.ndarray, k: int = 5, *, threshold: float | Sequence[float] | None = None
    ) -> list[Identified]:
        """Identify all faces of one image: no person is named twice, see ``identified.named_once``.

        Args:
            embeddings: float32 ``(Q, D)``, of the gallery's model.
            k: number of nearest people to return; there are more where it takes more to include the named one.
            threshold: distance up to which faces are recognized, or one for each. Default: the gallery's.

        Raises:
            UserError: see ``identify``.
        """
        threshold = self._newest().metadata.threshold if threshold is None else threshold
        thresholds = np.broadcast_to(np.asarray(threshold, np.float64), len(embeddings)).tolist()
        faces = self.identify(embeddings, max(k, len(embeddings)))
        return [face.shortened(k) for face in named_once(faces, thresholds)]

    def identify(self, embeddings: np.ndarray, k: int = 5, *, threshold: float | None = None) -> list[Identified]:
        """Identify faces. The distance of a person is that of the nearest of its templates.

        Args:
            embeddings: float32 ``(Q, D)``, of the gallery's model.
            k: number of nearest people to return.
            threshold: Euclidean distance up to which a face is recognized. Default: the gallery's.

        Returns:
            one result for each row.

        Raises:
            UserError: the embeddings have other dimensions or are not finite; or ``k`` is below 1.
        """
        if k < 1:
            raise UserError(f"The {k} nearest people: expected 1 or more.")
        embeddings, version = self._checked(embeddings), self._newest()
        threshold = version.metadata.threshold if threshold is None else threshold
        if not version.counts:
            return [Identified(None, ())] * len(embeddings)
        templates, people = self._prepare(version)
        names = list(version.counts)
        # This many templates belong to at least k people, even if all templates of the k - 1 largest people come first.
        enough = 1 + sum(sorted(version.counts.values(), reverse=True)[: k - 1])
        results = []
        for distances, places in zip(*templates.nearest(embeddings, enough), strict=True):
            persons, firsts = np.unique(people[places], return_index=True)
            order = np.argsort(firsts)[:k]
            nearest = tuple(Match(names[persons[i]], float(distances[firsts[i]])) for i in order)
            results.append(Identified(nearest[0].name if nearest[0].distance <= threshold else None, nearest))
        return results

    def _newest(self) -> Version:
        version = self._version
        if read_pointer(self.folder)[1] != version.name:
            newer = read_version(self.folder)
            _check_model(self.folder, newer.metadata, version.metadata.fingerprint)  # the gallery may have been replaced
            self._version = version = newer
        return version

    def _write(self, version: Version, templates: dict[str, np.ndarray]) -> None:
        templates = {name: rows for name, rows in templates.items() if len(rows)}
        counts = {name: len(rows) for name, rows in templates.items()}
        if counts != version.counts:
            all_rows = np.concatenate([version.templates[:0], *templates.values()])
            self._version = write_version(self.folder, version.metadata, counts, all_rows)

    def _prepare(self, version: Version) -> tuple[Templates, np.ndarray]:
        """A version's templates prepared for search, and the number of each one's person; the last version is cached."""
        prepared = self._prepared
        if prepared is None or prepared[0] != version.name:
            people = np.repeat(np.arange(len(version.counts)), list(version.counts.values()))
            self._prepared = prepared = (version.name, Templates(version.templates), people)
        return prepared[1:]

    def _checked(self, embeddings: np.ndarray) -> np.ndarray:
        embeddings = np.asarray(embeddings, np.float32)
        dimensions = self.metadata.dimensions
        if embeddings.ndim != 2 or embeddings.shape[1] != dimensions:
            raise UserError(
                f"Embeddings of shape {embeddings.shape}; the model of {self.folder} has {dimensions} numbers a face, "
                f"expected (faces, {dimensions})."
            )
        if not np.isfinite(embeddings).all():
            raise UserError("Embeddings with numbers that are not finite; expected embeddings of the gallery's model.")
        return embeddings


def _check_model(folder: Path, metadata: GalleryMetadata, fingerprint: str) -> None:
    if metadata.fingerprint != fingerprint:
        made_by = metadata.model or "the one that comes with an installed package"
        raise UserError(
            f"{folder} holds templates of another model than {fingerprint[:12]}...: {metadata.fingerprint[:12]}..., {made_by}. "
            "Use that one, or enrol with this one into a new gallery."
        )


def _are_new(stored: np.ndarray, embeddings: np.ndarray) -> np.ndarray:
    """Which embeddings differ from all stored templates of the person and from all embeddings before them."""
    new = np.zeros(len(embeddings), bool)
    for row, embedding in enumerate(embeddings):
        known = np.concatenate([stored, embeddings[:row][new[:row]]])
        new[row] = not (np.linalg.norm(known - embedding, axis=1) <= SAME_IMAGE * np.linalg.norm(embedding)).any()
    return new
