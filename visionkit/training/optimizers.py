"""Optimizers: the house's, and the one of the residual paper."""

from collections.abc import Collection
from typing import Any

import keras

from visionkit.training.schedules import steps_down, warmup_cosine

SLOW = 0.1  # share of the learning rate
NOT_DECAYED = ["bias", "gamma", "beta"]


def adamw(
    learning_rate: float, num_steps: int, weight_decay: float, *, slow: Collection[keras.Variable] = ()
) -> keras.optimizers.Optimizer:
    """AdamW (https://arxiv.org/abs/1711.05101) on a warm-up and cosine schedule, gradients clipped to a norm of 1.

    Args:
        learning_rate: the peak.
        num_steps: in all.
        weight_decay: decoupled.
        slow: variables that learn at a tenth of the rate: pretrained ones, beside others that are new.
    """
    schedule = warmup_cosine(learning_rate, num_steps)
    optimizer = TwoRatesAdamW(slow, schedule, weight_decay=weight_decay, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


class TwoRatesAdamW(keras.optimizers.AdamW):
    """AdamW with a lower rate for some variables (discriminative fine-tuning, https://arxiv.org/abs/1801.06146).

    Args:
        slow: variables that learn at ``SLOW`` of the rate.
        learning_rate: of the others.
    """

    def __init__(self, slow: Collection[keras.Variable], learning_rate: Any, **options: Any):
        super().__init__(learning_rate, **options)
        self._slow = {id(variable) for variable in slow}

    def update_step(self, gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        """One variable's step."""
        super().update_step(gradient, variable, learning_rate * (SLOW if id(variable) in self._slow else 1.0))


def momentum_sgd(learning_rate: float, num_steps: int, weight_decay: float) -> keras.optimizers.Optimizer:
    """Gradient descent with momentum 0.9, its rate divided by 10 at half and at three quarters of the steps, as He et al. 2015.

    Args:
        learning_rate: the first.
        num_steps: in all.
        weight_decay: part of the gradient, as the paper has it. Keras decays beside the gradient, which momentum does not
            multiply, and is given ten times as much.
    """
    momentum = 0.9
    schedule = steps_down(learning_rate, num_steps)
    optimizer = keras.optimizers.SGD(schedule, momentum=momentum, weight_decay=weight_decay / (1 - momentum))
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer
