"""What neural style transfer makes small, and its gradient by the image, also of images too large to be seen at once.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576; styles that hold here and not there
as in Controlling Perceptual Factors in Neural Style Transfer, Gatys et al. 2016, https://arxiv.org/abs/1611.07865.

All that the loss needs of a layer are sums over its positions: of products of channels (Gram matrices), of squared differences
(content). Of a large image they are added up tile by tile; then the gradient by these sums is carried back through each tile.
Tiles overlap by as much as a unit sees, so it is the gradient of the whole image, in the memory of one tile.
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
from visionkit.ops.gram import TINY, gram
from visionkit.training import runtime

LARGEST, TILE = 832, 576  # pixels a side that are seen at once; of the tiles of what is larger
SMALLEST = 1e-4  # mean square of what losses are relative to: below, a layer says nothing
EVERYWHERE = -1  # the region of styles without a mask
Sums = dict[str, Any]


class LossWeights(NamedTuple):
    """How much each part of the loss counts.

    Attributes:
        content: alpha.
        style: beta.
        smoothness: of the total variation.
    """

    content: float = 1.0
    style: float = 150.0
    smoothness: float = 1.0


USUAL = LossWeights()


@dataclass(frozen=True, eq=False)
class Style:
    """A style, as the loss knows it.

    Attributes:
        grams: layer -> mean Gram matrix, float32 ``(1, C, C)``.
        share: of several styles.
        mask: where it is wanted, float32 ``(H, W)`` of the image, 0 to 1; None is everywhere.
    """

    grams: dict[str, Any]
    share: float = 1.0
    mask: np.ndarray | None = None

    def scale(self, layer: str) -> float:
        """What the loss of a layer is relative to: the mean square of its Gram matrix."""
        return max(float(ops.mean(ops.square(self.grams[layer]))), SMALLEST)


class Loss(NamedTuple):
    """Of one image: the whole, and its parts before they are weighted."""

    total: float
    content_loss: float
    style_loss: float


class Tile(NamedTuple):
    """A part of an image, in pixels: what is seen of it, and ``top, bottom, left, right`` in that of what it answers for."""

    rows: slice
    columns: slice
    core: tuple[int, int, int, int]


class Maps:
    """What a network answers at some layers to an image, tile by tile where it is large.

    Args:
        features: ``models.style_features``.
        layers: which of its outputs say what.
        largest: pixels a side of what is seen at once.
    """

    def __init__(self, features: keras.Model, layers: StyleLayers, *, largest: int = LARGEST):
        self.layers, self.features, self._largest = layers, features, largest
        self._stride, self._beyond = reach(features)
        if any(isinstance(layer, keras.layers.GlobalAveragePooling2D) for layer in features.layers):
            self._beyond = math.inf  # as in squeeze and excitation
        side = 16 * self._stride
        spec = features.compute_output_spec(keras.KerasTensor((1, side, side, 3)))
        # Where nothing is padded a map has one unit less, or two, than its stride says.
        self._strides = {name: 2 ** round(math.log2(side / each.shape[1])) for name, each in spec.items()}
        self._answer = runtime.compiled(lambda x, core: self.maps(x, core))

    def tiles(self, height: int, width: int) -> list[Tile]:
        """How an image is parted.

        Raises:
            UserError: it is too large to be seen at once, and units see more than a tile.
        """
        both = [self._spans(length) for length in (height, width)]
        return [Tile(r.seen, c.seen, (*r.core, *c.core)) for r in both[0] for c in both[1]]

    def _spans(self, length: int) -> list["_Span"]:
        if length <= self._largest:
            return [_Span(slice(0, length), (0, length))]
        side = min(TILE, self._largest)
        margin = side if self._beyond > side else -(-self._beyond // self._stride) * self._stride
        step = (side - 2 * margin) // self._stride * self._stride
        if step < self._stride:
            raise UserError(
                f"Images of {length} pixels are painted in tiles of {side}, and units of {self.features.name} see more "
                f"than that. Take --size (and --style-size times it) of {self._largest} or less, or a --base such as vgg16."
            )
        starts = range(0, length, step)
        seen = [slice(max(0, at - margin), min(length, at + step + margin)) for at in starts]
        cores = [(at - each.start, min(length, at + step) - each.start) for at, each in zip(starts, seen, strict=True)]
        return [_Span(*each) for each in zip(seen, cores, strict=True)]

    def whole(self, images: Any) -> dict[str, Any]:
        """The network's answers to float32 ``(N, H, W, 3)`` in 0..255: ``{name: (N, h, w, C)}``."""
        return self.features(images)

    def maps(self, images: Any, core: Any) -> dict[str, Any]:
        """The network's answers at the core of float32 ``(N, h, w, 3)``: ``{name: (N, rows, columns, C)}``."""
        answers = self.features(images)
        return {name: self.cut(each, name, core) for name, each in answers.items()}

    def cut(self, each: Any, name: str, core: Any) -> Any:
        """The core of a map, or of what is as small."""
        stride = self._strides[name]
        top, bottom, left, right = core[0] // stride, -(-core[1] // stride), core[2] // stride, -(-core[3] // stride)
        return each[:, top:bottom, left:right]

    def weights(self, mask: Any, name: str, core: Any, like: Any) -> Any:
        """A mask ``(1, h, w, 1)`` of what is seen as weights of the positions of a map's core: ``(1, rows, columns)``."""
        stride = self._strides[name]
        down, across = (-side % stride for side in ops.shape(mask)[1:3])
        small = ops.average_pool(ops.pad(mask, ((0, 0), (0, down), (0, across), (0, 0))), stride, stride)
        return self.cut(small, name, core)[:, : ops.shape(like)[1], : ops.shape(like)[2], 0]

    def grams(self, image: np.ndarray) -> dict[str, Any]:
        """Mean Gram matrices of the style layers, of float32 ``(H, W, 3)`` in 0..255: ``{name: (1, C, C)}``."""
        sums, counts = dict.fromkeys(self.layers.style, 0.0), dict.fromkeys(self.layers.style, 0)
        for tile, pixels in self.parts(image):
            answers = self._answer(pixels, ops.convert_to_tensor(tile.core))
            for name in self.layers.style:
                sums[name] += gram(answers[name])
                counts[name] += answers[name].shape[1] * answers[name].shape[2]
        return {name: each / counts[name] for name, each in sums.items()}

    def content(self, image: np.ndarray) -> list[Any]:
        """What is to be kept, of each tile: ``(1, rows, columns, C)``."""
        parts = [self._answer(pixels, ops.convert_to_tensor(tile.core)) for tile, pixels in self.parts(image)]
        return [ops.cast(each[self.layers.content], "float32") for each in parts]

    def parts(self, image: np.ndarray) -> list[tuple[Tile, Any]]:
        """Tiles with what is seen in them, as a batch of one."""
        tiles = self.tiles(*image.shape[:2])
        return [(tile, ops.convert_to_tensor(image[tile.rows, tile.columns][None])) for tile in tiles]


