"""A tf.data service on this machine: a dispatcher, and two workers in a process that has TensorFlow alone."""

import numpy as np
import pytest
import tensorflow as tf

from visionkit.data.augmentation import presets
from visionkit.data.images.scan import scan
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.sources import read_classified
from visionkit.errors import UserError

WORKERS = """
config = tf.data.experimental.service.WorkerConfig(dispatcher_address={host!r})
tf.workers = [tf.data.experimental.service.WorkerServer(config) for _ in range(2)]
"""


@pytest.fixture(scope="module")
def address(tensorflow_alone):
    dispatcher = tf.data.experimental.service.DispatchServer()
    assert tensorflow_alone(WORKERS.format(host=dispatcher.target.removeprefix("grpc://"))) == ""
    yield dispatcher.target
    assert tensorflow_alone("del tf.workers") == ""


@pytest.fixture
def index(class_folders):
    return scan(read_classified(class_folders).train)


def epoch(index, **options) -> dict[str, np.ndarray]:
    pipeline = TrainingPipeline(index, 32, 4, presets.preset("strong"), seed=4, **options)
    parts = [{name: value.numpy() for name, value in batch.items()} for batch in pipeline.epoch(0)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole["position"])
    return {name: values[order] for name, values in whole.items()}


def test_a_wrong_address_is_refused_with_a_message(index):
    with pytest.raises(UserError, match=r"localhost: expected grpc://HOST:PORT"):
        TrainingPipeline(index, 32, 4, presets.preset("light"), service="localhost").epoch(0)


def test_a_composition_that_wants_whole_images_is_refused(index):
    own = presets.from_compose(presets.A.Compose([]))
    with pytest.raises(UserError, match="whole images"):
        TrainingPipeline(index, 32, 4, own, service="grpc://localhost:1")


def test_a_service_delivers_epochs_and_no_dataset_for_fit(index):
    with pytest.raises(UserError, match="single epochs"):
        TrainingPipeline(index, 32, 4, presets.preset("light"), service="grpc://localhost:1").dataset()


def test_two_workers_make_the_samples_that_this_machine_would_make(index, address):
    here, there = epoch(index), epoch(index, service=address)
    assert there["position"].tolist() == list(range(len(index)))
    np.testing.assert_array_equal(here["label"], there["label"])
    difference = np.abs(here["image"].astype(int) - there["image"])
    assert np.quantile(difference, 0.99) <= 4  # OpenCV and TensorFlow resize with slightly different rounding
    assert index.skipped.list() == []


def test_a_file_that_no_worker_can_read_is_named(index, address):
    with open(index.paths[3], "wb") as file:  # noqa: PTH123
        file.write(b"no image")
    there = epoch(index, service=address)
    assert there["position"].tolist() == [place for place in range(len(index)) if place != 3]
    assert [file.path for file in index.skipped.list()] == [index.paths[3]]
