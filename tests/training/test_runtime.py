"""Functions as graphs, with gradients, and without a warning where they are traced again."""

import logging

import numpy as np
import tensorflow as tf

from visionkit.training import runtime


def test_the_gradient_of_no_pixels_is_empty():
    (total,), gradient = runtime.with_gradient(lambda x: (tf.reduce_sum(x**2),))(tf.zeros([0, 3]))
    assert total == 0 and gradient.shape == (0, 3)


def test_the_gradient_is_that_of_the_first_output():
    (square, other), gradient = runtime.with_gradient(lambda x, factor: (factor * tf.reduce_sum(x**2), 7 * x))(
        tf.constant([1.0, 2.0]), tf.constant(3.0)
    )
    assert square == 15
    np.testing.assert_array_equal(gradient, [6, 12])
    np.testing.assert_array_equal(other, [7, 14])


def test_many_sizes_are_traced_without_a_notice_and_other_notices_stay(caplog, monkeypatch):
    runtime.prepare(0)
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    monkeypatch.setattr(tf.get_logger(), "disabled", False)  # logging.config disables the loggers that it finds
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        for rank in range(1, 9):  # no trace fits another rank
            runtime.compiled(lambda x: x + 1)(tf.zeros([1] * rank))
        tf.get_logger().warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]
