"""The patches that excite a unit most are where its pattern is."""

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
    """Unit 0 answers to a bright plus of five pixels, unit 1 to nothing at all."""
    image = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, strides=2, activation="relu", padding="same")(image))
    plus = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    kernel = np.zeros((3, 3, 3, 2))
    kernel[..., 0] = np.where(plus, 1.0, -1.25)[..., None]
    model.set_weights([kernel, np.array([-1.0, -1.0])])
    return Probe(network_graph(lambda pixels: model(pixels), SIZE))


def test_without_images_there_are_no_peaks_and_no_unit_is_telling():
    kept = TopPatches(3)
    assert kept.peaks(0) == [] and kept.telling(2) == []


def test_patches_are_cut_where_the_pattern_was_put(cross_probe, rng):
    (layer,) = cross_probe.layers
    kept, places = TopPatches(2), []
    for number in range(12):
        image = rng.uniform(0, 20, (SIZE, SIZE, 3)).astype(np.float32)
        y, x = (2 * rng.integers(1, SIZE // 2 - 1, 2)).tolist()
        bright = 100 + 10 * number
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, 2), (2, 1)):
            image[y + dy, x + dx] = bright
        places.append((image, y, x))
        kept.add(number, cross_probe.activations(image[None], [layer], clipped=False)[0][0])
    peaks = kept.peaks(0)
    assert [peak.image for peak in peaks] == list(range(11, 11 - NUM_PATCHES, -1))
    for peak in peaks:
        image, y, x = places[peak.image]
        assert layer.window(peak.y, peak.x) == ((y, x), (3, 3))
        np.testing.assert_array_equal(cut(image, layer, peak), np.round(image[y : y + 3, x : x + 3]))
    assert kept.telling(2) == [0]


def test_of_few_images_several_places_count_that_lie_apart():
    values = np.zeros((6, 6, 1), np.float32)
    values[1, 1], values[1, 2], values[4, 5] = 3, 2.5, 2
    kept = TopPatches(1, per_image=2, apart=2)
    kept.add(7, values)
    assert kept.peaks(0) == [Peak(3, 7, 1, 1), Peak(2, 7, 4, 5)]
    assert values[1, 1, 0] == 3


def test_the_nine_best_of_many_are_kept_in_any_order(rng):
    values = rng.normal(size=(40, 3, 4, 5)).astype(np.float32)
    kept = TopPatches(5)
    for number, each in enumerate(values):
        kept.add(number, each)
    for unit in range(5):
        best = values[..., unit].reshape(40, -1).max(axis=1)
        order = np.argsort(-best)[:NUM_PATCHES]
        assert [peak.image for peak in kept.peaks(unit)] == order.tolist()
        for peak in kept.peaks(unit):
            assert values[peak.image, peak.y, peak.x, unit] == peak.value


def test_units_that_answer_at_the_same_places_are_shown_once(rng):
    kept = TopPatches(3)
    for number in range(9):
        values = rng.normal(0, 0.1, (8, 8, 3)).astype(np.float32)
        values[1, 1, :2] = (9, 8)
        values[6, 6, 2] = 5
        kept.add(number, values)
    chosen = kept.telling(3)
    assert len(chosen) == 2 and 2 in chosen


def test_a_saturated_unit_is_not_telling():
    kept = TopPatches(2)
    for number in range(3):
        kept.add(number, np.stack([np.full((4, 4), 201.1), np.eye(4) * number], axis=-1).astype(np.float32))
    assert kept.telling(2) == [1]


def layer_of(start, stride, field, sides) -> Layer:
    return Layer("layer", "a:0", "b:0", 1, Place((start,) * 2, (stride,) * 2, (field,) * 2, (sides,) * 2, True))


def test_gray_stands_for_what_lies_beyond_the_border():
    layer = layer_of(-2, 4, 5, 3)
    patch = cut(np.full((9, 9, 3), 7.0), layer, Peak(1.0, 0, 0, 2))
    assert (patch[:2] == BEYOND).all() and (patch[2:, :3] == 7).all() and (patch[2:, 3:] == BEYOND).all()


def test_places_at_the_border_do_not_count_unless_all_see_it():
    assert inside(layer_of(-8, 4, 20, 10), 40) == (slice(1, 9), slice(1, 9))
    assert inside(layer_of(-30, 4, 60, 10), 40) == (slice(0, 10), slice(0, 10))
    kept = TopPatches(1, inside=(slice(1, 3), slice(1, 3)))
    values = np.zeros((4, 4, 1), np.float32)
    values[0, 0], values[2, 1] = 9, 1
    kept.add(0, values)
    assert kept.peaks(0) == [Peak(1, 0, 2, 1)]


def test_a_image_stays_bright_where_the_unit_answers():
    answers = np.zeros((4, 4), np.float32)
    answers[0, 0] = 2
    image = dimmed(np.full((32, 32, 3), 200.0), answers)
    assert (image[:4, :4] == 200).all() and image[20:, 20:].max() < 100
    assert dimmed(np.full((8, 8, 3), 200.0), np.zeros((2, 2))).max() < 100
