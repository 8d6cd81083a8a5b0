"""The contenders of style.py: one step of Gatys' optimization, and one image through Johnson's network; the peers in PyTorch.

Pixels and weights are random: the time of a step does not depend on them. Both run on the GPU if PyTorch finds one, and return
when it is done.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from detection_steps import loader_of
from turns import Loader

STYLE_LAYERS = (1, 6, 11, 18, 25)  # in torchvision's VGG-16: what ReLU makes of conv1_1, conv2_1, conv3_1, conv4_1, conv5_1
CONTENT_LAYER = 20  # of conv4_2
MEANS, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision's networks expect
CONTENT_WEIGHT, STYLE_WEIGHT = 1.0, 1e4
WIDTHS, RESIDUAL_BLOCKS = (32, 64, 128), 5  # of Johnson's network


def our_step(size: int, precision: str) -> Callable[[], None]:
    """One step as the recipe does it, with Adam; ``precision`` is "float32" or "bfloat16"."""
    import visionkit

    visionkit.quiet_tensorflow()
    import keras

    from visionkit.models.style_features import in_half_precision, style_features, style_layers
    from visionkit.tasks.style_transfer.objective import FeatureExtractor, Objective, StyleTarget

    layers = style_layers("vgg16")
    features = style_features("vgg16", layers.names)
    extractor = FeatureExtractor(in_half_precision(features) if precision == "bfloat16" else features, layers)
    content, style, image = np.random.default_rng(0).uniform(0, 255, (3, size, size, 3)).astype(np.float32)
    objective = Objective(extractor, content, [StyleTarget(extractor.grams(style))])
    variable, optimizer = keras.Variable(image), keras.optimizers.Adam(5.0)

    def step() -> None:
        _, gradient = objective.loss_and_gradient(keras.ops.convert_to_numpy(variable))
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])

    return step


def our_transformer(size: int) -> Callable[[], None]:
    """One image through an exported bundle: uint8 to uint8, in float32."""
    import visionkit

    visionkit.quiet_tensorflow()
    from visionkit.models.style_network import style_network
    from visionkit.tasks.style_transfer.export import export_stylizer

    with tempfile.TemporaryDirectory() as folder:
        bundle = visionkit.load(export_stylizer(style_network(), Path(folder, "model"), styles=("drawn",), metadata={}))
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return lambda: bundle.predict(image)


def torch_step(size: int, channels_last: bool, compiled: bool = False, half: bool = False) -> Callable[[], None]:
    """One step of Gatys et al. 2016 on an image of ``size`` x ``size``, with Adam: forward, backward, update.

    VGG-16 as torchvision has it, up to conv5_1, ReLU not in place, no gradients for the weights; Grams over all positions.

    Args:
        size: side of the image in pixels.
        channels_last: the layout in memory of images and weights; otherwise PyTorch's own.
        compiled: by ``torch.compile``, the loss with its gradient.
        half: convolutions in bfloat16 (autocast).

    Returns:
        a function that takes the next step of one optimization.
    """
    import torch
    from torch import nn
    from torchvision.models import vgg16

    device, layout = _device(), _layout(channels_last)
    layers = [
        nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in vgg16(weights=None).features[: STYLE_LAYERS[-1] + 1]
    ]
    network = nn.Sequential(*layers).eval().requires_grad_(False).to(device, memory_format=layout)
    mean, deviation = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEANS, DEVIATIONS))

    def features(image: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        x, grams, content = (image - mean) / deviation, [], None
        for number, layer in enumerate(network):
            x = layer(x)
            if number in STYLE_LAYERS:
                grams.append(_gram(x, channels_last))
            if number == CONTENT_LAYER:
                content = x
        return grams, content

    generator = torch.Generator().manual_seed(0)
    drawn = (torch.rand((1, 3, size, size), generator=generator).to(device, memory_format=layout) for _ in range(3))
    content, style, start = drawn
    with torch.no_grad():
        wanted_grams, wanted = features(style)[0], features(content)[1]
    image = nn.Parameter(start)
    optimizer = torch.optim.Adam([image], 0.02, fused=True)

    def loss_of(image: torch.Tensor) -> torch.Tensor:
        grams, content = features(image)
        style_loss = sum(nn.functional.mse_loss(*pair) for pair in zip(grams, wanted_grams, strict=True))
        return CONTENT_WEIGHT * nn.functional.mse_loss(content, wanted) + STYLE_WEIGHT * style_loss

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=half):
            loss = loss_of(image)
        loss.backward()
        optimizer.step()
        _done()

    return step


def _gram(x: Any, channels_last: bool) -> Any:
    """``(C, C)`` of features ``(1, C, H, W)``, by the product that needs no copy in their layout."""
    positions = x.shape[2] * x.shape[3]
    if channels_last:
        rows = x.permute(0, 2, 3, 1).reshape(positions, -1)
        return rows.T @ rows / (positions * x.shape[1])
    columns = x.reshape(-1, positions)
    return columns @ columns.T / (positions * x.shape[1])


def torch_transformer(size: int, channels_last: bool, compiled: bool = False) -> Callable[[], None]:
    """One image of ``size`` x ``size`` through the network of Johnson et al. 2016, uint8 to uint8, in ``inference_mode``.

    It has what became usual after the paper: reflection padding before each convolution, instance normalisation, and repeated
    pixels with a convolution in place of a transposed convolution.

    Args:
        size: side of the image in pixels, a multiple of 4.
        channels_last: the layout in memory of features and weights; otherwise PyTorch's own.
        compiled: by ``torch.compile``.

    Returns:
        a function that stylizes the image once.
    """
    import torch

    device, layout = _device(), _layout(channels_last)
    network = _transformer().eval().to(device, memory_format=layout)
    network = torch.compile(network) if compiled else network
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8))

    def answer() -> None:
        with torch.inference_mode():
            images = pixels.to(device).permute(0, 3, 1, 2).float().contiguous(memory_format=layout)
            stylized = network(images).clamp(0, 255).byte().permute(0, 2, 3, 1).cpu()
        assert stylized.shape == pixels.shape

    return answer


def _transformer() -> Any:
    from torch import nn

    def convolution(channels: int, filters: int, side: int, stride: int = 1) -> list[nn.Module]:
        return [nn.ReflectionPad2d(side // 2), nn.Conv2d(channels, filters, side, stride)]

    def normalized(channels: int, filters: int, side: int, stride: int = 1) -> list[nn.Module]:
        return [*convolution(channels, filters, side, stride), nn.InstanceNorm2d(filters, affine=True)]

    class Residual(nn.Module):
        def __init__(self, filters: int) -> None:
            super().__init__()
            twice = normalized(filters, filters, 3), normalized(filters, filters, 3)
            self.branch = nn.Sequential(*twice[0], nn.ReLU(inplace=True), *twice[1])

        def forward(self, x: Any) -> Any:
            return x + self.branch(x)

    fine, middle, coarse = WIDTHS
    layers = [*normalized(3, fine, 9), nn.ReLU(inplace=True)]
    for channels, filters in ((fine, middle), (middle, coarse)):
        layers += [*normalized(channels, filters, 3, 2), nn.ReLU(inplace=True)]
    layers += [Residual(coarse) for _ in range(RESIDUAL_BLOCKS)]
    for channels, filters in ((coarse, middle), (middle, fine)):
        layers += [nn.Upsample(scale_factor=2), *normalized(channels, filters, 3), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *convolution(fine, 3, 9))


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _layout(channels_last: bool) -> Any:
    import torch

    return torch.channels_last if channels_last else torch.contiguous_format


def _done() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def our_optimization(*, size: int, seconds: float, precision: str) -> Loader:
    """``our_step`` as a contender."""
    return loader_of(our_step(size, precision), (1, size, size, 3), seconds)


def our_stylization(*, size: int, seconds: float) -> Loader:
    """``our_transformer`` as a contender."""
    return loader_of(our_transformer(size), (1, size, size, 3), seconds)


def torch_optimization(*, size: int, seconds: float, channels_last: bool, compiled: bool = False, half: bool = False) -> Loader:
    """``torch_step`` as a contender."""
    return loader_of(torch_step(size, channels_last, compiled, half), (1, size, size, 3), seconds)


def torch_stylization(*, size: int, seconds: float, channels_last: bool, compiled: bool = False) -> Loader:
    """``torch_transformer`` as a contender."""
    return loader_of(torch_transformer(size, channels_last, compiled), (1, size, size, 3), seconds)
