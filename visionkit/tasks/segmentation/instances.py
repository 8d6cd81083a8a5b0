"""The single things in a mask: which pixels belong to the same thing, where it is, and how large."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import local_maxima, reconstruction
from skimage.segmentation import watershed

from visionkit.data.index import IGNORE
from visionkit.errors import UserError

MOST = np.iinfo(np.uint16).max  # the largest number that a PNG holds
NECK = 0.8  # blobs are one thing where their neck is at least this share of the width of the slimmer one
CORNERS = np.ones((3, 3), int)  # pixels that share a corner are connected


class Instance(NamedTuple):
    """One thing.

    Attributes:
        label: its class.
        area: in pixels.
        xyxy: its box in pixels, half-open: ``labels[y1:y2, x1:x2]`` holds all of it.
        centroid: x and y of the mean of its pixels, in pixels; those of a pixel are its center's.
    """

    label: str
    area: int
    xyxy: tuple[int, int, int, int]
    centroid: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """For a line of JSON; the centroid to a hundredth of a pixel."""
        x, y = self.centroid
        return {"label": self.label, "area": self.area, "xyxy": list(self.xyxy), "centroid": [round(x, 2), round(y, 2)]}


@dataclass(frozen=True)
class Instances:
    """The things in a mask.

    Attributes:
        labels: int32 ``(H, W)``: the number of the thing that each pixel belongs to, from 1 on; 0 stands for none.
        things: in the order of their numbers, class by class. In each class, components are numbered from the top down, and
            then the parts that were split off from them.
    """

    labels: np.ndarray
    things: tuple[Instance, ...]


def find_instances(
    mask: np.ndarray,
    class_names: Sequence[str],
    *,
    split: Literal["components", "watershed"] = "components",
    least: int = 16,
    background: int | None = 0,
) -> Instances:
    """Separate the things in a mask.

    Args:
        mask: uint8 ``(H, W)``, a class for each pixel; ``IGNORE`` has none.
        class_names: names by number.
        split: "components": pixels of a class that touch, even at a corner, are one thing. "watershed": a thing is split
            further where it is much narrower than on both sides (Vincent and Soille, 1991, on the distance to the edge).
        least: the smallest area of a thing in pixels.
        background: the class that is no thing; None where all classes are.

    Raises:
        UserError: ``split`` is none of these, a class has no name, or there are more things than a 16-bit PNG can number.
    """
    if split not in ("components", "watershed"):
        raise UserError(f"split={split!r} is not known; it is 'components' or 'watershed'")
    present = [int(number) for number in np.flatnonzero(np.bincount(mask.ravel())) if number not in (background, IGNORE)]
    if present and present[-1] >= len(class_names):
        raise UserError(f"the mask has class {present[-1]}, and there are names of {len(class_names)} classes, from 0 on")
    labels, owners = np.zeros(mask.shape, np.int32), []
    for number in present:
        _, parts, statistics, _ = cv2.connectedComponentsWithStats((mask == number).astype(np.uint8), connectivity=8)
        large = statistics[:, cv2.CC_STAT_AREA] >= least
        large[0] = False  # all other classes
        parts = np.where(large, np.cumsum(large), 0).astype(np.int32)[parts]
        count = int(large.sum()) if split == "components" else _split_all(parts, statistics[large], least)
        labels += np.where(parts > 0, parts + len(owners), 0).astype(np.int32)
        owners += [class_names[number]] * count
    if len(owners) > MOST:
        raise UserError(
            f"there are {len(owners):,} things of {least} pixels and more, and a 16-bit PNG numbers {MOST:,} at most; "
            "a larger least drops specks"
        )
    return Instances(labels, tuple(_measured(labels, owners)))


def _split_all(labels: np.ndarray, statistics: np.ndarray, least: int) -> int:
    """Number the parts of components, in place, and return how many there are."""
    count = len(statistics)
    for number, (left, top, width, height, _) in enumerate(statistics.tolist(), start=1):
        window = labels[top : top + height, left : left + width]
        inside = window == number
        parts = _split_at_necks(inside, least)
        window[parts > 1] = parts[parts > 1] - 1 + count
        count += int(parts.max()) - 1
    return count


def _split_at_necks(inside: np.ndarray, least: int) -> np.ndarray:
    """The parts of a connected component, from 1 on; 0 is outside.

    A part begins where the distance to the edge is largest. Another part counts if every way to it is narrower than ``NECK``
    of its own width. That is a ratio, so logarithms are compared: a threshold in pixels would split large rough things and
    leave small ones together.
    """
    padded = np.pad(inside, 1)  # the border of the image is an edge, too
    distance = np.log(np.maximum(cv2.distanceTransform(padded.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), 1e-3))
    filled = reconstruction(distance + np.log(NECK), distance, footprint=CORNERS)
    seeds = label(local_maxima(filled, connectivity=2) & padded, connectivity=2)
    while seeds.max() > 1:
        parts = watershed(-distance, seeds, connectivity=2, mask=padded)
        areas = np.bincount(parts.ravel())[1:]
        if areas.min() >= least:
            return parts[1:-1, 1:-1]
        # Small parts fall to their neighbors, so that no pixel is lost.
        large = areas >= min(least, areas.max())
        seeds = np.append(0, np.cumsum(large) * large)[seeds]
    return inside.astype(np.int32)


def _measured(labels: np.ndarray, owners: Sequence[str]) -> Iterator[Instance]:
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        moments = cv2.moments((labels[rows, columns] == number).astype(np.uint8), binaryImage=True)
        area, left, top = int(moments["m00"]), columns.start, rows.start
        centroid = (left + moments["m10"] / area, top + moments["m01"] / area)
        yield Instance(owners[number - 1], area, (left, top, columns.stop, rows.stop), centroid)
