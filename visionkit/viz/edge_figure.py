"""Responses of edge filters to a photograph, as a labelled grid of images."""

from typing import NamedTuple

import cv2
import keras
import numpy as np

from visionkit.ops import filters
from visionkit.ops.colors import GREY_SHARES
from visionkit.viz import annotate

COLUMNS = 4
TEXT, GAP = 13, 8  # pixels: size of captions, and between cells
CONTRAST = 98.0  # percentile of the responses that is drawn as black or white


class Panel(NamedTuple):
    """One cell of the figure: an image, uint8 ``(H, W, 3)``, and the two lines of text below it."""

    image: np.ndarray
    name: str
    explanation: str


def bundled_photograph() -> np.ndarray:
    """The cameraman photograph of scikit-image, uint8 ``(512, 512, 3)``."""
    import skimage.data

    return np.repeat(skimage.data.camera()[..., None], 3, axis=2)


def edge_figure(photograph: np.ndarray, side: int) -> np.ndarray:
    """Draw a photograph and the responses of the filters to its grey version.

    Args:
        photograph: uint8 ``(H, W, 3)``.
        side: longer side in pixels at which the photograph is filtered and shown.

    Returns:
        uint8 ``(h, w, 3)``: two rows of four.
    """
    scale = side / max(photograph.shape[:2])
    size = [max(1, round(length * scale)) for length in photograph.shape[1::-1]]
    small = cv2.resize(photograph, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    grey = (small @ np.array(GREY_SHARES)).astype(np.float32)
    panels = _panels(small, grey)
    return np.concatenate([_row(panels[start : start + COLUMNS], side) for start in range(0, len(panels), COLUMNS)])


def _panels(photograph: np.ndarray, grey: np.ndarray) -> list[Panel]:
    def signed(name: str, angle: float = 0.0) -> np.ndarray:
        response = keras.ops.convert_to_numpy(filters.correlate(grey, filters.edge_kernel(name, angle)))
        return _as_grey((128 + 127 * np.clip(response / _strongest(response), -1, 1)) / 255)

    length, direction = map(keras.ops.convert_to_numpy, filters.edge_magnitude(grey, "scharr"))
    strength = np.clip(length / _strongest(length), 0, 1)
    hue = direction % 360 / 2  # OpenCV's hues are half degrees
    colors = np.stack([hue, np.full_like(hue, 255), 255 * strength], axis=-1).round().astype(np.uint8)
    colors[..., 0] %= 180
    return [
        Panel(photograph, "photograph", f"{photograph.shape[1]} x {photograph.shape[0]} pixels"),
        Panel(signed("vertical"), "vertical", "white: brighter on the left"),
        Panel(signed("horizontal"), "horizontal", "white: brighter above"),
        Panel(signed("sobel"), "Sobel, 0 degrees", "white: brighter on the right"),
        Panel(signed("scharr", 90), "Scharr, 90 degrees", "white: brighter below"),
        Panel(signed("scharr", 45), "Scharr, 45 degrees", "white: brighter below right"),
        Panel(_as_grey(1 - strength), "magnitude", "black: strong"),
        Panel(cv2.cvtColor(colors, cv2.COLOR_HSV2RGB), "direction", "red: right, cyan: left"),
    ]


def _strongest(response: np.ndarray) -> float:
    """The response that is drawn at full contrast: at least 1, so that an image without edges stays plain."""
    return max(float(np.percentile(np.abs(response), CONTRAST)), 1.0)


def _as_grey(shares: np.ndarray) -> np.ndarray:
    return np.repeat(np.round(255 * shares.clip(0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def _row(panels: list[Panel], side: int) -> np.ndarray:
    """Draw panels side by side, with names and explanations below."""
    cells = []
    for panel in panels:
        lines = [annotate.text_image(panel.name, TEXT + 2, max_width=side)]
        lines.append(annotate.text_image(panel.explanation, TEXT - 1, max_width=side))
        parts = [panel.image, *lines]
        cell = np.full((sum(map(len, parts)) + 2 * GAP, side + 2 * GAP, 3), annotate.PAPER, np.uint8)
        top = GAP
        for part in parts:
            left = GAP + ((side - part.shape[1]) // 2 if part is panel.image else 0)
            cell[top : top + len(part), left : left + part.shape[1]] = part
            top += len(part)
        cells.append(cell)
    return np.concatenate(cells, axis=1)
