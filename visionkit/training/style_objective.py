"""What neural style transfer makes small, and its gradient by the picture, also of pictures too large to be seen at once.

A Neural Algorithm of Artistic Style, Gatys et al. 2015, https://arxiv.org/abs/1508.06576; styles that hold here and not there
as in Controlling Perceptual Factors in Neural Style Transfer, Gatys et al. 2016, https://arxiv.org/abs/1611.07865.

All that the loss needs of a layer are sums over its positions: of products of channels (Gram matrices), of squared differences
(content). Of a large picture they are added up tile by tile; then the gradient by these sums is carried back through each tile
again. Tiles overlap by as much as a unit sees, so the gradient is the whole picture's, in the memory of one tile.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import keras
import numpy as np
from keras import ops

from visionkit.errors import UserError
from visionkit.losses import style as losses
from visionkit.models.style_features import StyleLayers, reach
from visionkit.ops.gram import gram, mean_gram
from visionkit.training import runtime

SMALLEST = 1e-4  # mean square of what losses are relative to: below, a layer says nothing
CONTENT, SMOOTH = "content", "smooth"
Sums = dict[str, Any]


class Shares(NamedTuple):
    """How much each part of the loss counts.

    Attributes:
        content: alpha.
        style: beta.
        smoothness: of the total variation.
    """

    content: float = 1.0
    style: float = 150.0
    smoothness: float = 0.5


@dataclass(frozen=True, eq=False)
class Style:
    """A style, as the loss knows it.

    Attributes:
        grams: layer -> mean Gram matrix, ``(1, C, C)``.
        share: of several styles.
        mask: where it is wanted, float32 ``(H, W)`` of the picture, 0 to 1; None is everywhere.
    """

    grams: dict[str, Any]
    share: float = 1.0
    mask: np.ndarray | None = None


class Loss(NamedTuple):
    """Of one picture: the whole, and its parts before they are weighted."""

    total: float
    content_loss: float
    style_loss: float


class Tile(NamedTuple):
    """A part of a picture, in pixels: what is seen, and what it answers for."""

    rows: slice
    columns: slice
    core: tuple[int, int, int, int]  # top, bottom, left, right within what is seen


class Objective:
    """The loss of a picture of a given size.

    Both parts are relative: a layer's style loss is divided by the mean square of the style's Gram matrix there, the content
    loss by that of the content's answer. So a network's scale, and a layer's, do not matter, and 0.25 is the loss of an empty
    picture.

    Args:
        features: ``models.style_features``.
        layers: which of its outputs say what.
        content: float32 ``(H, W, 3)`` in 0..255.
        styles: at least one.
        shares: of the parts.
        largest: pixels a side of what is seen at once.
    """

    def __init__(
        self,
        features: keras.Model,
        layers: StyleLayers,
        content: np.ndarray,
        styles: Sequence[Style],
        shares: Shares = Shares(),
        *,
        largest: int = 768,
    ):
        self._features, self._layers, self._shares = features, layers, shares
        self._styles, self._shape = styles, content.shape[:2]
        self._tiles = list(tiles(self._shape, features, largest))
        self._content = [self._content_of(content[tile.rows, tile.columns], tile) for tile in self._tiles]
        self._num_content = sum(_size(each) for each in self._content)
        squares = sum(float(ops.sum(ops.square(each))) for each in self._content)
        self._content_scale = max(squares / self._num_content, SMALLEST)
        self._masks = [[self._masks_of(style.mask, tile) for style in styles] for tile in self._tiles]
        self._counts = self._count()
        self._scales = [{n: max(float(ops.mean(ops.square(g))), SMALLEST) for n, g in style.grams.items()} for style in styles]
        self._whole = runtime.with_gradient(lambda x, content, masks: self._losses(self._sums(x, content, masks, self._tiles[0])))
        self._total = runtime.with_gradient(self._losses)
        self._part = runtime.compiled(lambda x, content, masks, core: self._sums(x, content, masks, core))
        self._back = runtime.with_gradient(self._surrogate)

    def loss(self, picture: np.ndarray) -> Loss:
        """Of float32 ``(H, W, 3)`` in 0..255."""
        return self.loss_and_gradient(picture)[0]

    def loss_and_gradient(self, picture: np.ndarray) -> tuple[Loss, np.ndarray]:
        """Of float32 ``(H, W, 3)`` in 0..255, and the gradient of the same shape."""
        if len(self._tiles) == 1:
            found, gradient = self._whole(ops.convert_to_tensor(picture[None]), self._content[0], self._masks[0])
            return Loss(*map(float, found)), ops.convert_to_numpy(gradient)[0]
        return self._by_tiles(picture)
