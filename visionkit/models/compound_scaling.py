"""EfficientNet's compound scaling: a network that fits the resolution of the images, or a computing budget.

EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, Tan and Le 2019, https://arxiv.org/abs/1905.11946,
equation 3: depth, width and resolution grow together, by one exponent.
"""

import math

from visionkit.errors import UserError
from visionkit.models.cost import layer_costs, without_weights
from visionkit.models.efficientnet import Variant, efficientnet

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15  # factors by which each grows with the exponent: the paper's grid search
SIZE = 224  # pixels a side of B0
DROPOUT, DROPOUT_STEP = 0.2, 0.05  # of B0; and about what the published variants add with each exponent
LOWEST, HIGHEST = -8.0, 12.0  # exponents: from 72 to 1200 pixels a side
STEPS = 8  # halvings of the range of exponents: to less than a hundredth of it


def compound_scaling(*, exponent: float | None = None, resolution: int | None = None, budget: float | None = None) -> Variant:
    """Choose depth, width and resolution of an EfficientNet by exponent, by resolution, or within a budget.

    Args:
        exponent: the paper's phi: 0 is B0, 1 and 2 are B2 and B3 except for rounding.
        resolution: side of the images in pixels.
        budget: multiply-adds for one image. They are counted in networks built for this, which takes some seconds.

    Returns:
        a variant for ``models.efficientnet``, with ``depth``, ``width`` and ``size``.

    Raises:
        UserError: not exactly one of the three was passed, or it is out of range.
    """
    arguments = {"exponent": exponent, "resolution": resolution, "budget": budget}
    arguments = {name: value for name, value in arguments.items() if value is not None}
    if len(arguments) != 1:
        raise UserError(f"Received {', '.join(arguments) or 'nothing'}; expected one of exponent, resolution or budget.")
    if budget is not None:
        return _largest_within(budget)
    if resolution is not None:
        exponent = math.log(max(resolution, 1) / SIZE, RESOLUTION)
    if not LOWEST <= exponent <= HIGHEST:
        sides = f"{_size(LOWEST)} to {_size(HIGHEST)} pixels"
        raise UserError(f"Received {arguments}; expected an exponent of {LOWEST:g} to {HIGHEST:g}, or {sides} a side.")
    return _variant(exponent, resolution or _size(exponent))


def multiply_adds(variant: Variant) -> int:
    """Multiply-adds for one image, in the network that ``models.efficientnet`` builds from ``variant``."""
    return sum(cost.multiply_adds for cost in layer_costs(without_weights(lambda: efficientnet(variant))))


def _largest_within(budget: float) -> Variant:
    """The variant of the largest exponent, found by bisection, whose network stays within the budget."""
    low, high = LOWEST, HIGHEST
    best = _variant(low, _size(low))
    if multiply_adds(best) > budget:
        raise UserError(f"Received a budget of {budget:,.0f} multiply-adds; expected at least {multiply_adds(best):,}.")
    for _ in range(STEPS):
        middle = (low + high) / 2
        candidate = _variant(middle, _size(middle))
        if multiply_adds(candidate) <= budget:
            low, best = middle, candidate
        else:
            high = middle
    return best


def _size(exponent: float) -> int:
    return 4 * math.floor(SIZE * RESOLUTION**exponent / 4)


def _variant(exponent: float, size: int) -> Variant:
    dropout = min(0.5, max(0.0, DROPOUT + DROPOUT_STEP * exponent))
    return Variant(round(WIDTH**exponent, 3), round(DEPTH**exponent, 3), size, round(dropout, 3))
