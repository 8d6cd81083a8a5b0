"""Training on signals and volumes that lie in memory."""

from collections.abc import Callable

import keras
import numpy as np

from visionkit import models
from visionkit.data.arrays.augment import Variation, varied
from visionkit.data.arrays.samples import ArraySplits
from visionkit.layers.normalization import Standardize
from visionkit.tasks.classification.train import Schedule, array_validator, arrays_phase, shuffled
from visionkit.training.fit import Phase

VALIDATION_BATCH = 64  # samples


def array_model(network: str, shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """A network of the catalogue, after a layer that standardizes each sample.

    Args:
        network: its name in the catalogue.
        shape: ``(spatial..., channels)``; its rank decides whether the network takes signals, images or volumes.
        num_classes: number of logits.

    Returns:
        a model from float32 ``(N, spatial..., channels)`` in any unit to logits.
    """
    inputs = keras.Input(shape, name="values")
    built = models.build(network, shape, num_classes)
    return keras.Model(inputs, built(Standardize(name="standardize")(inputs)), name=f"standardized_{built.name}")


def phase(model: keras.Model, data: ArraySplits, schedule: Schedule, *, variation: Variation, seed: int) -> Phase:
    """Train a whole network on arrays in memory, which are varied anew in every epoch.

    Args:
        model: as ``array_model`` builds it.
        data: training and validation arrays.
        schedule: how long and how fast.
        variation: how far training arrays are varied.
        seed: draws order and variations.
    """

    def vary(epoch: int, _rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        def vary_one(position: int) -> np.ndarray:  # the same for any batch size
            return varied(data.train_values[position], variation, np.random.default_rng([seed, epoch, position]))

        return lambda positions: np.stack([vary_one(position) for position in positions])

    batches = shuffled(vary, len(data.train), schedule.batch_size, seed)
    validate = array_validator(model, data.val_values, data.val.labels, VALIDATION_BATCH)
    return arrays_phase(model, data.train, batches, validate, schedule)
