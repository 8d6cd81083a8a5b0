"""Depth, width and resolution that grow together."""

import pytest

from visionkit import models
from visionkit.errors import UserError
from visionkit.models.catalog_cost import without_weights
from visionkit.models.compound_scaling import MULTIPLY_ADDS, compound_scaling
from visionkit.models.cost import layer_costs
from visionkit.models.efficientnet import VARIANTS


def multiply_adds(variant) -> int:
    model = without_weights(lambda: models.efficientnet(variant))
    return sum(cost.multiply_adds for cost in layer_costs(model))


@pytest.mark.parametrize("given", [{}, {"exponent": 1, "resolution": 240}, {"resolution": 0}, {"budget": -1}])
def test_one_positive_number_is_expected(given):
    with pytest.raises(UserError, match="expected"):
        compound_scaling(**given)


@pytest.mark.parametrize(("exponent", "name"), [(0, "efficientnet_b0"), (1, "efficientnet_b2"), (2, "efficientnet_b3")])
def test_the_published_ones_come_out_but_for_their_rounding(exponent, name):
    ours, published = compound_scaling(exponent=exponent), VARIANTS[name]
    assert ours.width == pytest.approx(published.width, abs=0.05)
    assert ours.depth == pytest.approx(published.depth, abs=0.05)
    assert ours.size == pytest.approx(published.size, rel=0.02)


def test_the_constants_are_those_of_b0():
    assert multiply_adds(VARIANTS["efficientnet_b0"]) == MULTIPLY_ADDS
    assert compound_scaling(budget=MULTIPLY_ADDS)[:3] == VARIANTS["efficientnet_b0"][:3]


def test_a_resolution_is_kept_and_decides_the_rest():
    scaled = compound_scaling(resolution=300)
    assert scaled.size == 300 and scaled.depth > 1.4 and scaled.width > 1.2
    assert models.efficientnet(scaled, None, 3).input_shape == (None, 300, 300, 3)


@pytest.mark.parametrize("budget", [2e8, 8e8, 3e9])
def test_a_budget_is_met(budget):
    """Widths come in eights and blocks in whole numbers: by a quarter."""
    assert multiply_adds(compound_scaling(budget=budget)) == pytest.approx(budget, rel=0.25)
