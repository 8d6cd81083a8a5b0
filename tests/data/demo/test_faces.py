"""Drawn faces: no person occurs twice, the seed decides, and images of one person share their geometry."""

import numpy as np

from visionkit.data.demo.faces import SIDE, draw_face, draw_person, make_face_demo
from visionkit.data.formats.identities import looks_like_identities, read_identities


def test_no_people_make_no_folders(tmp_path):
    folder = make_face_demo(tmp_path / "faces", num_train=0, num_val=0)
    assert [child.name for child in folder.iterdir()] == ["VERSION"]


def test_it_is_read_as_people_and_called_synthetic(tmp_path):
    folder = make_face_demo(tmp_path / "faces", num_train=3, num_val=2, images=2)
    assert looks_like_identities(folder)
    found = read_identities(folder)
    assert {name: len(index) for name, index in found.splits.items()} == {"train": 6, "val": 4}
    assert all(name.startswith("synthetic") for name in found.class_names)
    assert not set(found.splits["train"].labels) & set(found.splits["val"].labels)


def test_the_seed_decides():
    first, again, other = (draw_face(draw_person(np.random.default_rng(seed)), np.random.default_rng(9)) for seed in (1, 1, 2))
    assert first.shape == (SIDE, SIDE, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_person_stays_while_pose_light_and_expression_change(rng):
    person = draw_person(rng)
    images = [draw_face(person, rng).astype(float) for _ in range(3)]
    assert all(np.abs(one - other).mean() > 5 for one in images for other in images if one is not other)
