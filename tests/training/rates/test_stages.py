"""Each variable takes exactly its share of a step, for both optimizers, compiled or not, also after a snapshot."""

import dataclasses

import keras
import numpy as np
import pytest

from tests.conftest import sweep
from tests.models.small_backbones import small_backbone
from visionkit.models.endpoints import stages
from visionkit.training.averaging import AveragingTrainer
from visionkit.training.fit import Phase, compile_phase, restore, snapshot
from visionkit.training.rates.optimizers import adamw, momentum_sgd
from visionkit.training.rates.stages import stage_shares

SIDE, RATE = 32, 0.1
PIXELS = np.random.default_rng(0).uniform(0, 255, (4, SIDE, SIDE, 3)).astype("float32")
TARGETS = np.random.default_rng(1).normal(size=(4, 2)).astype("float32")
SHARES = {"kernel_8": 0.001, "kernel_16": 0.01, "kernel_32": 0.1, "head": 1.0}


def build(*, averaged: bool = False):
    """A network on a backbone of three stages; the model to train, the backbone, and a kernel of each stage by name."""
    keras.utils.set_random_seed(0)
    base = small_backbone((SIDE, SIDE), filters=4)
    head = keras.layers.Dense(2, name="head")
    x = head(keras.layers.GlobalAveragePooling2D()(base(base.input)["stride_32"]))
    network = keras.Model(base.input, x)
    first, *kernels = [layer.kernel for layer in base.layers if isinstance(layer, keras.layers.Conv2D)]
    watched = dict(zip(SHARES, (*kernels, head.kernel), strict=True)) | {"stem": first}
    if averaged:
        network = AveragingTrainer(network, lambda y, truth: {"square": keras.ops.mean((y - truth) ** 2)}, ["square"])
    return network, base, watched


def compiled(model, base, decay, make, *, weight_decay=0.1):
    def batches(epoch):
        return [(PIXELS, TARGETS)]

    loss = None if isinstance(model, AveragingTrainer) else "mse"
    options = {"optimizer": make, "loss": loss, "weight_decay": weight_decay, "rate_shares": stage_shares(base, decay)}
    phase = Phase("train", model, 1, RATE, 1, batches, dict, **options)
    compile_phase(phase)
    return phase


def step(model, loop):
    if loop == "fit":
        model.fit(PIXELS, TARGETS, batch_size=4, shuffle=False, verbose=0)
    else:
        model.train_on_batch(PIXELS, TARGETS)


def moves(decay, make, loop, *, averaged=False, again=False, **options):
    """How far each watched variable moves in the first step; ``again`` after its state was put into another model."""
    model, base, watched = build(averaged=averaged)
    compiled(model, base, decay, make, **options)
    if again:
        state = snapshot(model)
        step(model, loop)
        model, base, watched = build(averaged=averaged)
        compiled(model, base, decay, make, **options)
        step(model, loop)
        restore(model, state)
    before = {name: np.array(variable) for name, variable in watched.items()}
    step(model, loop)
    return {name: np.array(variable) - before[name] for name, variable in watched.items()}


def test_a_decay_of_one_scales_nothing():
    assert stage_shares(small_backbone((SIDE, SIDE)), 1.0) == {}


def test_a_base_has_a_rate_of_its_own():
    base = small_backbone((SIDE, SIDE))
    shares = stage_shares(base, 1.0, 0.1)
    assert set(shares.values()) == {0.1} and shares.keys() == {id(variable) for variable in base.variables}
    decayed = sorted(set(stage_shares(base, 0.5, 0.1).values()))
    assert decayed == pytest.approx([0.1 * 0.5**power for power in range(len(decayed), 0, -1)])


def test_stages_end_with_the_feature_maps():
    base = small_backbone((SIDE, SIDE), batch_norm=True)
    found = [[layer.name for layer in stage if layer.weights] for stage in stages(base)]
    assert [len(stage) for stage in found] == [3, 2, 2] and [stage[-1] for stage in found] == ["bn_8", "bn_16", "bn_32"]


