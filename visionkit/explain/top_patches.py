"""The image patches that excite a unit most, cut out at its receptive field.

Visualizing and Understanding Convolutional Networks, Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901, figure 2.
"""

from typing import NamedTuple

import cv2
import numpy as np

from visionkit.explain.network_graph import Layer

NUM_PATCHES = 9
MOST_BEYOND = 0.2  # of a receptive field that may lie beyond a border of the image
ROUNDING = 1e-5  # relative deviation in float32 below which a value is constant
BRIGHT = 0.5  # of a unit's strongest activation: places with more stay bright in ``dimmed``
DIMMED = 0.4  # brightness of the other places
BEYOND = 214  # gray level beyond the image's border


class Peak(NamedTuple):
    """A strong excitation: its value, the number of the image, and row and column in the layer's map."""

    value: float
    image: int
    y: int
    x: int


class TopPatches:
    """Collects the strongest excitations of all units of a layer, image by image; only those are kept in memory.

    Args:
        channels: number of units of the layer.
        per_image: number of excitations that an image may contribute to a unit.
        apart: smallest distance of these in places of the map.
        inside: rows and columns of the map that count; None counts all.
    """

    def __init__(self, channels: int, *, per_image: int = 1, apart: int = 1, inside: tuple[slice, slice] | None = None):
        self._per_image, self._apart = per_image, apart
        self._inside = inside or (slice(0, None), slice(0, None))
        self._values = np.full((channels, NUM_PATCHES), -np.inf, np.float32)
        self._where = np.full((channels, NUM_PATCHES, 3), -1, np.int64)  # image, y, x
        self._count, self._sum, self._squares = 0, np.zeros(channels), np.zeros(channels)

    def add(self, image: int, excitations: np.ndarray) -> None:
        """Add the excitations by one image, float32 ``(h, w, C)``."""
        excitations = excitations[self._inside]
        values = excitations.reshape(-1, excitations.shape[-1])
        self._count += len(values)
        self._sum += values.sum(axis=0, dtype=np.float64)
        self._squares += np.square(values, dtype=np.float64).sum(axis=0)
        rows, columns = np.indices(excitations.shape[:2])
        values = values.copy() if self._per_image > 1 else values
        for _ in range(self._per_image):
            places = values.argmax(axis=0)
            y, x = np.divmod(places, excitations.shape[1])
            self._keep(
                values[places, np.arange(len(places))],
                np.stack([np.full_like(y, image), y + self._inside[0].start, x + self._inside[1].start], axis=1),
            )
            if self._per_image > 1:
                near = (abs(rows.reshape(-1, 1) - y) < self._apart) & (abs(columns.reshape(-1, 1) - x) < self._apart)
                values[near] = -np.inf

    def _keep(self, values: np.ndarray, where: np.ndarray) -> None:
        weakest = self._values[:, -1]
        better = np.flatnonzero(values > weakest)
        all_values = np.concatenate([self._values[better], values[better, None]], axis=1)
        all_where = np.concatenate([self._where[better], where[better, None]], axis=1)
        order = np.argsort(-all_values, axis=1, kind="stable")[:, :NUM_PATCHES]
        self._values[better] = np.take_along_axis(all_values, order, axis=1)
        self._where[better] = np.take_along_axis(all_where, order[..., None], axis=1)

    def peaks(self, unit: int) -> list[Peak]:
        """The strongest excitations of a unit, best first."""
        pairs = zip(self._values[unit].tolist(), self._where[unit].tolist(), strict=True)
        return [Peak(value, *where) for value, where in pairs if np.isfinite(value)]

    def telling(self, count: int) -> list[int]:
        """Choose selective units: their peaks exceed their mean by the most standard deviations.

        Units that nothing excites or that everything excites equally are left out, and so are units that share their peaks with
        a chosen one.
        """
        mean = self._sum / max(self._count, 1)
        deviation = np.sqrt(np.maximum(self._squares / max(self._count, 1) - mean**2, 0))
        filled = np.isfinite(self._values)
        peak = np.where(filled, self._values, 0).sum(axis=1) / np.maximum(filled.sum(axis=1), 1)
        varies = deviation > ROUNDING * np.maximum(abs(mean), 1)
        contrast = np.where(varies & (self._values[:, 0] > 0), (peak - mean) / np.where(varies, deviation, 1), -np.inf)
        chosen: list[int] = []
        for unit in np.argsort(-contrast, kind="stable").tolist():
            if len(chosen) == count or not np.isfinite(contrast[unit]):
                break
            if all(self._num_shared(unit, other) <= NUM_PATCHES // 3 for other in chosen):
                chosen.append(unit)
        return chosen

    def _num_shared(self, unit: int, other: int) -> int:
        one, two = self._where[unit], self._where[other]
        same = (one[:, None, 0] == two[None, :, 0]) & (abs(one[:, None, 1:] - two[None, :, 1:]).max(axis=-1) < self._apart)
        return int((same & (one[:, None, 0] >= 0)).any(axis=1).sum())


def inside(layer: Layer, size: int) -> tuple[slice, slice]:
    """The rows and columns of a map whose units see little beyond the image.

    The border itself excites units, and more than anything in the image. At most ``MOST_BEYOND`` of a receptive field may lie
    beyond each side; if receptive fields exceed the image, all units count.
    """
    slices = []
    for start, stride, field, count in zip(
        layer.place.start, layer.place.stride, layer.place.field, layer.place.sides, strict=True
    ):
        beyond = MOST_BEYOND * field
        fits = [i for i in range(count) if start + i * stride >= -beyond and start + i * stride + field <= size + beyond]
        slices.append(slice(fits[0], fits[-1] + 1) if fits and field < size else slice(0, count))
    return slices[0], slices[1]


def cut(pixels: np.ndarray, layer: Layer, peak: Peak) -> np.ndarray:
    """Cut out the receptive field of a unit; pixels beyond the border are gray.

    Args:
        pixels: the preprocessed image, ``(H, W, 3)`` in 0..255.
        layer: layer of the unit.
        peak: place of the unit.

    Returns:
        uint8 ``(height, width, 3)`` of the receptive field.
    """
    corner, sides = layer.window(peak.y, peak.x)
    patch = np.full((*sides, 3), BEYOND, np.uint8)
    begins = [max(0, start) for start in corner]
    ends = [min(length, start + side) for length, start, side in zip(pixels.shape, corner, sides, strict=False)]
    inside = pixels[begins[0] : ends[0], begins[1] : ends[1]]
    y, x = (begin - start for begin, start in zip(begins, corner, strict=True))
    patch[y : y + inside.shape[0], x : x + inside.shape[1]] = np.clip(np.round(inside), 0, 255)
    return patch


def dimmed(pixels: np.ndarray, activations: np.ndarray) -> np.ndarray:
    """Darken an image except where a unit is active, for units that see the whole image.

    Args:
        pixels: ``(H, W, 3)`` in 0..255.
        activations: activations of the unit, ``(h, w)``.

    Returns:
        uint8 ``(H, W, 3)``.
    """
    strength = cv2.resize(np.maximum(activations, 0).astype(np.float32), pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    share = strength / max(float(strength.max()), np.finfo(np.float32).tiny)
    light = DIMMED + (1 - DIMMED) * np.clip((share - BRIGHT + 0.1) / 0.2, 0, 1)
    return np.clip(np.round(pixels * light[..., None]), 0, 255).astype(np.uint8)
