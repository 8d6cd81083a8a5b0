"""Face alignment in NumPy: five facial points to a chip that shows the face upright, at one size and place.

A point is x and y in pixels; the center of an image's first pixel is (0, 0). "Left" is the viewer's left.
"""

from typing import NamedTuple

import cv2
import numpy as np

CHIP = 150  # pixels: side of the chips to which the reference points below refer
# dlib's points in the unit square, in its order: outer and inner corner of the right eye, outer and inner corner of the left
# eye, base of the nose. A chip adds a margin of a quarter of that square on every side.
_UNIT = [(0.8595675, 0.2134982), (0.6460605, 0.2289674), (0.1205751, 0.2137275), (0.3340851, 0.2290642), (0.4901123, 0.6277975)]
DLIB_POINTS = (np.array(_UNIT) + 0.25) / 1.5 * CHIP
# mtcnn's points: center of the left eye, center of the right eye, tip of the nose, left and right corner of the mouth; measured
# in chips that were aligned by dlib's points.
MTCNN_POINTS = np.array([(47.5, 45.2), (101.1, 44.7), (73.4, 77.7), (51.0, 105.3), (98.9, 104.9)])
DLIB_POINTS.setflags(write=False)
MTCNN_POINTS.setflags(write=False)
# Above so many image pixels per chip pixel, bilinear sampling would skip too many of them, so the image is shrunk first.
SHRUNK_ABOVE = 1.5


class Similarity(NamedTuple):
    """A similarity transform, a scaled rotation and a shift: ``scale * rotation @ point + shift``.

    Attributes:
        scale: image pixels per reference pixel.
        rotation: ``(2, 2)``, determinant 1.
        shift: ``(2,)``, in image pixels.
    """

    scale: float
    rotation: np.ndarray
    shift: np.ndarray

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Map reference points ``(..., 2)`` to the image."""
        return self.scale * np.asarray(points, np.float64) @ self.rotation.T + self.shift


def fit_similarity(reference: np.ndarray, points: np.ndarray) -> Similarity:
    """Fit the similarity that maps a reference to points with the least squared error, without reflection.

    Umeyama 1991 (https://doi.org/10.1109/34.88573). In the plane, the solution is one division of complex numbers.

    Args:
        reference: ``(K, 2)``, at least two different points.
        points: ``(K, 2)``, in the same order.

    Raises:
        ValueError: the shapes differ, a coordinate is not finite, or the points determine no scale and rotation: all of them
            coincide, or they are the reference's mirror image.
    """
    reference, points = np.asarray(reference, np.float64), np.asarray(points, np.float64)
    if reference.shape != points.shape or reference.ndim != 2 or reference.shape[1] != 2 or len(reference) < 2:
        raise ValueError(
            f"reference {reference.shape} and points {points.shape}: expected (K, 2) both, of the same K of at least 2."
        )
    if not (np.isfinite(reference).all() and np.isfinite(points).all()):
        raise ValueError(f"Points must be finite numbers, received {points.tolist()} for the reference {reference.tolist()}.")
    source, target = reference - reference.mean(axis=0), points - points.mean(axis=0)
    spread = (source**2).sum()
    real, imaginary = (source * target).sum(), (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum()
    length = np.hypot(real, imaginary)
    # Both sides have the unit of reference times points; anything smaller is rounding.
    if not length > 1e-9 * np.sqrt(spread * (target**2).sum()):
        raise ValueError(
            f"No rotation fits the points {points.tolist()} to the reference {reference.tolist()} better than another: "
            "expected different points, in the reference's order and not mirrored."
        )
    cosine, sine = real / length, imaginary / length
    rotation, scale = np.array([[cosine, -sine], [sine, cosine]]), float(length / spread)
    return Similarity(scale, rotation, points.mean(axis=0) - scale * rotation @ reference.mean(axis=0))


def aligned_chip(pixels: np.ndarray, points: np.ndarray, reference: np.ndarray, size: int = CHIP) -> np.ndarray:
    """Cut out a face so that its points lie on the reference points, as far as a similarity transform allows.

    The chip is sampled as dlib samples its chips: with the similarity's scale ``s``, its rotation ``R`` and the position ``c``
    of the reference's center in the image, pixel (i, j) is read at
    ``c + R ((i, j) - (size - 1) / 2) (size s - 1) / (size - 1)``, interpolated bilinearly and truncated to an integer; it is 0
    where one of the four neighbors is outside the image. Where ``s`` exceeds ``SHRUNK_ABOVE``, the part of the image that the
    chip needs is first shrunk by ``s``, by area averaging.

    Args:
        pixels: uint8 ``(H, W, 3)``.
        points: ``(K, 2)``, the face's points.
        reference: ``(K, 2)``, their target positions in a chip of ``CHIP`` x ``CHIP`` pixels: ``DLIB_POINTS`` or
            ``MTCNN_POINTS``.
        size: side of the chip in pixels, at least 2; the reference is scaled accordingly.

    Returns:
        uint8 ``(size, size, 3)``.

    Raises:
        ValueError: the pixels have another shape or dtype, the size is too small, or ``fit_similarity`` rejects the points.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"Expected uint8 pixels (H, W, 3), received {pixels.dtype} {pixels.shape}.")
    if size < 2:
        raise ValueError(f"A chip of {size} x {size} pixels: expected at least 2 x 2.")
    fitted = fit_similarity(np.asarray(reference, np.float64) * (size / CHIP), points)
    center = fitted.apply(np.array([size / 2, size / 2]))
    steps = (np.arange(size) - (size - 1) / 2) * ((size * fitted.scale - 1) / (size - 1))
    x = center[0] + fitted.rotation[0, 0] * steps[None, :] + fitted.rotation[0, 1] * steps[:, None]
    y = center[1] + fitted.rotation[1, 0] * steps[None, :] + fitted.rotation[1, 1] * steps[:, None]
    if fitted.scale > SHRUNK_ABOVE:
        pixels, x, y = _shrunk(pixels, x, y, fitted.scale)
    return _sampled(pixels, x, y)


