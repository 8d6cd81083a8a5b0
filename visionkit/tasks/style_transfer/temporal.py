"""Painted videos that do not flicker: each painted frame leans on the one before it, moved as the scene has moved.

Artistic Style Transfer for Videos, Ruder et al. 2016, https://arxiv.org/abs/1604.08610, has the idea: what has merely moved is
to be painted as before, what comes into sight is to be painted anew. Here it is done to finished frames, with the optical flow
of Fast Optical Flow using Dense Inverse Search, Kroeger et al. 2016, https://arxiv.org/abs/1603.03590, as OpenCV has it.
"""

import cv2
import numpy as np

STRENGTH = 0.5  # share of the frame before
TOLERANCE = 24.0  # levels of 255 by which a pixel may differ from the one that it is said to come from
CUT = 0.5  # of the pixels, on average: where fewer come from the frame before, it shows something else
SMALLEST = 32  # pixels a side: in smaller frames no flow is looked for


class Steady:
    """Blends each painted frame with the previous answer, where the scene is the same; has a memory of one frame.

    Args:
        strength: share of the previous answer where the frames agree, 0 to below 1.

    Raises:
        ValueError: another strength.
    """

    def __init__(self, strength: float = STRENGTH):
        if not 0 <= strength < 1:
            raise ValueError(f"strength={strength}: expected 0 to below 1.")
        self._strength = strength
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[np.ndarray, np.ndarray] | None = None  # the last frame, and the answer to it as floats

    def __call__(self, frame: np.ndarray, painted: np.ndarray) -> np.ndarray:
        """The next painted frame, steadied.

        Args:
            frame: as it was taken, uint8 ``(H, W, 3)``.
            painted: what was made of it, of the same shape and type.

        Returns:
            uint8 ``(H, W, 3)``; ``painted`` itself for the first frame, after a cut, and of frames below 32 pixels.
        """
        answer = painted.astype(np.float32)
        if self._before is not None and self._before[0].shape == frame.shape and min(frame.shape[:2]) >= SMALLEST:
            last_frame, last_answer = self._before
            places = self._places(frame, last_frame)
            agreement = _agreement(frame, _moved(last_frame, places), places)
            if agreement.mean() >= CUT:
                answer += self._strength * agreement[..., None] * (_moved(last_answer, places) - answer)
        self._before = (frame, answer)
        return np.rint(answer).astype(np.uint8)

    def _places(self, frame: np.ndarray, last_frame: np.ndarray) -> np.ndarray:
        """Where each pixel was in the frame before: x and y, float32 ``(H, W, 2)``."""
        now, before = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (frame, last_frame))
        height, width = now.shape
        here = np.stack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)), axis=-1)
        return here + self._flow.calc(now, before, None)


def _moved(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """``pixels`` fetched from ``places``."""
    return cv2.remap(pixels, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _agreement(frame: np.ndarray, moved: np.ndarray, places: np.ndarray) -> np.ndarray:
    """How sure it is that each pixel comes from there, 0 to 1, float32 ``(H, W)``: it looks the same, and was in sight."""
    difference = cv2.absdiff(frame, moved).max(axis=-1).astype(np.float32)
    height, width = difference.shape
    in_sight = np.all((places >= 0) & (places <= (width - 1, height - 1)), axis=-1)
    return np.clip(1 - difference / TOLERANCE, 0, 1) * in_sight
