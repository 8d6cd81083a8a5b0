"""Turning and local warping that take boxes and keypoints along, as transforms of albumentations.

Its own warps move a box as a mask of whole pixels, which loses the last row and column, and a keypoint as a small disc, which
another one may cover. Here points are moved: those of a box's outline, and the keypoints themselves.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from albumentations.augmentations.geometric.distortion import BaseDistortion
from albumentations.augmentations.geometric.transforms import Affine
from albumentations.core.transforms_interface import BaseTransformInitSchema

OUTLINE_STEPS = 16  # an edge of a box, between the points that are moved for it
SEARCH_STEPS = 16  # each halves the distance, or better
WAVES = np.arange(1, 4)  # half waves a side: the smallest dent is a third of the image


def moved(points: np.ndarray, map_x: np.ndarray, map_y: np.ndarray) -> np.ndarray:
    """Where points of an image lie after ``cv2.remap``.

    The maps tell the opposite, where each pixel of the result came from; so we look for the place that came from the point.

    Args:
        points: ``(N, M, 2)``, x and y in pixels, counted from the center of the first pixel.
        map_x, map_y: float32 ``(H, W)``.

    Returns:
        float32 ``(N, M, 2)``; beyond the image what holds at its rim is taken to go on.
    """
    height, width = map_x.shape
    shifts = np.stack([map_x - np.arange(width), map_y - np.arange(height)[:, None]], axis=2).astype(np.float32)
    points = np.asarray(points, np.float32)
    found = points
    for _ in range(SEARCH_STEPS):
        found = points - cv2.remap(shifts, found, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found


def in_four_channels(warp: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """The same pixels in little more than half the time: OpenCV 5 is slower with three channels than with four.

    Args:
        warp: cv2.warpAffine or cv2.remap with all but the image.
        image: ``(H, W, C)``.
    """
    if image.shape[2:] != (3,):
        return warp(image)
    return cv2.cvtColor(warp(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)), cv2.COLOR_RGBA2RGB)


class Turn(Affine):
    """albumentations' Affine, faster; boxes are those about the moved corners, and may reach beyond the image."""

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        """The turned image."""
        return in_four_channels(lambda pixels: super(Turn, self).apply(pixels, **params), img)

    def apply_to_bboxes(self, bboxes: np.ndarray, bbox_matrix: np.ndarray, **params: Any) -> np.ndarray:
        """The boxes about the moved corners: ``(N, 4 + ...)``, relative. Reflections beyond the rim are none."""
        sides = np.array(params["shape"][1::-1])
        corners = bboxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) * sides
        corners = (corners @ bbox_matrix[:2, :2].T + bbox_matrix[:2, 2]) / sides
        return np.concatenate([corners.min(axis=1), corners.max(axis=1), bboxes[:, 4:]], axis=1)


class PointsFollow:
    """What replaces albumentations' way with boxes and keypoints, for any of its distortions."""

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        """The warped image."""
        return in_four_channels(lambda pixels: super(PointsFollow, self).apply(pixels, **params), img)

    def apply_to_bboxes(self, bboxes: np.ndarray, map_x: np.ndarray, map_y: np.ndarray, **params: Any) -> np.ndarray:
        """The boxes about the warped outlines: ``(N, 4 + ...)``, relative; they may reach beyond the image."""
        if len(bboxes) == 0:
            return bboxes
        sides = np.array(map_x.shape[::-1])
        along = np.linspace(0, 1, OUTLINE_STEPS + 1)
        x = np.concatenate([along, along, np.zeros_like(along), np.ones_like(along)])
        y = np.concatenate([np.zeros_like(along), np.ones_like(along), along, along])
        corners, extents = bboxes[:, None, :2], bboxes[:, None, 2:4] - bboxes[:, None, :2]
        outlines = (corners + np.stack([x, y], axis=1) * extents) * sides - 0.5
        outlines = (moved(outlines, map_x, map_y) + 0.5) / sides
        return np.concatenate([outlines.min(axis=1), outlines.max(axis=1), bboxes[:, 4:]], axis=1)

    def apply_to_keypoints(self, keypoints: np.ndarray, map_x: np.ndarray, map_y: np.ndarray, **params: Any) -> np.ndarray:
        """The warped keypoints: ``(N, 2 + ...)``, in pixels; they may lie beyond the image."""
        if len(keypoints) == 0:
            return keypoints
        return np.concatenate([moved(keypoints[:, None, :2], map_x, map_y)[:, 0], keypoints[:, 2:]], axis=1)


class BentGrid(PointsFollow, BaseDistortion):
    """The columns and rows of a grid become wider or narrower; the rim stays where it is.

    albumentations' GridDistortion doubles the pixels along the lines of the grid, and squeezes what an uneven division leaves.

    Args:
        cells: of the grid, in each direction.
        strength: the widths change by up to this share.
        p: share of the images that are warped.
    """

    class InitSchema(BaseTransformInitSchema):
        """What albumentations checks."""

        cells: int
        strength: float

    def __init__(self, cells: int = 5, strength: float = 0.3, p: float = 0.5):
        super().__init__(cv2.INTER_LINEAR, cv2.INTER_NEAREST, "mask", p, border_mode=cv2.BORDER_REPLICATE)
        self.cells = cells
        self.strength = strength

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, np.ndarray]:
        """Draw the widths: where each pixel comes from."""
        rows, columns = (self._bent(side) for side in params["shape"][:2])
        map_x, map_y = np.meshgrid(columns, rows)
        return {"map_x": map_x, "map_y": map_y}

    def _bent(self, side: int) -> np.ndarray:
        widths = 1 + self.random_generator.uniform(-self.strength, self.strength, self.cells)
        lines = np.concatenate([[0], np.cumsum(widths)]) / widths.sum()
        places = (np.arange(side) + 0.5) / side
        return (side * np.interp(places, np.linspace(0, 1, self.cells + 1), lines) - 0.5).astype(np.float32)


class Elastic(PointsFollow, BaseDistortion):
    """A smooth random field, as for U-Net (https://arxiv.org/abs/1505.04597): a few waves, which leave the rim where it is.

    albumentations' ElasticTransform blurs noise of the image's size, which takes many times longer, and its strength in
    pixels depends on that size.

    Args:
        strength: of the first wave, as a share of the image's sides. Up to 0.05 nothing folds over.
        p: share of the images that are warped.
    """

    class InitSchema(BaseTransformInitSchema):
        """What albumentations checks."""

        strength: float

    def __init__(self, strength: float = 0.04, p: float = 0.5):
        super().__init__(cv2.INTER_LINEAR, cv2.INTER_NEAREST, "mask", p, border_mode=cv2.BORDER_REPLICATE)
        self.strength = strength

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, np.ndarray]:
        """Draw the field: where each pixel comes from."""
        height, width = params["shape"][:2]
        amplitudes = self.random_generator.uniform(-self.strength, self.strength, (2, len(WAVES), len(WAVES)))
        amplitudes /= WAVES * WAVES[:, None]
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        across = np.sin(np.pi * WAVES[:, None] * (columns + 0.5) / width)
        down = np.sin(np.pi * WAVES * (rows + 0.5) / height).astype(np.float32)
        # OpenCV's product: NumPy's starts threads of its own, beside those of the pipeline.
        shift_x, shift_y = (cv2.gemm(down, (part @ across).astype(np.float32), 1, None, 0) for part in amplitudes)
        return {"map_x": columns + width * shift_x, "map_y": rows + height * shift_y}
