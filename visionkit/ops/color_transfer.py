"""Colors of one image given to another, on the host: how a stylized image keeps the colors of its content.

Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer" (https://arxiv.org/abs/1606.05897), has two ways. Either
the style is given the colors of the content before the work (``match_colors``), or only luminance is stylized
(``match_luminance`` of the style), and the content's chroma is put back after it (``with_colors_of``).
"""

import numpy as np

from visionkit.ops.colors import GREY_SHARES

# Variance that rounding to whole levels makes by itself. Directions of color in which an image varies less hold nothing that
# could be stretched: those of a grey photograph that was a JPEG would become colored noise.
ROUNDING = 1 / 12


def match_colors(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The affine map of colors that gives an image the mean and the covariance of another, on the host.

    A color ``c`` becomes ``A (c - mean) + mean of like``, where ``A`` is the symmetric square root of the covariance of
    ``like`` times the inverse of that of the image: the paper's "image analogies" way, after Hertzmann et al. 2001. A
    direction of color in which the image does not vary (a grey one has two of these, one color has three) is left out, so
    its covariance becomes as near as it can.

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        like: uint8 ``(h, w, 3)``, RGB, of any size.

    Returns:
        uint8 ``(H, W, 3)``, rounded; what is beyond black and white is cut off.

    Raises:
        ValueError: pixels of another shape or type, or none.
    """
    _check(image, "image")
    _check(like, "like")
    mean, covariance = _statistics(image)
    other_mean, other_covariance = _statistics(like)
    matrix = _root(other_covariance) @ _root(covariance, inverse=True)
    return _levels((image - mean) @ matrix.T + other_mean)


def match_luminance(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    """An image's luminance as a grey image, with the mean and the deviation of that of another, on the host.

    Where one of the two deviations is 0, only the mean is matched.

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        like: uint8 ``(h, w, 3)``, RGB, of any size.

    Returns:
        uint8 ``(H, W, 3)``, three times the same, rounded; what is beyond black and white is cut off.

    Raises:
        ValueError: pixels of another shape or type, or none.
    """
    _check(image, "image")
    _check(like, "like")
    grey, other = _luminance(image), _luminance(like)
    deviation, other_deviation = (values.std() if values.min() < values.max() else 0.0 for values in (grey, other))
    scale = other_deviation / deviation if deviation and other_deviation else 1.0
    return np.repeat(_levels((grey - grey.mean()) * scale + other.mean())[..., None], 3, axis=2)


def with_colors_of(image: np.ndarray, colored: np.ndarray) -> np.ndarray:
    """An image's luminance with the chroma of another, on the host.

    Chroma is that of BT.601, so that the two are of one pixel where red, green and blue differ from its luminance by the same.
    A color beyond black and white becomes paler until it is within: its luminance stays, which holds what was painted.

    Args:
        image: uint8 ``(H, W, 3)``, RGB: a stylized one.
        colored: uint8 ``(H, W, 3)``, RGB, of the same size: the content.

    Returns:
        uint8 ``(H, W, 3)``, rounded.

    Raises:
        ValueError: pixels of another shape or type, or none; two sizes.
    """
    _check(image, "image")
    _check(colored, "colored")
    if image.shape != colored.shape:
        raise ValueError(
            f"The image has {image.shape[1]} x {image.shape[0]} pixels, that with the colors {colored.shape[1]} x "
            f"{colored.shape[0]}: expected the same size. Resize the latter first."
        )
    grey = _luminance(image)[..., None]
    chroma = colored - _luminance(colored)[..., None]
    room = np.where(chroma > 0, 255 - grey, grey) / np.maximum(np.abs(chroma), 1e-9)
    return _levels(grey + chroma * np.minimum(room.min(axis=2, keepdims=True), 1))


def _check(pixels: np.ndarray, name: str) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"{name}: expected uint8 pixels (H, W, 3), at least one; received {pixels.dtype} {pixels.shape}.")


def _statistics(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(3,)`` and covariance ``(3, 3)`` of the colors."""
    mean = pixels.mean(axis=(0, 1))
    centered = (pixels - mean).reshape(-1, 3)
    return mean, centered.T @ centered / len(centered)


def _root(covariance: np.ndarray, *, inverse: bool = False) -> np.ndarray:
    """The symmetric square root of a covariance, or its inverse within the directions that vary."""
    variances, directions = np.linalg.eigh(covariance)
    varies = variances > ROUNDING if inverse else variances > 0
    variances, directions = variances[varies], directions[:, varies]
    return directions * variances ** (-0.5 if inverse else 0.5) @ directions.T


def _luminance(pixels: np.ndarray) -> np.ndarray:
    """float64 ``(H, W)``, within 0..255."""
    return np.minimum(pixels @ np.array(GREY_SHARES), 255)


def _levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).clip(0, 255).astype(np.uint8)
