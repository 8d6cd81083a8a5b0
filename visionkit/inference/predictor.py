"""What all predictors share: they take images in any form, use all cores, keep the order, and report unreadable files."""

import functools
import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Generic, Literal, NamedTuple, Self, TypeVar

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from visionkit.bundle_files import EXTRA
from visionkit.data.images.budget import decoding
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.listing import list_files, list_images
from visionkit.data.images.to_pixels import to_pixels
from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.inference.output import (
    MEANT_FOR,
    OutputLine,
    PredictOptions,
    drawing_names,
    refuse_overwriting,
    unreadable,
)
from visionkit.inference.results import Result
from visionkit.inference.saved_model import check_metadata, load_saved_model
from visionkit.models.network_files import read_network
from visionkit.viz.labels import encode_png

AnyResult = TypeVar("AnyResult", bound=Result)
Kind = Literal["classes", "boxes", "masks", "features"]  # what is explained
AnyImage = str | os.PathLike | np.ndarray | Image.Image | bytes | BinaryIO


class Unreadable(NamedTuple):
    """An image that could not be read, and why."""

    path: str
    error: str


class Explainable(NamedTuple):
    """The function that ``visionkit understand`` differentiates, and the preprocessing before it.

    Attributes:
        kind: the kind of output that is explained.
        labels: the classes; none where the model has none.
        size: side of the network's input in pixels.
        see: maps uint8 ``(H, W, 3)`` and the side to the network's input, float32 ``(side, side, 3)``.
        outputs: maps a batch of the network's inputs to its outputs; for boxes, to the boxes and their scores.
        takes_images: whether ``outputs`` takes raw uint8 images instead.
    """

    kind: Kind
    labels: tuple[str, ...]
    size: int
    see: Callable[[np.ndarray, int], Any]
    outputs: Callable[[tf.Tensor], Any]
    takes_images: bool = False


