"""The loss of neural style transfer and its gradient with respect to the image, also for images larger than memory allows.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576; styles under masks as in Controlling
Perceptual Factors in Neural Style Transfer, Gatys et al. 2016, https://arxiv.org/abs/1611.07865.

The loss depends on a layer only through sums over its positions: sums of products of channels (Gram matrices) and of squared
differences (content). For a large image these sums are added up tile by tile; then the gradient with respect to the sums is
propagated back through each tile. Tiles overlap by the receptive field, so the result is the gradient of the whole image, in
the memory of one tile.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from visionkit.errors import UserError
from visionkit.losses import style as losses
from visionkit.models.style_features import StyleLayers, reach
from visionkit.ops.gram import TINY, gram_matrix
from visionkit.training import runtime

LARGEST, TILE = 832, 576  # sides in pixels: of the largest image that the network sees whole; of the tiles of larger images
SMALLEST_SCALE = 1e-4  # lower bound of the mean squares by which losses are divided: smaller ones are noise
EVERYWHERE = -1  # the region of styles without a mask
Sums = dict[str, Any]


class LossWeights(NamedTuple):
    """The weights of the parts of the loss.

    Attributes:
        content: alpha, the weight of the content loss.
        style: beta, the weight of the style loss.
        smoothness: the weight of the total variation.
    """

    content: float = 1.0
    style: float = 150.0
    smoothness: float = 1.0


DEFAULT_WEIGHTS = LossWeights()


@dataclass(frozen=True, eq=False)
class StyleTarget:
    """A style as the loss compares it.

    Attributes:
        grams: layer -> mean Gram matrix, float32 ``(1, C, C)``.
        share: weight of this style among several.
        mask: where the style is applied, float32 ``(H, W)`` of the image, 0 to 1; None applies it everywhere.
    """

    grams: dict[str, Any]
    share: float = 1.0
    mask: np.ndarray | None = None

    def scale(self, layer: str) -> float:
        """The mean square of a layer's Gram matrix, by which the loss of the layer is divided."""
        return max(float(ops.mean(ops.square(self.grams[layer]))), SMALLEST_SCALE)


class Loss(NamedTuple):
    """The loss of one image: the weighted sum, and its parts without their weights."""

    total: float
    content_loss: float
    style_loss: float


class Tile(NamedTuple):
    """A part of an image in pixels: the rows and columns that the network sees, and its core.

    The cores of all tiles cover the image without overlap: ``top, bottom, left, right`` within the tile.
    """

    rows: slice
    columns: slice
    core: tuple[int, int, int, int]


