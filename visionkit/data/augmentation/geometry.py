"""Boxes and keypoints under crops and mirroring. All coordinates are relative (0..1) to the image that holds them."""

from dataclasses import replace

import numpy as np

from visionkit.data.index import Objects

MIN_VISIBLE = 0.25  # share of a box that must stay in view: less of an object is not worth learning


def through_window(objects: Objects, window: np.ndarray, shape: tuple[int, int]) -> Objects:
    """The objects of an image that are visible in a window of it.

    Args:
        objects: objects of the image, cleaned (see ``boxes.cleaned``).
        window: ``[top, left, height, width]`` in pixels; it may reach beyond the image.
        shape: height and width of the image in pixels.

    Returns:
        objects of which at least ``MIN_VISIBLE`` lies in the window, relative to it and clipped. Keypoints outside are zeros.
    """
    return in_view(relative_to(objects, window, shape))


def relative_to(objects: Objects, window: np.ndarray, shape: tuple[int, int]) -> Objects:
    """The objects of an image relative to a window of it, or each to its own window ``(N, 4)``; see ``through_window``."""
    corner, sides = window[..., None, 1::-1], window[..., None, :1:-1]  # x before y; broadcast over the points of an object
    image = np.array([shape[1], shape[0]], np.float64)
    boxes = ((objects.boxes.reshape(-1, 2, 2) * image - corner) / sides).reshape(-1, 4)
    keypoints = objects.keypoints
    if keypoints is not None:
        keypoints = keypoints.copy()
        keypoints[..., :2] = (keypoints[..., :2] * image - corner) / sides
    return replace(objects, boxes=boxes, keypoints=keypoints, outlines=())


def into_frame(objects: Objects, frame: np.ndarray, size: int) -> Objects:
    """The objects of an image that was resized into a part of a larger square, relative to that square.

    Args:
        objects: objects with coordinates relative to the image.
        frame: ``[top, left, height, width]`` of that part in pixels; or one frame per object, ``(N, 4)``.
        size: side of the square in pixels.
    """
    corner, sides = frame[..., None, 1::-1] / size, frame[..., None, :1:-1] / size  # x before y
    keypoints = objects.keypoints
    if keypoints is not None:
        keypoints = keypoints.copy()
        keypoints[..., :2] = np.where(keypoints[..., 2:] > 0, keypoints[..., :2] * sides + corner, 0.0)
    boxes = (objects.boxes.reshape(-1, 2, 2) * sides + corner).reshape(-1, 4)
    return replace(objects, boxes=boxes, keypoints=keypoints, outlines=())


def in_view(objects: Objects) -> Objects:
    """The objects clipped to the view (0..1), without those that are hardly visible; keypoints outside are zeros."""
    clipped, rows = clip(objects)
    return clipped if len(rows) == len(clipped) else clipped.take(rows)


def clip(objects: Objects) -> tuple[Objects, np.ndarray]:
    """All objects clipped as by ``in_view``, and the rows of those that it keeps."""
    boxes = objects.boxes.clip(0, 1)
    visible = _areas(boxes) / np.maximum(_areas(objects.boxes), np.finfo(np.float64).tiny)
    keypoints = objects.keypoints
    if keypoints is not None:
        inside = ((keypoints[..., :2] >= 0) & (keypoints[..., :2] <= 1)).all(axis=-1, keepdims=True)
        keypoints = np.where(inside & (keypoints[..., 2:] > 0), keypoints, 0.0)
    return replace(objects, boxes=boxes, keypoints=keypoints), np.flatnonzero(visible >= MIN_VISIBLE)


def mirrored(objects: Objects) -> Objects:
    """The objects mirrored left to right. Keypoints keep their numbers: a left eye is then on the right."""
    boxes = objects.boxes[:, [2, 1, 0, 3]].copy()
    boxes[:, [0, 2]] = 1 - boxes[:, [0, 2]]
    keypoints = objects.keypoints
    if keypoints is not None:
        keypoints = keypoints.copy()
        keypoints[..., 0] = np.where(keypoints[..., 2] > 0, 1 - keypoints[..., 0], 0.0)
    return replace(objects, boxes=boxes, keypoints=keypoints)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
