"""What is frozen, from which epoch on; and schedules that make no sense."""

import keras
import numpy as np
import pytest

from tests.models.small_backbones import small_backbone
from visionkit.errors import UserError
from visionkit.training.fit import Phase
from visionkit.training.freezing import Part, check_schedule, freeze_base, part_of, parts_of

STRIDES = [2, 4, 8, 16, 32]


def test_without_a_schedule_there_is_one_part():
    assert parts_of("train", "8", (), 5, STRIDES) == [Part("train", "8", 0, 5)]
    check_schedule(())


def test_a_schedule_divides_the_epochs():
    parts = parts_of("train", "base", ("5:16", "10:none"), 12, STRIDES)
    assert parts == [("train", "base", 0, 4), ("train_16", "16", 4, 5), ("train_none", "none", 9, 3)]


@pytest.mark.parametrize(
    ("freeze", "strides", "epochs", "expected"),
    [
        ("base", STRIDES, 6, [("base", 1), ("16", 1), ("8", 1), ("4", 1), ("2", 1), ("none", 1)]),
        ("base", [8, 16, 32], 7, [("base", 1), ("16", 2), ("8", 2), ("none", 2)]),
        ("4", STRIDES, 4, [("4", 1), ("2", 1), ("none", 2)]),
    ],
)
def test_gradual_unfreezes_from_the_deepest_stage_in_equal_parts(freeze, strides, epochs, expected):
    parts = parts_of("train", freeze, ("gradual",), epochs, strides)
    assert [(part.freeze, part.epochs) for part in parts] == expected
    assert [part.first for part in parts] == [sum(count for _, count in expected[:n]) for n in range(len(expected))]


def test_gradual_has_nothing_to_unfreeze_where_nothing_is_frozen():
    with pytest.raises(UserError, match="nothing is frozen that could be unfrozen"):
        parts_of("train", "none", ("gradual",), 4, STRIDES)


@pytest.mark.parametrize(
    ("freeze", "words", "message"),
    [
        ("base", ("soon",), "'soon' is not understood; --unfreeze takes gradual, or EPOCH:LAYERS such as 5:16 10:none"),
        ("base", ("5:12",), "'5:12' is not understood"),
        ("base", ("gradual", "5:8"), "'gradual' is not understood"),
        ("base", ("1:16",), "begins in epoch 1; expected an epoch from 2 on"),
        ("base", ("5:16", "5:none"), "begins in epoch 5; expected a later epoch"),
        ("8", ("5:16",), "5:16 comes after '8' and freezes as much or more; expected less"),
        ("base", ("5:16", "6:16"), "6:16 comes after '16'"),
        ("base", ("5:base",), "5:base comes after 'base'"),
        ("base", ("9:none",), "the last part begins in epoch 9, and there are 8 epochs"),
        ("base", ("gradual",), "4 parts (base 16 8 none) and 3 epochs; expected an epoch for each"),
        ("2", (), "2: the base has no feature map of that stride, only base 8 16 32 none"),
        ("base", ("2:4",), "4: the base has no feature map of that stride"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_an_error(freeze, words, message):
    with pytest.raises(UserError) as error:
        parts_of("train", freeze, words, 3 if words == ("gradual",) else 8, [8, 16, 32])
    assert message in str(error.value) and len(str(error.value).splitlines()) == 1


def trained(base) -> list[str]:
    return [layer.name for layer in base.layers if layer.trainable_weights]


def test_layers_are_frozen_up_to_a_feature_map():
    base = small_backbone((32, 32), batch_norm=True)
    everything = trained(base)
    assert freeze_base(base, "none") == base.count_params() - sum(np.prod(v.shape) for v in base.non_trainable_variables)
    assert freeze_base(base, "base") == 0 and trained(base) == [] == base.trainable_variables
    assert freeze_base(base, "16") == 16 * 16 * 9 + 3 * 16 and trained(base) == everything[-2:]
    assert freeze_base(base, "32") == 0 and trained(base) == []
    assert freeze_base(base, "none") > 0 and trained(base) == everything
    with pytest.raises(UserError, match="no endpoint 'stride_4'"):
        freeze_base(base, "4")


def test_a_part_goes_on_with_the_batches_of_its_epochs():
    """So that what depends on the epoch, such as the last plain epochs of a detector, stays where it was."""
    phase = Phase("train", keras.Sequential(), 9, 0.1, 1, lambda epoch: [epoch], dict)
    part = part_of(phase, Part("train_16", "16", 4, 5))
    assert (part.name, part.epochs, part.batches(0), part.batches(4)) == ("train_16", 5, [4], [8])
