"""Batches of people by images: everyone is drawn equally often, and nobody twice in a batch."""

import numpy as np
import pytest

from visionkit.data.index import positions_by_person
from visionkit.data.pipeline.identity_batches import people_batches


def batches(labels, people=4, images=3, seed=0, epoch=0):
    return people_batches(np.asarray(labels), people=people, images=images, seed=seed, epoch=epoch)


def test_no_people_make_no_batches():
    assert batches(np.zeros(0, int)).shape == (0, 12)
    assert batches([-1, -1]).shape == (0, 12)
    assert positions_by_person(np.zeros(0, int)) == []


def test_positions_by_person():
    assert [positions.tolist() for positions in positions_by_person(np.array([3, -1, 0, 3, -2, 0, 7]))] == [[2, 5], [0, 3], [6]]


def test_a_batch_holds_its_people_side_by_side():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 6))
    found = batches(labels)
    assert found.shape == (5, 12) and found.dtype == np.int64
    for batch in found:
        by_person = batch.reshape(4, 3)
        assert (labels[by_person] == labels[by_person[:, :1]]).all()
        assert len(set(labels[by_person[:, 0]])) == 4 and len(set(batch.tolist())) == 12


@pytest.mark.parametrize(("num_people", "each"), [(10, 6), (7, 20), (50, 1), (4, 9), (11, 2)])
@pytest.mark.parametrize("seed", range(5))
def test_people_and_their_images_come_equally_often(num_people, each, seed):
    labels = np.repeat(np.arange(num_people), each)
    found = batches(labels, seed=seed)
    of_people = np.bincount(labels[found[:, ::3].ravel()], minlength=num_people)
    assert of_people.min() >= 1 and np.ptp(of_people) <= 1
    for person in range(num_people):
        assert np.ptp(np.bincount(found.ravel(), minlength=len(labels))[labels == person]) <= 1
    assert all(len(set(labels[batch])) == 4 for batch in found)


def test_people_with_few_images_repeat_them_evenly():
    labels = np.array([0, 1, 1, 2, 2, 2, 2, 2, 2])
    for batch in batches(labels, people=3, images=4, seed=1):
        counts = np.bincount(batch, minlength=9)
        assert counts[0] == 4 and counts[1:3].tolist() == [2, 2] and sorted(counts[3:]) == [0, 0, 1, 1, 1, 1]
    seven = batches(np.zeros(3, int), people=1, images=7)
    assert sorted(np.bincount(seven[0])) == [2, 2, 3]


def test_where_people_are_few_batches_are_smaller():
    assert batches([0, 0, 5, 5], people=8, images=2).shape == (1, 4)
    assert batches([3, 3, 3], people=8, images=2).shape == (2, 2)


def test_a_person_with_many_images_is_not_drawn_more_often():
    labels = np.concatenate([np.zeros(500, int), np.arange(1, 20)])
    found = batches(labels)
    assert found.shape == (-(-519 // 12), 12)
    assert np.ptp(np.bincount(labels[found[:, ::3].ravel()])) <= 1


def test_unlabelled_images_are_not_drawn():
    labels = np.array([-1, 0, 0, -1, 1, 1])
    assert set(batches(labels, people=2, images=2).ravel()) == {1, 2, 4, 5}


def test_seed_and_epoch_decide_what_is_drawn():
    labels = np.repeat(np.arange(10), 6)
    np.testing.assert_array_equal(batches(labels, seed=1, epoch=2), batches(labels, seed=1, epoch=2))
    assert (batches(labels, seed=1, epoch=2) != batches(labels, seed=1, epoch=3)).any()
    assert (batches(labels, seed=1, epoch=2) != batches(labels, seed=2, epoch=2)).any()