def _shrunk(pixels: np.ndarray, x: np.ndarray, y: np.ndarray, times: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shrink the sampled part of an image by area averaging; return it and the sampling positions in it."""
    (left, right), (top, bottom) = (
        np.clip((places.min() - 2 * times, places.max() + 2 * times + 1), 0, side).astype(int)
        for places, side in ((x, pixels.shape[1]), (y, pixels.shape[0]))
    )
    part = pixels[top:bottom, left:right]
    if part.size == 0:
        return np.zeros((1, 1, 3), np.uint8), x, y
    height, width = (max(1, round(side / times)) for side in part.shape[:2])
    small = cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    # The shrunk part has whole pixels, so each axis has its own scale, and the center of the first pixel lies further inside.
    x = (x - left + 0.5) * (width / part.shape[1]) - 0.5
    return small, x, (y - top + 0.5) * (height / part.shape[0]) - 0.5


def _sampled(pixels: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate bilinearly in float64 and truncate to integers; 0 where a neighbor is outside."""
    height, width = pixels.shape[:2]
    left, top = np.floor(x), np.floor(y)
    inside = (left >= 0) & (top >= 0) & (left + 1 < width) & (top + 1 < height)
    right, down = (x - left)[inside][:, None], (y - top)[inside][:, None]
    first = top[inside].astype(int) * width + left[inside].astype(int)
    flat = pixels.reshape(-1, 3)
    above = (1 - right) * flat.take(first, axis=0) + right * flat.take(first + 1, axis=0)
    below = (1 - right) * flat.take(first + width, axis=0) + right * flat.take(first + width + 1, axis=0)
    chip = np.zeros((*x.shape, 3), np.uint8)
    chip[inside] = (1 - down) * above + down * below
    return chip
