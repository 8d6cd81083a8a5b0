"""Segmenters as training takes them: of images and volumes, over a base, with levels that answer too, shrinking."""

import keras
import numpy as np
import pytest

from visionkit.errors import UserError
from visionkit.models.unet import Style
from visionkit.tasks.segmentation import segmenters


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, shape).astype("float32")


def build(num_classes=2, **options) -> segmenters.TrainableSegmenter:
    keras.utils.set_random_seed(0)
    return segmenters.build(num_classes, **{"base": None, "filters": (4, 8)} | options)


@pytest.mark.parametrize(("rank", "channels", "levels"), [(2, 3, 2), (2, 3, 3), (3, 1, 2), (3, 2, 2)])
def test_a_u_net_of_its_own_takes_any_sides_that_are_multiples(rank, channels, levels):
    made = build(3, channels=(rank, channels), filters=(4,) * levels)
    assert made.multiple == 2 ** (levels - 1) and made.answering is made.network
    for sides in ((made.multiple,) * rank, (4 * made.multiple, *(2 * made.multiple,) * (rank - 1))):
        assert made.network(pixels(1, *sides, channels)).shape == (1, *sides, 3)


def test_one_level_is_no_u_net():
    with pytest.raises(UserError, match="at least two levels"):
        build(filters=(4,))


def test_volumes_are_taken_as_they_come_and_images_are_normalised():
    scales = {}
    for rank in (2, 3):
        network = build(channels=(rank, 1)).network
        scales[rank] = [float(layer.scale) for layer in network.layers if isinstance(layer, keras.layers.Rescaling)]
    assert set(scales[3]) <= {1.0} and scales[2] == [pytest.approx(1 / 127.5)]


def test_levels_that_answer_too_share_their_weights_with_what_is_exported():
    made = build(filters=(4, 8, 8), style=Style(supervised=2))
    said = made.network(pixels(1, 8, 16, 3))
    assert {name: tuple(each.shape[1:]) for name, each in said.items()} == {"logits": (8, 16, 2), "logits_2": (4, 8, 2)}
    np.testing.assert_allclose(made.answering(pixels(1, 8, 16, 3)), said["logits"], atol=1e-6)


def test_shrinking_sees_means_and_answers_at_full_size():
    plain = build(style=Style(supervised=1), filters=(4, 8, 8))
    assert segmenters.shrinking(plain, 1) is plain
    made = segmenters.shrinking(plain, 4)
    assert made.multiple == 16 and made.answering is not made.network
    values = pixels(1, 32, 16, 3)
    means = values.reshape(1, 8, 4, 4, 4, 3).mean(axis=(2, 4))
    small, large = plain.network(means), made.network(values)
    assert {name: tuple(each.shape[1:3]) for name, each in large.items()} == {"logits": (32, 16), "logits_2": (16, 8)}
    grown = keras.layers.UpSampling2D(4, interpolation="bilinear")
    for name, each in small.items():
        np.testing.assert_allclose(large[name], grown(each), atol=1e-4)
    assert len(made.network.trainable_weights) == len(plain.network.trainable_weights)


def test_a_base_is_trained_whole_or_from_a_stride_on(tmp_path):
    """Frozen weights are those of the base alone, and are not trained; a base of random weights is trained whole."""
    from visionkit import models

    base = models.build("mobilenet", (32, 32, 3), None)
    base.save_weights(tmp_path / "base.weights.h5")
    options = {"base": "mobilenet", "weights": str(tmp_path / "base.weights.h5"), "filters": (4,)}
    changes = ({"weights": None, "frozen_stride": 8}, {}, {"frozen_stride": 8})
    untrained, whole, part = (build(**options | more).network for more in changes)
    assert len(untrained.trainable_variables) == len(whole.trainable_variables) > len(part.trainable_variables)
    of_base, all_of_it, some = ({v.path for v in model.trainable_variables} for model in (base, whole, part))
    assert all_of_it - some and all_of_it - some < of_base and some & of_base


def test_a_base_gets_fine_maps_beside_it():
    plain, fine = (build(base="mobilenet", weights=None, filters=(4,), style=Style(fine=count)) for count in (0, 4))
    assert fine.network.count_params() > plain.network.count_params()
    assert fine.network.get_layer("down_1_1_conv").filters == 4
    values = pixels(1, 32, 64, 3)
    assert plain.network(values).shape == fine.network(values).shape == (1, 32, 64, 2)
