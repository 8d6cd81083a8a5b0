"""The optimizers do what the papers say, step by step."""

import keras
import numpy as np
import pytest

from visionkit.training.rates.optimizers import adamw, momentum_sgd


def variable(name="kernel") -> keras.Variable:
    return keras.Variable(np.float32([1.0, -2.0]), name=name)


@pytest.mark.parametrize("make", [adamw, momentum_sgd])
def test_without_a_gradient_only_kernels_decay(make):
    kernel, bias = variable(), variable("bias")
    optimizer = make(0.1, 100, 0.01)
    optimizer.build([kernel, bias])
    optimizer.apply([keras.ops.zeros(2), keras.ops.zeros(2)])
    assert np.abs(keras.ops.convert_to_numpy(kernel)).tolist() < [1.0, 2.0]
    assert keras.ops.convert_to_numpy(bias).tolist() == [1.0, -2.0]


def test_momentum_multiplies_a_steady_gradient_by_ten_and_the_rate_steps_down_twice():
    weight = variable()
    optimizer = momentum_sgd(0.1, 400, 0.0)
    optimizer.build([weight])
    steps = []
    for _ in range(400):
        before = keras.ops.convert_to_numpy(weight)[0]
        optimizer.apply([keras.ops.ones(2)])
        steps.append(float(before - keras.ops.convert_to_numpy(weight)[0]))
    assert steps[0] == pytest.approx(0.1, rel=1e-3)
    assert (steps[190], steps[290], steps[399]) == pytest.approx((1.0, 0.1, 0.01), rel=0.05)


def test_decay_is_as_strong_as_in_the_gradient():
    """After the first steps, a weight without gradient shrinks as by ``weight_decay`` in the gradient with momentum."""
    weight, decay, rate, ours, theirs = variable(), 1e-3, 0.1, [], []
    optimizer = momentum_sgd(rate, 10_000, decay)
    optimizer.build([weight])
    in_gradient, velocity = 1.0, 0.0
    for _ in range(200):
        optimizer.apply([keras.ops.zeros(2)])
        velocity = 0.9 * velocity - rate * decay * in_gradient
        in_gradient += velocity
        ours.append(float(keras.ops.convert_to_numpy(weight)[0]))
        theirs.append(in_gradient)
    assert 1 - ours[-1] / ours[50] == pytest.approx(1 - theirs[-1] / theirs[50], rel=0.02)
