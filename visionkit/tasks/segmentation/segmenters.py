"""Segmenters in the form that training takes: a U-Net with its own encoder, or over a backbone of the catalogue."""

from collections.abc import Sequence
from typing import NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.layers import nd
from visionkit.models import catalog
from visionkit.models.endpoints import strides_of, without_top
from visionkit.models.unet import FILTERS, PADDED, Style, unet
from visionkit.training.start_model import Head


class TrainableSegmenter(NamedTuple):
    """A segmenter, and what training and export need to know about it.

    Attributes:
        network: a model from float32 ``(N, sides..., channels)`` to logits of the same sides; with deep supervision to a dict.
        inference: a model with the same weights that returns only the logits.
        multiple: the sides of the input are multiples of this.
        base: the pretrained encoder, whose layers may be frozen; None where all weights are random.
    """

    network: keras.Model
    inference: keras.Model
    multiple: int
    base: keras.Model | None = None


def build(
    num_classes: int,
    *,
    channels: tuple[int, int] = (2, 3),
    base: str | None = "efficientnet_lite0",
    weights: str | None = "imagenet",
    filters: Sequence[int] | None = None,
    style: Style = PADDED,
    pretrained: bool | None = None,
) -> TrainableSegmenter:
    """Build a U-Net for images or volumes of any size.

    Args:
        num_classes: number of pixel classes.
        channels: the rank of the input (2 for images, 3 for volumes), and its number of channels.
        base: the encoder, a network of the catalogue; None takes U-Net's own encoder.
        weights: weights of the base: None, "imagenet", or a path.
        filters: channels of the levels, from the finest; see ``unet``.
        style: see ``unet.Style``.
        pretrained: whether BatchNorm of the base stays in inference mode. Default: where ``weights`` are given.

    Raises:
        UserError: a U-Net with its own encoder has a single level.
    """
    pretrained = weights is not None if pretrained is None else pretrained
    rank, depth = channels
    shape = (None,) * rank + (depth,)
    if base is None:
        if filters is not None and len(filters) < 2:
            raise UserError(f"filters={tuple(filters)}: a U-Net with its own encoder has at least two levels, such as 16 32.")
        preset = "none" if rank == 3 else "symmetric"  # volumes have no common unit: they are standardised before
        network = unet(shape, num_classes, filters=filters, style=style, preset=preset)
        return TrainableSegmenter(network, _logits_alone(network), 2 ** (len(filters or FILTERS) - 1))
    backbone = without_top(catalog.build(base, shape, None, weights=weights))
    network = unet(shape, num_classes, backbone=backbone, pretrained=pretrained, filters=filters, style=style)
    return TrainableSegmenter(network, _logits_alone(network), strides_of(backbone)[-1], backbone if pretrained else None)


def heads(network: keras.Model) -> dict[str, Head]:
    """The layers of a network of ``build`` that have an output for each class."""
    names = {weight.path.split("/")[-2] for weight in network.weights}
    return {name: Head() for name in names if name.startswith("logits")}


def _logits_alone(network: keras.Model) -> keras.Model:
    logits = network.output
    return keras.Model(network.input, logits["logits"], name=network.name) if isinstance(logits, dict) else network


def shrinking(segmenter: TrainableSegmenter, ratio: int) -> TrainableSegmenter:
    """A segmenter that reads means of ``ratio`` pixels per side and predicts for each: it sees farther, in less detail."""
    if ratio == 1:
        return segmenter
    pixels_shape = segmenter.network.input.shape[1:]

    def shrunk(network: keras.Model) -> keras.Model:
        pixels = keras.Input(pixels_shape, name="image")
        logits = network(nd.layer("AveragePooling", pixels)(ratio, name="shrunk")(pixels))
        options = {"interpolation": "bilinear"} if nd.rank(pixels) == 2 else {}
        enlarge = nd.layer("UpSampling", pixels)(ratio, name="grown", **options)
        enlarged = {name: enlarge(each) for name, each in logits.items()} if isinstance(logits, dict) else enlarge(logits)
        return keras.Model(pixels, enlarged, name=f"{network.name}_of_{ratio}")

    network = shrunk(segmenter.network)
    inference = network if segmenter.inference is segmenter.network else shrunk(segmenter.inference)
    return segmenter._replace(network=network, inference=inference, multiple=ratio * segmenter.multiple)
