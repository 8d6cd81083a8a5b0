"""Compound scaling: depth, width and resolution grow together."""

import pytest

from visionkit import models
from visionkit.errors import UserError
from visionkit.models.compound_scaling import compound_scaling, multiply_adds
from visionkit.models.cost import without_weights
from visionkit.models.efficientnet import VARIANTS


@pytest.mark.parametrize(
    "arguments", [{}, {"exponent": 1, "resolution": 240}, {"resolution": 0}, {"exponent": 99}, {"budget": 1}]
)
def test_exactly_one_number_within_its_range_is_expected(arguments):
    with pytest.raises(UserError, match="expected"):
        compound_scaling(**arguments)


@pytest.mark.parametrize(("exponent", "name"), [(0, "efficientnet_b0"), (1, "efficientnet_b2"), (2, "efficientnet_b3")])
def test_exponents_give_the_published_variants_except_for_rounding(exponent, name):
    ours, published = compound_scaling(exponent=exponent), VARIANTS[name]
    assert ours.width == pytest.approx(published.width, abs=0.05)
    assert ours.depth == pytest.approx(published.depth, abs=0.05)
    assert ours.size == pytest.approx(published.size, rel=0.02)


def test_a_resolution_decides_depth_and_width():
    scaled = compound_scaling(resolution=300)
    assert scaled.size == 300 and scaled.depth > 1.4 and scaled.width > 1.2
    assert without_weights(lambda: models.efficientnet(scaled, None, 3)).input_shape == (None, 300, 300, 3)


def test_a_budget_is_nearly_exhausted():
    assert 0.85e9 < multiply_adds(compound_scaling(budget=1e9)) <= 1e9
