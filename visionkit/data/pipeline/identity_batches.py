"""Batches of P people by K images, from which pairs and triplets can be made."""

import numpy as np

from visionkit.data.index import positions_by_person


def people_batches(labels: np.ndarray, *, people: int, images: int, seed: int, epoch: int) -> np.ndarray:
    """Positions of an epoch's samples, a batch a row, the images of a person side by side (FaceNet's way).

    Every person is drawn equally often, or once more, and never twice in a batch. The same holds for the images of a person:
    none is twice in a batch unless the person has fewer than ``images``; then some repeat, and augmentation varies them. An
    epoch ends when every person has been drawn, and as many images as the labels list.

    Args:
        labels: int ``(N,)``, the person of each sample of an index; samples with a negative label are not drawn.
        people: people per batch; all of them if there are fewer. One person alone makes no triplet.
        images: images per person; at least two, to have positive pairs.
        seed: seed of the random draws, together with the epoch.
        epoch: number of the epoch, from 0.

    Returns:
        int64 ``(num_batches, people * images)``; no rows if nobody is labelled.
    """
    groups = positions_by_person(labels)
    if not groups:
        return np.zeros((0, people * images), np.int64)
    rng = np.random.default_rng([seed, epoch, 3])  # 1 and 2 are drawn elsewhere (augmentation/parameters.py, batches.py)
    people = min(people, len(groups))
    total = sum(map(len, groups))
    num_batches = max(-(-len(groups) // people), -(-total // (people * images)))
    draws = _deal(len(groups), num_batches, people, rng)
    batches = np.zeros((num_batches * people, images), np.int64)
    for group, rows in zip(groups, positions_by_person(draws.ravel()), strict=True):
        batches[rows] = group[_deal(len(group), len(rows), images, rng)]
    return batches.reshape(num_batches, -1)


def _deal(count: int, hands: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Deal cards 0 to ``count - 1`` from a pack that is shuffled anew when it is used up: int64 ``(hands, size)``.

    Cards that the unfinished hand has already go behind the others of the new pack. A hand thus holds no card twice if
    possible, else all about as often.
    """
    packs, num_dealt = [rng.permutation(count)], count
    last = packs[0]  # the last cards, at least those of the unfinished hand
    while num_dealt < hands * size:
        last = last[len(last) - num_dealt % size :]
        pack = rng.permutation(count)
        packs.append(pack[np.argsort(np.bincount(last, minlength=count)[pack], kind="stable")])
        num_dealt, last = num_dealt + count, np.concatenate([last, packs[-1]])
    return np.concatenate(packs)[: hands * size].reshape(hands, size)
