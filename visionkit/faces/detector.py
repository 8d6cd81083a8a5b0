"""Find faces on images with mtcnn, and cut them out upright:

from visionkit.faces.detector import FaceFinder
finder = FaceFinder()
faces = finder.find(pixels)
chip = finder.chip(pixels, faces[0])
"""

import functools
import importlib.resources
import importlib.util
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np

from visionkit.errors import UserError
from visionkit.ops.alignment import CHIP, MTCNN_POINTS, aligned_chip

if TYPE_CHECKING:
    from mtcnn import MTCNN

LONGEST = 1024  # pixels: larger images are shrunk to be searched
SMALLEST = 20  # pixels, there: mtcnn's smallest face
SURE = 0.99  # a score from which on no other turn of an image is tried
SURE_TURNED = 0.98  # a score that a face on another turn is to have: images of ants reach 0.97 there
TILTED = 45  # degrees from which on another turn would suit a face better
BATCH, BATCH_PIXELS = 16, 2**20  # images, and pixels, that mtcnn is given at once
# The surest at each scale. mtcnn compares all with each other: a page full of small faces makes 5,000 of them and takes
# gigabytes, a portrait makes a hundred.
PROPOSALS = 1000
NEEDED = ("mtcnn", "lz4", "joblib")  # mtcnn 1.0.0 imports the others


class Face(NamedTuple):
    """A face on an image. Pixels are those of the image as it was given, whatever was shrunk or turned to find it.

    Attributes:
        xyxy: left, top, right, bottom in pixels; at a border, they may lie outside of the image.
        score: how sure mtcnn is, 0..1.
        points: float64 ``(5, 2)``, x and y in pixels, in the order of ``ops.alignment.MTCNN_POINTS``: of the face as it looks
            upright. The middle of the first pixel is (0, 0).
        turned: quarter turns after which the face is upright, as ``np.rot90(pixels, turned)`` makes them; 0 for most.
    """

    xyxy: tuple[float, float, float, float]
    score: float
    points: np.ndarray
    turned: int = 0


def principal_face(faces: Sequence[Face], size: tuple[int, int]) -> Face | None:
    """Whom a portrait shows: of the faces at least half as large as the largest, the one nearest to the image's middle.

    Size is the area of the box. None where there is no face.

    Args:
        faces: of an image.
        size: its height and width in pixels.
    """
    if not faces:
        return None
    least = max(map(_area, faces)) / 2
    height, width = size

    def distance(face: Face) -> float:
        left, top, right, bottom = face.xyxy
        return float(np.hypot((left + right - width) / 2, (top + bottom - height) / 2))

    return min((face for face in faces if _area(face) >= least), key=distance)


