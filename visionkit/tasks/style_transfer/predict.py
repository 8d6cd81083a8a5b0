"""Use an exported stylizer from Python:

import visionkit
model = visionkit.load("runs/style_transfer/model")
print(model.labels)
painted = model.predict("street.jpg", style={"starry": 0.7, "scream": 0.3}).pixels
"""

import difflib
import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.errors import UserError
from visionkit.inference.predictor import Predictor, Unreadable

Style = str | Mapping[str, float]


class StyleResult(NamedTuple):
    """What a stylizer makes of one image.

    Attributes:
        path: of the image; empty for pixels.
        pixels: uint8 RGB ``(H, W, 3)``, of the image's own size.
    """

    path: str
    pixels: np.ndarray


class Stylizer(Predictor[StyleResult]):
    """A bundle that paints images, in memory; made by ``visionkit.load``. Its labels are the styles."""

    def __init__(self, folder: Path, metadata: dict):
        super().__init__(folder, metadata)
        self._one_at_a_time = threading.Lock()  # one image keeps all cores busy, and several would need as much more memory

    def predict(self, image: str | Path | np.ndarray, style: Style | None = None) -> StyleResult:
        """One image, painted.

        Args:
            image: a file, or uint8 RGB pixels ``(H, W, 3)``.
            style: one of ``labels``, or shares of several by name, which are brought to a sum of 1. Default: those that the
                model was made with, or else the first style.

        Raises:
            UserError: no such style, or shares that cannot be.
            ImageError: the file cannot be read.
            ValueError: pixels of another shape or type.
        """
        return super().predict(image, shares=self.shares(style))

    def predict_many(self, paths: Iterable[str | Path], style: Style | None = None) -> Iterator[StyleResult | Unreadable]:
        """Images in files, painted; yields in order, an ``Unreadable`` for each that cannot be read.

        Args:
            paths: the files.
            style: see ``predict``.
        """
        return super().predict_many(paths, shares=self.shares(style))

    def shares(self, style: Style | None) -> np.ndarray:
        """How much of each style is wanted, float32 ``(num_styles,)`` of a sum of 1.

        Raises:
            UserError: no such style, or shares that cannot be.
        """
        if style is None:
            style = (
                dict(zip(self.labels, self.metadata["shares"], strict=True)) if "shares" in self.metadata else self.labels[0]
            )
        wanted = {style: 1.0} if isinstance(style, str) else dict(style)
        for name, share in wanted.items():
            if name not in self.labels:
                nearest = difflib.get_close_matches(name, self.labels, n=1, cutoff=0.0)
                raise UserError(f"Unknown style {name!r}; did you mean {nearest[0]!r}? Styles: {', '.join(self.labels)}.")
            if not 0 <= share < math.inf:
                raise UserError(f"A share of {share} of the style {name}: expected a number from 0.")
        total = sum(wanted.values())
        if not 0 < total < math.inf:
            raise UserError(f"Shares of styles that sum to {total}: expected more than 0 of one of {', '.join(self.labels)}.")
        return np.array([wanted.get(name, 0.0) / total for name in self.labels], np.float32)

    def _answer(self, path: str, pixels: np.ndarray, *, shares: np.ndarray) -> StyleResult:
        with self._one_at_a_time:
            answer = self._model.serve_styles(tf.constant(pixels[None]), tf.constant(shares[None]))
        return StyleResult(path, answer["stylized"][0].numpy())
