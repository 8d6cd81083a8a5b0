"""LFW's list of pairs, whole and damaged, and pairs drawn from labels."""

import numpy as np
import pytest

from visionkit.data.formats.pairs import NOWHERE, Pairs, generated_pairs, read_lfw_pairs
from visionkit.data.index import DataError
from visionkit.metrics import verification

PEOPLE = {"Ann_A": 4, "Bob_B": 3, "Cy": 2}


@pytest.fixture
def faces(tmp_path):
    """Empty files, since no image is opened."""
    for name, count in PEOPLE.items():
        (tmp_path / "lfw" / name).mkdir(parents=True)
        for number in range(1, count + 1):
            (tmp_path / "lfw" / name / f"{name}_{number:04d}.jpg").touch()
    return tmp_path / "lfw"


def read(faces, *lines, name="pairs.txt"):
    (faces.parent / name).write_text("\n".join(lines))
    return read_lfw_pairs(faces.parent / name, faces)


def listed(found):
    """Names of the files of each pair, and whether it is of one person."""
    names = [path.replace("\\", "/").rsplit("/", 1)[1] for path in found.index.paths]
    return [(names[a], names[b], bool(same)) for a, b, same in zip(*vars_of(found.pairs)[:3], strict=True)]


def vars_of(pairs):
    return pairs.first, pairs.second, pairs.same, pairs.folds


def test_pairs_among_no_places_are_none_and_among_some_those_of_both():
    pairs = Pairs(np.array([0, 1, 2]), np.array([3, 2, 4]), np.array([True, False, True]), np.array([0, 1, NOWHERE]))
    assert len(pairs.among(np.zeros(0, int))) == 0
    kept = pairs.among(np.array([4, 2, 1]))
    assert [each.tolist() for each in vars_of(kept)] == [[2, 1], [1, 0], [False, True], [1, NOWHERE]]


@pytest.mark.parametrize("lines", [[], ["10\t300"], ["", " "], ["Nobody 1 2"], ["what is this file for"]])
def test_a_list_without_a_pair_is_an_error(faces, lines):
    with pytest.raises(DataError, match=r"none of . pairs can be used"):
        read(faces, *lines)


def test_a_missing_list_is_an_error(faces):
    with pytest.raises(DataError, match="cannot be read"):
        read_lfw_pairs(faces / "pairs.txt", faces)


@pytest.mark.parametrize("labels", [[], [-1, -1], [4]])
def test_one_image_makes_no_pairs(labels):
    pairs = generated_pairs(np.array(labels, int), seed=0)
    assert len(pairs) == pairs.num_folds == 0 and all(len(each) == 0 for each in vars_of(pairs))


@pytest.mark.parametrize("separator", ["\t", " "])
def test_pairs_and_folds_by_the_first_line(faces, separator):
    lines = ["2 1", "Ann_A 1 3", "Ann_A 2 Bob_B 1", "Bob_B 3 2", "Cy 2 Ann_A 1"]
    found = read(faces, *(line.replace(" ", separator) for line in lines))
    assert listed(found) == [
        ("Ann_A_0001.jpg", "Ann_A_0003.jpg", True),
        ("Ann_A_0002.jpg", "Bob_B_0001.jpg", False),
        ("Bob_B_0003.jpg", "Bob_B_0002.jpg", True),
        ("Cy_0002.jpg", "Ann_A_0001.jpg", False),
    ]
    assert found.pairs.folds.tolist() == [0, 0, 1, 1] and found.pairs.num_folds == 2
    assert found.index.class_names == ("Ann_A", "Bob_B", "Cy") and found.index.labels.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert found.notes == ("pairs.txt: 4 pairs of 7 images of 3 people, folds: 2",) and found.problems == ()


