"""Find faces on images with mtcnn, and cut them out upright.

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
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from visionkit.errors import UserError
from visionkit.faces.face import Face, area, choose_rotation, is_certain, principal_face
from visionkit.ops.alignment import CHIP, MTCNN_POINTS, aligned_chip

if TYPE_CHECKING:
    from mtcnn import MTCNN

LONGEST = 1024  # pixels: larger images are shrunk for the search
SMALLEST = 20  # pixels in the shrunk image: mtcnn's smallest face
SURE = 0.99  # score from which on no other rotation of the image is tried
BATCH, BATCH_PIXELS = 16, 2**20  # largest number of images, and of pixels, in a batch for mtcnn
# Number of proposals with the highest scores that are used at each scale. mtcnn compares all pairs: a page full of small faces
# has 5,000 proposals and takes gigabytes, a portrait has a hundred.
PROPOSALS = 1000
NEEDED = ("mtcnn", "lz4", "joblib")  # mtcnn 1.0.0 imports the others


class FaceFinder:
    """mtcnn's three networks (https://arxiv.org/abs/1604.02878) in memory; threads may share one finder.

    An image is first searched as it is. If its principal face has no score of ``sure``, or its points do not form an upright
    face of the usual width, the three other rotations are searched too; ``face.choose_rotation`` says which one counts. A
    ``sure`` above 1 always compares all rotations, in four times the time.

    Args:
        longest: longer side in pixels to which larger images are shrunk for the search; most faces of less than 20 pixels are
            then missed. Chips are cut out of the original image.
        sure: score from which on no other rotation is tried; 0 tries none if any face is found.

    Raises:
        UserError: mtcnn is not installed.
    """

    def __init__(self, *, longest: int = LONGEST, sure: float = SURE):
        self.longest, self.sure = longest, sure
        self._mtcnn = _load()

    def find(self, pixels: np.ndarray) -> list[Face]:
        """Find the faces on one image: ``principal_face`` first, the others by falling size.

        Args:
            pixels: uint8 ``(H, W, 3)`` RGB, or ``(H, W)`` or ``(H, W, 1)`` grey; of any size.

        Raises:
            ValueError: pixels of another shape or type.
        """
        return next(self.find_many([pixels]))

    def find_many(self, images: Iterable[np.ndarray]) -> Iterator[list[Face]]:
        """Find the faces on each of many images, in order; consecutive images of one size form a batch, which is faster.

        mtcnn chooses between boxes of nearly equal score, and rounding in a batch may change its choice: points may be a pixel
        or two away from those of ``find``.

        Args:
            images: see ``find``; read 16 at a time.

        Raises:
            ValueError: pixels of another shape or type.
        """
        images = iter(images)
        while group := [_as_rgb(pixels) for pixels in islice(images, BATCH)]:
            yield from self._find_in_group(group)

    def chip(self, pixels: np.ndarray, face: Face, size: int = CHIP) -> np.ndarray:
        """Cut out a face upright, in the frame of dlib's chips; black beyond the image.

        Args:
            pixels: image of the face.
            face: a face from ``find``.
            size: side of the chip in pixels.

        Returns:
            uint8 ``(size, size, 3)``; see ``ops.alignment.aligned_chip``.

        Raises:
            ValueError: pixels of another shape or type, or a size below 2.
        """
        return aligned_chip(_as_rgb(pixels), face.points, MTCNN_POINTS, size)

    def _find_in_group(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        shrunk = [self._shrunk(pixels) for pixels in images]
        all_faces = self._search(shrunk)
        unsure = [row for row, faces in enumerate(all_faces) if not self._is_sure(faces, shrunk[row])]
        rotated = iter(self._search([np.ascontiguousarray(np.rot90(shrunk[row], k)) for row in unsure for k in (1, 2, 3)]))
        for row in unsure:
            height, width = shrunk[row].shape[:2]
            turned = [[_turned_back(face, k, height, width) for face in next(rotated)] for k in (1, 2, 3)]
            all_faces[row] = choose_rotation(all_faces[row], turned, (height, width))
        return [
            _in_order([_enlarged(face, small.shape, pixels.shape) for face in faces], pixels.shape[:2])
            for faces, small, pixels in zip(all_faces, shrunk, images, strict=True)
        ]

    def _shrunk(self, pixels: np.ndarray) -> np.ndarray:
        height, width = pixels.shape[:2]
        scale = self.longest / max(height, width)
        if scale >= 1:
            return pixels
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)

    def _is_sure(self, faces: list[Face], pixels: np.ndarray) -> bool:
        if min(pixels.shape[:2]) < SMALLEST:
            return True
        face = principal_face(faces, pixels.shape[:2])
        return face is not None and (self.sure == 0 or is_certain(face, self.sure))

    def _search(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """The faces on images without rotation; images of one size are searched in batches."""
        rows_by_size: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, pixels in enumerate(images):
            if min(pixels.shape[:2]) >= SMALLEST:
                rows_by_size[pixels.shape].append(row)
        faces: list[list[Face]] = [[] for _ in images]
        for (height, width, _), rows in rows_by_size.items():
            batch_size = min(BATCH, max(1, BATCH_PIXELS // (height * width)))
            for batch in (rows[start : start + batch_size] for start in range(0, len(rows), batch_size)):
                for row, face in self._detect([images[row] for row in batch]):
                    faces[batch[row]].append(face)
        return faces

    def _detect(self, images: list[np.ndarray]) -> Iterator[tuple[int, Face]]:
        """Yield each face on a batch of images, after the row of its image.

        mtcnn's array output is used, since its records round to whole pixels.
        """
        with np.errstate(divide="ignore", invalid="ignore"):  # mtcnn compares the overlaps of boxes without area
            rows = self._mtcnn.detect_faces(
                images, output_type="numpy", box_format="xyxy", fit_to_image=False, min_face_size=SMALLEST
            )
        for row in rows[np.isfinite(rows).all(axis=1)]:
            yield int(row[0]), Face(tuple(row[1:5].tolist()), float(row[5]), np.stack([row[6:11], row[11:16]], axis=1))


def _load() -> "MTCNN":
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"Faces are found by mtcnn, and {', '.join(missing)} cannot be imported. Install it: pip install 'visionkit[faces]'"
        )
    import mtcnn  # takes seconds
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    # Full paths, since mtcnn would first look for these names in the current folder, and unpickle what it finds there.
    files = {
        name: str(importlib.resources.files(mtcnn) / "assets" / "weights" / f"{name}.lz4") for name in ("pnet", "rnet", "onet")
    }
    pnet = StagePNet(weights=files["pnet"])
    pnet._model = functools.partial(_propose, pnet.model)
    return mtcnn.MTCNN(stages=[pnet, StageRNet(weights=files["rnet"]), StageONet(weights=files["onet"])])


def _propose(network: Any, images: Any) -> list[Any]:
    """Output of mtcnn's first network for a batch, with only the ``PROPOSALS`` highest scores of each image."""
    import tensorflow as tf  # slow; some modules import this one for Face alone

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
    return sorted(faces, key=lambda face: (face is not principal, -area(face)))


def _enlarged(face: Face, small: tuple[int, ...], full: tuple[int, ...]) -> Face:
    """Move a face from the shrunk image to the original."""
    if small == full:
        return face
    scale = np.array([full[1] / small[1], full[0] / small[0]])
    box = np.array(face.xyxy) * np.tile(scale, 2)
    return face._replace(xyxy=tuple(box.tolist()), points=(face.points + 0.5) * scale - 0.5)


def _turned_back(face: Face, turned: int, height: int, width: int) -> Face:
    """Move a face from ``np.rot90(pixels, turned)`` to ``pixels``, of that height and width."""
    corners = np.array(face.xyxy).reshape(2, 2)

    def back(points: np.ndarray, offset: int) -> np.ndarray:
        """``offset`` is 0 for edges of pixels, which run from 0 to the side, and 1 for centers, which end one earlier."""
        x, y = points[:, 0], points[:, 1]
        turns = {1: (width - offset - y, x), 2: (width - offset - x, height - offset - y), 3: (y, height - offset - x)}
        return np.stack(turns[turned], axis=1)

    corners = back(corners, 0)
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist())
    return face._replace(xyxy=box, points=back(face.points, 1), turned=turned)
