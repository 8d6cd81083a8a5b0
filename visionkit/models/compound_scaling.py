"""EfficientNet's compound scaling: a network for the pictures, or for the computer, that one has.

EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, Tan and Le 2019, https://arxiv.org/abs/1905.11946,
equation 3: depth, width and resolution grow together, by one exponent.
"""

import math

from visionkit.errors import UserError
from visionkit.models.efficientnet import Variant

DEPTH, WIDTH, RESOLUTION = 1.2, 1.1, 1.15  # by which each grows as the exponent grows by one: the paper's grid search
COST = DEPTH * WIDTH**2 * RESOLUTION**2  # and the multiply-adds: about 2
SIZE, MULTIPLY_ADDS = 224, 385_814_752  # of B0
DROPOUT, DROPOUT_STEP = 0.2, 0.05  # of B0; and about what the published ones add with each exponent


def compound_scaling(*, exponent: float | None = None, resolution: int | None = None, budget: float | None = None) -> Variant:
    """Depth, width and resolution of the EfficientNet of an exponent, for a resolution, or within a budget.

    Args:
        exponent: the paper's phi: 0 is B0, 1 and 2 are B2 and B3 but for their rounding.
        resolution: side of the pictures in pixels.
        budget: multiply-adds of one picture.

    Returns:
        a variant that ``models.efficientnet`` builds. Sizes are multiples of 4.

    Raises:
        UserError: not exactly one of the three is given, or it is no positive number.
    """
    given = {"exponent": exponent, "resolution": resolution, "budget": budget}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise UserError(f"Received {', '.join(given) or 'nothing'}; expected one of exponent, resolution or budget.")
    if any(value <= 0 for name, value in given.items() if name != "exponent"):
        raise UserError(f"Received {given}; expected a positive number of pixels or of multiply-adds.")
    if resolution is not None:
        exponent = math.log(resolution / SIZE, RESOLUTION)
    elif budget is not None:
        exponent = math.log(budget / MULTIPLY_ADDS, COST)
    size = resolution or max(32, 4 * math.floor(SIZE * RESOLUTION**exponent / 4))
    dropout = min(0.5, max(0.0, DROPOUT + DROPOUT_STEP * exponent))
    return Variant(round(WIDTH**exponent, 3), round(DEPTH**exponent, 3), size, round(dropout, 3))
