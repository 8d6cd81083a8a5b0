"""What all bundles in memory share: images come from files, by all cores and in order, and the unreadable are told."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import tensorflow as tf

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.listing import list_images
from visionkit.errors import UserError

Answer = TypeVar("Answer")


class Unreadable(NamedTuple):
    """An image that could not be read, and why."""

    path: str
    error: str


class Predictor(ABC, Generic[Answer]):
    """A bundle in memory.

    Attributes:
        labels: the classes, in the order of their numbers.
        metadata: the bundle's description: base, size, metrics, ...
    """

    def __init__(self, folder: Path, metadata: dict):
        self.metadata = metadata
        self.labels = tuple(metadata["labels"])
        self._model = tf.saved_model.load(str(folder))

    def predict(self, image: str | Path | np.ndarray, **options: Any) -> Answer:
        """The answer to one image.

        Args:
            image: a file, or uint8 RGB pixels ``(H, W, 3)``.
            options: of this kind of model.

        Raises:
            ImageError, ArrayError: the file cannot be read.
            ValueError: pixels of another shape or type.
        """
        if not isinstance(image, np.ndarray):
            return self._answer(str(image), self._read(image), **options)
        return self._answer("", self._checked(image), **options)

    def predict_many(self, paths: Iterable[str | Path], **options: Any) -> Iterator[Answer | Unreadable]:
        """The answers to files, on all cores; yields in order, an ``Unreadable`` for each that cannot be read."""
        return self.each(paths, lambda path, pixels: self._answer(path, pixels, **options))

    def each(self, paths: Iterable[str | Path], do: Callable[[str, np.ndarray], Any]) -> Iterator[Any]:
        """What ``do`` makes of the path and the pixels of each file, on all cores and in order; or ``Unreadable``."""

        def read_and_do(path):
            try:
                return do(str(path), self._read(path))
            except (ImageError, UserError) as error:
                return Unreadable(str(path), str(error))

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(read_and_do, paths)

    def list_files(self, folder: Path) -> list[Path]:
        """All files below a folder that this model may read, by name."""
        return list_images(folder)[0]

    def show(self, path: str | Path) -> np.ndarray:
        """A file as people look at it, uint8 RGB ``(H, W, 3)``."""
        return self._read(path)

    @abstractmethod
    def _answer(self, path: str, pixels: np.ndarray, **options: Any) -> Answer:
        """What this kind of model makes of the pixels of an image."""

    def _read(self, path: str | Path) -> np.ndarray:
        return read_image(path)

    def _checked(self, image: np.ndarray) -> np.ndarray:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
            raise ValueError(f"Expected uint8 pixels (H, W, 3), received {image.dtype} {image.shape}.")
        return image
