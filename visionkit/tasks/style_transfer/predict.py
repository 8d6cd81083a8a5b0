"""Use an exported stylizer from Python:

import visionkit
model = visionkit.load("runs/style_transfer/model")
print(model.labels)
stylized = model.predict("street.jpg", style={"starry": 0.7, "scream": 0.3}).pixels
"""

import difflib
import math
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from visionkit.errors import UserError
from visionkit.inference.output import OutputLine, PredictOptions
from visionkit.inference.predictor import AnyImage, Explainable, Predictor, Unreadable
from visionkit.inference.results import Result
from visionkit.tasks.style_transfer import output

Style = str | Mapping[str, float]


@dataclass(frozen=True, repr=False, eq=False)
class StyleResult(Result):
    """One stylized image.

    Attributes:
        pixels: the stylized image, uint8 RGB ``(H, W, 3)``, of the original's size.
        shares: style -> its share in the image, for each style in it.
    """

    pixels: np.ndarray
    shares: dict[str, float]

    def to_dict(self, file: str | Path | None = None) -> dict[str, Any]:
        """The path of the image, and that of the ``file`` to which the stylized image was written."""
        return {"path": self.path} | ({} if file is None else {"stylized": str(file)})

    def summary(self) -> str:
        """The size and the styles."""
        height, width = self.pixels.shape[:2]
        styles = ", ".join(name if share == 1 else f"{name} {share:.0%}" for name, share in self.shares.items())
        return f"{width} x {height} pixels in {styles}"


class Stylizer(Predictor[StyleResult]):
    """A bundle that paints images in styles, which are its labels; made by ``visionkit.load``."""

    TASK = "stylization"
    OPTIONS = frozenset({"style"})
    VIDEOS = True
    FUNCTIONS = ("serve_styles",)

    def __init__(self, folder: Path, metadata: dict[str, Any], *, trust: bool = False):
        super().__init__(folder, metadata, trust=trust)
        self._one_at_a_time = threading.Lock()  # one image keeps all cores busy, and several would need as much more memory

    def predict(self, image: AnyImage, style: Style | None = None) -> StyleResult:
        """Stylize one image.

        Args:
            image: see ``Predictor.predict``.
            style: one of ``labels``, or shares of several by name, which are scaled to sum to 1. Default: the shares that the
                bundle was made with, or else the first style.

        Raises:
            UserError: there is no such style, or the shares are negative, infinite or all 0.
            ImageError: the image cannot be read, or is empty, or has another shape or dtype.
        """
        return super().predict(image, shares=self.shares(style))

    def predict_many(
        self, images: str | os.PathLike | Iterable[AnyImage], style: Style | None = None
    ) -> Iterator[StyleResult | Unreadable]:
        """Stylize many images; yields in order, an ``Unreadable`` for each that cannot be read.

        Args:
            images: a folder, or an iterable of what ``predict`` takes.
            style: see ``predict``.
        """
        self.shares(style)  # raises now, not for each image
        return super().predict_many(images, style=style)

    def shares(self, style: Style | None) -> np.ndarray:
        """The share of each style, float32 ``(num_styles,)``, which sum to 1.

        Raises:
            UserError: there is no such style, or the shares are negative, infinite or all 0.
        """
        if style is None and "shares" in self.metadata:
            style = dict(zip(self.labels, self.metadata["shares"], strict=True))
        style = self.labels[0] if style is None else style
        requested = {style: 1.0} if isinstance(style, str) else dict(style)
        for name, share in requested.items():
            if name not in self.labels:
                nearest = difflib.get_close_matches(name, self.labels, n=1, cutoff=0.0)
                raise UserError(f"Unknown style {name!r}; did you mean {nearest[0]!r}? Styles: {', '.join(self.labels)}.")
            if not 0 <= share < math.inf:
                raise UserError(f"A share of {share} of the style {name}: expected a number from 0.")
        total = sum(requested.values())
        if not 0 < total < math.inf:
            raise UserError(f"Shares of styles that sum to {total}: expected more than 0 of one of {', '.join(self.labels)}.")
        return np.array([requested.get(name, 0.0) / total for name in self.labels], np.float32)

    def draw(self, result: StyleResult) -> Image.Image:
        """The stylized image."""
        return Image.fromarray(result.pixels)

    def check(self, options: PredictOptions) -> None:
        """Check the options of ``visionkit predict``; see ``Predictor.check``."""
        super().check(options)
        self.arguments(options)

    def arguments(self, options: PredictOptions) -> dict[str, Any]:
        """The style that ``--style`` asks for.

        Raises:
            UserError: there is no such style, or the shares do not fit.
        """
        style = output.parse_style(options.style, self.labels)
        self.shares(style)
        return {"style": style}

    def outputs(self, files: list[str], options: PredictOptions) -> Iterator[OutputLine]:
        """What ``visionkit predict`` prints for each file; stylized images and videos are written, also without ``--draw``."""
        return output.outputs(self, files, options)

    def line(self, result: StyleResult, options: PredictOptions) -> OutputLine:
        """The line for an image that is not written."""
        return output.line(result, None)

    def explained(self) -> Explainable | None:
        """Stylizers cannot be explained: their outputs are pixels.

        Raises:
            UserError: always.
        """
        raise UserError(f"{self.folder} paints images; only models with classes or features can be explained.")

    def _predict(self, path: str, values: np.ndarray, *, shares: np.ndarray) -> StyleResult:
        with self._one_at_a_time:
            outputs = self._model.serve_styles(tf.constant(values[None]), tf.constant(shares[None]))
        by_name = {name: float(share) for name, share in zip(self.labels, shares, strict=True) if share > 0}
        return StyleResult(path, outputs["stylized"][0].numpy(), by_name)
