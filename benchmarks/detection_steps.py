"""The contenders of detection.py in training and inference: each function makes a loader whose epoch is a number of steps.

Pixels, boxes and weights are random: the time of a step does not depend on what was learnt.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from turns import Batch, Loader

SIZE, NUM_CLASSES, OBJECTS = 320, 3, 12  # objects per image: about as many as blood cells
PHOTOGRAPH = (480, 640, 3)
THRESHOLD = 0.25


def loader_of(step: Callable[[], Any], shape: tuple[int, ...], seconds: float) -> Loader:
    """A turn: steps for so many seconds."""

    def epoch() -> Iterator[Batch]:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            step()
            yield Batch(shape)

    for _ in range(2):
        step()  # traces, and finds its kernels
    return epoch


def _drawn(batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels uint8 ``(N, SIZE, SIZE, 3)``; centers and sides ``(N, OBJECTS, 4)``, relative; classes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch, SIZE, SIZE, 3), np.uint8)
    boxes = np.concatenate([rng.uniform(0.2, 0.8, (batch, OBJECTS, 2)), rng.uniform(0.05, 0.3, (batch, OBJECTS, 2))], axis=2)
    return pixels, boxes.astype(np.float32), rng.integers(0, NUM_CLASSES, (batch, OBJECTS))


def _our_detector(frozen_stride: int | None) -> Any:
    import visionkit

    visionkit.quiet_tensorflow()
    from visionkit.models import endpoints
    from visionkit.tasks.detection import detectors
    from visionkit.training import runtime

    runtime.prepare(0)
    anchors = [np.array([[0.05, 0.05], [0.08, 0.06], [0.06, 0.08]], np.float32) * 2**scale for scale in range(3)]
    detector = detectors.build("yolo_nano", NUM_CLASSES, anchors, size=SIZE)
    endpoints.freeze(detector.base, frozen_stride)
    return detector


def our_training(*, frozen_stride: int | None, batch: int, seconds: float) -> Loader:
    """Steps as the recipe takes them: loss, gradients, AdamW, the average of the weights."""
    detector = _our_detector(frozen_stride)
    from visionkit.tasks.detection.train import build_trainer
    from visionkit.training.rates.optimizers import adamw

    pixels, boxes, classes = _drawn(batch)
    corners = np.concatenate([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], axis=2)
    targets = {"boxes": corners, "classes": classes.astype(np.int32)}
    trainer = build_trainer(detector)
    trainer.compile(adamw(1e-3, 1000, 5e-4), jit_compile=False)
    return loader_of(lambda: trainer.train_on_batch(pixels, targets), pixels.shape, seconds)


def ultralytics_training(*, batch: int, seconds: float) -> Loader:
    """Its network with its loss; AdamW, and its moving average of the weights."""
    import torch
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel
    from ultralytics.utils.torch_utils import ModelEMA

    pixels, boxes, classes = _drawn(batch)
    model = DetectionModel("yolo11n.yaml", nc=NUM_CLASSES, verbose=False).train()
    model.args = get_cfg()
    average, optimizer = ModelEMA(model), torch.optim.AdamW(model.parameters(), 1e-3)
    data = {
        "cls": torch.from_numpy(classes.reshape(-1, 1)).float(),
        "bboxes": torch.from_numpy(boxes.reshape(-1, 4)),
        "batch_idx": torch.arange(batch).repeat_interleave(OBJECTS).float(),
    }
    images = torch.from_numpy(pixels)

    def step() -> None:
        optimizer.zero_grad()
        loss, _ = model(data | {"img": images.permute(0, 3, 1, 2).contiguous().float() / 255})
        loss.sum().backward()
        optimizer.step()
        average.update(model)

    return loader_of(step, pixels.shape, seconds)


def _photograph() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, PHOTOGRAPH, np.uint8)


def our_answer(*, seconds: float) -> Loader:
    """``visionkit.load(bundle).predict(pixels)``: letterbox, network, suppression, boxes mapped back."""
    detector = _our_detector(None)
    import visionkit
    from visionkit.tasks.detection.export import export_detector

    pixels = _photograph()
    with tempfile.TemporaryDirectory() as folder:
        names = tuple(f"class {number}" for number in range(NUM_CLASSES))
        options = {"class_names": names, "threshold": THRESHOLD, "metadata": {}}
        model = visionkit.load(export_detector(detector.at_size(SIZE), Path(folder, "model"), **options))
    return loader_of(lambda: model.predict(pixels), (1, *PHOTOGRAPH), seconds)


def ultralytics_answer(*, seconds: float) -> Loader:
    """``YOLO(...).predict(pixels)``."""
    from ultralytics import YOLO

    model, pixels = YOLO("yolo11n.yaml"), _photograph()
    options = {"imgsz": SIZE, "conf": THRESHOLD, "verbose": False}
    return loader_of(lambda: model.predict(pixels, **options), (1, *PHOTOGRAPH), seconds)
