"""Training of a small classifier of windows, for sliding over pictures."""

from collections.abc import Iterator

import keras
import numpy as np

from visionkit.data.small_pictures import SmallPictures
from visionkit.training.fit import Phase
from visionkit.training.phases import answering_in_parts, weighted_targets

BRIGHTNESS = 0.2  # by which training windows are lightened or darkened
ANSWERED_AT_ONCE = 512


def window_phase(
    classifier: keras.Model,
    train: SmallPictures,
    val: SmallPictures,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Phase:
    """Train a classifier on windows in memory.

    Args:
        classifier: pixels ``(N, side, side, 3)`` to logits.
        train: what to train on.
        val: what to validate with.
        epochs: how many.
        batch_size: windows a step.
        learning_rate: the highest.
        seed: draws order and brightness.
    """
    one_hot, weights = weighted_targets(train)

    def batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(train))
        light = rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS, (len(train), 1, 1, 1)).astype(np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield np.minimum(train.pixels[rows] * light[rows], 255), one_hot[rows], weights[rows]

    return Phase(
        name="training",
        model=classifier,
        epochs=epochs,
        learning_rate=learning_rate,
        num_steps=-(-len(train) // batch_size),
        batches=batches,
        validate=answering_in_parts(classifier, val.pixels, val.labels, ANSWERED_AT_ONCE),
        short_steps=True,
    )
