"""Averaged weights; tests/tasks/detection/test_train.py tests those of a detector with a pretrained backbone."""

import keras
import numpy as np
import pytest

from visionkit.training.averaging import AveragingTrainer, averaged_phase, moving_statistics
from visionkit.training.fit import Schedule


def network():
    inputs = keras.Input((4,))
    x = keras.layers.BatchNormalization(name="bn")(keras.layers.Dense(3, name="dense")(inputs))
    return keras.Model(inputs, keras.layers.Dense(1, name="answer")(x))


def test_a_network_without_batch_norm_has_no_statistics():
    inputs = keras.Input((4,))
    assert moving_statistics(keras.Model(inputs, keras.layers.Dense(3)(inputs))) == []


def test_the_average_follows_weights_and_statistics():
    keras.utils.set_random_seed(0)
    trained = network()
    trainer = AveragingTrainer(
        trained, lambda outputs, truth: {"square": keras.ops.mean((outputs[:, 0] - truth["value"]) ** 2)}, ["square"]
    )
    trainer.steps_averaged = 50
    trainer.compile("sgd", jit_compile=False)
    watched = [trained.get_layer("dense").kernel, trained.get_layer("bn").moving_mean]
    averages = before = [np.array(variable) for variable in watched]
    rng = np.random.default_rng(0)
    for _ in range(3):
        measured = trainer.train_on_batch(
            rng.normal(size=(8, 4)), {"value": rng.normal(size=8).astype("float32")}, return_dict=True
        )
        averages = [0.98 * old + 0.02 * np.array(new) for old, new in zip(averages, watched, strict=True)]
    assert measured["loss"] > 0 and measured["square_loss"] > 0
    after = [np.array(variable) for variable in watched]
    with trainer.averaged():
        for variable, average in zip(watched, averages, strict=True):
            np.testing.assert_allclose(np.array(variable), average, rtol=1e-4, atol=1e-7)
    for variable, last, first in zip(watched, after, before, strict=True):
        assert (np.array(variable) == last).all() and (last != first).any()


def test_an_error_inside_restores_the_trained_weights():
    trainer = AveragingTrainer(network(), lambda outputs, truth: {}, [])
    kernel = trainer.network.get_layer("dense").kernel
    kernel.assign(kernel + 1)
    trained = np.array(kernel)
    with pytest.raises(ValueError, match="stop"), trainer.averaged():
        raise ValueError("stop")
    assert (np.array(kernel) == trained).all()


def test_a_phase_is_measured_with_the_averages_and_ends_with_them():
    trainer = AveragingTrainer(network(), lambda outputs, truth: {}, [])
    kernel = trainer.network.get_layer("dense").kernel
    average = np.array(kernel)
    kernel.assign(kernel + 1)
    schedule = Schedule(epochs=1, batch_size=1, learning_rate=1e-3)
    options = {"name": "train", "steps_per_epoch": 1, "batches": lambda epoch: []}
    phase = averaged_phase(trainer, lambda: {"kernel": np.array(kernel)}, schedule, **options)
    np.testing.assert_array_equal(phase.validate()["kernel"], average)
    np.testing.assert_allclose(kernel, average + 1, rtol=1e-6)
    phase.on_end()
    np.testing.assert_array_equal(kernel, average)


@pytest.mark.parametrize(("epochs", "steps", "averaged"), [(1, 1, 1), (10, 24, 20), (45, 26, 97.5), (100, 100, 100)])
def test_a_short_training_averages_fewer_steps(epochs, steps, averaged):
    """An average over most of a short training mixes weights that do not fit each other, nor BatchNorm's statistics."""
    trainer = AveragingTrainer(network(), lambda outputs, truth: {}, [])
    schedule = Schedule(epochs=epochs, batch_size=1, learning_rate=1e-3)
    averaged_phase(trainer, dict, schedule, name="train", steps_per_epoch=steps, batches=lambda epoch: [])
    assert trainer.steps_averaged == pytest.approx(averaged)
