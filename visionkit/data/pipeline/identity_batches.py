"""Batches of P people by K images, from which pairs and triplets can be made."""

import numpy as np

from visionkit.data.index import positions_by_person


def people_batches(labels: np.ndarray, *, people: int, images: int, seed: int, epoch: int) -> np.ndarray:
    """Positions of an epoch's samples, a batch a row, the images of a person side by side (FaceNet's way).

    Every person is drawn equally often, or once more, and never twice in a batch. The same holds for the images of a person:
    none is twice in a batch unless the person has fewer than ``images``; then some repeat, and augmentation varies them. An
    epoch ends when every person was drawn, and as many images as there are.

    Args:
        labels: int ``(N,)``, the person of each sample of an index; samples with a negative label are not drawn.
        people: how many in a batch; all of them, if there are fewer. One person alone makes no triplet.
        images: of each person; at least two, to have positive pairs.
        seed: draws people and images, with the epoch and nothing else.
        epoch: from 0.

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
    drawn = _dealt(len(groups), num_batches, people, rng)
    batches = np.zeros((num_batches * people, images), np.int64)
    for group, there in zip(groups, positions_by_person(drawn.ravel()), strict=True):
        batches[there] = group[_dealt(len(group), len(there), images, rng)]
    return batches.reshape(num_batches, -1)


def _dealt(count: int, hands: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Cards 0 to ``count - 1`` dealt from a pack that is shuffled anew when it is used up: int64 ``(hands, size)``.

    Cards that a hand has already are put behind the others of the new pack: it holds none twice if it can, else all about as
    often.
    """
    packs, dealt = [rng.permutation(count)], count
    begun = packs[0]  # what lies at the end, at least the hand that is not full
    while dealt < hands * size:
        begun = begun[len(begun) - dealt % size :]
        pack = rng.permutation(count)
        packs.append(pack[np.argsort(np.bincount(begun, minlength=count)[pack], kind="stable")])
        dealt, begun = dealt + count, np.concatenate([begun, packs[-1]])
    return np.concatenate(packs)[: hands * size].reshape(hands, size)