def test_without_a_first_line_folds_are_blocks(faces):
    lines = ["Ann_A 1 3", "Ann_A 1 2", "Ann_A 2 Bob_B 1", "Bob_B 3 2", "Cy 2 Ann_A 1", "Cy 1 Ann_A 1", "Cy 1 2"]
    assert read(faces, *lines).pairs.folds.tolist() == [0, 0, 0, 1, 1, 1, 2]
    assert read(faces, "10 300", *lines).pairs.folds.tolist() == [0, 0, 0, 1, 1, 1, 2]  # the header is wrong
    assert read(faces, "3", *lines[:6]).pairs.folds.tolist() == 6 * [0]
    in_any_order = 30 * ["Ann_A 1 2", "Ann_A 2 Bob_B 1"]
    assert read(faces, *in_any_order).pairs.num_folds == 1


def test_missing_images_are_reported_and_counted(faces):
    lines = ["2 1", "Ann_A 1 9", "Ann_A 9 Bob_B 1", "Bob_B 1 2", "Cy 1 Nobody 1"]
    found = read(faces, *lines)
    assert listed(found) == [("Bob_B_0001.jpg", "Bob_B_0002.jpg", True)] and found.pairs.folds.tolist() == [1]
    assert [problem.kind for problem in found.problems] == 2 * ["missing partner"]
    assert found.problems[0].path.endswith("Ann_A_0009.jpg") and found.problems[1].path.endswith("Nobody_0001.jpg")
    assert found.problems[0].detail == "named in pairs.txt, line 2, but there is no such image; pairs left out: 2"
    assert found.notes[-1] == "3 of 4 pairs are left out; 2 images do not exist"
    assert found.index.class_names == ("Bob_B",)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Ann_A 1", "expected"),
        ("Ann_A one two", "expected"),
        ("Ann_A 1 Bob_B", "expected"),
        ("Ann_A 1 -2", "expected"),
        ("Ann_A 1 Bob_B 2 3", "expected"),
        ("Ann_A 1 99999999999999999999", "expected"),
        ("Ann_A 2 2", "both images of the pair are the same"),
        ("Ann_A 1 Ann_A 2", "two people"),
        ("../lfw/Ann_A 1 2", "without a path"),
        ("Ann_A 1 .. 2", "without a path"),
        ("\x00\x01 1 2", "without a path"),
    ],
)
def test_damaged_lines_are_reported_and_left_out(faces, line, reason):
    found = read(faces, "Ann_A 1 3", line, "Bob_B 1 2")
    assert len(found.pairs) == 2
    (problem,) = found.problems
    assert problem.kind == "bad annotation" and problem.path.endswith("pairs.txt")
    assert problem.detail.startswith("line 2: ") and reason in problem.detail
    assert found.notes[-1].startswith("1 of 3 pairs are left out")


def test_a_damaged_line_keeps_its_place_in_its_fold(faces):
    found = read(faces, "2 1", "Ann_A what", "Ann_A 2 Bob_B 1", "", "Bob_B 3 2", "Cy 2 Ann_A 1")
    assert found.pairs.folds.tolist() == [0, 1, 1]


def test_other_suffixes_and_encodings_are_accepted(faces):
    (faces / "Zoë").mkdir()
    for number in (1, 2):
        (faces / "Zoë" / f"Zoë_{number:04d}.PNG").touch()
    (faces.parent / "pairs.txt").write_bytes("\ufeffZoë\t1\t2\r\nCy\t1\t2\r\n".encode())
    assert listed(read_lfw_pairs(faces.parent / "pairs.txt", faces))[0] == ("Zoë_0001.PNG", "Zoë_0002.PNG", True)
    (faces.parent / "pairs.txt").write_bytes("Zoë\t1\t2\n".encode("latin-1"))
    assert len(read_lfw_pairs(faces.parent / "pairs.txt", faces).pairs) == 1


