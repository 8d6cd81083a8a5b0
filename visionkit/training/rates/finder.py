"""A learning rate that is found by trying: steps with rising rates, until the loss diverges.

Cyclical Learning Rates for Training Neural Networks, Smith 2015, https://arxiv.org/abs/1506.01186, section 3.3. The choice is
that of fastai's ``lr_find``: a point within the longest valley, the longest sequence of falling losses.
"""

import dataclasses
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from visionkit.training.fit import Phase, compile_phase
from visionkit.training.run_files import FOUND
from visionkit.training.run_folder import PLAN, RunFolder

AUTO = "auto"
FIRST, LAST = 1e-7, 1.0  # rates that are tried
MOST_STEPS, FEWEST_STEPS, SHARE = 100, 30, 0.2  # of the search; the share of the phase's own steps
SMOOTHING = 0.98  # decay of the moving average of the losses of 100 steps, as fastai's
DIVERGED = 4.0  # times the lowest loss
SKIPPED_SHARE, SKIPPED_AT_END = 0.1, 5  # steps that are not looked at, as fastai: few losses are averaged; the loss diverges
USUAL = 1e-3  # where no rate lets the loss fall


@dataclasses.dataclass(frozen=True)
class FoundRate:
    """A learning rate, and how it was found.

    Attributes:
        rate: the peak learning rate.
        reason: why, in words.
        rates: those that were tried, rising.
        losses: the smoothed losses.
    """

    rate: float
    reason: str
    rates: list[float]
    losses: list[float]


def with_rate(run: RunFolder, make: Callable[[], Phase]) -> Phase:
    """Set up a phase, and find its learning rate if that is "auto"; a resumed run takes the rate from its plan.

    Args:
        run: takes a note, and ``found_rates`` in ``plan.json``.
        make: sets up the phase.
    """
    phase = make()
    if phase.learning_rate != AUTO:
        return phase
    plan = run.read_json(PLAN) or {}
    found = plan.get(FOUND, {}).get(phase.name)
    if found is None:
        found = dataclasses.asdict(find_rate(phase))
        run.change_plan(plan | {FOUND: plan.get(FOUND, {}) | {phase.name: found}})
    run.note(f"Learning rate {found['rate']:.2g} for '{phase.name}': {found['reason']}.")
    return dataclasses.replace(phase, learning_rate=found["rate"])


def find_rate(phase: Phase) -> FoundRate:
    """Take steps with exponentially rising rates, and choose one; the model and all random states are as they were.

    Args:
        phase: what will be trained; it is compiled with an optimizer for the search, and must be compiled again.
    """
    total = phase.epochs * phase.steps_per_epoch
    num_steps = min(MOST_STEPS, max(FEWEST_STEPS, round(SHARE * total)))
    with _put_back(phase.model):
        losses = list(_losses(phase, num_steps))
    rates = (FIRST * (LAST / FIRST) ** (np.arange(len(losses)) / (num_steps - 1))).tolist()
    smoothed = smooth(losses, SMOOTHING ** (MOST_STEPS / num_steps))
    rate, reason = choose_rate(rates, smoothed, num_steps)
    return FoundRate(rate, f"{reason}; {len(losses)} steps were tried", rates, smoothed)


def choose_rate(rates: Sequence[float], losses: Sequence[float], num_steps: int) -> tuple[float, str]:
    """The rate in the middle of the longest valley (fastai's suggestion ``valley``), and the reason in words.

    Args:
        rates: rising.
        losses: smoothed, one for each rate; the last ones diverge.
        num_steps: how many steps there would have been had the loss not diverged.
    """
    begin = int(SKIPPED_SHARE * num_steps)
    end = max(len(losses) - SKIPPED_AT_END, begin)
    first, last = longest_valley(losses[begin:end])
    if last - first < 2:
        return USUAL, "the usual one, since the loss fell at none of the rates"
    third = (last - first) / 3
    chosen = begin + first + int(third) + int(third / 2)
    return float(rates[chosen]), f"where the loss falls longest, from {rates[begin + first]:.1g} to {rates[begin + last]:.1g}"


def longest_valley(losses: Sequence[float]) -> tuple[int, int]:
    """Where the longest falling subsequence lies: the positions of its beginning and its end; ``(0, 0)`` if no loss falls.

    As in fastai, it begins as many losses before its end as it has: a plateau before it does not count.
    """
    lengths = [1] * len(losses)
    for number, loss in enumerate(losses):
        before = [lengths[other] for other in range(number) if losses[other] > loss]
        lengths[number] += max(before, default=0)
    longest = max(lengths, default=1)
    last = lengths.index(longest) if longest > 1 else 0
    return last - longest + 1, last


def smooth(losses: Sequence[float], decay: float) -> list[float]:
    """The moving average of the losses up to each step, without the bias of its start at zero."""
    smoothed, average = [], 0.0
    for number, loss in enumerate(losses, start=1):
        average = decay * average + (1 - decay) * loss
        smoothed.append(average / (1 - decay**number))
    return smoothed


def _losses(phase: Phase, num_steps: int) -> Iterator[float]:
    """The loss of each step, until it diverges."""
    compile_phase(dataclasses.replace(phase, optimizer=_with_rising_rate(phase.optimizer, num_steps), learning_rate=LAST))
    batches = itertools.chain.from_iterable(map(phase.batches, itertools.count()))
    decay, average, lowest = SMOOTHING ** (MOST_STEPS / num_steps), 0.0, math.inf
    for number, batch in enumerate(itertools.islice(batches, num_steps), start=1):
        loss = float(phase.model.train_on_batch(*batch, return_dict=True)["loss"])
        if not math.isfinite(loss):
            return
        average = decay * average + (1 - decay) * loss
        lowest = min(lowest, average / (1 - decay**number))
        yield loss
        if average / (1 - decay**number) > DIVERGED * lowest:
            return


def _with_rising_rate(make: Callable[..., keras.optimizers.Optimizer], num_steps: int) -> Callable[..., Any]:
    def rising(learning_rate: float, _: int, weight_decay: float) -> keras.optimizers.Optimizer:
        optimizer = make(learning_rate, num_steps, weight_decay)
        optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(FIRST, num_steps - 1, LAST / FIRST)
        return optimizer

    return rising


@contextmanager
def _put_back(model: keras.Model) -> Iterator[None]:
    """Give a model the weights, statistics and random states back that it has now; Python and NumPy theirs."""
    values = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for variable, value in zip(model.variables, values, strict=True):
            variable.assign(value)
        random.setstate(states[0])
        np.random.set_state(states[1])
