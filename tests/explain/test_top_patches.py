"""The patches that excite a unit most show its pattern."""

import keras
import numpy as np
import pytest

from visionkit.explain.network_graph import Layer, network_graph
from visionkit.explain.probe import Probe
from visionkit.explain.receptive_fields import Place
from visionkit.explain.top_patches import BEYOND, NUM_PATCHES, Peak, TopPatches, cut, dimmed, inside

SIZE = 24


@pytest.fixture(scope="module")
def cross_probe():
    """Unit 0 detects a bright plus of five pixels; nothing excites unit 1."""
    image = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=2, activation="relu", padding="same")(image))
    plus = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    kernel = np.zeros((3, 3, 3, 2))
    kernel[..., 0] = np.where(plus, 1.0, -1.25)[..., None]
    model.set_weights([kernel, np.array([-1.0, -1.0])])
    return Probe(network_graph(lambda pixels: model(pixels), SIZE))


def test_without_images_there_are_no_peaks_and_no_selective_units():
    top = TopPatches(3)
    assert top.peaks(0) == [] and top.telling(2) == []


def test_patches_are_cut_out_where_the_pattern_is(cross_probe, rng):
    (layer,) = cross_probe.layers
    top, places = TopPatches(2), []
    for number in range(12):
        image = rng.uniform(0, 20, (SIZE, SIZE, 3)).astype(np.float32)
        y, x = (2 * rng.integers(1, SIZE // 2 - 1, 2)).tolist()
        bright = 100 + 10 * number
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1)):
            image[y + dy, x + dx] = bright
        places.append((image, y, x))
        top.add(number, cross_probe.activations(image[None], [layer], clipped=False)[0][0])
    peaks = top.peaks(0)
    assert [peak.image for peak in peaks] == list(range(11, 11 - NUM_PATCHES, -1))
    for peak in peaks:
        image, y, x = places[peak.image]
        assert layer.window(peak.y, peak.x) == ((y, x), (3, 3))
        np.testing.assert_array_equal(cut(image, layer, peak), np.round(image[y : y + 3, x : x + 3]))
    assert top.telling(2) == [0]


def test_few_images_contribute_several_places_that_lie_apart():
    values = np.zeros((6, 6, 1), np.float32)
    values[1, 1], values[1, 2], values[4, 5] = 3, 2.5, 2
    top = TopPatches(1, per_image=2, apart=2)
    top.add(7, values)
    assert top.peaks(0) == [Peak(3, 7, 1, 1), Peak(2, 7, 4, 5)]
    assert values[1, 1, 0] == 3


def test_the_nine_strongest_of_many_are_kept_in_any_order(rng):
    values = rng.normal(size=(40, 3, 4, 5)).astype(np.float32)
    top = TopPatches(5)
    for number, each in enumerate(values):
        top.add(number, each)
    for unit in range(5):
        best = values[..., unit].reshape(40, -1).max(axis=1)
        order = np.argsort(-best)[:NUM_PATCHES]
        assert [peak.image for peak in top.peaks(unit)] == order.tolist()
        for peak in top.peaks(unit):
            assert values[peak.image, peak.y, peak.x, unit] == peak.value


def test_of_units_with_the_same_peaks_only_one_is_chosen(rng):
    top = TopPatches(3)
    for number in range(9):
        values = rng.normal(0, 0.1, (8, 8, 3)).astype(np.float32)
        values[1, 1, :2] = (9, 8)
        values[6, 6, 2] = 5
        top.add(number, values)
    chosen = top.telling(3)
    assert len(chosen) == 2 and 2 in chosen


def test_a_saturated_unit_is_not_chosen():
    top = TopPatches(2)
    for number in range(3):
        top.add(number, np.stack([np.full((4, 4), 201.1), np.eye(4) * number], axis=-1).astype(np.float32))
    assert top.telling(2) == [1]


def layer_of(start, stride, field, sides) -> Layer:
    return Layer("layer", "a:0", "b:0", 1, Place((start,) * 2, (stride,) * 2, (field,) * 2, (sides,) * 2, True))


def test_patches_are_gray_beyond_the_border():
    layer = layer_of(-2, 4, 5, 3)
    patch = cut(np.full((9, 9, 3), 7.0), layer, Peak(1.0, 0, 0, 2))
    assert (patch[:2] == BEYOND).all() and (patch[2:, :3] == 7).all() and (patch[2:, 3:] == BEYOND).all()


def test_places_at_the_border_do_not_count_unless_all_units_see_it():
    assert inside(layer_of(-8, 4, 20, 10), 40) == (slice(1, 9), slice(1, 9))
    assert inside(layer_of(-30, 4, 60, 10), 40) == (slice(0, 10), slice(0, 10))
    top = TopPatches(1, inside=(slice(1, 3), slice(1, 3)))
    values = np.zeros((4, 4, 1), np.float32)
    values[0, 0], values[2, 1] = 9, 1
    top.add(0, values)
    assert top.peaks(0) == [Peak(1, 0, 2, 1)]


def test_an_image_stays_bright_where_the_unit_is_active():
    activations = np.zeros((4, 4), np.float32)
    activations[0, 0] = 2
    image = dimmed(np.full((32, 32, 3), 200.0), activations)
    assert (image[:4, :4] == 200).all() and image[20:, 20:].max() < 100
    assert dimmed(np.full((8, 8, 3), 200.0), np.zeros((2, 2))).max() < 100
