"""Training patches of volumes."""

import threading

import numpy as np
import pytest

from visionkit.data.arrays.patches import ORDINARY, VolumeVariation, patch, patch_batches, patch_sources
from visionkit.data.arrays.volumes import Volume, standardized
from visionkit.data.index import IGNORE

STILL = VolumeVariation()
SIDES = (6, 7, 8)


def a_volume(shape=(12, 13, 14), channels=1, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    labels[-3:, -3:, -3:] = 1
    return Volume("a", rng.normal(50, 9, (*shape, channels)).astype("float32"), labels)


def batches(volumes, variation=ORDINARY, sides=SIDES, **options):
    options = {"batch_size": 3, "num_batches": 4, "seed": 0, "epoch": 0} | options
    return list(patch_batches(patch_sources(volumes), sides, variation=variation, **options))


def test_no_batches_and_no_foreground():
    assert batches([a_volume()], num_batches=0) == []
    empty = a_volume()._replace(labels=np.zeros((12, 13, 14), np.uint8))
    assert all((labels["mask"] == 0).all() for _, labels in batches([empty], STILL))


def test_shapes_and_types():
    for values, labels in batches([a_volume(channels=2), a_volume(channels=2, seed=1)]):
        assert (values.shape, values.dtype) == ((3, *SIDES, 2), np.float32)
        mask = labels["mask"]
        assert (mask.shape, mask.dtype) == ((3, *SIDES), np.uint8) and len(labels) == 1
        assert set(np.unique(mask)) <= {0, 1, IGNORE} and np.isfinite(values).all()


def test_without_variation_a_patch_is_a_part_of_the_standardized_volume():
    volume = a_volume(channels=2)
    whole = standardized(volume.values)
    windows = np.lib.stride_tricks.sliding_window_view(whole[..., 0], SIDES)
    for values, labels in batches([volume], STILL):
        for part, its_labels in zip(values, labels["mask"], strict=True):
            (corner,) = np.argwhere(np.isclose(windows, part[..., 0], atol=1e-5).all((3, 4, 5)))
            here = tuple(slice(c, c + s) for c, s in zip(corner, SIDES, strict=True))
            np.testing.assert_allclose(part, whole[here], atol=1e-5)
            np.testing.assert_array_equal(its_labels, volume.labels[here])


def test_half_of_the_patches_are_near_the_foreground_each_class_as_often():
    labels = np.zeros((60, 60, 60), np.uint8)
    labels[5:25, 5:25, 5:25], labels[50, 50, 50] = 1, 2
    source = patch_sources([Volume("a", np.zeros((60, 60, 60, 1), np.float32), labels)])[0]
    drawn = [patch(source, (8, 8, 8), STILL, np.random.default_rng(i))[1] for i in range(400)]
    assert 0.2 < np.mean([(part == 2).any() for part in drawn]) < 0.3


def test_patches_depend_on_seed_and_epoch_not_on_threads():
    volumes = [a_volume(seed=seed) for seed in range(3)]
    once, again = batches(volumes, num_threads=1), batches(volumes, num_threads=7)
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1]["mask"], other[1]["mask"])
    assert all((batches(volumes, **other)[0][0] != once[0][0]).any() for other in ({"seed": 1}, {"epoch": 1}))


def test_all_volumes_contribute_equally():
    volumes = [Volume("a", np.zeros((9, 9, 9, 1), np.float32), np.full((9, 9, 9), label, np.uint8)) for label in range(4)]
    seen = [int(label) for _, labels in batches(volumes, STILL) for label in labels["mask"][:, 3, 3, 3]]
    assert np.bincount(seen).tolist() == [3, 3, 3, 3]


def test_labels_move_with_the_values():
    """A smooth ramp tells where each voxel came from, and labels say on which side of the middle."""
    places = np.arange(40, dtype=np.float32)
    values = np.broadcast_to(places[:, None, None, None], (40, 40, 40, 1)).copy()
    volume = Volume("a", values, (values[..., 0] >= 20).astype(np.uint8))
    source = patch_sources([volume])[0]
    for seed in range(8):
        part, labels = patch(source, (16, 16, 16), ORDINARY._replace(contrast=0, noise=0), np.random.default_rng(seed))
        ramp = part[..., 0] * values.std() + values.mean()
        inside = labels != IGNORE
        assert inside.mean() > 0.5
        np.testing.assert_array_equal(
            labels[inside & (abs(ramp - 19.5) > 0.01)], (ramp > 19.5)[inside & (abs(ramp - 19.5) > 0.01)]
        )


@pytest.mark.parametrize("variation", [VolumeVariation(degrees=20), VolumeVariation(scale=0.3), VolumeVariation(elastic=0.03)])
def test_each_variation_is_bounded(variation):
    """Of a ramp along each axis, the patch's gradient is the matrix that it was turned and scaled with."""
    grid = np.stack(np.meshgrid(*[np.arange(64, dtype=np.float32)] * 3, indexing="ij"), axis=-1)
    source = patch_sources([Volume("a", grid, np.zeros((64, 64, 64), np.uint8))])[0]
    for seed in range(8):
        part = patch(source, (17, 17, 17), variation, np.random.default_rng(seed))[0] * grid.std((0, 1, 2))
        matrix = np.stack([np.gradient(part, axis=axis)[8, 8, 8] for axis in range(3)], axis=-1)
        size = np.linalg.det(matrix) ** (1 / 3)
        assert not np.allclose(matrix, np.eye(3), atol=1e-4)
        if variation.degrees:
            assert size == pytest.approx(1, abs=1e-3)
            assert np.degrees(np.arccos((np.trace(matrix) - 1) / 2)) < 20 * np.sqrt(3) + 1e-3
        elif variation.scale:
            np.testing.assert_allclose(matrix, np.eye(3) * size, atol=1e-3)
            assert 1 / 1.3 - 1e-3 < size < 1.3 + 1e-3
        else:
            slopes = np.stack([np.diff(part[..., axis], axis=axis).min() for axis in range(3)])
            assert (slopes > 0).all()  # nothing folds over


def test_axes_are_mirrored_only_with_flip():
    grid = np.stack(np.meshgrid(*[np.arange(9, dtype=np.float32)] * 3, indexing="ij"), axis=-1)
    source = patch_sources([Volume("a", grid, np.zeros((9, 9, 9), np.uint8))])[0]
    for flip, expected in ((False, 1), (True, 8)):
        variation = VolumeVariation(flip=flip)
        drawn = [patch(source, (9, 9, 9), variation, np.random.default_rng(i))[0].round(2).tobytes() for i in range(80)]
        assert len(set(drawn)) == expected


def test_beyond_a_small_volume_its_border_is_repeated_and_labels_are_ignored():
    volume = a_volume((4, 13, 14))
    values, labels = batches([volume], STILL, sides=(8, 7, 8))[0]
    mask = labels["mask"]
    assert (mask[:, [0, 1, 6, 7]] == IGNORE).all() and (mask[:, 2:6] != IGNORE).all()
    np.testing.assert_array_equal(values[:, 0], values[:, 2])


def test_stopping_early_ends_the_threads_and_errors_are_raised():
    running = patch_batches(
        patch_sources([a_volume()]), SIDES, batch_size=2, num_batches=9, variation=ORDINARY, seed=0, epoch=0
    )
    next(running)
    running.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("visionkit-patches")]
    flat = a_volume()._replace(labels=np.zeros((12, 13), np.uint8))
    with pytest.raises(ValueError, match=r"shape|broadcast"):
        batches([flat])
