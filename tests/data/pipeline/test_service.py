"""Workers of a tf.data service on this machine: a dispatcher, and two processes that know TensorFlow alone."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from visionkit.data.augmentation import presets
from visionkit.data.formats.class_folders import read_class_folders
from visionkit.data.images.scan import scan
from visionkit.data.index import SkippedFiles
from visionkit.data.pipeline.batches import batches
from visionkit.errors import UserError

WORKER = """
import sys, tensorflow as tf
config = tf.data.experimental.service.WorkerConfig(dispatcher_address=sys.argv[1])
tf.data.experimental.service.WorkerServer(config).join()
"""


@pytest.fixture(scope="module")
def address():
    dispatcher = tf.data.experimental.service.DispatchServer()
    host = dispatcher.target.removeprefix("grpc://")
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, host], stderr=subprocess.DEVNULL) for _ in range(2)]
    yield dispatcher.target
    for worker in workers:
        worker.kill()
        worker.wait()


@pytest.fixture
def index(class_folders):
    return scan(read_class_folders(class_folders).train, SkippedFiles())


def epoch(index, **options) -> dict[str, np.ndarray]:
    options = {"size": 32, "batch_size": 4, "augmentation": presets.preset("strong"), "shuffle": True, "seed": 4} | options
    parts = [{name: value.numpy() for name, value in batch.items()} for batch in batches(index, **options)]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole["position"])
    return {name: values[order] for name, values in whole.items()}


def test_an_address_that_is_none_is_refused_in_words(index):
    with pytest.raises(UserError, match=r"localhost: expected grpc://HOST:PORT"):
        batches(index, size=32, batch_size=4, skipped=SkippedFiles(), augmentation=presets.preset("light"), service="localhost")


def test_a_composition_that_wants_whole_images_is_refused(index):
    own = presets.from_compose(presets.A.Compose([]))
    with pytest.raises(UserError, match="whole images"):
        batches(index, size=32, batch_size=4, skipped=SkippedFiles(), augmentation=own, service="grpc://localhost:1")


def test_two_workers_make_the_samples_that_this_machine_would_make(index, address):
    skipped = SkippedFiles()
    here, there = epoch(index, skipped=skipped), epoch(index, skipped=skipped, service=address)
    assert there["position"].tolist() == list(range(len(index)))
    np.testing.assert_array_equal(here["label"], there["label"])
    difference = np.abs(here["image"].astype(int) - there["image"])
    assert np.quantile(difference, 0.99) <= 4  # OpenCV and TensorFlow resize with slightly different rounding
    assert skipped.list() == []


def test_a_file_that_no_worker_can_read_is_named(index, address):
    with open(index.paths[3], "wb") as file:  # noqa: PTH123
        file.write(b"no image")
    skipped = SkippedFiles()
    there = epoch(index, skipped=skipped, service=address)
    assert there["position"].tolist() == [place for place in range(len(index)) if place != 3]
    assert [file.path for file in skipped.list()] == [index.paths[3]]
