"""Losses of similarity: what a network pays for images of one person that lie apart, and of two that lie together.

ArcFace's logits, which ordinary cross-entropy follows, are ``layers.arcface`` and ``ops.embeddings.arcface_logits``.
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
    """Chosen in a batch, arrays that broadcast to one shape, that of ``there``.

    Attributes:
        near: squared distances of the anchors to their positives (the same person), float32.
        far: of the anchors to their negatives (someone else), float32.
        there: whether there is such a triplet, bool; what stands in ``near`` and ``far`` else is no distance of one.
    """

    near: keras.KerasTensor
    far: keras.KerasTensor
    there: keras.KerasTensor


def contrastive(distances: keras.KerasTensor, same: keras.KerasTensor, *, margin: float = 1.0) -> keras.KerasTensor:
    """Half the squared distance of the same, half the squared lack of margin of different ones; the mean of all pairs.

    Hadsell, Chopra and LeCun 2006, "Dimensionality reduction by learning an invariant mapping",
    https://doi.org/10.1109/CVPR.2006.100.

    Args:
        distances: Euclidean, float ``(N,)``, as of ``ops.embeddings.pair_distances``, whose gradient is finite at 0.
        same: ``(N,)``: bool, or 1 and 0.
        margin: distance from which different ones cost nothing; at most 2 where embeddings have length 1.

    Returns:
        A scalar, float32; 0 where there are no pairs.
    """
    distances, same = ops.cast(distances, "float32"), ops.cast(same, "float32")
    of_same, of_different = ops.square(distances), ops.square(ops.relu(margin - distances))
    return _mean(same * of_same + (1 - same) * of_different, ops.ones_like(same)) / 2


def triplet(
    embeddings: keras.KerasTensor,
    labels: keras.KerasTensor,
    *,
    margin: float = 0.2,
    mining: str = "semi_hard",
    seed: Seed = None,
) -> keras.KerasTensor:
    """By how much anchors lie farther from their positives than from their negatives, less a margin; the mean of triplets.

        max(|anchor - positive|^2 - |anchor - negative|^2 + margin, 0)

    FaceNet (Schroff et al. 2015, https://arxiv.org/abs/1503.03832). Which triplets of a batch are taken:

    all         every one there is. Most soon cost nothing, and the mean fades with them.
    random      for each pair of anchor and positive one negative, any of the batch.
    semi_hard   for each pair the nearest negative that is farther than the positive: FaceNet's. It costs nothing where it is
                farther by more than the margin. Where no negative is farther, the paper says nothing; the farthest one is
                taken, as TensorFlow's own loss of this name did: the easiest of the hard.
    hard        for each anchor the farthest positive and the nearest negative (Hermans et al. 2017,
                https://arxiv.org/abs/1703.07737). Wrong labels count most, and early in training it may draw all
                embeddings together; of squared distances more easily, as the authors say.

    "all" and "semi_hard" look at N * N * N triplets, a few arrays of 4 bytes each: of a batch of 256 an array has 67 MB.

    Args:
        embeddings: float ``(N, D)``, as a rule of length 1; a margin is a share of squared distances that then end at 4.
        labels: int ``(N,)`` or ``(N, 1)``, the person of each.
        margin: see above.
        mining: one of the above.
        seed: of "random" alone. A ``keras.random.SeedGenerator`` draws anew each call; an integer draws the same each call, for
            the same batch; None takes Keras' global generator, which ``keras.utils.set_random_seed`` sets. Compiled by JAX,
            only an integer, or a generator that the model tracks, will do.

    Returns:
        A scalar, float32; 0, with gradients of 0, where the batch has no triplet.

    Raises:
        UserError: an unknown ``mining``.
    """
    chosen = mined(embeddings, labels, mining=mining, seed=seed)
    return _mean(ops.relu(chosen.near - chosen.far + margin), chosen.there)


def mined(embeddings: keras.KerasTensor, labels: keras.KerasTensor, *, mining: str, seed: Seed = None) -> Triplets:
    """The triplets that ``triplet`` takes: ``(N, N, N)`` of "all", ``(N,)`` of "hard", ``(N, N)`` of the others.

    Raises:
        UserError: an unknown ``mining``.
    """
    if mining not in MINING:
        raise UserError(f"mining={mining!r}: expected one of {', '.join(MINING)}.")
    embeddings, labels = ops.cast(embeddings, "float32"), ops.reshape(ops.cast(labels, "int32"), (-1,))
    squared = squared_distances(embeddings, embeddings)
    alike = labels[:, None] == labels[None]
    places = ops.arange(ops.shape(labels)[0])
    return MINING[mining](squared, alike & (places[:, None] != places[None]), ~alike, seed)


def _all(squared, positive, negative, _) -> Triplets:
    there = positive[:, :, None] & negative[:, None, :]
    return Triplets(squared[:, :, None], squared[:, None, :], there)


def _random(squared, positive, negative, seed) -> Triplets:
    """The negatives of each anchor are brought to the front, and one of them is drawn for each positive."""
    count = ops.sum(ops.cast(negative, "float32"), axis=1, keepdims=True)
    drawn = ops.cast(keras.random.uniform(ops.shape(squared), seed=seed) * count, "int32")
    drawn = ops.maximum(ops.minimum(drawn, ops.cast(count, "int32") - 1), 0)
    front = ops.argsort(ops.cast(~negative, "int32"), axis=1)
    far = ops.take_along_axis(squared, ops.take_along_axis(front, drawn, axis=1), axis=1)
    return Triplets(squared, far, positive & (count > 0))


def _semi_hard(squared, positive, negative, _) -> Triplets:
    """``initial`` is for a batch of nothing, which has no least distance."""
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
    """Of the values that count; 0 where none does."""
    counts = ops.cast(counts, "float32")
    return ops.sum(values * counts) / ops.maximum(ops.sum(counts), 1.0)