class FaceFinder:
    """mtcnn's three networks (https://arxiv.org/abs/1604.02878) in memory; threads may share one.

    An image is searched as it is. If its principal face is not upright with a score of ``sure``, the three other turns are
    searched too, and the turn whose principal face has the best score counts. An upside-down face is now and then taken for an
    upright one with a score above 0.99; with ``sure=1`` all turns are always compared, in four times the time.

    Args:
        longest: pixels; larger images are shrunk to that for the search, and faces that then have less than 20 pixels are
            mostly missed. The chip is cut out of the image itself.
        sure: score from which on no other turn is tried, 0..1: 0 tries none where any face is found.

    Raises:
        UserError: mtcnn is not installed.
    """

    def __init__(self, *, longest: int = LONGEST, sure: float = SURE):
        self.longest, self.sure = longest, sure
        self._mtcnn = _load()

    def find(self, pixels: np.ndarray) -> list[Face]:
        """The faces on one image: ``principal_face`` first, the others by falling size; none is an empty list.

        Args:
            pixels: uint8 ``(H, W, 3)`` RGB, or ``(H, W)`` or ``(H, W, 1)`` grey; of any size.

        Raises:
            ValueError: pixels of another shape or type.
        """
        return next(self.find_many([pixels]))

    def find_many(self, images: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        """The faces on each of many images, in order; faster where neighbors have the same size: they go as a batch.

        mtcnn chooses between boxes that are nearly as good, and the rounding of sums in a batch may decide: points may lie a
        pixel or two from those that ``find`` gives.

        Args:
            images: see ``find``; taken 16 at a time.

        Raises:
            ValueError: pixels of another shape or type.
        """
        images = iter(images)
        while taken := [_as_rgb(pixels) for pixels in islice(images, BATCH)]:
            yield from self._find_on_all(taken)

    def chip(self, pixels: np.ndarray, face: Face, size: int = CHIP) -> np.ndarray:
        """A face cut out upright, in the frame of dlib's chips; black where it reaches out of the image.

        Args:
            pixels: the image on which it was found.
            face: what ``find`` said.
            size: side of the chip in pixels.

        Returns:
            uint8 ``(size, size, 3)``; see ``ops.alignment.aligned_chip``.

        Raises:
            ValueError: pixels of another shape or type, or a size below 2.
        """
        return aligned_chip(_as_rgb(pixels), face.points, MTCNN_POINTS, size)

    def _find_on_all(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        shrunk = [self._shrunk(pixels) for pixels in images]
        found = self._search(shrunk)
        unsure = [row for row, faces in enumerate(found) if not self._is_sure(faces, shrunk[row])]
        others = iter(self._search([np.ascontiguousarray(np.rot90(shrunk[row], k)) for row in unsure for k in (1, 2, 3)]))
        for row in unsure:
            height, width = shrunk[row].shape[:2]
            turns = [found[row]]
            for k in (1, 2, 3):
                faces = [_turned_back(face, k, height, width) for face in next(others)]
                turns.append(faces if _score(faces, (height, width)) >= SURE_TURNED else [])
            found[row] = max(turns, key=lambda faces, size=(height, width): _score(faces, size))  # of equals, the first
        return [
            _in_order([_enlarged(face, small.shape, pixels.shape) for face in faces], pixels.shape[:2])
            for faces, small, pixels in zip(found, shrunk, images, strict=True)
        ]

    def _shrunk(self, pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        times = self.longest / max(height, width)
        if times >= 1:
            return pixels
        size = (max(1, round(width * times)), max(1, round(height * times)))
        return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)

    def _is_sure(self, faces: list[Face], pixels: np.ndarray) -> bool:
        if min(pixels.shape[:2]) < SMALLEST:
            return True
        face = principal_face(faces, pixels.shape[:2])
        return face is not None and face.score >= self.sure and abs(_tilt(face)) < TILTED

    def _search(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """The faces on images as they are, those of a size in batches."""
        of_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, pixels in enumerate(images):
            if min(pixels.shape[:2]) >= SMALLEST:
                of_size[pixels.shape].append(row)
        found: list[list[Face]] = [[] for _ in images]
        for (height, width, _), rows in of_size.items():
            most = min(BATCH, max(1, BATCH_PIXELS // (height * width)))
            for batch in (rows[start : start + most] for start in range(0, len(rows), most)):
                for row, face in self._ask([images[row] for row in batch]):
                    found[batch[row]].append(face)
        return found

    def _ask(self, images: list[np.ndarray]) -> Iterator[tuple[int, Face]]:
        """Of images of one size: the number of an image, and a face on it. mtcnn's own records round to whole pixels."""
        with np.errstate(divide="ignore", invalid="ignore"):  # boxes without area, of which it compares the overlaps
            rows = self._mtcnn.detect_faces(
                images, output_type="numpy", box_format="xyxy", fit_to_image=False, min_face_size=SMALLEST
            )
        for row in rows[np.isfinite(rows).all(axis=1)]:
            yield int(row[0]), Face(tuple(row[1:5].tolist()), float(row[5]), np.stack([row[6:11], row[11:16]], axis=1))


def _load() -> "MTCNN":
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"Faces are found by mtcnn, and {', '.join(missing)} cannot be imported. Install what it takes: "
            "pip install 'visionkit[faces]'"
        )
    import mtcnn  # takes seconds, and few ask for faces
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    # By their full names: mtcnn would take, and unpickle, files of these names in the current folder before its own.
    files = {
        name: str(importlib.resources.files(mtcnn) / "assets" / "weights" / f"{name}.lz4") for name in ("pnet", "rnet", "onet")
    }
    proposing = StagePNet(weights=files["pnet"])
    proposing._model = functools.partial(_propose, proposing.model)
    return mtcnn.MTCNN(stages=[proposing, StageRNet(weights=files["rnet"]), StageONet(weights=files["onet"])])


def _propose(network: Any, images: Any) -> list[Any]:
    """What mtcnn's first network says of a batch, without all but the surest proposals of each image."""
    import tensorflow as tf  # this file is imported for its Face alone, too

    offsets, scores = network(images)
    faces = scores.numpy()[..., 1]
    for face in faces:
        if face.size > PROPOSALS:
            face[face < np.partition(face, -PROPOSALS, axis=None)[-PROPOSALS]] = 0
    return [offsets, tf.stack([1 - faces, faces], axis=-1)]


def _as_rgb(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3))) and pixels.size:
        return (
            pixels if pixels.ndim == 3 and pixels.shape[2] == 3 else np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
        )
    raise ValueError(f"Expected uint8 pixels (H, W, 3), or grey (H, W), received {pixels.dtype} {pixels.shape}.")


def _in_order(faces: list[Face], size: tuple[int, int]) -> list[Face]:
    principal = principal_face(faces, size)
    return sorted(faces, key=lambda face: (face is not principal, -_area(face)))


def _area(face: Face) -> float:
    left, top, right, bottom = face.xyxy
    return max(right - left, 0) * max(bottom - top, 0)


def _score(faces: list[Face], size: tuple[int, int]) -> float:
    face = principal_face(faces, size)
    return face.score if face else 0.0


def _tilt(face: Face) -> float:
    """Degrees of the line between the eyes from the level."""
    across, down = face.points[1] - face.points[0]
    return float(np.degrees(np.arctan2(down, across)))


def _enlarged(face: Face, small: tuple[int, ...], full: tuple[int, ...]) -> Face:
    """A face on the image whose shrunk form it was found on."""
    if small == full:
        return face
    times = np.array([full[1] / small[1], full[0] / small[0]])
    box = np.array(face.xyxy) * np.tile(times, 2)
    return face._replace(xyxy=tuple(box.tolist()), points=(face.points + 0.5) * times - 0.5)


def _turned_back(face: Face, turned: int, height: int, width: int) -> Face:
    """A face found on ``np.rot90(pixels, turned)``, on the image of that height and width."""
    corners = np.array(face.xyxy).reshape(2, 2)

    def back(points: np.ndarray, least: int) -> np.ndarray:
        """``least`` is what the first and the last place of a side add up to less than its length."""
        x, y = points[:, 0], points[:, 1]
        turns = {1: (width - least - y, x), 2: (width - least - x, height - least - y), 3: (y, height - least - x)}
        return np.stack(turns[turned], axis=1)

    corners = back(corners, 0)
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    return face._replace(xyxy=box, points=back(face.points, 1), turned=turned)
