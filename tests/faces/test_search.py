"""The search finds the same nearest templates as an exhaustive search."""

import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.faces import search
from visionkit.faces.search import Templates


def measured(queries, templates, k):
    """The reference: every distance in double precision."""
    away = queries[:, None].astype(np.float64) - templates[None]
    squares = np.sum(away * away, axis=-1)
    places = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, places, axis=1)), places


def agree(queries, templates, k):
    distances, places = Templates(templates).nearest(queries, k)
    expected_distances, expected_places = measured(queries, templates, k)
    np.testing.assert_array_equal(places, expected_places)
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-6, atol=0)
    assert distances.dtype == np.float32 and places.dtype == np.int64


def test_without_queries_or_templates_nothing_is_found():
    nothing, some = np.zeros((0, 4), np.float32), np.ones((3, 4), np.float32)
    for queries, templates, shape in ((nothing, some, (0, 2)), (some, nothing, (3, 0)), (nothing, nothing, (0, 0))):
        distances, places = Templates(templates).nearest(queries, 2)
        assert distances.shape == places.shape == shape


@pytest.fixture(autouse=True, params=[2**16, 2**22], ids=["in blocks", "at once"])
def products_at_once(request, monkeypatch):
    """Small values, so that even few templates form several blocks."""
    monkeypatch.setattr(search, "PRODUCTS_AT_ONCE", request.param)


@pytest.mark.parametrize(("count", "dimensions", "k"), [(1, 1, 1), (7, 3, 5), (2500, 16, 3), (2500, 16, 1500), (9000, 33, 7)])
def test_the_search_agrees_with_an_exhaustive_one(count, dimensions, k, rng):
    templates = rng.normal(size=(count, dimensions)).astype(np.float32)
    agree(rng.normal(size=(70, dimensions)).astype(np.float32), templates, k)


def test_it_orders_templates_that_single_precision_cannot_distinguish(rng):
    center = 30 * rng.normal(size=(1, 15))
    templates = (center + 1e-3 * rng.normal(size=(6000, 15))).astype(np.float32)
    queries = (center + 1e-3 * rng.normal(size=(64, 15))).astype(np.float32)
    squares = np.sum(templates**2, 1) - 2 * queries @ templates.T + np.sum(queries**2, 1)[:, None]
    assert (np.argmin(squares, axis=1) != measured(queries, templates, 1)[1][:, 0]).any()  # what it is about
    agree(queries, templates, 9)


def test_equally_distant_templates_come_in_order_of_their_rows(rng):
    few = rng.normal(size=(11, 33)).astype(np.float32)
    templates = few[rng.integers(0, 11, 12_500)]
    agree(np.concatenate([few[:3], rng.normal(size=(3, 33)).astype(np.float32)]), templates, 2000)
    agree(few, templates, 4)


def test_a_template_has_distance_zero_from_itself(rng):
    templates = (1e3 * rng.normal(size=(500, 64))).astype(np.float32)
    distances, places = Templates(templates).nearest(templates, 1)
    assert (distances == 0).all() and (places[:, 0] == np.arange(500)).all()


@pytest.mark.parametrize("scale", [0.0, 1e-22, 1e-15, 1e15])
def test_tiny_and_huge_numbers_have_distances_too(scale, rng):
    templates = (scale * rng.normal(size=(300, 8))).astype(np.float32)
    agree((scale * rng.normal(size=(3, 8))).astype(np.float32), templates, 5)


def test_if_k_exceeds_the_number_of_templates_all_are_returned(rng):
    templates = rng.normal(size=(3, 8)).astype(np.float32)
    distances, places = Templates(templates).nearest(templates[:2], 10)
    assert distances.shape == (2, 3) and sorted(places[0]) == [0, 1, 2]


def test_other_dtypes_and_memory_layouts_are_accepted(rng):
    templates = rng.normal(size=(40, 8))
    distances, places = Templates(templates.astype(np.float16)).nearest(np.asfortranarray(templates[::2]), 1)
    np.testing.assert_array_equal(places[:, 0], np.arange(0, 40, 2))
    assert (distances < 1e-2).all()


@pytest.mark.parametrize(
    ("queries", "templates", "k", "message"),
    [
        (np.zeros(4), np.zeros((3, 4)), 1, "queries of shape"),
        (np.zeros((2, 4)), np.zeros((3, 4, 1)), 1, "templates of shape"),
        (np.zeros((2, 5)), np.zeros((3, 4)), 1, "expected 4"),
        (np.zeros((2, 4)), np.zeros((3, 4)), 0, "expected 1 or more"),
        (np.full((2, 4), np.nan), np.zeros((3, 4)), 1, "queries that are not finite"),
        (np.zeros((2, 4)), np.full((3, 4), np.inf), 1, "templates that are not finite"),
        (np.zeros((2, 4)), np.full((3, 4), 1e30), 1, "too large"),
    ],
)
def test_bad_shapes_and_values_are_refused(queries, templates, k, message):
    with pytest.raises(UserError, match=message):
        Templates(templates).nearest(queries, k)