class _Span(NamedTuple):
    seen: slice
    core: tuple[int, int]


class Objective:
    """The loss of an image of a given size.

    Both parts are relative: the style loss of a layer is divided by the mean square of the style's Gram matrix there, the
    content loss by that of the content's answer. Neither a network's scale matters so, nor a layer's.

    Args:
        maps: what looks at images.
        content: float32 ``(H, W, 3)`` in 0..255.
        styles: at least one.
        shares: of the parts.
    """

    def __init__(self, maps: Maps, content: np.ndarray, styles: Sequence[Style], shares: LossWeights = USUAL):
        self._maps, self._styles, self._shares = maps, styles, shares
        self._tiles = maps.tiles(*content.shape[:2])
        self._content = maps.content(content)
        squares = sum(float(ops.sum(ops.square(each))) for each in self._content)
        self._content_scale = max(squares / sum(int(ops.size(each)) for each in self._content), SMALLEST)
        self._masks = [self._masks_in(tile) for tile in self._tiles]
        self._scales = [{name: style.scale(name) for name in maps.layers.style} for style in styles]
        self._whole = runtime.with_gradient(self._all)
        self._part = runtime.compiled(self._sums)
        self._total = runtime.with_gradient(self._losses)
        self._smooth = runtime.with_gradient(self._smoothness)
        self._back = runtime.with_gradient(self._carried)

    @property
    def is_in_tiles(self) -> bool:
        """Whether the image is too large to be seen at once."""
        return len(self._tiles) > 1

    def loss(self, image: np.ndarray) -> Loss:
        """Of float32 ``(H, W, 3)`` in 0..255."""
        total, content_loss, style_loss = self._losses(self._added(self._seen(image)))
        (smooth,) = self._smoothness(ops.convert_to_tensor(image[None]))
        return Loss(float(total) + float(smooth), float(content_loss), float(style_loss))

    def loss_and_gradient(self, image: np.ndarray) -> tuple[Loss, np.ndarray]:
        """Of float32 ``(H, W, 3)`` in 0..255, and the gradient of the same shape."""
        if not self.is_in_tiles:
            given = self._content[0], self._masks[0], ops.convert_to_tensor(self._tiles[0].core)
            found, gradient = self._whole(ops.convert_to_tensor(image[None]), *given)
            return Loss(*map(float, found)), ops.convert_to_numpy(gradient)[0]
        seen = self._seen(image)
        (total, content_loss, style_loss), upstream = self._total(self._added(seen))
        (smooth,), gradient = self._smooth(ops.convert_to_tensor(image[None]))
        gradient = ops.convert_to_numpy(gradient)[0].copy()
        for tile, given in seen:
            _, part = self._back(*given, upstream)
            gradient[tile.rows, tile.columns] += ops.convert_to_numpy(part)[0]
        return Loss(float(total) + float(smooth), float(content_loss), float(style_loss)), gradient

    def _seen(self, image: np.ndarray) -> list[tuple[Tile, tuple[Any, ...]]]:
        """Each tile, with what ``_sums`` takes of it."""
        parts = zip(self._maps.parts(image), self._content, self._masks, strict=True)
        return [(tile, (pixels, content, masks, ops.convert_to_tensor(tile.core))) for (tile, pixels), content, masks in parts]

    def _added(self, seen: list[tuple[Tile, tuple[Any, ...]]]) -> Sums:
        """The sums of all tiles."""
        sums: Sums = {}
        for _, given in seen:
            sums = {name: sums.get(name, 0.0) + each for name, each in self._part(*given).items()}
        return sums

    def _all(self, image: Any, content: Any, masks: Any, core: Any) -> tuple[Any, Any, Any]:
        total, content_loss, style_loss = self._losses(self._sums(image, content, masks, core))
        return total + self._smoothness(image)[0], content_loss, style_loss

    def _sums(self, image: Any, content: Any, masks: Any, core: Any) -> Sums:
        """Over the positions of a tile: what the loss needs to know of it."""
        answers = self._maps.maps(image, core)
        difference = ops.cast(answers[self._maps.layers.content], "float32") - content
        sums = {"content": ops.sum(ops.square(difference)), "content/count": ops.cast(ops.size(content), "float32")}
        for name in self._maps.layers.style:
            each = answers[name]
            for number, mask in masks.items():
                weights = None if mask is None else self._maps.weights(mask, name, core, each)
                sums[f"{name}/{number}"] = gram(each, weights)
                ones = ops.ones((1, ops.shape(each)[1], ops.shape(each)[2]), "float32") if weights is None else weights
                sums[f"{name}/{number}/count"] = ops.sum(ones)
        return sums

    def _losses(self, sums: Sums) -> tuple[Any, Any, Any]:
        """The weighted sum, content and style."""
        content_loss = sums["content"] / sums["content/count"] / 4 / self._content_scale
        style_loss = 0.0
        for number, style in enumerate(self._styles):
            region = number if style.mask is not None else EVERYWHERE
            for name, share in self._maps.layers.style.items():
                seen = sums[f"{name}/{region}"] / ops.maximum(sums[f"{name}/{region}/count"], TINY)
                away = losses.style_loss(seen, style.grams[name])[0] / self._scales[number][name]
                style_loss = style_loss + style.share * share * away
        return self._shares.content * content_loss + self._shares.style * style_loss, content_loss, style_loss

    def _smoothness(self, image: Any) -> tuple[Any]:
        return (self._shares.smoothness * losses.total_variation(image)[0],)

    def _carried(self, image: Any, content: Any, masks: Any, core: Any, upstream: Sums) -> tuple[Any]:
        """Its gradient by the image is the loss's, where ``upstream`` is the loss's gradient by the sums."""
        sums = self._sums(image, content, masks, core)
        return (sum(ops.sum(sums[name] * each) for name, each in upstream.items()),)

    def _masks_in(self, tile: Tile) -> dict[Any, Any]:
        """Region -> mask of the tile ``(1, h, w, 1)``; all styles without a mask share one region."""
        regions = {} if all(style.mask is not None for style in self._styles) else {EVERYWHERE: None}
        for number, style in enumerate(self._styles):
            if style.mask is not None:
                part = style.mask[tile.rows, tile.columns].astype(np.float32)
                regions[number] = ops.convert_to_tensor(part[None, ..., None])
        return regions
