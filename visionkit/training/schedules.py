"""Learning-rate schedules."""

import keras


def warmup_cosine(peak: float, num_steps: int, *, warmup_share: float = 0.1) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up to ``peak``, then half a cosine to zero (https://arxiv.org/abs/1608.03983).

    Args:
        peak: the highest learning rate.
        num_steps: optimizer steps in all.
        warmup_share: the part of them that warms up.
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
