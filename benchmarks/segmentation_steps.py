"""The contenders of segmentation.py: each function makes a loader whose epoch is a number of steps of one U-Net.

Pixels, masks and weights are random: the time of a step does not depend on what was learnt. Pixels are float32 in 0..255,
channels last, on both sides; each network scales them to its own range.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from detection_steps import loader_of
from turns import Loader

NUM_CLASSES = 2
FILTERS = (64, 128, 256, 512, 1024)  # of U-Net's paper
ENCODERS = {"resnet34": "resnet34", "efficientnet_lite0": "tu-tf_efficientnet_lite0"}  # in segmentation_models_pytorch


def _drawn(size: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels float32 ``(N, size, size, 3)`` and masks uint8 ``(N, size, size)``."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (batch, size, size, 3)).astype(np.float32)
    return pixels, rng.integers(0, NUM_CLASSES, (batch, size, size), np.uint8)


def _our_network(network: str, *, frozen_statistics: bool, parameters: str) -> Any:
    import visionkit

    visionkit.quiet_tensorflow()
    from visionkit import models
    from visionkit.models.unet import unet
    from visionkit.training import runtime

    runtime.prepare(0)
    shape = (None, None, 3)
    if network == "unet":
        model = unet(shape, NUM_CLASSES, filters=FILTERS)
    else:
        model = unet(shape, NUM_CLASSES, backbone=models.build(network, shape, None), pretrained=frozen_statistics)
    Path(parameters).write_text(str(sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)))
    return model


def our_training(
    *, network: str, size: int, batch: int, seconds: float, parameters: str, frozen_statistics: bool = False
) -> Loader:
    """Steps as the recipe takes them: losses, gradients clipped to a norm, AdamW, the average of the weights.

    With ``frozen_statistics`` the base's BatchNorm runs in inference mode, as that of a pretrained base does in the recipe.
    """
    model = _our_network(network, frozen_statistics=frozen_statistics, parameters=parameters)
    from visionkit.tasks.segmentation.train import Objective, losses_of
    from visionkit.training.averaging import WEIGHT_DECAY, AveragingTrainer
    from visionkit.training.rates.optimizers import adamw

    pixels, masks = _drawn(size, batch)
    objective = Objective()
    trainer = AveragingTrainer(model, losses_of(objective), objective.losses)
    trainer.compile(adamw(1e-3, 1000, WEIGHT_DECAY), jit_compile=False)
    return loader_of(lambda: trainer.train_on_batch(pixels, {"mask": masks}), pixels.shape, seconds)


def our_answer(*, network: str, size: int, batch: int, seconds: float, parameters: str, bundled: bool = True) -> Loader:
    """Probabilities of a batch of tiles: from an exported bundle, or from the network in a ``tf.function``."""
    model = _our_network(network, frozen_statistics=False, parameters=parameters)
    import tensorflow as tf

    from visionkit.tasks.segmentation.export import export_segmenter

    pixels, _ = _drawn(size, batch)
    answer = tf.function(lambda tiles: tf.nn.softmax(model(tiles, training=False)))
    if bundled:
        with tempfile.TemporaryDirectory() as folder:
            options = {"class_names": ("background", "thing"), "multiple": 32, "litert_sides": (size, size), "metadata": {}}
            bundle = tf.saved_model.load(str(export_segmenter(model, Path(folder, "model"), **options)))
        answer = bundle.serve_tiles
    return loader_of(lambda: answer(tf.constant(pixels)).numpy(), pixels.shape, seconds)


def _torch_network(network: str, layout: str, parameters: str) -> Any:
    import torch

    if network == "unet":
        model = _torch_unet()
    else:
        import segmentation_models_pytorch

        model = segmentation_models_pytorch.Unet(ENCODERS[network], encoder_weights=None, classes=NUM_CLASSES)
    Path(parameters).write_text(str(sum(each.numel() for each in model.parameters())))
    return model.to(memory_format=getattr(torch, layout))


def _torch_unet() -> Any:
    """The network that ``visionkit.models.unet()`` builds, layer by layer."""
    import torch
    from torch import nn

    def two_convolutions(channels: int, filters: int) -> nn.Sequential:
        convolutions = (nn.Conv2d(width, filters, 3, padding=1, bias=False) for width in (channels, filters))
        return nn.Sequential(
            *(layer for conv in convolutions for layer in (conv, nn.BatchNorm2d(filters), nn.ReLU(inplace=True)))
        )

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            finer = FILTERS[:-1]
            self.down = nn.ModuleList(map(two_convolutions, (3, *finer), FILTERS))
            self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * width, width, 2, 2) for width in finer)
            self.up = nn.ModuleList(two_convolutions(2 * width, width) for width in finer)
            self.logits = nn.Conv2d(FILTERS[0], NUM_CLASSES, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            skips = []
            for level, convolutions in enumerate(self.down):
                x = convolutions(nn.functional.max_pool2d(x, 2) if level else x)
                skips.append(x)
            for skip, grow, convolutions in zip(skips[-2::-1], self.grow[::-1], self.up[::-1], strict=True):
                x = convolutions(torch.cat([skip, grow(x)], 1))
            return self.logits(x)

    return UNet()


def torch_training(*, network: str, layout: str, size: int, batch: int, seconds: float, parameters: str) -> Loader:
    """The same steps: cross-entropy and Dice, gradients clipped, fused AdamW, an average of weights and statistics."""
    import torch
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    model = _torch_network(network, layout, parameters).train()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=5e-4, fused=True)
    pixels, masks = (torch.from_numpy(each) for each in _drawn(size, batch))

    def step() -> None:
        truth = masks.long()
        logits = model(_scaled(pixels, layout))
        there = torch.nn.functional.one_hot(truth, NUM_CLASSES).permute(0, 3, 1, 2)
        answered, axes = logits.softmax(1), (0, 2, 3)
        shared = (answered * there).sum(axes)
        dice = (2 * shared + 2) / (answered.sum(axes) + there.sum(axes) + 2)
        optimizer.zero_grad()
        (torch.nn.functional.cross_entropy(logits, truth) + 1 - dice.mean()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)

    return loader_of(step, tuple(pixels.shape), seconds)


def torch_answer(
    *, network: str, layout: str, size: int, batch: int, seconds: float, parameters: str, compiled: bool = False
) -> Loader:
    """Probabilities of a batch of tiles in ``inference_mode``."""
    import torch

    model = _torch_network(network, layout, parameters).eval()
    model = torch.compile(model) if compiled else model
    pixels = torch.from_numpy(_drawn(size, batch)[0])

    def answer() -> np.ndarray:
        with torch.inference_mode():
            return model(_scaled(pixels, layout)).softmax(1).numpy()

    return loader_of(answer, tuple(pixels.shape), seconds)


def _scaled(pixels: Any, layout: str) -> Any:
    """To -1..1, channels first, in memory as ``layout`` says: "channels_last" or "contiguous_format"."""
    import torch

    return (pixels.permute(0, 3, 1, 2) / 127.5 - 1).contiguous(memory_format=getattr(torch, layout))
