"""Measuring a painted image, and a bundle that paints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.demo.style_images import painting
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.listing import list_images
from visionkit.data.images.resize import center_crop
from visionkit.data.index import Index, SkippedFiles, counted
from visionkit.data.measured_split import AUTO
from visionkit.data.split_names import WHOLE
from visionkit.errors import UserError
from visionkit.export.bundle import LITERT_FILE, find_bundle, read_metadata
from visionkit.files import home_expanded
from visionkit.inference.measuring import EvaluateOptions, Measured, Opened, opened_model, seconds_an_image
from visionkit.progress import bar
from visionkit.tasks.style_transfer import compared, plan
from visionkit.tasks.style_transfer.descent import PreparedScale, StyleImage, pad_narrow, resize
from visionkit.tasks.style_transfer.objective import FeatureExtractor
from visionkit.tasks.style_transfer.painting import Painting
from visionkit.tasks.style_transfer.predict import Stylizer
from visionkit.tasks.style_transfer.train import StyleTargets, content_and_style_loss

WINDOW = 320  # side in pixels of the centers of photographs that are measured, as the recipe measures them
FEW_MEASURED = 3  # photographs for bundles that paint by a descent, which takes long
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


def read_data(source: str, metadata: dict[str, Any], options: EvaluateOptions) -> Opened:
    """List photographs to paint; no image is opened. Folders within the folder mean nothing.

    Args:
        source: a folder of photographs, or one image.
        metadata: of a model.
        options: name no split.

    Raises:
        UserError: there are no images, or a split is asked for.
    """
    if options.split not in (AUTO, WHOLE):
        raise UserError(f"--split {options.split}: photographs to paint have no splits; leave it out.")
    source = home_expanded(source)
    files = list_images(Path(source))[0] if Path(source).is_dir() else [Path(source)]
    if not files:
        raise UserError(f"{source}: no images in it; expected a folder of photographs, or one image.")
    chosen = np.unique(np.linspace(0, len(files) - 1, plan.NUM_VALIDATION).round().astype(int))
    index = Index((), tuple(str(files[place]) for place in chosen), np.full(len(chosen), -1, np.int32))
    some = f", of which {len(index)} are measured" if len(index) < len(files) else ", which are measured"
    return Opened(source, WHOLE, index, f"{source} holds {counted(len(files), 'image')}{some}.")


def evaluate_data(bundle: str | Path, opened: Opened, options: EvaluateOptions) -> Measured:
    """Paint the centers of photographs with a bundle in each of its styles, and measure them.

    The content loss is that of the recipe. The style images are not in a bundle: the style loss is measured where all styles
    are built-in paintings, and nan for others.

    Args:
        bundle: a stylizer.
        opened: of ``read_data``.
        options: say whether the model is trusted.

    Raises:
        UserError: no image can be read.
    """
    model, paths, skipped, notes = opened_model(Stylizer, bundle, trust=options.trust), opened.part.paths, SkippedFiles(), []
    if not (model.folder / LITERT_FILE).is_file() and len(paths) > FEW_MEASURED:
        paths = paths[:FEW_MEASURED]
        notes.append(f"the model paints by a descent, which takes long: {FEW_MEASURED} images are measured")
    extractor, targets, about = _features_of(model)
    notes += [about] if about else []
    examples, losses_of = [], []
    for path in bar(paths, "painting", unit=" images"):
        try:
            image = center_crop(read_image(path), WINDOW).numpy()
        except (ImageError, OSError) as error:
            skipped.add(path, str(error))
            continue
        painted = [model.predict(image.round().astype(np.uint8), style).pixels for style in model.labels]
        examples.append(Example(path, image.round().astype(np.uint8), painted))
        for each, shares in zip(painted, np.eye(len(painted), dtype=np.float32), strict=True):
            if extractor is not None:
                batch = (each[None].astype(np.float32), image[None], shares[None])
                losses_of.append([float(loss) for loss in content_and_style_loss(extractor, targets, *batch)])
    if not examples:
        raise UserError(f"None of {len(paths)} images can be read.")
    means = np.mean(losses_of, axis=0) if losses_of else (np.nan, np.nan)
    metrics = _rounded(dict(zip(("content_loss", "style_loss"), means, strict=True)))
    seconds = seconds_an_image(model, [example.path for example in examples], most=FEW_MEASURED)
    return Measured(metrics, examples, model.labels, len(examples), skipped.list(), tuple(notes), seconds)


def _features_of(model: Stylizer) -> tuple[FeatureExtractor | None, StyleTargets | None, str]:
    """What compares images as the training of a bundle did, its styles, and a note on what cannot be measured."""
    base, by = model.metadata.get("base"), compared.read(model.metadata)
    if by is None:
        return None, None, f"the losses are not measured: what of {base} the training compared is not known here"
    try:
        options = {"weights": by.weights, "pooling": by.pooling, "half_precision": False}
        extractor, _ = plan.build_extractors(base, by.layers, **options)
    except (UserError, AttributeError):  # such as another network, or a bundle that does not name one
        return None, None, f"the losses are not measured: the features of {base} are not available"
    if not all(by.styles):
        return extractor, None, "the style loss is not measured: the model does not hold its style images"
    styles = [StyleImage(painting(name)) for name in by.styles]
    return extractor, StyleTargets.at_window_size(styles, extractor, WINDOW, by.style_size), by.note


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
