"""Segmenters in the form that training takes: for images and volumes, over a base, with deep supervision, shrinking."""

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
def test_a_u_net_with_its_own_encoder_takes_sides_that_are_multiples(rank, channels, levels):
    segmenter = build(3, channels=(rank, channels), filters=(4,) * levels)
    assert segmenter.multiple == 2 ** (levels - 1) and segmenter.inference is segmenter.network
    multiple = segmenter.multiple
    for sides in ((multiple,) * rank, (4 * multiple, *(2 * multiple,) * (rank - 1))):
        assert segmenter.network(pixels(1, *sides, channels)).shape == (1, *sides, 3)


def test_a_single_level_is_an_error():
    with pytest.raises(UserError, match="at least two levels"):
        build(filters=(4,))


def test_images_are_normalised_and_volumes_are_not():
    scales = {}
    for rank in (2, 3):
        network = build(channels=(rank, 1)).network
        scales[rank] = [float(layer.scale) for layer in network.layers if isinstance(layer, keras.layers.Rescaling)]
    assert set(scales[3]) <= {1.0} and scales[2] == [pytest.approx(1 / 127.5)]


def test_supervised_levels_share_their_weights_with_the_exported_network():
    segmenter = build(filters=(4, 8, 8), style=Style(supervised=2))
    levels = segmenter.network(pixels(1, 8, 16, 3))
    assert {name: tuple(each.shape[1:]) for name, each in levels.items()} == {"logits": (8, 16, 2), "logits_2": (4, 8, 2)}
    np.testing.assert_allclose(segmenter.inference(pixels(1, 8, 16, 3)), levels["logits"], atol=1e-6)


def test_shrinking_reads_means_and_predicts_at_full_size():
    plain = build(style=Style(supervised=1), filters=(4, 8, 8))
    assert segmenters.shrinking(plain, 1) is plain
    shrunk = segmenters.shrinking(plain, 4)
    assert shrunk.multiple == 16 and shrunk.inference is not shrunk.network
    values = pixels(1, 32, 16, 3)
    means = values.reshape(1, 8, 4, 4, 4, 3).mean(axis=(2, 4))
    small, large = plain.network(means), shrunk.network(values)
    assert {name: tuple(each.shape[1:3]) for name, each in large.items()} == {"logits": (32, 16), "logits_2": (16, 8)}
    enlarge = keras.layers.UpSampling2D(4, interpolation="bilinear")
    for name, each in small.items():
        np.testing.assert_allclose(large[name], enlarge(each), atol=1e-4)
    assert len(shrunk.network.trainable_weights) == len(plain.network.trainable_weights)


def test_a_base_is_trained_completely_or_from_a_stride_on(tmp_path):
    """Only weights of the base are frozen; a base of random weights is trained completely."""
    from visionkit import models
    from visionkit.training import freezing

    base = models.build("mobilenet", (32, 32, 3), None)
    base.save_weights(tmp_path / "base.weights.h5")
    options = {"base": "mobilenet", "weights": str(tmp_path / "base.weights.h5"), "filters": (4,)}
    built = [build(**options | more) for more in ({"weights": None}, {}, {})]
    assert built[0].base is None
    freezing.freeze_base(built[2].base, "8")
    from_scratch, whole, part = (each.network for each in built)
    assert len(from_scratch.trainable_variables) == len(whole.trainable_variables) > len(part.trainable_variables)
    base_paths, whole_paths, part_paths = ({v.path for v in model.trainable_variables} for model in (base, whole, part))
    frozen = whole_paths - part_paths
    assert frozen and frozen < base_paths and part_paths & base_paths


def test_fine_maps_are_added_to_a_base():
    plain, fine = (build(base="mobilenet", weights=None, filters=(4,), style=Style(fine=count)) for count in (0, 4))
    assert fine.network.count_params() > plain.network.count_params()
    assert fine.network.get_layer("down_1_1_conv").filters == 4
    values = pixels(1, 32, 64, 3)
    assert plain.network(values).shape == fine.network(values).shape == (1, 32, 64, 2)
