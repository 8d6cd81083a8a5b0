"""Read image files, and find and embed the faces on them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from visionkit.data.images.decode import ImageError, read_image
from visionkit.errors import UserError
from visionkit.faces.detector import Face, FaceFinder
from visionkit.inference.predictor import Unreadable

if TYPE_CHECKING:
    from visionkit.tasks.embedding.predict import Embedder

IMAGES_AT_ONCE = 8  # in memory
FACES_AT_ONCE = 16  # in a batch for the embedder
NO_FACE = "no face found"


class Finder(Protocol):
    """Interface to find faces and cut them out; see ``FaceFinder``."""

    def find_many(self, images: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        """Find the faces on each image, the principal one first."""

    def chip(self, pixels: np.ndarray, face: Face, size: int) -> np.ndarray:
        """Cut out a face upright."""


class FacesRead(NamedTuple):
    """The faces on one image.

    Attributes:
        path: path of the image.
        pixels: uint8 ``(H, W, 3)``.
        faces: one or more, the principal one first.
        embeddings: float32 ``(N, D)`` of all faces, or of the principal one alone with ``principal_only``.
    """

    path: str
    pixels: np.ndarray
    faces: list[Face]
    embeddings: np.ndarray


class FaceReader:
    """Finds, aligns and embeds faces.

    The embedder's ``metadata["alignment"]`` is "mtcnn", or None for models that take each whole image for one face.

    Args:
        embedder: a bundle of the task "embedding", from ``visionkit.load``.
        finder: finds the faces. Default: a ``FaceFinder``, if the model needs alignment.

    Raises:
        UserError: the model does not embed, or needs another alignment; or mtcnn is not installed.
    """

    def __init__(self, embedder: "Embedder", finder: Finder | None = None):
        metadata = embedder.metadata
        if metadata.get("task") != "embedding":
            raise UserError(f"The model does {metadata.get('task')!r}; expected one that embeds faces.")
        if metadata.get("alignment") not in (None, "mtcnn"):
            raise UserError(
                f"The model wants faces aligned by {metadata['alignment']!r}; this version of visionkit knows mtcnn."
            )
        self.embedder = embedder
        self._finder = None if metadata.get("alignment") is None else finder or FaceFinder()

    def read(self, paths: Iterable[str | Path], *, principal_only: bool = False) -> Iterator[FacesRead | Unreadable]:
        """Read the faces on each image, in order.

        Args:
            paths: paths of images.
            principal_only: embed only the principal face of each image.

        Yields:
            the faces; ``Unreadable`` for a file that is no image, and for an image without a face.
        """
        paths = iter(paths)
        with ThreadPoolExecutor(min(IMAGES_AT_ONCE, os.cpu_count() or 1)) as pool:
            while group := [str(path) for path in islice(paths, IMAGES_AT_ONCE)]:
                yield from self._read_group(group, list(pool.map(_read_pixels, group)), principal_only)

    def _read_group(
        self, paths: Sequence[str], images: Sequence[np.ndarray | Unreadable], principal_only: bool
    ) -> Iterator[FacesRead | Unreadable]:
        readable = [pixels for pixels in images if not isinstance(pixels, Unreadable)]
        faces_of_readable = iter(self._find(readable))
        rows, chips = [], []
        for path, pixels in zip(paths, images, strict=True):
            faces = [] if isinstance(pixels, Unreadable) else next(faces_of_readable)
            selected = faces[:1] if principal_only else faces
            rows.append((path, pixels, faces, len(selected)))
            chips += [self.cut(pixels, face) for face in selected]
        embeddings, start = self._embed(chips), 0
        for path, pixels, faces, count in rows:
            if isinstance(pixels, Unreadable):
                yield pixels
            elif not faces:
                yield Unreadable(path, NO_FACE)
            else:
                yield FacesRead(path, pixels, faces, embeddings[start : start + count])
            start += count

    def _find(self, images: Sequence[np.ndarray]) -> Iterable[list[Face]]:
        return map(_whole_image, images) if self._finder is None else self._finder.find_many(images)

    def cut(self, pixels: np.ndarray, face: Face) -> np.ndarray:
        """Cut out a face as the model sees it, uint8: an aligned square, or the whole image."""
        return pixels if self._finder is None else self._finder.chip(pixels, face, self.embedder.metadata["size"])

    def _embed(self, chips: Sequence[np.ndarray]) -> np.ndarray:
        """Embed images, float32 ``(N, D)``; consecutive images of one size form batches."""
        parts = [np.zeros((0, self.embedder.metadata["dimensions"]), np.float32)]
        for _, group in groupby(chips, lambda pixels: pixels.shape):
            while batch := list(islice(group, FACES_AT_ONCE)):
                parts.append(self.embedder.embed(np.stack(batch)))
        return np.concatenate(parts)


def _read_pixels(path: str) -> np.ndarray | Unreadable:
    try:
        return read_image(path)
    except ImageError as error:
        return Unreadable(path, str(error))


def _whole_image(pixels: np.ndarray) -> list[Face]:
    return [Face((0.0, 0.0, float(pixels.shape[1]), float(pixels.shape[0])), 1.0, np.zeros((0, 2)))]