def check(pairs, labels):
    """Check what is true of any pairs drawn from labels."""
    first, second, same, folds = vars_of(pairs)
    assert (first < second).all() and len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(pairs)
    np.testing.assert_array_equal(labels[first] == labels[second], same)
    assert (labels[first] >= 0).all() and (labels[second] >= 0).all() and (folds[same] != NOWHERE).all()
    people = [set(labels[first[folds == fold]]) | set(labels[second[folds == fold]]) for fold in set(folds) - {NOWHERE}]
    assert sum(map(len, people)) == len(set().union(*people))


def test_the_metrics_mark_pairs_without_a_fold_in_the_same_way():
    assert NOWHERE == verification.NOWHERE


def test_few_images_make_every_pair():
    labels = np.array([2, 0, 1, 2, 0, -1, 1, 1, 2, 3])
    pairs = generated_pairs(labels, seed=3)
    check(pairs, labels)
    assert pairs.same.sum() == 3 + 1 + 3 and len(pairs) == 9 * 8 // 2
    assert pairs.num_folds == 2


@pytest.mark.parametrize("seed", range(4))
def test_folds_share_no_people_and_have_as_many_pairs_of_both_kinds(seed):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(24), 10))
    pairs = generated_pairs(labels, seed=seed, num_folds=5)
    check(pairs, labels)
    assert pairs.num_folds == 5 and len(pairs) == 24 * 45 + 20_000
    for fold in range(5):
        same = pairs.same[pairs.folds == fold]
        assert same.sum() in (4 * 45, 5 * 45) and same.sum() == (~same).sum()


def test_two_people_to_a_fold_or_one_fold():
    assert generated_pairs(np.repeat(np.arange(6), 10), seed=0).num_folds == 3
    assert generated_pairs(np.repeat(np.arange(3), 10), seed=0).num_folds == 1
    assert generated_pairs(np.array([0, 0, 1, 2, 3, 4]), seed=0).num_folds == 1
    few = generated_pairs(np.repeat(np.arange(3), 10), seed=0)
    in_fold = few.folds == 0
    assert few.same.sum() == (in_fold & ~few.same).sum() == 3 * 45 and len(few) == 30 * 29 // 2


def test_people_weigh_the_same_if_there_are_too_many_pairs():
    labels = np.concatenate([np.zeros(2000, int), np.repeat(np.arange(1, 41), 3)])
    pairs = generated_pairs(labels, seed=1, most=300, num_folds=1)
    check(pairs, labels)
    assert pairs.same.sum() == 300 and (~pairs.same).sum() == 300
    of_people = np.bincount(labels[pairs.first[pairs.same]], minlength=41)
    assert of_people[1:].tolist() == 40 * [3] and of_people[0] == 300 - 120
    different = ~pairs.same
    assert np.mean(labels[pairs.first[different]] == 0) < 0.2  # a pair of people is drawn, not one of images


def test_the_seed_draws():
    labels = np.repeat(np.arange(30), 8)
    once, again, other = (generated_pairs(labels, seed=seed, most=200) for seed in (1, 1, 2))
    for a, b in zip(vars_of(once), vars_of(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (once.first != other.first).any()


def test_enough_seeds_draw_every_pair():
    """The numbering of pairs leaves none out."""
    labels = np.array([0, 0, 0, 0, 1, 1])
    met = set()
    for seed in range(200):
        pairs = generated_pairs(labels, seed=seed, most=2)
        met |= set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert len(met) == 15


def test_generated_pairs_can_be_evaluated():
    labels = np.repeat(np.arange(12), 10)
    pairs = generated_pairs(labels, seed=0)
    x = np.random.default_rng(0).normal(size=(120, 8)) + 3 * np.random.default_rng(1).normal(size=(12, 8))[labels]
    distances = np.linalg.norm(x[pairs.first] - x[pairs.second], axis=1)
    measured = verification.verification_metrics(distances, pairs.same, folds=pairs.folds)
    assert measured.auc > 0.95 and measured.accuracy > 0.9 and not np.isnan(measured.tar_at_far[1e-3])
