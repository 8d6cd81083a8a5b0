"""Segmenters in the form that training takes: a U-Net of its own, or over a backbone of the catalogue."""

from collections.abc import Sequence
from typing import NamedTuple

import keras

from visionkit.errors import UserError
from visionkit.layers import nd
from visionkit.models import catalog
from visionkit.models.endpoints import layers_behind, strides_of, without_top
from visionkit.models.unet import FILTERS, PADDED, Style, unet


class TrainableSegmenter(NamedTuple):
    """A segmenter, and what training and export have to know of it.

    Attributes:
        network: float32 ``(N, sides..., channels)`` to logits of as many pixels; with deep supervision to a dict of them.
        answering: the same weights, to logits alone.
        multiple: what the sides of its input are multiples of.
    """

    network: keras.Model
    answering: keras.Model
    multiple: int


def build(
    num_classes: int,
    *,
    channels: tuple[int, int] = (2, 3),
    base: str | None = "efficientnet_lite0",
    weights: str | None = "imagenet",
    frozen_stride: int | None = None,
    filters: Sequence[int] | None = None,
    style: Style = PADDED,
) -> TrainableSegmenter:
    """Build a U-Net for images or volumes of any size.

    Args:
        num_classes: of the pixels.
        channels: the rank of the input, 2 of images or 3 of volumes, and its channels.
        base: the encoder, a network of the catalogue; None is U-Net's own.
        weights: of the base: None, "imagenet", or a path.
        frozen_stride: pretrained layers of the base up to this stride are not trained; None trains it all.
        filters: channels of the levels, from the finest; see ``unet``.
        style: see ``unet.Style``.

    Raises:
        UserError: a U-Net of its own with a single level.
    """
    rank, depth = channels
    shape = (None,) * rank + (depth,)
    if base is None:
        if filters is not None and len(filters) < 2:
            raise UserError(f"filters={tuple(filters)}: a U-Net of its own has at least two levels, such as 16 32.")
        preset = "none" if rank == 3 else "symmetric"  # volumes have no common unit: they come standardised
        network = unet(shape, num_classes, filters=filters, style=style, preset=preset)
        return TrainableSegmenter(network, _of_logits(network), 2 ** (len(filters or FILTERS) - 1))
    backbone = without_top(catalog.build(base, shape, None, weights=weights))
    if frozen_stride is not None and weights is not None:
        unfrozen = layers_behind(backbone, frozen_stride)
        for layer in backbone.layers:
            layer.trainable = layer in unfrozen
    network = unet(shape, num_classes, backbone=backbone, pretrained=weights is not None, filters=filters, style=style)
    return TrainableSegmenter(network, _of_logits(network), strides_of(backbone)[-1])


def _of_logits(network: keras.Model) -> keras.Model:
    answer = network.output
    return keras.Model(network.input, answer["logits"], name=network.name) if isinstance(answer, dict) else network


def shrinking(segmenter: TrainableSegmenter, ratio: int) -> TrainableSegmenter:
    """A segmenter that looks at means of ``ratio`` pixels a side, and answers for each of them: it sees farther, and less."""
    if ratio == 1:
        return segmenter
    given = segmenter.network.input

    def around(network: keras.Model) -> keras.Model:
        pixels = keras.Input(given.shape[1:], name="image")
        said = network(nd.layer("AveragePooling", pixels)(ratio, name="shrunk")(pixels))
        options = {"interpolation": "bilinear"} if len(given.shape) == 4 else {}
        grow = nd.layer("UpSampling", pixels)(ratio, name="grown", **options)
        grown = {name: grow(each) for name, each in said.items()} if isinstance(said, dict) else grow(said)
        return keras.Model(pixels, grown, name=f"{network.name}_of_{ratio}")

    network = around(segmenter.network)
    answering = network if segmenter.answering is segmenter.network else around(segmenter.answering)
    return segmenter._replace(network=network, answering=answering, multiple=ratio * segmenter.multiple)
