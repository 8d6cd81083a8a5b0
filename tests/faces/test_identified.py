"""Names are given to the faces of an image jointly."""

from visionkit.faces.identified import Identified, Match, named_once


def face(**distances: float) -> Identified:
    nearest = tuple(sorted((Match(name, distance) for name, distance in distances.items()), key=lambda match: match.distance))
    return Identified(None, nearest)


def test_without_faces_or_people_nobody_is_named():
    assert named_once([], []) == [] and named_once([face()], [0.6]) == [face()]
    assert face().distance is None and face(Ada=0.3).distance == 0.3


def test_the_sum_of_the_distances_below_the_threshold_decides():
    faces = [face(Ada=0.2, Bob=0.3), face(Ada=0.25, Bob=0.59), face(Ada=0.1, Bob=0.7)]
    named = named_once(faces, [0.6] * 3)
    assert [each.name for each in named] == ["Bob", None, "Ada"] and named[0].distance == 0.3
    assert [each.name for each in named_once(faces[:2], [0.6, 0.2])] == ["Ada", None]
    assert named_once([face(Ada=0.0)], [0.0])[0].name == "Ada" and named_once([face(Ada=1e-3)], [0.0])[0].name is None
    assert named_once([face(Ada=0.6)], [0.6])[0].name == "Ada" and named_once([face(Ada=0.61)], [0.6])[0].name is None


def test_the_named_person_stays_among_the_nearest():
    ada = face(Ada=0.1, Bob=0.2, Cy=0.3)._replace(name="Bob")
    assert [match.name for match in ada.shortened(1).nearest] == ["Ada", "Bob"] and len(ada.shortened(3).nearest) == 3
