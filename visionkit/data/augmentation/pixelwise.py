"""Augmentation of each pixel on its own: mirroring, color and erasing, as numbers that one pass applies.

``pixel_params`` computes the numbers of a whole epoch; ``apply`` applies them to one image, on the processor;
``visionkit.layers.BatchAugmentation`` does the same to a batch, on the accelerator.
"""

from typing import NamedTuple

import cv2
import numpy as np

from visionkit.data.augmentation.presets import Augmentation
from visionkit.ops.colors import GREY_SHARES, PADDING

GREY = np.array(GREY_SHARES)
RGB_TO_YIQ = np.array([GREY, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
YIQ_TO_RGB = np.linalg.inv(RGB_TO_YIQ)
# Principal directions of the colors in ImageNet (columns) and their standard deviations, for pixels in 0..1: published with
# fb.resnet.torch. The shift along them is that of AlexNet (Krizhevsky et al. 2012, section 4.1).
PCA_DIRECTIONS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
PCA_DEVIATIONS = np.array([0.2175, 0.0188, 0.0045])
UNCHANGED = np.eye(3).tolist()
HUE = 0.02  # the color circle is turned by at most this share of a full turn, in either direction
COLOR_SHARE = 0.8  # share of the images that are shifted in color
ERASED_SIDE = (0.1, 0.35)  # bounds of the erased side, as a share of the image's side
NUM_DRAWN = 14  # random numbers per sample


class PixelParams(NamedTuple):
    """Parameters of each sample: a pixel becomes ``color @ pixel + grey * mean grey of the image + offset``.

    Attributes:
        flip: bool ``(N,)``, whether the image is mirrored left to right.
        color: float32 ``(N, 3, 3)``.
        grey: float32 ``(N,)``.
        offset: float32 ``(N, 3)``.
        erase: float32 ``(N, 4)``, a box xyxy that is painted grey, relative; empty if nothing is erased.
    """

    flip: np.ndarray
    color: np.ndarray
    grey: np.ndarray
    offset: np.ndarray
    erase: np.ndarray


def pixel_params(drawn: np.ndarray, augmentation: Augmentation) -> PixelParams:
    """Compute the parameters of each sample.

    Args:
        drawn: ``(N, NUM_DRAWN)``, uniform in 0..1.
        augmentation: strength of each change.
    """
    brightness, contrast, saturation = (1 + (2 * drawn[:, i] - 1) * augmentation.color for i in (1, 2, 3))
    turn = (2 * drawn[:, 4] - 1) * HUE
    shifted = (drawn[:, 5] < COLOR_SHARE) & (augmentation.color > 0)
    matrices, grey = color_matrices(brightness, contrast, saturation, turn)
    # Uniform numbers with the same standard deviation as the normal ones of the paper.
    alphas = np.sqrt(3) * (2 * drawn[:, 11:14] - 1) * augmentation.pca
    sides = ERASED_SIDE[0] + drawn[:, 6:8] * (ERASED_SIDE[1] - ERASED_SIDE[0])
    sides *= drawn[:, 10:11] < augmentation.erase
    corners = drawn[:, 8:10] * (1 - sides)
    return PixelParams(
        flip=drawn[:, 0] < augmentation.flip,
        color=np.where(shifted[:, None, None], matrices, np.eye(3)).astype(np.float32),
        grey=np.where(shifted, grey, 0.0).astype(np.float32),
        offset=(255 * (alphas * PCA_DEVIATIONS) @ PCA_DIRECTIONS.T).astype(np.float32),
        erase=np.concatenate([corners, corners + sides], axis=1).astype(np.float32),
    )


def color_matrices(
    brightness: np.ndarray, contrast: np.ndarray, saturation: np.ndarray, turn: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Brightness, contrast, saturation and hue as one matrix, which takes a tenth of the time of four passes.

    Args:
        brightness: factors ``(N,)``.
        contrast: factors ``(N,)`` around the image's mean grey.
        saturation: factors ``(N,)`` around the grey of each pixel.
        turn: rotations ``(N,)`` of the color circle around the axis of greys, in full turns.

    Returns:
        matrices ``(N, 3, 3)`` for pixels, and factors ``(N,)`` for the mean grey of the image, which is added.
    """
    cos, sin = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    rotation = np.zeros((len(turn), 3, 3))
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1], rotation[:, 1, 2], rotation[:, 2, 1], rotation[:, 2, 2] = cos, -sin, sin, cos
    own = saturation[:, None, None] * np.eye(3) + (1 - saturation)[:, None, None] * GREY
    matrices = (YIQ_TO_RGB @ rotation @ RGB_TO_YIQ) @ own
    return matrices * (contrast * brightness)[:, None, None], (1 - contrast) * brightness


def apply(image: np.ndarray, drawn: PixelParams, row: int) -> np.ndarray:
    """Apply the parameters of one sample to its image.

    Args:
        image: uint8 ``(H, W, 3)``.
        drawn: parameters from ``pixel_params``.
        row: row of the sample in ``drawn``.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    if drawn.flip[row]:
        image = cv2.flip(image, 1)
    grey, offset, erase = float(drawn.grey[row]), drawn.offset[row].tolist(), drawn.erase[row].tolist()
    color = drawn.color[row].tolist()
    if grey or any(offset) or color != UNCHANGED:
        mean = sum(share * value for share, value in zip(GREY_SHARES, cv2.mean(image), strict=False))
        columns = [[*weights, grey * mean + more] for weights, more in zip(color, offset, strict=True)]
        image = cv2.transform(image, np.array(columns))
    if erase[2] > erase[0]:
        left, top, right, bottom = (round(edge * side) for edge, side in zip(erase, image.shape[1::-1] * 2, strict=True))
        image = image.copy()
        image[top:bottom, left:right] = PADDING
    return image
