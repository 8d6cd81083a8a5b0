"""EfficientNet's compound scaling: a network for the images, or for the computer, that one has.

EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, Tan and Le 2019, https://arxiv.org/abs/1905.11946,
equation 3: depth, width and resolution grow together, by one exponent.
"""

import math

from visionkit.errors import UserError
from visionkit.models.cost import layer_costs, without_weights
from visionkit.models.efficientnet import Variant, efficientnet

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15  # by which each grows as the exponent grows by one: the paper's grid search
SIZE = 224  # pixels a side of B0
DROPOUT, DROPOUT_STEP = 0.2, 0.05  # of B0; and about what the published ones add with each exponent
LOWEST, HIGHEST = -8.0, 12.0  # exponents: from 72 to 1200 pixels a side
STEPS = 8  # halvings of what lies between: to a hundredth of the exponent's range


def compound_scaling(*, exponent: float | None = None, resolution: int | None = None, budget: float | None = None) -> Variant:
    """Depth, width and resolution of the EfficientNet of an exponent, for a resolution, or within a budget.

    Args:
        exponent: the paper's phi: 0 is B0, 1 and 2 are B2 and B3 but for their rounding.
        resolution: side of the images in pixels.
        budget: multiply-adds of one image, which are counted in networks built for it: this takes some seconds.

    Returns:
        a variant that ``models.efficientnet`` builds: its ``depth``, ``width`` and ``size``.

    Raises:
        UserError: not exactly one of the three is given, or it lies beyond what the networks are made for.
    """
    given = {"exponent": exponent, "resolution": resolution, "budget": budget}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise UserError(f"Received {', '.join(given) or 'nothing'}; expected one of exponent, resolution or budget.")
    if budget is not None:
        return _within(budget)
    if resolution is not None:
        exponent = math.log(max(resolution, 1) / SIZE, RESOLUTION)
    if not LOWEST <= exponent <= HIGHEST:
        sides = f"{_size(LOWEST)} to {_size(HIGHEST)} pixels"
        raise UserError(f"Received {given}; expected an exponent of {LOWEST:g} to {HIGHEST:g}, or {sides} a side.")
    return _variant(exponent, resolution or _size(exponent))


def multiply_adds(variant: Variant) -> int:
    """Of one image, in the network that ``models.efficientnet`` builds of ``variant``."""
    return sum(cost.multiply_adds for cost in layer_costs(without_weights(lambda: efficientnet(variant))))


def _within(budget: float) -> Variant:
    """The largest of the exponents tried whose network keeps within the budget."""
    low, high = LOWEST, HIGHEST
    best = _variant(low, _size(low))
    if multiply_adds(best) > budget:
        raise UserError(f"Received a budget of {budget:,.0f} multiply-adds; expected at least {multiply_adds(best):,}.")
    for _ in range(STEPS):
        middle = (low + high) / 2
        tried = _variant(middle, _size(middle))
        if multiply_adds(tried) <= budget:
            low, best = middle, tried
        else:
            high = middle
    return best


def _size(exponent: float) -> int:
    return 4 * math.floor(SIZE * RESOLUTION**exponent / 4)


def _variant(exponent: float, size: int) -> Variant:
    dropout = min(0.5, max(0.0, DROPOUT + DROPOUT_STEP * exponent))
    return Variant(round(WIDTH**exponent, 3), round(DEPTH**exponent, 3), size, round(dropout, 3))
