"""Depth, width and resolution that grow together."""

import pytest

from visionkit import models
from visionkit.errors import UserError
from visionkit.models.compound_scaling import compound_scaling, multiply_adds
from visionkit.models.efficientnet import VARIANTS


@pytest.mark.parametrize("given", [{}, {"exponent": 1, "resolution": 240}, {"resolution": 0}, {"exponent": 99}, {"budget": 1}])
def test_one_number_within_reach_is_expected(given):
    with pytest.raises(UserError, match="expected"):
        compound_scaling(**given)


@pytest.mark.parametrize(("exponent", "name"), [(0, "efficientnet_b0"), (1, "efficientnet_b2"), (2, "efficientnet_b3")])
def test_the_published_ones_come_out_but_for_their_rounding(exponent, name):
    ours, published = compound_scaling(exponent=exponent), VARIANTS[name]
    assert ours.width == pytest.approx(published.width, abs=0.05)
    assert ours.depth == pytest.approx(published.depth, abs=0.05)
    assert ours.size == pytest.approx(published.size, rel=0.02)


def test_a_resolution_is_kept_and_decides_the_rest():
    scaled = compound_scaling(resolution=300)
    assert scaled.size == 300 and scaled.depth > 1.4 and scaled.width > 1.2
    assert models.efficientnet(scaled, None, 3).input_shape == (None, 300, 300, 3)


def test_a_budget_is_kept_and_used():
    assert 0.85e9 < multiply_adds(compound_scaling(budget=1e9)) <= 1e9
