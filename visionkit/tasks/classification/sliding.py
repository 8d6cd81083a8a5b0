"""A classifier of windows on a large image: window by window, or all at once."""

import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import keras
import numpy as np

from visionkit.models.fully_convolutional import convolutional, stride_of
from visionkit.viz.annotate import draw_heat

BATCH = 256  # windows that are cut and classified together
TIMED = 3  # passes, of which the fastest counts


def by_cropping(classifier: keras.Model, image: np.ndarray) -> np.ndarray:
    """Cut every window and classify it.

    Args:
        classifier: a classifier of windows ``(side, side, C)`` that ``fully_convolutional.convolutional`` can convert.
        image: float32 ``(H, W, C)``.

    Returns:
        ``(rows, columns, num_classes)``, for windows ``stride_of(classifier)`` pixels apart.
    """
    side, stride = classifier.input_shape[1], stride_of(classifier)
    view = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(0, 1))[::stride, ::stride]
    places = [divmod(place, view.shape[1]) for place in range(view.shape[0] * view.shape[1])]
    predictions = []
    for start in range(0, len(places), BATCH):
        windows = [view[row, column].transpose(1, 2, 0) for row, column in places[start : start + BATCH]]
        predictions.append(classifier.predict_on_batch(np.stack(windows)))
    return np.concatenate(predictions).reshape(*view.shape[:2], -1)


class AtOnce:
    """The same predictions from one pass of a convolutional network over the image.

    Args:
        classifier: see ``by_cropping``.
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
    """The windows with the highest scores, the highest first, none of which overlaps a higher one by half a side or more.

    Args:
        probabilities: ``(rows, columns, num_classes)``; class 0 is the background.
        side: side of a window in pixels.
        stride: pixels from one window to the next.
        least: lowest probability.
    """
    scores, classes = probabilities[..., 1:].max(axis=-1), probabilities[..., 1:].argmax(axis=-1) + 1
    chosen: list[tuple[int, int]] = []
    for place in np.argsort(-scores, axis=None, kind="stable"):
        row, column = divmod(int(place), scores.shape[1])
        if scores[row, column] < least:
            break
        if all(max(abs(row - r), abs(column - c)) * stride >= side / 2 for r, c in chosen):
            chosen.append((row, column))
    corners = stride * np.array(chosen, int).reshape(-1, 2)[:, ::-1]
    rows, columns = np.array(chosen, int).reshape(-1, 2).T
    return Peaks(np.concatenate([corners, corners + side], axis=1), classes[rows, columns], scores[rows, columns])


def heat_map(probabilities: np.ndarray, shape: tuple[int, int], *, side: int, stride: int) -> np.ndarray:
    """The probability of an object in the window around each pixel, float ``(H, W)``; 0 where no window is centered.

    Args:
        probabilities: ``(rows, columns, num_classes)``; class 0 is the background.
        shape: height and width of the image.
        side: side of a window in pixels.
        stride: pixels from one window to the next.
    """
    enlarged = np.kron(1 - probabilities[..., 0], np.ones((stride, stride)))
    heat, margin = np.zeros(shape), (side - stride) // 2
    heat[margin : margin + enlarged.shape[0], margin : margin + enlarged.shape[1]] = enlarged
    return heat


class Comparison(NamedTuple):
    """Both ways on the same images.

    Attributes:
        windows: number of windows of the first image.
        seconds_by_cropping: for the first image, in the fastest of several passes.
        seconds_at_once: the same for one pass of the convolutional network.
        speed_up: the quotient of the two.
        difference: the largest absolute difference between their predictions for all windows of all images.
    """

    windows: int
    seconds_by_cropping: float
    seconds_at_once: float
    speed_up: float
    difference: float


def compare(classifier: keras.Model, images: list[np.ndarray]) -> tuple[Comparison, list[np.ndarray]]:
    """Compare both ways. Each is run on all images once before it is timed.

    Args:
        classifier: see ``by_cropping``.
        images: float32 ``(H, W, C)``, at least one.

    Returns:
        the comparison, and the predictions for each image, ``(rows, columns, num_classes)``.
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


def draw_peaks(
    image: np.ndarray, logits: np.ndarray, class_names: Sequence[str], *, side: int, stride: int
) -> tuple[np.ndarray, str]:
    """Draw the probability of an object as heat, and a box around each peak.

    Args:
        image: uint8 ``(H, W, 3)``.
        logits: ``(rows, columns, num_classes)``; class 0 is the background.
        class_names: names of the classes.
        side: side of a window in pixels.
        stride: pixels from one window to the next.

    Returns:
        the drawn image, and a caption.
    """
    from visionkit.viz.boxes import draw_boxes  # supervision takes a second to import

    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    found = peaks(probabilities, side=side, stride=stride)
    heat = draw_heat(image, heat_map(probabilities, image.shape[:2], side=side, stride=stride))
    boxes = found.boxes / np.tile(image.shape[1::-1], 2)
    return draw_boxes(heat, boxes, found.classes, class_names), f"{len(boxes)} peaks"
