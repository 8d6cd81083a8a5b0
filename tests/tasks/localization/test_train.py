"""Ground truth of batches, and the phases."""

import keras
import numpy as np
import pytest

from tests.tasks.localization.conftest import constant_network
from visionkit.data.augmentation.presets import preset
from visionkit.data.demo import scenes
from visionkit.data.images.scan import scan
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.splits import Splits
from visionkit.tasks.localization import plan, train
from visionkit.training.fit import Schedule, train_in_order
from visionkit.training.run_folder import RunFolder

SCHEDULE = Schedule(epochs=2, batch_size=4, learning_rate=1e-2)


def scanned(folder, step: plan.Step) -> Splits:
    return plan.read_data(folder, step, seed=0).map(lambda index, _: scan(index))


def test_an_image_without_an_object_has_zeros():
    batch = {"boxes": np.zeros((1, 8, 4), np.float32), "classes": np.full((1, 8), -1)}
    np.testing.assert_array_equal(train.object_truth(batch, 2), np.zeros((1, 7)))


def test_the_truth_is_the_only_object_wherever_it_stands_in_its_row():
    boxes, classes = np.zeros((1, 8, 4), np.float32), np.full((1, 8), -1)
    boxes[0, 2], classes[0, 2] = [0.1, 0.2, 0.5, 0.4], 1
    truth = train.object_truth({"boxes": boxes, "classes": classes}, 2)
    assert truth.dtype == np.float32
    np.testing.assert_allclose(truth, [[1, 0.3, 0.3, 0.4, 0.2, 0, 1]], rtol=1e-6)


@pytest.mark.parametrize("step", ["object", "landmarks"])
def test_a_phase_lowers_the_loss_and_measures_the_validation_images(step, tmp_path):
    make = {"object": scenes.make_localization_demo, "landmarks": scenes.make_landmark_demo}[step]
    data = scanned(make(tmp_path / "set", num_train=8, num_val=4), step)
    keras.utils.set_random_seed(0)
    if step == "object":
        num_outputs = 5 + len(data.train.class_names)
        network = constant_network([0] * num_outputs, [0] * num_outputs)
        set_up, names = train.object_phase, {"presence_accuracy", "accuracy", "mean_iou"}
    else:
        network = constant_network([0] * 8, [0] * 8, 4, 2)
        set_up, names = train.landmark_phase, {"median_error"}
    pipeline = TrainingPipeline(data.train, 32, SCHEDULE.batch_size, preset("keypoints-strong"))
    phases = {"training": lambda: set_up(network, pipeline, data.val, SCHEDULE)}
    history = train_in_order(RunFolder.start(tmp_path / "run", {}), phases)
    assert history[1]["loss"] < history[0]["loss"]
    assert {f"val_{name}" for name in names} <= set(history[0])
