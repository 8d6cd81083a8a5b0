"""Training on signals and volumes that lie in memory."""

from collections.abc import Iterator

import keras
import numpy as np

from visionkit import models
from visionkit.data.arrays.augment import Variation, varied
from visionkit.data.arrays.samples import ArraySplits
from visionkit.layers.normalization import Standardize
from visionkit.tasks.classification.train import answering_in_parts, weighted_targets
from visionkit.training.fit import Phase

ANSWERED_AT_ONCE = 64  # validation samples


def array_model(network: str, shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """A network of the catalogue that standardises each sample first.

    Args:
        network: a name of the catalogue.
        shape: ``(spatial..., channels)``; its rank makes the network one of signals, images or volumes.
        num_classes: outputs.

    Returns:
        a model from float32 ``(N, spatial..., channels)`` in any unit to logits.
    """
    inputs = keras.Input(shape, name="values")
    built = models.build(network, shape, num_classes)
    return keras.Model(inputs, built(Standardize(name="standardize")(inputs)), name=f"standardized_{built.name}")


def array_phase(
    model: keras.Model,
    data: ArraySplits,
    *,
    variation: Variation,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Phase:
    """Train a whole network on arrays varied anew in every epoch.

    Args:
        model: as ``array_model`` builds it.
        data: what to train on, and to validate with.
        variation: how far training arrays are varied.
        epochs: how many.
        batch_size: arrays a step.
        learning_rate: the highest.
        seed: draws order and variations.
    """
    one_hot, weights = weighted_targets(data.train)

    def batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        order = np.random.default_rng([seed, epoch]).permutation(len(data.train))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            # Drawn by the sample's place: the size of batches does not change what is made of it.
            values = [varied(data.train_values[i], variation, np.random.default_rng([seed, epoch, i])) for i in rows]
            yield np.stack(values), one_hot[rows], weights[rows]

    return Phase(
        name="training",
        model=model,
        epochs=epochs,
        learning_rate=learning_rate,
        steps_per_epoch=-(-len(data.train) // batch_size),
        batches=batches,
        validate=answering_in_parts(model, data.val_values, data.val.labels, ANSWERED_AT_ONCE),
        short_steps=True,
    )
