"""The choice of the device for the pixel-wise part of augmentation: the processor or the accelerator."""

import dataclasses
import time
from collections.abc import Iterable
from itertools import islice
from typing import Literal

import keras
import numpy as np

from visionkit.data.pipeline.batches import TrainingPipeline
from visionkit.training import runtime

MEASURED, WARM_UP = 8, 2  # batches
STEP_IN_FORWARD_PASSES = 3  # a training step takes about as long as three: forward, and back through inputs and weights


def choose_device(pipeline: TrainingPipeline, network: keras.Model) -> tuple[Literal["cpu", "device"], str]:
    """Measure whether mirroring, color, erasing, MixUp and CutMix belong on the accelerator.

    Args:
        pipeline: the training pipeline; both devices are tried, without its cache and its service.
        network: the classifier, on images ``(N, size, size, 3)``.

    Returns:
        the device, and the reason in words.
    """
    if not runtime.has_accelerator():
        return "cpu", "there is no accelerator that could do it"
    pipeline = dataclasses.replace(pipeline, size=network.input_shape[1], cache=None, service=None)
    rates = {device: _rate(dataclasses.replace(pipeline, augment_on=device).epoch(0)) for device in ("cpu", "device")}
    pixels = np.zeros((pipeline.batch_size, *network.input_shape[1:]), np.float32)
    forward = _rate({"image": network.predict_on_batch(pixels)} for _ in range(WARM_UP + MEASURED))
    needed = forward / STEP_IN_FORWARD_PASSES
    measured = ", ".join(f"{rate:.0f} images a second on '{device}'" for device, rate in rates.items())
    reason = f"measured {measured}; the network takes about {needed:.0f}"
    return ("device" if rates["cpu"] < needed and rates["device"] > rates["cpu"] else "cpu"), reason


def _rate(batches: Iterable[dict]) -> float:
    """Images per second."""
    iterator = iter(batches)
    count = sum(len(batch["image"]) for batch in islice(iterator, WARM_UP))
    began = time.perf_counter()
    measured = sum(len(batch["image"]) for batch in islice(iterator, MEASURED))
    return (measured or count) / max(time.perf_counter() - began, 1e-9)
