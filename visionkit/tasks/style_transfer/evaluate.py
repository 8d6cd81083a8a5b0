"""Measuring a painted image, and a bundle that paints in one pass."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import Index
from visionkit.export.bundle import find_bundle, read_metadata
from visionkit.tasks.style_transfer.descent import PreparedScale, pad_narrow, resize
from visionkit.tasks.style_transfer.painting import Painting
from visionkit.tasks.style_transfer.predict import Stylizer

NUM_EXAMPLES, EXAMPLE_SIDE = 8, 420  # photographs that the bundle paints for the report; their longer side in pixels


@dataclass(frozen=True, eq=False)
class Example:
    """A photograph that the network was not trained on, and the painted image in each style, all uint8 ``(h, w, 3)``."""

    path: str
    image: np.ndarray
    painted: list[np.ndarray]


@dataclass(frozen=True, eq=False)
class BundleEvaluation:
    """What a bundle paints.

    Attributes:
        metrics: ``content_loss`` and ``style_loss`` on the validation photographs, means over all styles.
        one_pass: the content image of the run, painted in its blend of styles, uint8 ``(h, w, 3)``.
        comparison: the losses of ``one_pass``, to compare with those of the painted image; empty for several styles, which a
            network blends in its own way.
        examples: validation photographs.
    """

    metrics: dict[str, float]
    one_pass: np.ndarray
    comparison: dict[str, float]
    examples: list[Example]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A painted image, and the bundle with a trained network, if there is one.

    Attributes:
        metrics: name -> number, as in ``metrics.json``.
        result: the painted image, uint8 ``(h, w, 3)``.
        bundle: what the trained network paints; None if none was trained.
    """

    metrics: dict[str, float]
    result: np.ndarray
    bundle: BundleEvaluation | None = None

    @property
    def notes(self) -> list[str]:
        """Sentences for the report: the comparison of one pass with the descent, if there is one."""
        once = {} if self.bundle is None else self.bundle.comparison
        if not once:
            return []
        return [
            f"The same image in one pass: style loss {once['style_loss']:.3g}, content loss {once['content_loss']:.3g}; "
            f"painted step by step {self.metrics['style_loss']:.3g} and {self.metrics['content_loss']:.3g}."
        ]


def evaluate(painting: Painting, scale: PreparedScale, bundle: BundleEvaluation | None = None) -> Evaluation:
    """Measure a finished painting.

    Args:
        painting: the painting, after ``paint``.
        scale: its last scale, see ``Painting.last_scale``.
        bundle: the evaluation of the trained network's bundle, if there is one.
    """
    metrics = losses(painting.painted, scale) | {"painting_seconds": round(painting.seconds, 1)}
    if bundle is not None:
        metrics |= {f"network_{name}": value for name, value in bundle.metrics.items()}
    return Evaluation(_rounded(metrics), painting.result, bundle)


def evaluate_bundle(
    folder: str | Path,
    measure: Callable[[], dict[str, float]],
    val: Index,
    painting: Painting,
    scale: PreparedScale,
    shares: tuple[float, ...],
) -> BundleEvaluation:
    """Measure a trained network, and paint with its bundle.

    Args:
        folder: the bundle.
        measure: measures the network, see ``train.validator``.
        val: the validation photographs.
        painting: the painting of the content image, after ``paint``.
        scale: its last scale.
        shares: of the styles in the content image.
    """
    folder = find_bundle(folder)
    model = Stylizer.open(folder, read_metadata(folder))
    one_pass = model.predict(painting.resized_content(), dict(zip(model.labels, shares, strict=True))).pixels
    comparison = losses(one_pass, scale) if len(shares) == 1 else {}
    return BundleEvaluation(_rounded(measure()), one_pass, comparison, _examples(model, val))


def losses(image: np.ndarray, scale: PreparedScale) -> dict[str, float]:
    """Style loss, content loss and their weighted sum of an image, uint8 ``(h, w, 3)``, at the scale of its size."""
    loss = scale.objective.loss(pad_narrow(image.astype(np.float32)))
    return {"style_loss": loss.style_loss, "content_loss": loss.content_loss, "loss": loss.total}


def _examples(model: Stylizer, index: Index) -> list[Example]:
    """The first photographs of an index, painted in each style."""
    examples = []
    for path in index.paths[:NUM_EXAMPLES]:
        try:
            image = read_image(path)
        except ImageError:
            continue  # it was readable at the start of the run; the report shows one fewer
        image = resize(image, min(EXAMPLE_SIDE, max(image.shape[:2]))).round().astype(np.uint8)
        examples.append(Example(path, image, [model.predict(image, style).pixels for style in model.labels]))
    return examples


def _rounded(metrics: dict[str, float]) -> dict[str, float]:
    """Numbers to six digits."""
    return {name: float(f"{value:.6g}") for name, value in metrics.items()}