class Predictor(ABC, Generic[AnyResult]):
    """A bundle in memory; made by ``visionkit.load``.

    Attributes:
        TASK: the task that the ``bundle.json`` of such models names.
        OPTIONS: the options of ``visionkit predict``, besides draw and top, that this kind of model has.
        VIDEOS: whether it also takes videos and cameras.
        FUNCTIONS: the functions that a bundle of this kind has.
        labels: the classes, in the order of their numbers.
        metadata: ``bundle.json``: base, size, metrics, ...
    """

    TASK: str = ""
    OPTIONS: frozenset[str] = frozenset()
    VIDEOS = False
    FUNCTIONS: tuple[str, ...] = ("serve_images",)

    def __init__(self, folder: Path, metadata: dict[str, Any], *, trust: bool = False):
        self.folder, self.metadata = folder, metadata
        self.labels = tuple(metadata["labels"])
        self._model = load_saved_model(folder, trust=trust)
        check_metadata(folder, self._model, metadata, self.FUNCTIONS)

    @functools.cached_property
    def keras_model(self) -> keras.Model:
        """The network that was trained, not compiled, with its weights at half of their digits: to train on from.

        It takes what the network takes (pixels of the model's size, say), and returns logits: what prepares images and what
        makes answers of logits is in the exported graph alone. Freeze layers as you like, compile and fit; or let
        ``visionkit train ... --from`` do it.

        Raises:
            UserError: the bundle keeps no network, or its files are damaged.
        """
        return read_network(self.folder / EXTRA)

    @classmethod
    def open(cls, folder: Path, metadata: dict[str, Any], *, trust: bool = False) -> Self:
        """The predictor for a bundle of this task, which may be a subclass of this one; for ``trust`` see ``load``."""
        return cls(folder, metadata, trust=trust)

    def predict(self, image: AnyImage, **options: Any) -> AnyResult:
        """The prediction for one image.

        Args:
            image: a path; pixels ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA, uint8 or uint16; a PIL
                image; the bytes of an image file, or a file object that holds them. All are converted alike.
            options: options of this kind of model.

        Raises:
            ImageError, ArrayError: the input cannot be read, or is empty, or has another shape or dtype.
        """
        if isinstance(image, str | os.PathLike):
            path = os.fspath(image)
            with decoding().kept():  # other threads wait before they decode large images
                try:
                    values = self._read(image)
                except (ImageError, UserError) as error:
                    raise type(error)(f"{path}: {error}") from error
                return replace(self._predict(path, values, **options), source=image, predictor=self)
        values = self._checked(image)  # a file object is read once
        return replace(self._predict("", values, **options), source=values, predictor=self)

    def predict_many(self, images: str | os.PathLike | Iterable[AnyImage], **options: Any) -> Iterator[AnyResult | Unreadable]:
        """The predictions for many images, on all cores and in order; an ``Unreadable`` for each that cannot be read.

        Args:
            images: a folder, or an iterable of what ``predict`` takes; a few are read ahead.
            options: options of this kind of model.

        Raises:
            UserError: one image is given: its rows or bytes would be taken for images.
        """
        if isinstance(images, str | os.PathLike):
            images = list_files([os.fspath(images)], self.list_files)
        elif isinstance(images, bytes | bytearray | Image.Image) or hasattr(images, "read") or self._is_one(images):
            raise UserError(f"predict_many received one image ({type(images).__name__}), expected several: call predict.")

        def predict_or_report(image: AnyImage) -> AnyResult | Unreadable:
            try:
                return self.predict(image, **options)
            except (ImageError, UserError) as error:
                path = os.fspath(image) if isinstance(image, str | os.PathLike) else ""
                return Unreadable(path, str(error).removeprefix(f"{path}: "))

        return map_in_order(predict_or_report, images)

    @property
    def inputs(self) -> list[tf.TensorSpec]:
        """What the model's signature takes; an axis of any length is None."""
        return list(self._model.signatures["serving_default"].structured_input_signature[1].values())

    def list_files(self, folder: Path) -> list[Path]:
        """All files below a folder that this model may read, by name."""
        return list_images(folder)[0]

    def show(self, source: Any) -> np.ndarray:
        """The input of a prediction, a path or values, as an image for people: uint8 RGB ``(H, W, 3)``."""
        return self._read(source) if isinstance(source, str | os.PathLike) else source

    def draw(self, result: AnyResult, **options: Any) -> Image.Image:
        """The prediction drawn on its image, signal or volume.

        Raises:
            UserError: there is nothing to draw.
        """
        raise UserError(f"A result of {self.metadata['task']} cannot be drawn.")

    def check(self, options: PredictOptions) -> None:
        """Check the options of ``visionkit predict``.

        Raises:
            UserError: an option is not for this kind of model.
        """
        for name, task in MEANT_FOR.items():
            if getattr(options, name) is not None and name not in self.OPTIONS:
                raise UserError(f"--{name} is for {task}; this model does {self.metadata['task']}.")

    def outputs(self, files: list[str], options: PredictOptions) -> Iterator[OutputLine]:
        """The output lines of ``visionkit predict`` for each file, in order; drawings are written.

        Raises:
            UserError: the options and the files do not fit together.
        """
        drawings = drawing_names(files)
        if options.draw is not None:
            refuse_overwriting(files, (options.draw / name for name in drawings))
            options.draw.mkdir(parents=True, exist_ok=True)
        for result, name in zip(self.predict_many(files, **self.arguments(options)), drawings, strict=True):
            if isinstance(result, Unreadable):
                yield unreadable(result)
                continue
            if options.draw is not None:
                write_atomically(options.draw / name, encode_png(self._drawn(result, options)))
            yield self.line(result, options)

    def arguments(self, options: PredictOptions) -> dict[str, Any]:
        """The options of ``visionkit predict`` as arguments of ``predict``."""
        return {}

    @abstractmethod
    def line(self, result: AnyResult, options: PredictOptions) -> OutputLine:
        """The output line of ``visionkit predict`` for one image."""

    def explained(self) -> Explainable | None:
        """What ``visionkit understand`` needs; None where the model does not see images.

        Raises:
            UserError: the model cannot be explained; the message says why.
        """
        return None

    def _drawn(self, result: AnyResult, options: PredictOptions) -> Image.Image:
        return result.plot()

    @abstractmethod
    def _predict(self, path: str, values: np.ndarray, **options: Any) -> AnyResult:
        """The result for what ``_read`` or ``_checked`` returns."""

    def _read(self, path: str | os.PathLike) -> np.ndarray:
        return read_image(path)

    def _checked(self, image: Any) -> np.ndarray:
        return to_pixels(image)

    def _is_one(self, images: Any) -> bool:
        """Whether an array is one image rather than several of them."""
        return isinstance(images, np.ndarray) and (images.ndim == 2 or (images.ndim == 3 and images.shape[-1] in (1, 3, 4)))


def map_in_order(function: Callable[[Any], AnyResult], items: Iterable, most: int | None = None) -> Iterator[AnyResult]:
    """Call ``function`` for each item, on all cores and in order.

    Args:
        function: the function.
        items: read as their results are asked for, so that there may be any number of them.
        most: how many results wait to be asked for. Default: two for each core.
    """
    cores = os.cpu_count() or 1
    waiting: deque[Future] = deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= (most or 2 * cores):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
