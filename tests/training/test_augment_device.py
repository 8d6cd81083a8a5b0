"""The choice of the device for the pixel-wise part of augmentation."""

import pytest

from visionkit.data.augmentation import presets
from visionkit.data.images.scan import scan
from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.data.sources import read_classified
from visionkit.training import augment_device, runtime
from visionkit.training.augment_device import choose_device


@pytest.fixture
def pipeline(class_folders) -> TrainingPipeline:
    return TrainingPipeline(scan(read_classified(class_folders).train), 32, 4, presets.preset("light"))


def test_without_an_accelerator_nothing_is_measured(pipeline, small_classifier, monkeypatch):
    monkeypatch.setattr(runtime, "has_accelerator", lambda: False)
    monkeypatch.setattr(augment_device, "_rate", None)
    place, reason = choose_device(pipeline, small_classifier)
    assert place == "cpu" and "no accelerator" in reason


@pytest.mark.parametrize(
    ("on_cpu", "on_device", "forward", "expected"),
    [(100, 150, 900, "device"), (100, 90, 900, "cpu"), (400, 500, 900, "cpu")],
    ids=["starving", "no faster there", "fast enough here"],
)
def test_the_device_helps_where_the_processor_cannot_feed_it(
    pipeline, small_classifier, monkeypatch, on_cpu, on_device, forward, expected
):
    rates = iter([on_cpu, on_device, forward])
    monkeypatch.setattr(runtime, "has_accelerator", lambda: True)
    monkeypatch.setattr(augment_device, "_rate", lambda batches: next(rates))
    place, reason = choose_device(pipeline, small_classifier)
    assert place == expected and f"{on_cpu} images a second on 'cpu'" in reason


def test_the_measurement_runs_on_real_batches(pipeline, small_classifier, monkeypatch):
    monkeypatch.setattr(runtime, "has_accelerator", lambda: True)
    place, reason = choose_device(pipeline, small_classifier)
    assert place in ("cpu", "device") and reason.startswith("measured ")