@pytest.mark.parametrize("loop", sweep(["fit", "train_on_batch"], ["fit"]))
@pytest.mark.parametrize("make", [adamw, momentum_sgd])
@pytest.mark.parametrize("again", sweep([False, True], [True]))
def test_a_stage_takes_a_tenth_of_the_step_of_the_next(make, loop, again):
    """Also where weights decay: decoupled decay is a part of the step."""
    whole, scaled = moves(1.0, make, loop), moves(0.1, make, loop, again=again)
    for name, share in (SHARES | {"stem": 0.001}).items():
        assert np.abs(whole[name]).max() > 1e-3
        np.testing.assert_allclose(scaled[name], share * whole[name], rtol=2e-2, atol=2e-7)
    np.testing.assert_allclose(scaled["kernel_32"], 0.1 * whole["kernel_32"], rtol=1e-3, atol=1e-7)


def test_decay_alone_is_scaled():
    """Without a gradient, a variable only decays."""
    kernel, optimizer = keras.Variable(np.float32([1.0, -2.0]), name="kernel"), adamw(0.5, 10, 0.1)
    optimizer.scale_rates({id(kernel): 0.1})
    optimizer.build([kernel])
    optimizer.apply([keras.ops.zeros(2)])
    np.testing.assert_allclose(kernel, np.float32([1.0, -2.0]) * (1 - 0.1 * 0.1 * 0.05), rtol=1e-6)
    assert optimizer.weight_decay == 0.1


def test_a_trainer_with_its_own_loss_is_scaled_too():
    whole, scaled = (moves(decay, adamw, "fit", averaged=True) for decay in (1.0, 0.1))
    np.testing.assert_allclose(scaled["kernel_32"], 0.1 * whole["kernel_32"], rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(scaled["head"], whole["head"], rtol=1e-5)


def test_the_gradients_are_clipped_before_they_are_scaled():
    """Else a small share would leave more of the norm to the others."""
    whole, scaled = (moves(decay, lambda *a: momentum_with_clipping(*a), "fit") for decay in (1.0, 0.1))
    np.testing.assert_allclose(scaled["head"], whole["head"], rtol=1e-5)
    np.testing.assert_allclose(scaled["kernel_32"], 0.1 * whole["kernel_32"], rtol=1e-3, atol=1e-9)


def momentum_with_clipping(*arguments):
    optimizer = momentum_sgd(*arguments)
    optimizer.global_clipnorm = 1e-3
    return optimizer


def test_the_state_of_an_optimizer_does_not_depend_on_the_shares():
    """A run that was begun without them can be resumed."""
    states = []
    for decay in (1.0, 0.5):
        model, base, _ = build()
        compiled(model, base, decay, adamw)
        states.append({name: array.shape for name, array in snapshot(model).items()})
    assert states[0] == states[1]


def test_shares_after_build_are_refused():
    model, base, _ = build()
    phase = compiled(model, base, 1.0, adamw)
    with pytest.raises(ValueError, match="before build"):
        phase.model.optimizer.scale_rates(stage_shares(base, 0.5))


def test_loss_scaling_for_half_precision_keeps_the_shares():
    model, base, watched = build()
    optimizer = adamw(RATE, 1, 0.0)
    optimizer.scale_rates(stage_shares(base, 0.1))
    scaled = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=64.0)
    model.compile(scaled, "mse")
    before = np.array(watched["kernel_32"])
    step(model, "fit")
    whole = moves(1.0, adamw, "fit", weight_decay=0.0)
    np.testing.assert_allclose(np.array(watched["kernel_32"]) - before, 0.1 * whole["kernel_32"], rtol=1e-2, atol=1e-6)


def test_a_phase_without_shares_is_as_it_was():
    model, base, _ = build()
    phase = dataclasses.replace(compiled(model, base, 1.0, adamw), rate_shares=None)
    compile_phase(phase)
    assert {model.optimizer.share_of(variable) for variable in model.trainable_variables} == {1.0}
