"""A face on an image, what its points say about it, and the choice between the rotations of an image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from visionkit.ops.alignment import MTCNN_POINTS, fit_similarity

# Score of a face. All that were found on 317 pictures of faces, some dark, blurred or cut, were above; of 12 that mtcnn saw on
# flowers, insects and raccoons, 6 were below.
FAIR = 0.9
SURE_TURNED = 0.98  # lowest score of a face that only a rotated image shows: images of ants reach 0.97 there
LIKELY_TURNED = 0.95  # the same where the image as it is shows the head, too
SMALLEST_TURNED = 32  # pixels: shortest side of a face on a rotated image; most of the smaller ones are no faces
MUCH_LARGER = 4  # times the area
# Degrees of tilt from which another rotation fits better. At 45 two fit alike, and mtcnn often sees the face in one of them
# alone, so that each rotation counts for a few degrees more: a portrait at 46 degrees was otherwise read upside down.
TILTED = 55
# Distance of the eyes by the side of the box, as fitted to all five points. It is 0.35 to 0.43 on 115 photographs; where mtcnn
# sees a face in another rotation than the face has, it is 0.08 to 0.37, whatever the score.
EYES, EYES_TURNED, NARROW = 0.38, 0.33, 0.355
CROOKED = 0.32  # largest root mean square distance of the points from their fit, by that of the eyes; profiles reach 0.29
NO_FORM = 0.1  # by which a face is less likely whose points form none
# A face with less of its box on the image resembles other people more: among 47 such faces 19 % were within the threshold of
# somebody else, of whole ones 5 %; 4 % were within 0.92 times the threshold.
VISIBLE, STRICTER = 0.8, 0.92
CLEARLY = 0.01  # by which a rotated reading of a head must be likelier than the upright one


class Face(NamedTuple):
    """A face on an image, in pixels of the original image, before any shrinking or rotation.

    Attributes:
        xyxy: left, top, right, bottom in pixels; at a border, they may lie outside of the image.
        score: mtcnn's score, 0..1.
        points: float64 ``(5, 2)``, x and y in pixels, in the order of ``ops.alignment.MTCNN_POINTS``, where left and right are
            those of the upright face. The center of the first pixel is (0, 0).
        turned: number of quarter turns of ``np.rot90(pixels, turned)`` that make the face upright; mostly 0.
    """

    xyxy: tuple[float, float, float, float]
    score: float
    points: np.ndarray
    turned: int = 0


class Shape(NamedTuple):
    """What the five points of a face say, as a similarity fits them to those of an upright face.

    Attributes:
        tilt: angle in degrees, -180..180, by which the face is rotated after its quarter turns; positive is clockwise.
        eyes: distance of the eyes by the square root of the box's area.
        residual: root mean square distance of the points from their fit, by the distance of the eyes.
        in_order: whether the eyes are above the nose, and the nose above the corners of the mouth, and left is left of right.
    """

    tilt: float
    eyes: float
    residual: float
    in_order: bool

    @property
    def is_upright(self) -> bool:
        """Whether the points form a face that is upright after its quarter turns; profiles are narrow, and pass."""
        return self.in_order and self.residual <= CROOKED and abs(self.tilt) < TILTED


def shape_of(face: Face) -> Shape:
    """Compute the shape of a face. Points that fit no face have infinite residuals."""
    try:
        fitted = fit_similarity(MTCNN_POINTS, face.points)
    except ValueError:
        return Shape(0.0, 0.0, np.inf, False)
    apart = fitted.scale * float(MTCNN_POINTS[1, 0] - MTCNN_POINTS[0, 0])
    residual = float(np.sqrt(((face.points - fitted.apply(MTCNN_POINTS)) ** 2).sum(axis=1).mean())) / apart
    tilt = float(np.degrees(np.arctan2(fitted.rotation[1, 0], fitted.rotation[0, 0]))) - 90 * face.turned
    side = max(area(face), 1.0) ** 0.5
    upright = (face.points - face.points.mean(axis=0)) @ fitted.rotation
    left_eye, right_eye, nose, left_mouth, right_mouth = upright
    in_order = (
        max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        and left_eye[0] < right_eye[0]
        and left_mouth[0] < right_mouth[0]
    )
    return Shape((tilt + 180) % 360 - 180, apart / side, residual, bool(in_order))


def is_certain(face: Face, sure: float) -> bool:
    """Whether a face is upright beyond doubt: its score is at least ``sure``, and its points form a face of the usual width."""
    shape = shape_of(face)
    return face.score >= sure and shape.is_upright and shape.eyes >= NARROW


def is_fair(face: Face) -> bool:
    """Whether a face has a score of at least ``FAIR``, and its points form a face."""
    return face.score >= FAIR and shape_of(face).is_upright


def principal_face(faces: Sequence[Face], size: tuple[int, int]) -> Face | None:
    """Find the face that a portrait shows: among faces at least half as large as the largest, the one nearest to the center.

    Only fair faces count, if there are any. Size is the area of the box. Without faces, the result is None.

    Args:
        faces: faces of an image.
        size: height and width of the image in pixels.
    """
    if not faces:
        return None
    faces = list(filter(is_fair, faces)) or faces
    smallest = max(map(area, faces)) / 2
    height, width = size

    def distance(face: Face) -> float:
        left, top, right, bottom = face.xyxy
        return float(np.hypot((left + right - width) / 2, (top + bottom - height) / 2))

    return min((face for face in faces if area(face) >= smallest), key=distance)


def choose_rotation(upright: list[Face], turned: Sequence[list[Face]], size: tuple[int, int]) -> list[Face]:
    """Choose between the faces of an image as it is and those of its three rotations, by the principal face of each.

    mtcnn also sees faces in backgrounds, and sideways or upside down in faces, now and then with scores above 0.99. So the
    image as it is counts, unless a face on a rotated image wins clearly: it has a high score, is not tiny, and its points form
    a face in that orientation; and it is a likelier reading of the same head, or is as large as the upright face, and much
    larger than one that is fair.

    Args:
        upright: faces on the image.
        turned: faces on each of its rotations, in pixels of the image.
        size: height and width of the image in pixels.
    """
    first = principal_face(upright, size)
    rivals = [(face, faces) for faces in turned if (face := principal_face(list(filter(_may_be_turned, faces)), size))]
    if not rivals:
        return upright
    rival, faces = max(rivals, key=lambda pair: _likelihood(pair[0]))
    return faces if _wins(rival, first) else upright


def _wins(rival: Face, first: Face | None) -> bool:
    """Whether a face on a rotated image counts, and not the principal one of the image as it is."""
    if first is None:
        return rival.score >= SURE_TURNED
    if _likelihood(rival) < _likelihood(first) + CLEARLY:
        return False
    if _same_head(rival, first):
        return True
    return rival.score >= SURE_TURNED and area(rival) >= area(first) * (MUCH_LARGER if is_fair(first) else 1)


def _may_be_turned(face: Face) -> bool:
    left, top, right, bottom = face.xyxy
    large, shape = min(right - left, bottom - top) >= SMALLEST_TURNED, shape_of(face)
    return large and face.score >= LIKELY_TURNED and shape.is_upright and shape.eyes >= EYES_TURNED


def _likelihood(face: Face) -> float:
    """The score, less what the eyes are too close for a face that is seen in its own orientation."""
    shape = shape_of(face)
    return face.score - max(0.0, EYES - shape.eyes) - (0 if shape.is_upright else NO_FORM)


def _same_head(one: Face, other: Face) -> bool:
    """Whether each box holds the center of the other one."""

    def holds(box: Face, inner: Face) -> bool:
        x, y = (inner.xyxy[0] + inner.xyxy[2]) / 2, (inner.xyxy[1] + inner.xyxy[3]) / 2
        return box.xyxy[0] <= x <= box.xyxy[2] and box.xyxy[1] <= y <= box.xyxy[3]

    return holds(one, other) and holds(other, one)


def threshold_of(face: Face, size: tuple[int, int], threshold: float) -> float:
    """Distance up to which a face is recognised: the threshold, or less where a border of the image cuts the face off.

    Args:
        face: a face on the image.
        size: height and width of the image in pixels.
        threshold: distance for faces that are visible as a whole.
    """
    left, top, right, bottom = face.xyxy
    inside = (max(left, 0.0), max(top, 0.0), min(right, float(size[1])), min(bottom, float(size[0])))
    visible = area(face._replace(xyxy=inside)) / max(area(face), 1e-9)
    return threshold if visible >= VISIBLE else threshold * STRICTER


def area(face: Face) -> float:
    """Area of the box in square pixels."""
    left, top, right, bottom = face.xyxy
    return max(right - left, 0) * max(bottom - top, 0)