class FeatureExtractor:
    """The feature maps of a network at some layers, tile by tile for large images.

    Args:
        network: ``models.style_features``.
        layers: the outputs at which content and style are compared.
        largest: side in pixels of the largest image that the network sees whole.
    """

    def __init__(self, network: keras.Model, layers: StyleLayers, *, largest: int = LARGEST):
        self.layers, self.network, self._largest = layers, network, largest
        self._stride, self._reach = reach(network)
        if any(isinstance(layer, keras.layers.GlobalAveragePooling2D) for layer in network.layers):
            self._reach = math.inf  # as in squeeze and excitation
        side = 16 * self._stride
        specs = network.compute_output_spec(keras.KerasTensor((1, side, side, 3)))
        # Without padding, a feature map has one or two positions fewer than its stride suggests.
        self._strides = {name: 2 ** round(math.log2(side / spec.shape[1])) for name, spec in specs.items()}
        self._compiled = runtime.compiled(lambda images, core: self.extract_core(images, core))

    def tiles(self, height: int, width: int) -> list[Tile]:
        """The tiles of an image; a small image is one tile.

        Raises:
            UserError: the image has to be tiled, and the receptive field of the network exceeds a tile.
        """
        rows, columns = (self._spans(length) for length in (height, width))
        return [Tile(row.pixels, column.pixels, (*row.core, *column.core)) for row in rows for column in columns]

    def _spans(self, length: int) -> list["_Span"]:
        """The tiles along one axis."""
        if length <= self._largest:
            return [_Span(slice(0, length), (0, length))]
        side = min(TILE, self._largest)
        margin = side if self._reach > side else -(-self._reach // self._stride) * self._stride
        step = (side - 2 * margin) // self._stride * self._stride
        if step < self._stride:
            raise UserError(
                f"Images of {length} pixels are painted in tiles of {side}, but the receptive field of {self.network.name} is "
                f"larger than that. Take --size (and --style-size times it) of {self._largest} or less, or a --base such as "
                "vgg16."
            )
        starts = range(0, length, step)
        parts = [slice(max(0, start - margin), min(length, start + step + margin)) for start in starts]
        cores = [
            (start - part.start, min(length, start + step) - part.start) for start, part in zip(starts, parts, strict=True)
        ]
        return [_Span(*span) for span in zip(parts, cores, strict=True)]

    def extract(self, images: Any) -> dict[str, Any]:
        """The feature maps ``{name: (N, h, w, C)}`` of float32 ``(N, H, W, 3)`` in 0..255."""
        return self.network(images)

    def extract_core(self, images: Any, core: Any) -> dict[str, Any]:
        """The core of the feature maps, ``{name: (N, rows, columns, C)}``, of a tile, float32 ``(N, h, w, 3)``."""
        features = self.network(images)
        return {name: self._crop_to_core(each, name, core) for name, each in features.items()}

    def _crop_to_core(self, feature_map: Any, name: str, core: Any) -> Any:
        stride = self._strides[name]
        top, bottom, left, right = core[0] // stride, -(-core[1] // stride), core[2] // stride, -(-core[3] // stride)
        return feature_map[:, top:bottom, left:right]

    def position_weights(self, mask: Any, name: str, core: Any, feature_map: Any) -> Any:
        """The weight of each position of a layer's core, ``(1, rows, columns)``, by the mask of the tile, ``(1, h, w, 1)``."""
        stride = self._strides[name]
        down, across = (-side % stride for side in ops.shape(mask)[1:3])
        small = ops.average_pool(
            ops.pad(mask, ((0, 0), (0, down), (0, across), (0, 0))), stride, stride, data_format="channels_last"
        )
        _, rows, columns, _ = ops.shape(feature_map)
        return self._crop_to_core(small, name, core)[:, :rows, :columns, 0]

    def grams(self, image: np.ndarray) -> dict[str, Any]:
        """Mean Gram matrices ``{name: (1, C, C)}`` at the style layers, for float32 ``(H, W, 3)`` in 0..255."""
        sums, counts = dict.fromkeys(self.layers.style, 0.0), dict.fromkeys(self.layers.style, 0)
        for tile, pixels in self.tile_pixels(image):
            features = self._compiled(pixels, ops.convert_to_tensor(tile.core))
            for name in self.layers.style:
                sums[name] += gram_matrix(features[name])
                counts[name] += features[name].shape[1] * features[name].shape[2]
        return {name: gram / counts[name] for name, gram in sums.items()}

    def content(self, image: np.ndarray) -> list[Any]:
        """Features ``(1, rows, columns, C)`` at the content layer, for each tile of float32 ``(H, W, 3)`` in 0..255."""
        parts = [self._compiled(pixels, ops.convert_to_tensor(tile.core)) for tile, pixels in self.tile_pixels(image)]
        return [ops.cast(features[self.layers.content], "float32") for features in parts]

    def tile_pixels(self, image: np.ndarray) -> list[tuple[Tile, Any]]:
        """The tiles of an image with their pixels, each as a batch of one."""
        tiles = self.tiles(*image.shape[:2])
        return [(tile, ops.convert_to_tensor(image[tile.rows, tile.columns][None])) for tile in tiles]


class _Span(NamedTuple):
    pixels: slice
    core: tuple[int, int]


class Objective:
    """The loss for images of one size.

    Both parts are relative: the style loss of a layer is divided by the mean square of the style's Gram matrix, the content
    loss by the mean square of the content's features. So neither the scale of a network nor that of a layer matters.

    Args:
        extractor: computes the features.
        content: the content image, float32 ``(H, W, 3)`` in 0..255.
        styles: at least one.
        weights: of the parts of the loss.
    """

    def __init__(
        self,
        extractor: FeatureExtractor,
        content: np.ndarray,
        styles: Sequence[StyleTarget],
        weights: LossWeights = DEFAULT_WEIGHTS,
    ):
        self._extractor, self._styles, self._weights = extractor, styles, weights
        self._tiles = extractor.tiles(*content.shape[:2])
        self._content = extractor.content(content)
        squares = sum(float(ops.sum(ops.square(features))) for features in self._content)
        self._content_scale = max(squares / sum(int(ops.size(features)) for features in self._content), SMALLEST_SCALE)
        self._masks = [self._tile_masks(tile) for tile in self._tiles]
        self._style_scales = [{name: style.scale(name) for name in extractor.layers.style} for style in styles]
        self._whole_gradient = runtime.with_gradient(self._whole_loss)
        self._compiled_sums = runtime.compiled(self._sums)
        self._sums_gradient = runtime.with_gradient(self._losses)
        self._smoothness_gradient = runtime.with_gradient(self._smoothness)
        self._tile_gradient = runtime.with_gradient(self._projected_sums)

    @property
    def is_tiled(self) -> bool:
        """Whether the image is too large for the network to see it whole."""
        return len(self._tiles) > 1

    def loss(self, image: np.ndarray) -> Loss:
        """The loss of float32 ``(H, W, 3)`` in 0..255."""
        total, content_loss, style_loss = self._losses(self._total_sums(self._tile_inputs(image)))
        (smoothness,) = self._smoothness(ops.convert_to_tensor(image[None]))
        return Loss(float(total) + float(smoothness), float(content_loss), float(style_loss))

    def loss_and_gradient(self, image: np.ndarray) -> tuple[Loss, np.ndarray]:
        """The loss of float32 ``(H, W, 3)`` in 0..255, and its gradient, of the same shape."""
        if not self.is_tiled:
            constants = self._content[0], self._masks[0], ops.convert_to_tensor(self._tiles[0].core)
            values, gradient = self._whole_gradient(ops.convert_to_tensor(image[None]), *constants)
            return Loss(*map(float, values)), ops.convert_to_numpy(gradient)[0]
        inputs = self._tile_inputs(image)
        (total, content_loss, style_loss), upstream = self._sums_gradient(self._total_sums(inputs))
        (smoothness,), gradient = self._smoothness_gradient(ops.convert_to_tensor(image[None]))
        gradient = ops.convert_to_numpy(gradient)[0].copy()
        for tile, arguments in inputs:
            _, part = self._tile_gradient(*arguments, upstream)
            gradient[tile.rows, tile.columns] += ops.convert_to_numpy(part)[0]
        return Loss(float(total) + float(smoothness), float(content_loss), float(style_loss)), gradient

    def _tile_inputs(self, image: np.ndarray) -> list[tuple[Tile, tuple[Any, ...]]]:
        """Each tile with the arguments of ``_sums``."""
        parts = zip(self._extractor.tile_pixels(image), self._content, self._masks, strict=True)
        return [(tile, (pixels, content, masks, ops.convert_to_tensor(tile.core))) for (tile, pixels), content, masks in parts]

    def _total_sums(self, inputs: list[tuple[Tile, tuple[Any, ...]]]) -> Sums:
        """The sums over all tiles."""
        sums: Sums = {}
        for _, arguments in inputs:
            sums = {name: sums.get(name, 0.0) + each for name, each in self._compiled_sums(*arguments).items()}
        return sums

    def _whole_loss(self, image: Any, content: Any, masks: Any, core: Any) -> tuple[Any, Any, Any]:
        total, content_loss, style_loss = self._losses(self._sums(image, content, masks, core))
        return total + self._smoothness(image)[0], content_loss, style_loss

    def _sums(self, image: Any, content: Any, masks: Any, core: Any) -> Sums:
        """The sums over the positions of a tile from which the loss is computed."""
        features = self._extractor.extract_core(image, core)
        difference = ops.cast(features[self._extractor.layers.content], "float32") - content
        sums = {"content": ops.sum(ops.square(difference)), "content/count": ops.cast(ops.size(content), "float32")}
        for name in self._extractor.layers.style:
            each = features[name]
            for region, mask in masks.items():
                weights = None if mask is None else self._extractor.position_weights(mask, name, core, each)
                sums[f"{name}/{region}"] = gram_matrix(each, weights)
                ones = ops.ones((1, ops.shape(each)[1], ops.shape(each)[2]), "float32") if weights is None else weights
                sums[f"{name}/{region}/count"] = ops.sum(ones)
        return sums

    def _losses(self, sums: Sums) -> tuple[Any, Any, Any]:
        """The weighted sum of content and style loss, then both without their weights."""
        content_loss = sums["content"] / sums["content/count"] / 4 / self._content_scale
        style_loss = 0.0
        for number, style in enumerate(self._styles):
            region = number if style.mask is not None else EVERYWHERE
            for name, layer_share in self._extractor.layers.style.items():
                gram = sums[f"{name}/{region}"] / ops.maximum(sums[f"{name}/{region}/count"], TINY)
                layer_loss = losses.style_loss(gram, style.grams[name])[0] / self._style_scales[number][name]
                style_loss = style_loss + style.share * layer_share * layer_loss
        return self._weights.content * content_loss + self._weights.style * style_loss, content_loss, style_loss

    def _smoothness(self, image: Any) -> tuple[Any]:
        return (self._weights.smoothness * losses.total_variation(image)[0],)

    def _projected_sums(self, image: Any, content: Any, masks: Any, core: Any, upstream: Sums) -> tuple[Any]:
        """A scalar whose gradient with respect to the tile is the loss's, where ``upstream`` is the loss's gradient with
        respect to the sums.
        """
        sums = self._sums(image, content, masks, core)
        return (sum(ops.sum(sums[name] * each) for name, each in upstream.items()),)

    def _tile_masks(self, tile: Tile) -> dict[Any, Any]:
        """Region -> mask of the tile ``(1, h, w, 1)``; all styles without a mask share one region."""
        regions = {} if all(style.mask is not None for style in self._styles) else {EVERYWHERE: None}
        for number, style in enumerate(self._styles):
            if style.mask is not None:
                part = style.mask[tile.rows, tile.columns].astype(np.float32)
                regions[number] = ops.convert_to_tensor(part[None, ..., None])
        return regions
