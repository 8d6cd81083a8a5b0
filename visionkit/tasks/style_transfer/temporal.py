"""Less flicker in stylized videos: each stylized frame is blended with the previous one, warped by the optical flow.

The idea is that of Artistic Style Transfer for Videos, Ruder et al. 2016, https://arxiv.org/abs/1604.08610: what has merely
moved should look as before, and what comes into sight is painted anew. Here it is applied to finished frames, with OpenCV's
version of Fast Optical Flow using Dense Inverse Search, Kroeger et al. 2016, https://arxiv.org/abs/1603.03590.
"""

import cv2
import numpy as np

STRENGTH = 0.5  # share of the previous output
TOLERANCE = 24.0  # levels of 255 by which a pixel may differ from its origin in the previous frame
CUT = 0.5  # mean agreement with the previous frame; below, the scene is taken to be another
SMALLEST = 32  # side in pixels; in smaller frames no flow is computed


class Steady:
    """Blends each stylized frame with the previous output where the scene is the same; stores one frame.

    Args:
        strength: share of the previous output where the frames agree, from 0 to below 1.

    Raises:
        ValueError: the strength is out of range.
    """

    def __init__(self, strength: float = STRENGTH):
        if not 0 <= strength < 1:
            raise ValueError(f"strength={strength}: expected 0 to below 1.")
        self._strength = strength
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._previous: tuple[np.ndarray, np.ndarray] | None = None  # the last frame, and its output as floats

    def __call__(self, frame: np.ndarray, stylized: np.ndarray) -> np.ndarray:
        """Steady the next frame.

        Args:
            frame: the original, uint8 ``(H, W, 3)``.
            stylized: the stylized frame, of the same shape and dtype.

        Returns:
            uint8 ``(H, W, 3)``; ``stylized`` itself for the first frame, after a cut, and for frames below 32 pixels.
        """
        output = stylized.astype(np.float32)
        if self._previous is not None and self._previous[0].shape == frame.shape and min(frame.shape[:2]) >= SMALLEST:
            last_frame, last_output = self._previous
            origins = self._origins(frame, last_frame)
            agreement = _agreement(frame, _warp(last_frame, origins), origins)
            if agreement.mean() >= CUT:
                output += self._strength * agreement[..., None] * (_warp(last_output, origins) - output)
        self._previous = (frame, output)
        return np.rint(output).astype(np.uint8)

    def _origins(self, frame: np.ndarray, last_frame: np.ndarray) -> np.ndarray:
        """Where each pixel was in the previous frame: x and y, float32 ``(H, W, 2)``."""
        now, before = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (frame, last_frame))
        height, width = now.shape
        grid = np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), axis=-1)
        return grid + self._flow.calc(now, before, None)


def _warp(pixels: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """The pixels at ``origins``."""
    return cv2.remap(pixels, origins, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _agreement(frame: np.ndarray, warped: np.ndarray, origins: np.ndarray) -> np.ndarray:
    """How likely each pixel comes from its origin, 0 to 1, float32 ``(H, W)``: it looks the same, and was in sight."""
    difference = cv2.absdiff(frame, warped).max(axis=-1).astype(np.float32)
    height, width = difference.shape
    in_sight = np.all((origins >= 0) & (origins <= (width - 1, height - 1)), axis=-1)
    return np.clip(1 - difference / TOLERANCE, 0, 1) * in_sight
