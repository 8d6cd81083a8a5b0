"""Optimizers and their learning-rate schedules: AdamW, the default, and the momentum SGD of the ResNet paper."""

import keras

from visionkit.training.rates.stages import ScaledRates

NOT_DECAYED = ["bias", "gamma", "beta"]


class AdamW(ScaledRates, keras.optimizers.AdamW):
    """Keras' AdamW, whose variables may have a share of the learning rate."""


class SGD(ScaledRates, keras.optimizers.SGD):
    """Keras' gradient descent, whose variables may have a share of the learning rate."""


def adamw(learning_rate: float, num_steps: int, weight_decay: float) -> keras.optimizers.Optimizer:
    """AdamW (https://arxiv.org/abs/1711.05101) on a warm-up and cosine schedule, gradients clipped to a norm of 1.

    Args:
        learning_rate: the peak learning rate.
        num_steps: total number of optimizer steps.
        weight_decay: decoupled weight decay.
    """
    schedule = warmup_cosine(learning_rate, num_steps)
    optimizer = AdamW(schedule, weight_decay=weight_decay, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def momentum_sgd(learning_rate: float, num_steps: int, weight_decay: float) -> keras.optimizers.Optimizer:
    """Gradient descent with momentum 0.9, its rate divided by 10 at half and at three quarters of the steps, as He et al. 2015.

    Args:
        learning_rate: the initial learning rate.
        num_steps: total number of optimizer steps.
        weight_decay: part of the gradient, as in the paper. Keras applies it outside the gradient, where momentum does
            not multiply it, and therefore gets ten times as much.
    """
    momentum = 0.9
    schedule = steps_down(learning_rate, num_steps)
    optimizer = SGD(schedule, momentum=momentum, weight_decay=weight_decay / (1 - momentum))
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def warmup_cosine(peak: float, num_steps: int, *, warmup_share: float = 0.1) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up to ``peak``, then half a cosine to zero (https://arxiv.org/abs/1608.03983).

    Args:
        peak: the highest learning rate.
        num_steps: total number of optimizer steps.
        warmup_share: the share of the steps that warm up.
    """
    warmup = int(warmup_share * num_steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / 10 if warmup else peak,
        decay_steps=max(1, num_steps - warmup),
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )


def steps_down(first: float, num_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """``first``, divided by 10 at half and at three quarters of the steps (https://arxiv.org/abs/1512.03385, section 4.2)."""
    ends = [num_steps // 2, 3 * num_steps // 4]
    return keras.optimizers.schedules.PiecewiseConstantDecay(ends, [first, first / 10, first / 100])
