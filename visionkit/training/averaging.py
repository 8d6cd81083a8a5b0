"""Training with a moving average of the weights, which replaces them at the end; the network has its own loss."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from visionkit.layers.inference_mode import InferenceMode
from visionkit.training.fit import Phase, Schedule

LONGEST_AVERAGE = 100  # steps that the moving average of the weights looks back, at most
SHARE_AVERAGED = 1 / 12  # of all steps: in a short training the weights of a hundred steps are too different to be averaged
WEIGHT_DECAY = 5e-4

Losses = Callable[[Any, Any], dict[str, keras.KerasTensor]]


class AveragingTrainer(keras.Model):
    """A network with its loss, and a moving average of its weights (https://arxiv.org/abs/1706.02677).

    BatchNorm's statistics are averaged, too: those of the last weights do not fit averaged weights.

    Args:
        network: the network to train; it normalises its inputs itself, such as pixels in 0..255.
        losses: maps the outputs and the labels of a batch to the terms of the loss by name, scalars.
        parts: names of the terms.
    """

    def __init__(self, network: keras.Model, losses: Losses, parts: Iterable[str]):
        super().__init__(name=f"{network.name}_trainer")
        self.built = True
        self.network = network
        self._losses_of = losses
        self._changing = [*network.trainable_variables, *moving_statistics(network)]
        self._averages = [self.add_weight(v.shape, trainable=False, name=f"average_{n}") for n, v in enumerate(self._changing)]
        self.steps_averaged = LONGEST_AVERAGE
        for average, variable in zip(self._averages, self._changing, strict=True):
            average.assign(variable)
        self._trackers = {name: keras.metrics.Mean(name=f"{name}_loss") for name in parts}

    def call(self, inputs: keras.KerasTensor, training: bool | None = None) -> Any:
        """The outputs of the network."""
        return self.network(keras.tree.map_structure(lambda each: ops.cast(each, "float32"), inputs), training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True) -> keras.KerasTensor:
        """The sum of the terms; Keras calls this in each step."""
        parts = self._losses_of(y_pred, y)
        for name, tracker in self._trackers.items():
            tracker.update_state(parts[name])
        return sum(parts.values())

    def train_step(self, data: tuple) -> dict[str, Any]:
        """Take a step, and update the averages."""
        measured = super().train_step(data)
        for average, variable in zip(self._averages, self._changing, strict=True):
            average.assign(average + (variable - average) / self.steps_averaged)
        return measured

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the context, the network has the averaged weights."""
        trained = [ops.convert_to_numpy(variable) for variable in self._changing]
        self.take_average()
        try:
            yield
        finally:
            for variable, value in zip(self._changing, trained, strict=True):
                variable.assign(value)

    def take_average(self) -> None:
        """Replace the weights by their averages."""
        for average, variable in zip(self._averages, self._changing, strict=True):
            variable.assign(average)


def averaged_phase(
    trainer: AveragingTrainer,
    measure: Callable[[], dict[str, float]],
    schedule: Schedule,
    *,
    name: str,
    steps_per_epoch: int,
    batches: Callable[[int], Iterable],
    weight_decay: float = WEIGHT_DECAY,
    monitor: str = "loss",
) -> Phase:
    """A phase that is validated with the averaged weights, and leaves the network with them.

    Args:
        trainer: the model of the phase.
        measure: measures the network, and returns metrics by name.
        schedule: epochs and learning rate of the phase.
        name: name of the phase.
        steps_per_epoch: batches per epoch.
        batches: see ``Phase``.
        weight_decay: as the optimizer takes it.
        monitor: see ``Phase``.
    """
    total = schedule.epochs * steps_per_epoch
    trainer.steps_averaged = min(max(total * SHARE_AVERAGED, 1.0), LONGEST_AVERAGE)

    def validate() -> dict[str, float]:
        with trainer.averaged():
            return measure()

    return Phase(
        name=name,
        model=trainer,
        epochs=schedule.epochs,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        steps_per_epoch=steps_per_epoch,
        batches=batches,
        validate=validate,
        validate_every=schedule.validate_every,
        weight_decay=weight_decay,
        on_end=trainer.take_average,
        monitor=monitor,
    )


def moving_statistics(network: keras.layers.Layer) -> list[keras.Variable]:
    """BatchNorm's moving means and variances, except of layers in inference mode."""
    if isinstance(network, InferenceMode):
        return []
    if isinstance(network, keras.layers.BatchNormalization):
        return [network.moving_mean, network.moving_variance]
    return [variable for layer in getattr(network, "layers", ()) for variable in moving_statistics(layer)]
