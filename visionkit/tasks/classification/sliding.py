"""A classifier of windows on a large image: window by window, or all at once."""

import time
from functools import partial
from typing import NamedTuple

import keras
import numpy as np

from visionkit.models.fully_convolutional import convolutional, stride_of

BATCH = 256  # windows that are cut and classified together
TIMED = 3  # passes, of which the fastest counts


def by_cropping(classifier: keras.Model, image: np.ndarray) -> np.ndarray:
    """Cut every window and classify it.

    Args:
        classifier: as ``models.convolutional`` takes it, of windows ``(side, side, C)``.
        image: float32 ``(H, W, C)``.

    Returns:
        ``(rows, columns, num_classes)``, for windows ``stride_of(classifier)`` pixels apart.
    """
    side, stride = classifier.input_shape[1], stride_of(classifier)
    view = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))[::stride, ::stride]
    places = [divmod(place, view.shape[1]) for place in range(view.shape[0] * view.shape[1])]
    answers = []
    for start in range(0, len(places), BATCH):
        windows = [view[row, column].transpose(1, 2, 0) for row, column in places[start : start + BATCH]]
        answers.append(classifier.predict_on_batch(np.stack(windows)))
    return np.concatenate(answers).reshape(*view.shape[:2], -1)


class AtOnce:
    """The same answers from one pass of a convolutional network over the image.

    Args:
        classifier: as for ``by_cropping``.
    """

    def __init__(self, classifier: keras.Model):
        self._network = convolutional(classifier)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Float32 ``(H, W, C)`` to ``(rows, columns, num_classes)``."""
        return self._network.predict_on_batch(image[None])[0]


class Peaks(NamedTuple):
    """Windows that show an object: boxes int ``(N, 4)``, xyxy in pixels; classes int ``(N,)``, from 1; scores ``(N,)``."""

    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray


def peaks(probabilities: np.ndarray, *, side: int, stride: int, least: float = 0.5) -> Peaks:
    """The windows that are surest of an object, surest first, none of which overlaps a surer one by half a side or more.

    Args:
        probabilities: ``(rows, columns, num_classes)``; class 0 is the background.
        side: of a window in pixels.
        stride: between windows in pixels.
        least: probability.
    """
    scores, classes = probabilities[..., 1:].max(axis=-1), probabilities[..., 1:].argmax(axis=-1) + 1
    kept: list[tuple[int, int]] = []
    for place in np.argsort(-scores, axis=None, kind="stable"):
        row, column = divmod(int(place), scores.shape[1])
        if scores[row, column] < least:
            break
        if all(max(abs(row - r), abs(column - c)) * stride >= side / 2 for r, c in kept):
            kept.append((row, column))
    corners = stride * np.array(kept, int).reshape(-1, 2)[:, ::-1]
    rows, columns = np.array(kept, int).reshape(-1, 2).T
    return Peaks(np.concatenate([corners, corners + side], axis=1), classes[rows, columns], scores[rows, columns])


def heat_map(probabilities: np.ndarray, shape: tuple[int, int], *, side: int, stride: int) -> np.ndarray:
    """How sure the window around each pixel is of an object, float ``(H, W)``; 0 where no window has its middle.

    Args:
        probabilities: ``(rows, columns, num_classes)``; class 0 is the background.
        shape: height and width of the image.
        side: of a window in pixels.
        stride: between windows in pixels.
    """
    sure = np.kron(1 - probabilities[..., 0], np.ones((stride, stride)))
    heat, margin = np.zeros(shape), (side - stride) // 2
    heat[margin : margin + sure.shape[0], margin : margin + sure.shape[1]] = sure
    return heat


class Comparison(NamedTuple):
    """Both ways on the same images.

    Attributes:
        windows: of the first image.
        seconds_by_cropping, seconds_at_once: of the first image: the fastest of some passes.
        speed_up: the quotient.
        difference: the largest between their answers, of all windows of all images.
    """

    windows: int
    seconds_by_cropping: float
    seconds_at_once: float
    speed_up: float
    difference: float


def compare(classifier: keras.Model, images: list[np.ndarray]) -> tuple[Comparison, list[np.ndarray]]:
    """Compare both ways, each of which has seen the images before it is timed.

    Args:
        classifier: as for ``by_cropping``.
        images: float32 ``(H, W, C)``, at least one.

    Returns:
        the comparison, and the answers for each image.
    """
    ways = [partial(by_cropping, classifier), AtOnce(classifier)]
    cropped, at_once = ([way(image) for image in images] for way in ways)
    seconds = []
    for way in ways:
        began = [time.perf_counter()]
        for _ in range(TIMED):
            way(images[0])
            began.append(time.perf_counter())
        seconds.append(min(np.diff(began)))
    difference = max(float(np.abs(one - other).max()) for one, other in zip(cropped, at_once, strict=True))
    windows = cropped[0].shape[0] * cropped[0].shape[1]
    return Comparison(windows, *map(float, seconds), float(seconds[0] / seconds[1]), difference), at_once
