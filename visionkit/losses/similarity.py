"""Metric learning losses: embeddings of the same person should lie close together, those of different people far apart.

ArcFace instead uses ordinary cross-entropy on the logits of ``layers.arcface`` and ``ops.arcface_logits``.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops

from visionkit.errors import UserError
from visionkit.ops.embeddings import squared_distances

INFINITE = float("inf")
Seed = int | keras.random.SeedGenerator | None


class Triplets(NamedTuple):
    """The triplets of a batch, as arrays that broadcast to the shape of ``valid``.

    Attributes:
        near: squared distances of the anchors to their positives (the same person), float32.
        far: squared distances of the anchors to their negatives (another person), float32.
        valid: bool; where it is False there is no such triplet, and ``near`` and ``far`` are meaningless.
    """

    near: keras.KerasTensor
    far: keras.KerasTensor
    valid: keras.KerasTensor


def contrastive(distances: keras.KerasTensor, same: keras.KerasTensor, *, margin: float = 1.0) -> keras.KerasTensor:
    """Half the squared distance of same pairs, half the squared margin violation of different ones; the mean of all pairs.

    Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by learning an invariant mapping",
    https://doi.org/10.1109/CVPR.2006.100.

    Args:
        distances: Euclidean distances, float ``(N,)``, e.g. of ``ops.pair_distances``, whose gradient is finite at 0.
        same: ``(N,)``: bool, or 1 and 0.
        margin: distance from which different pairs cost nothing; at most 2 where embeddings have length 1.

    Returns:
        A scalar, float32; 0 where there are no pairs.
    """
    distances, same = ops.cast(distances, "float32"), ops.cast(same, "float32")
    same_loss, different_loss = ops.square(distances), ops.square(ops.relu(margin - distances))
    return _mean(same * same_loss + (1 - same) * different_loss, ops.ones_like(same)) / 2


def triplet(
    embeddings: keras.KerasTensor,
    labels: keras.KerasTensor,
    *,
    margin: float = 0.2,
    mining: str = "semi_hard",
    seed: Seed = None,
) -> keras.KerasTensor:
    """Triplet loss: how far the negatives fall short of being farther than the positives by a margin; the mean of triplets.

        max(|anchor - positive|^2 - |anchor - negative|^2 + margin, 0)

    FaceNet (Schroff et al. 2015, https://arxiv.org/abs/1503.03832). The triplets of a batch are chosen by ``mining``:

    all         every triplet. Most of them soon cost nothing, so the mean vanishes.
    random      for each pair of anchor and positive one random negative of the batch.
    semi_hard   for each pair the nearest negative that is farther than the positive, as in FaceNet. It costs nothing where it
                is farther by more than the margin. Where no negative is farther, which the paper leaves open, the farthest
                negative is taken, the easiest of the hard ones, as TensorFlow Addons does.
    hard        for each anchor the farthest positive and the nearest negative (Hermans et al. 2017,
                https://arxiv.org/abs/1703.07737). Wrong labels weigh most, and early in training the embeddings may
                collapse; with squared distances more easily, as the authors say.

    "all" and "semi_hard" evaluate N * N * N triplets in a few arrays of 4 bytes each: 67 MB per array for a batch of 256.

    Args:
        embeddings: float ``(N, D)``, usually of length 1, so that squared distances, to which the margin refers, are at most 4.
        labels: int ``(N,)`` or ``(N, 1)``, the person of each.
        margin: see above.
        mining: one of the above.
        seed: for "random" only. A ``keras.random.SeedGenerator`` draws anew in each call; an integer draws the same for the
            same batch in each call; None uses Keras' global generator, which ``keras.utils.set_random_seed`` sets. Compiled by
            JAX, it must be an integer, or a generator that the model tracks.

    Returns:
        A scalar, float32; 0, with gradients of 0, where the batch has no triplet.

    Raises:
        UserError: ``mining`` is unknown.
    """
    triplets = mined(embeddings, labels, mining=mining, seed=seed)
    return _mean(ops.relu(triplets.near - triplets.far + margin), triplets.valid)


def mined(embeddings: keras.KerasTensor, labels: keras.KerasTensor, *, mining: str, seed: Seed = None) -> Triplets:
    """The triplets that ``triplet`` averages: ``(N, N, N)`` for "all", ``(N,)`` for "hard", ``(N, N)`` for the others.

    Raises:
        UserError: ``mining`` is unknown.
    """
    if mining not in MINING:
        raise UserError(f"mining={mining!r}: expected one of {', '.join(MINING)}.")
    embeddings, labels = ops.cast(embeddings, "float32"), ops.reshape(ops.cast(labels, "int32"), (-1,))
    squared = squared_distances(embeddings, embeddings)
    alike = labels[:, None] == labels[None]
    places = ops.arange(ops.shape(labels)[0])
    return MINING[mining](squared, alike & (places[:, None] != places[None]), ~alike, seed)


def _all(squared, positive, negative, _) -> Triplets:
    return Triplets(squared[:, :, None], squared[:, None, :], positive[:, :, None] & negative[:, None, :])


def _random(squared, positive, negative, seed) -> Triplets:
    """Moves the negatives of each anchor to the front, and draws one of them for each positive."""
    count = ops.sum(ops.cast(negative, "float32"), axis=1, keepdims=True)
    drawn = ops.cast(keras.random.uniform(ops.shape(squared), seed=seed) * count, "int32")
    drawn = ops.maximum(ops.minimum(drawn, ops.cast(count, "int32") - 1), 0)
    front = ops.argsort(ops.cast(~negative, "int32"), axis=1)
    far = ops.take_along_axis(squared, ops.take_along_axis(front, drawn, axis=1), axis=1)
    return Triplets(squared, far, positive & (count > 0))


def _semi_hard(squared, positive, negative, _) -> Triplets:
    """``initial`` is for an empty batch, which has no least distance."""
    to_positive, to_negative = squared[:, :, None], squared[:, None, :]
    farther = negative[:, None, :] & (to_negative > to_positive)
    nearest = ops.min(ops.where(farther, to_negative, INFINITE), axis=-1, initial=INFINITE)
    farthest = ops.max(ops.where(negative, squared, 0.0), axis=-1, keepdims=True, initial=0.0)
    far = ops.where(ops.any(farther, axis=-1), nearest, farthest)
    return Triplets(squared, far, positive & ops.any(negative, axis=-1, keepdims=True))


def _hard(squared, positive, negative, _) -> Triplets:
    farthest = ops.max(ops.where(positive, squared, 0.0), axis=-1, initial=0.0)
    nearest = ops.min(ops.where(negative, squared, INFINITE), axis=-1, initial=INFINITE)
    return Triplets(farthest, nearest, ops.any(positive, axis=-1) & ops.any(negative, axis=-1))


MINING: dict[str, Callable[..., Triplets]] = {"all": _all, "random": _random, "semi_hard": _semi_hard, "hard": _hard}


def _mean(values: keras.KerasTensor, counts: keras.KerasTensor) -> keras.KerasTensor:
    """The mean of the values that count; 0 where none does."""
    counts = ops.cast(counts, "float32")
    return ops.sum(values * counts) / ops.maximum(ops.sum(counts), 1.0)
