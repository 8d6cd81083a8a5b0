"""Color transfer in NumPy: how a stylized image keeps the colors of its content image.

Gatys et al. 2016, "Preserving Color in Neural Artistic Style Transfer" (https://arxiv.org/abs/1606.05897), describes two ways.
Either the style image gets the colors of the content image before the transfer (``match_colors``), or only luminance is
stylized (``match_luminance`` of the style image), and the content's chroma is restored afterwards (``with_colors_of``).
"""

import numpy as np

from visionkit.ops.colors import GREY_SHARES

# The variance of rounding to whole levels. Color directions in which an image varies less are not stretched: those of a grey
# photograph that was a JPEG would become colored noise.
ROUNDING = 1 / 12


def match_colors(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Map the colors of an image affinely so that their mean and covariance become those of another image.

    A color ``c`` becomes ``A (c - mean) + mean of like``, where ``A`` is the symmetric square root of the covariance of
    ``like`` times the inverse of that of the image: the paper's "image analogies" method, after Hertzmann et al. 2001. Color
    directions in which the image does not vary (a grey image has two, a uniform one has three) are left out, so its covariance
    only comes as close as it can.

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        like: uint8 ``(h, w, 3)``, RGB, of any size.

    Returns:
        uint8 ``(H, W, 3)``, rounded and clipped.

    Raises:
        ValueError: the pixels have another shape or dtype, or there are none.
    """
    _check(image, "image")
    _check(like, "like")
    mean, covariance = _statistics(image)
    other_mean, other_covariance = _statistics(like)
    matrix = _root(other_covariance) @ _root(covariance, inverse=True)
    return _levels((image - mean) @ matrix.T + other_mean)


def match_luminance(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The luminance of an image as a grey image, with the mean and standard deviation of another image's luminance.

    Where one of the two standard deviations is 0, only the mean is matched.

    Args:
        image: uint8 ``(H, W, 3)``, RGB.
        like: uint8 ``(h, w, 3)``, RGB, of any size.

    Returns:
        uint8 ``(H, W, 3)``, three equal channels, rounded and clipped.

    Raises:
        ValueError: the pixels have another shape or dtype, or there are none.
    """
    _check(image, "image")
    _check(like, "like")
    grey, other = _luminance(image), _luminance(like)
    deviation, other_deviation = (values.std() if values.min() < values.max() else 0.0 for values in (grey, other))
    scale = other_deviation / deviation if deviation and other_deviation else 1.0
    return np.repeat(_levels((grey - grey.mean()) * scale + other.mean())[..., None], 3, axis=2)


def with_colors_of(image: np.ndarray, colored: np.ndarray) -> np.ndarray:
    """Combine the luminance of an image with the chroma of another.

    Chroma is that of BT.601: the differences of red, green and blue from the luminance. A color out of range is desaturated
    until it is in range; its luminance stays, because the luminance holds what was painted.

    Args:
        image: uint8 ``(H, W, 3)``, RGB: the stylized image.
        colored: uint8 ``(H, W, 3)``, RGB, of the same size: the content image.

    Returns:
        uint8 ``(H, W, 3)``, rounded.

    Raises:
        ValueError: the pixels have another shape or dtype, there are none, or the sizes differ.
    """
    _check(image, "image")
    _check(colored, "colored")
    if image.shape != colored.shape:
        raise ValueError(
            f"The image has {image.shape[1]} x {image.shape[0]} pixels, the colored one {colored.shape[1]} x "
            f"{colored.shape[0]}: expected the same size. Resize the latter first."
        )
    grey = _luminance(image)[..., None]
    chroma = colored - _luminance(colored)[..., None]
    limits = np.where(chroma > 0, 255 - grey, grey) / np.maximum(np.abs(chroma), 1e-9)  # how far chroma may be scaled
    return _levels(grey + chroma * np.minimum(limits.min(axis=2, keepdims=True), 1))


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
