"""Random windows: the part of an image that a network sees in training, and its position in the network's input.

A window is ``[top, left, height, width]`` in pixels. Both training (a random window) and serving (``resize.center_crop``,
``resize.letterbox``) crop first and resize once. Training decodes only the window of a JPEG, at a fraction of its size if that
is enough.
"""

import numpy as np

MOST_OBLONG = 4 / 3  # largest ratio of the sides of a random window
TRIES = 10  # attempts to find a random window that fits into the image


def random_windows(shapes: np.ndarray, drawn: np.ndarray, area: tuple[float, float]) -> np.ndarray:
    """A random part of each image, as in the training of Inception (https://arxiv.org/abs/1409.4842).

    Args:
        shapes: ``(N, 2)``, heights and widths in pixels.
        drawn: ``(N, 2 * tries + 2)``, uniform in 0..1, from which the windows follow: share and aspect ratio of each try, then
            the corner. The first try that fits into the image is used.
        area: bounds of a window's share of the image's area. Its aspect ratio lies between 3/4 and 4/3. If no try fits, the
            window is the largest with such a ratio.

    Returns:
        int32 ``(N, 4)``: top, left, height, width, inside the images.
    """
    share, log_ratio = drawn[:, :-2:2], drawn[:, 1:-2:2]
    pixels = (area[0] + share * (area[1] - area[0])) * shapes.prod(axis=1, dtype=np.float64)[:, None]
    ratio = MOST_OBLONG ** (2 * log_ratio - 1)
    tried = np.stack([np.sqrt(pixels / ratio), np.sqrt(pixels * ratio)], axis=2).round()  # (N, tries, 2)
    fits = (tried <= shapes[:, None]).all(axis=2)
    sides = tried[np.arange(len(shapes)), fits.argmax(axis=1)]
    largest = np.minimum(shapes, np.round(shapes[:, ::-1] * MOST_OBLONG))
    sides = np.maximum(np.where(fits.any(axis=1)[:, None], sides, largest), 1)
    corners = np.floor(drawn[:, -2:] * (shapes - sides + 1))
    return np.concatenate([corners, sides], axis=1).astype(np.int32)


def random_squares(
    shapes: np.ndarray, drawn: np.ndarray, bounds: tuple[float, float], of: np.ndarray | int | None = None
) -> np.ndarray:
    """A random square window of each image, which keeps its proportions: for boxes, masks and keypoints.

    Args:
        shapes: ``(N, 2)``, heights and widths in pixels.
        drawn: ``(N, 3)``, uniform in 0..1: side and corner.
        bounds: bounds of the window's side, as a share of ``of``. A window that is larger than the image shows padding.
        of: reference side in pixels; None is the longer side of each image.

    Returns:
        int32 ``(N, 4)``. Along each axis a window lies inside the image if it is smaller, and around it if it is larger.
    """
    whole = shapes.max(axis=1, keepdims=True) if of is None else of
    sides = np.round((bounds[0] + drawn[:, :1] * (bounds[1] - bounds[0])) * whole)
    sides = np.maximum(sides, 1)
    free = shapes - sides  # negative where the window is the larger one
    corners = np.minimum(free, 0) + np.floor(drawn[:, 1:] * (np.abs(free) + 1))
    return np.concatenate([corners, sides, sides], axis=1).astype(np.int32)


def smallest_sides(
    shapes: np.ndarray, area: tuple[float, float] | None = None, zoom: tuple[float, float] | None = None
) -> np.ndarray:
    """The shortest side in pixels, int ``(N,)``, that a window of each image can have.

    Args:
        shapes: ``(N, 2)``, heights and widths in pixels.
        area: ``area`` of ``random_windows``.
        zoom: ``bounds`` of ``random_squares``. Without both, the window is the whole image.
    """
    if area is not None:
        sides = np.minimum(np.sqrt(area[0] * shapes.prod(axis=1, dtype=np.float64) / MOST_OBLONG), shapes.min(axis=1))
    elif zoom is not None:
        sides = zoom[0] * shapes.max(axis=1)
    else:
        sides = shapes.min(axis=1)
    return np.maximum(np.floor(sides), 1).astype(int)


def decoding_ratios(windows: np.ndarray, size: int) -> np.ndarray:
    """The factor (1, 2, 4 or 8) by which a window can be shrunk while decoding and still has sides of ``size`` pixels.

    Args:
        windows: ``(N, 4)``: top, left, height, width.

    Returns:
        int32 ``(N,)``.
    """
    return ratios_for(windows[:, 2:].min(axis=1), size)


def ratios_for(sides: np.ndarray, size: int) -> np.ndarray:
    """The factor (1, 2, 4 or 8) by which ``sides`` can be shrunk and still have ``size`` pixels, int32 ``(N,)``."""
    return np.clip(2 ** np.floor(np.log2(np.maximum(sides // size, 1))), 1, 8).astype(np.int32)


def snapped(windows: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Windows rounded down to multiples of their decoding ratio, so that exactly the window can be decoded."""
    return windows // ratios[:, None] * ratios[:, None]


def inside(windows: np.ndarray, shapes: np.ndarray) -> np.ndarray:
    """The parts of windows that lie in their images, at least one pixel each.

    Args:
        windows: ``(N, 4)``.
        shapes: ``(N, 2)``, heights and widths of the images.

    Returns:
        int32 ``(N, 4)``: top, left, height, width.
    """
    corners = np.clip(windows[:, :2], 0, shapes - 1)
    ends = np.clip(windows[:, :2] + windows[:, 2:], corners + 1, shapes)
    return np.concatenate([corners, ends - corners], axis=1).astype(np.int32)


def frames(windows: np.ndarray, parts: np.ndarray, size: int) -> np.ndarray:
    """Positions of the parts of windows in the network's input, which shows the whole windows.

    Args:
        windows: ``(N, 4)``.
        parts: ``inside(windows, shapes)``.
        size: side of the input in pixels.

    Returns:
        int32 ``(N, 4)``: top, left, height, width in pixels of the input.
    """
    starts = np.round((parts[:, :2] - windows[:, :2]) * size / windows[:, 2:]).astype(np.int32)
    ends = np.round((parts[:, :2] + parts[:, 2:] - windows[:, :2]) * size / windows[:, 2:]).astype(np.int32)
    starts = np.minimum(starts, size - 1)
    return np.concatenate([starts, np.clip(ends, starts + 1, size) - starts], axis=1)
