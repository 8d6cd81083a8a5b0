"""The contenders of models.py: each function makes a loader whose epoch is a number of steps of one network.

A step is a training step or a prediction with one batch of random pixels in memory.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from turns import Batch, Loader

PEERS = {"resnet50": "ResNet50", "mobilenet_v2": "MobileNetV2", "efficientnet_b0": "EfficientNetB0"}  # in keras.applications
NUM_CLASSES = 1000


def _batch(size: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (batch, size, size, 3)).astype(np.float32), rng.integers(0, NUM_CLASSES, batch)


def _loader(step: Callable[[], Any], pixels: np.ndarray, seconds: float) -> Loader:
    """A turn: steps for so many seconds."""

    def epoch() -> Iterator[Batch]:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            step()
            yield Batch(pixels.shape)

    step()  # traces, and finds its kernels
    return epoch


def keras_network(*, source: str, network: str, work: str, size: int, batch: int, seconds: float) -> Loader:
    """Ours ("visionkit") or keras.applications' ("keras"), in "training" or "inference".

    ``source`` "keras frozen" is the latter's network with frozen weights, as ours has in inference.
    """
    import visionkit

    visionkit.quiet_tensorflow()
    import keras

    from visionkit import models
    from visionkit.training import runtime

    runtime.prepare(0)
    pixels, labels = _batch(size, batch)
    if source == "visionkit":
        model = models.build(network, pixels.shape[1:])
    else:
        builder = getattr(keras.applications, PEERS[network])
        model = builder(weights=None, input_shape=pixels.shape[1:], classifier_activation=None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3, momentum=0.9), loss, jit_compile=runtime.jit_compile())
    if work == "training":
        return _loader(lambda: model.train_on_batch(pixels, labels), pixels, seconds)
    if source == "keras":
        return _loader(lambda: model.predict_on_batch(pixels), pixels, seconds)
    answer = runtime.frozen(model)
    return _loader(lambda: answer(pixels).numpy(), pixels, seconds)


def torchvision_network(*, network: str, work: str, layout: str, size: int, batch: int, seconds: float) -> Loader:
    """torchvision's, with its images in memory as ``layout`` says: "channels_last" or "contiguous_format"."""
    import torch
    import torchvision

    pixels, labels = _batch(size, batch)
    memory = {"memory_format": getattr(torch, layout)}
    model = getattr(torchvision.models, network)(weights=None).to(**memory).train(work == "training")
    images, truth = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(**memory), torch.from_numpy(labels)
    loss, optimizer = torch.nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)

    def train() -> None:
        optimizer.zero_grad()
        loss(model(images), truth).backward()
        optimizer.step()

    def answer() -> np.ndarray:
        with torch.inference_mode():
            return model(images).numpy()

    return _loader(train if work == "training" else answer, pixels, seconds)
