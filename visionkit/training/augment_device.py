"""How training images reach the network: what is cached, what augments them, which machines cut them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import keras
import numpy as np

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.pipeline.batches import batches
from visionkit.data.pipeline.pixel_cache import PixelCache
from visionkit.training import runtime

MEASURED, WARM_UP = 8, 2  # batches
STEP_IN_FORWARD_PASSES = 3  # a training step takes about as long as three: forward, and back through inputs and weights


@dataclass(frozen=True)
class Feeding:
    """How training images are made.

    Attributes:
        augmentation: what is done to them.
        augment_on: where mirroring, color, erasing, MixUp and CutMix are carried out.
        cache: of decoded images.
        service: address of a tf.data service, "grpc://HOST:PORT".
    """

    augmentation: Augmentation
    augment_on: Literal["cpu", "device"] = "cpu"
    cache: PixelCache | None = None
    service: str | None = None


def choose_place(
    feeding: Feeding, network: keras.Model, index: Index, *, batch_size: int
) -> tuple[Literal["cpu", "device"], str]:
    """Measure where the batch-wise part of augmentation belongs.

    Args:
        feeding: as it will be used; both places are tried.
        network: the classifier, on images ``(N, size, size, 3)``.
        index: scanned.
        batch_size: images a step.

    Returns:
        the place, and the reason in words.
    """
    if not runtime.has_accelerator():
        return "cpu", "there is no accelerator that could do it"
    size = network.input_shape[1]
    made = {place: _images_a_second(_batches(feeding, place, index, size, batch_size)) for place in ("cpu", "device")}
    pixels = np.zeros((batch_size, size, size, 3), np.float32)
    forward = _images_a_second({"image": _answer(network, pixels)} for _ in range(WARM_UP + MEASURED))
    needed = forward / STEP_IN_FORWARD_PASSES
    found = ", ".join(f"{rate:.0f} images a second on '{place}'" for place, rate in made.items())
    reason = f"measured {found}; the network takes about {needed:.0f}"
    return ("device" if made["cpu"] < needed and made["device"] > made["cpu"] else "cpu"), reason


def _batches(feeding: Feeding, place: str, index: Index, size: int, batch_size: int) -> Iterable[dict]:
    options = {"size": size, "batch_size": batch_size, "skipped": SkippedFiles(), "shuffle": True}
    return batches(index, augmentation=feeding.augmentation, augment_on=place, **options)


def _answer(network: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return network.predict_on_batch(pixels)


def _images_a_second(made: Iterable[dict]) -> float:
    iterator = iter(made)
    count = sum(len(batch["image"]) for batch in islice(iterator, WARM_UP))
    began = time.perf_counter()
    measured = sum(len(batch["image"]) for batch in islice(iterator, MEASURED))
    return (measured or count) / max(time.perf_counter() - began, 1e-9)
