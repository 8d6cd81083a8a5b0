"""Rotation and local warping that also move boxes and keypoints, as transforms of albumentations.

Its own warps move a box as a mask of whole pixels, which loses the last row and column, and a keypoint as a small disc, which
another one may cover. These transforms move points: those of a box's outline, and the keypoints themselves.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from albumentations.augmentations.geometric.distortion import BaseDistortion
from albumentations.augmentations.geometric.transforms import Affine
from albumentations.core.transforms_interface import BaseTransformInitSchema

OUTLINE_STEPS = 16  # steps between the points that are moved along an edge of a box
SEARCH_STEPS = 16  # each step at least halves the distance
WAVES = np.arange(1, 4)  # half waves along a side: the smallest dent is a third of the image


def moved(points: np.ndarray, map_x: np.ndarray, map_y: np.ndarray) -> np.ndarray:
    """Positions of points of an image after ``cv2.remap``.

    The maps give the source of each pixel of the result, so the result pixel that comes from a point is found by iteration.

    Args:
        points: ``(N, M, 2)``, x and y in pixels, counted from the center of the first pixel.
        map_x, map_y: float32 ``(H, W)``, the maps of ``cv2.remap``.

    Returns:
        float32 ``(N, M, 2)``; beyond the image, the shifts at its border are continued.
    """
    height, width = map_x.shape
    shifts = np.stack([map_x - np.arange(width), map_y - np.arange(height)[:, None]], axis=2).astype(np.float32)
    points = np.asarray(points, np.float32)
    targets = points
    for _ in range(SEARCH_STEPS):
        targets = points - cv2.remap(shifts, targets, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return targets


def in_four_channels(warp: Callable[[np.ndarray], np.ndarray], image: np.ndarray) -> np.ndarray:
    """Warp in little more than half the time, with the same result: OpenCV 5 is slower with three channels than with four.

    Args:
        warp: cv2.warpAffine or cv2.remap as a function of the image alone.
        image: ``(H, W, C)``.
    """
    if image.shape[2:] != (3,):
        return warp(image)
    return cv2.cvtColor(warp(cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)), cv2.COLOR_RGBA2RGB)


class Turn(Affine):
    """albumentations' Affine, but faster; boxes enclose the moved corners and may reach beyond the image."""

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        """The transformed image."""
        return in_four_channels(lambda pixels: super(Turn, self).apply(pixels, **params), img)

    def apply_to_bboxes(self, bboxes: np.ndarray, bbox_matrix: np.ndarray, **params: Any) -> np.ndarray:
        """The boxes around the moved corners: ``(N, 4 + ...)``, relative. Reflections beyond the border get no boxes."""
        sides = np.array(params["shape"][1::-1])
        corners = bboxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) * sides
        corners = (corners @ bbox_matrix[:2, :2].T + bbox_matrix[:2, 2]) / sides
        return np.concatenate([corners.min(axis=1), corners.max(axis=1), bboxes[:, 4:]], axis=1)


class PointsFollow:
    """Mixin for albumentations' distortions that moves boxes and keypoints as points."""

    def apply(self, img: np.ndarray, **params: Any) -> np.ndarray:
        """The warped image."""
        return in_four_channels(lambda pixels: super(PointsFollow, self).apply(pixels, **params), img)

    def apply_to_bboxes(self, bboxes: np.ndarray, map_x: np.ndarray, map_y: np.ndarray, **params: Any) -> np.ndarray:
        """The boxes around the warped outlines: ``(N, 4 + ...)``, relative; they may reach beyond the image."""
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
    """The columns and rows of a grid become wider or narrower; the border stays in place.

    albumentations' GridDistortion doubles the pixels along the lines of the grid, and squeezes the rest of an uneven division.

    Args:
        cells: number of cells of the grid in each direction.
        strength: share by which the widths change at most.
        p: share of the images that are warped.
    """

    class InitSchema(BaseTransformInitSchema):
        """The arguments that albumentations validates."""

        cells: int
        strength: float

    def __init__(self, cells: int = 5, strength: float = 0.3, p: float = 0.5):
        super().__init__(cv2.INTER_LINEAR, cv2.INTER_NEAREST, "mask", p, border_mode=cv2.BORDER_REPLICATE)
        self.cells = cells
        self.strength = strength

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, np.ndarray]:
        """Draw the widths and compute the source of each pixel."""
        rows, columns = (self._bent(side) for side in params["shape"][:2])
        map_x, map_y = np.meshgrid(columns, rows)
        return {"map_x": map_x, "map_y": map_y}

    def _bent(self, side: int) -> np.ndarray:
        widths = 1 + self.random_generator.uniform(-self.strength, self.strength, self.cells)
        lines = np.concatenate([[0], np.cumsum(widths)]) / widths.sum()
        places = (np.arange(side) + 0.5) / side
        return (side * np.interp(places, np.linspace(0, 1, self.cells + 1), lines) - 0.5).astype(np.float32)


class Elastic(PointsFollow, BaseDistortion):
    """A smooth random field of a few waves, as for U-Net (https://arxiv.org/abs/1505.04597); the border stays in place.

    albumentations' ElasticTransform blurs noise of the image's size, which takes many times longer, and its strength in
    pixels depends on that size.

    Args:
        strength: amplitude of the first wave, as a share of the image's sides. Up to 0.05 nothing folds over.
        p: share of the images that are warped.
    """

    class InitSchema(BaseTransformInitSchema):
        """The arguments that albumentations validates."""

        strength: float

    def __init__(self, strength: float = 0.04, p: float = 0.5):
        super().__init__(cv2.INTER_LINEAR, cv2.INTER_NEAREST, "mask", p, border_mode=cv2.BORDER_REPLICATE)
        self.strength = strength

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, np.ndarray]:
        """Draw the field and compute the source of each pixel."""
        height, width = params["shape"][:2]
        amplitudes = self.random_generator.uniform(-self.strength, self.strength, (2, len(WAVES), len(WAVES)))
        amplitudes /= WAVES * WAVES[:, None]
        columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
        across = np.sin(np.pi * WAVES[:, None] * (columns + 0.5) / width)
        down = np.sin(np.pi * WAVES * (rows + 0.5) / height).astype(np.float32)
        # OpenCV's matrix product, because NumPy's would start its own threads in addition to those of the pipeline.
        shift_x, shift_y = (cv2.gemm(down, (part @ across).astype(np.float32), 1, None, 0) for part in amplitudes)
        return {"map_x": columns + width * shift_x, "map_y": rows + height * shift_y}
