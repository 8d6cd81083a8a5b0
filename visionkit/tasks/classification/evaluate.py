"""An exported bundle measured on images with labels, and its LiteRT model compared with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data.class_matching import joined, match_classes, relabelled
from visionkit.data.formats.small_sets import find_small
from visionkit.data.images.decode import read_image
from visionkit.data.images.resize import center_crop, letterbox
from visionkit.data.index import Index, SmallImages, SmallSplits, counted
from visionkit.data.measured_split import measured_sentence, measured_splits, name_of
from visionkit.data.sources import labelled, read_labels
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, find_bundle, read_metadata, update_metadata
from visionkit.inference.measuring import EvaluateOptions, Measured, Opened, opened_model, seconds_an_image
from visionkit.inference.results import ClassificationResult
from visionkit.metrics.calibration import calibration
from visionkit.metrics.multi_label import NO_THRESHOLD, MultiLabelMetrics, multi_label_metrics
from visionkit.progress import bar
from visionkit.tasks.classification.predict import Classifier
from visionkit.tasks.classification.train import is_multi_label
from visionkit.training.dataset import notes_of
from visionkit.training.run_folder import RunFolder
from visionkit.viz.arrays import ArrayImages

BATCH = 256  # small images
MOST_NAMES = 10  # in a note
NUM_COMPARED = 16  # validation samples on which the LiteRT model is compared


@dataclass(frozen=True)
class Evaluation:
    """The predictions for validation samples, and their metrics.

    Attributes:
        metrics: name -> number, the accuracy first, or the mAP.
        names: a name for each sample: its file, where it has one.
        labels: the true labels, int ``(N,)``; or the sets of them, bool ``(N, num_classes)``.
        probabilities: float32 ``(N, num_classes)``.
        images: uint8 ``(N, H, W)`` or ``(N, H, W, 3)``, or signals and volumes as images; None where ``names`` are image files.
        measured: the metrics of each class, where an image may have several labels; else None.
    """

    metrics: dict[str, float]
    names: Sequence[str]
    labels: np.ndarray
    probabilities: np.ndarray
    images: np.ndarray | ArrayImages | None = None
    measured: MultiLabelMetrics | None = None


def read_data(source: str, metadata: dict[str, Any], options: EvaluateOptions) -> Opened:
    """Read what classifiers are to be measured on; no image is opened.

    Args:
        source: all that ``sources.read_labels`` reads, "digits", "fashion-mnist", or a folder of IDX files; for models of
            signals or volumes, what ``find_arrays`` reads.
        metadata: of a model, which says what it takes.
        options: say which split is read.

    Raises:
        UserError: there is no such data, or no such split, or it has no labels.
    """
    if "input" in metadata:
        from visionkit.tasks.classification import evaluate_arrays  # readers of volumes take a second

        return evaluate_arrays.read_data(source, metadata, options)
    small = find_small(source)
    if small is not None:
        return _opened_small(source, small, options)
    data_set = labelled(source, read_labels(source, options.allow_outside), multi_label=bool(metadata.get("multi_label")))
    chosen = measured_splits(data_set.splits, options.split, source)
    part, unlike = joined([data_set.splits[name] for name in chosen])
    about = {"read_as": data_set.format, "count": len(part), "of": counted(int((part.counts() > 0).sum()), "class", "classes")}
    sentence = measured_sentence(data_set.splits, chosen, source, **about)
    return Opened(source, name_of(chosen), part, sentence, notes_of(data_set) + unlike)


def _opened_small(source: str, small: SmallSplits, options: EvaluateOptions) -> Opened:
    splits = {"train": small.train, "val": small.val}
    chosen = measured_splits(splits, options.split, source)
    parts = [splits[name] for name in chosen]
    pixels, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("pixels", "labels"))
    part = SmallImages(small.val.class_names, pixels, labels)
    return Opened(source, name_of(chosen), part, measured_sentence(splits, chosen, source, read_as="", count=len(part)))


def evaluate_data(bundle: str | Path, opened: Opened, options: EvaluateOptions) -> Measured:
    """Measure a classifier on data that was opened.

    Args:
        bundle: a classifier.
        opened: of ``read_data``, for a model that takes the same.
        options: say whether the model is trusted.

    Raises:
        UserError: the model and the data share no class, or none of the images can be read.
    """
    metadata = read_metadata(find_bundle(bundle))
    if "input" in metadata:
        from visionkit.tasks.classification import evaluate_arrays

        return evaluate_arrays.evaluate_data(bundle, opened, options)
    part = opened.part
    match = match_classes(part.class_names, metadata["labels"], data=opened.source, model=str(bundle))
    model = opened_model(Classifier, bundle, trust=options.trust)
    if isinstance(part, SmallImages):
        known = np.flatnonzero(match.numbers[part.labels] >= 0)
        numbers = match.numbers[part.labels[known]].astype(np.int32)
        part = SmallImages(model.labels, part.pixels[known], numbers)
        notes = match.notes + match.left_out(len(opened.part) - len(known), "image")
        timed = (part.as_rgb(row, row + 1)[0] for row in range(len(part)))
    else:
        part, left_out = relabelled(part, match)
        notes, timed = match.notes + left_out, part.paths
    if not len(part):
        raise UserError(f"{opened.source}: none of {len(opened.part)} images is of a class that {bundle} knows.")
    evaluation = evaluate(model, part)
    skipped = () if isinstance(part, SmallImages) else part.skipped.list()
    seconds = seconds_an_image(model, timed)
    return Measured(evaluation.metrics, evaluation, model.labels, len(evaluation.names), skipped, notes, seconds)


def evaluate(bundle: Path | Classifier, val: Index | SmallImages, *, trust: bool = False) -> Evaluation:
    """Measure a bundle on images.

    Args:
        bundle: a classifier that knows all classes of ``val``, or its folder.
        val: the images; ``val.skipped`` takes files that cannot be read.
        trust: see ``visionkit.load``.

    Raises:
        UserError: none of the files can be read, or only the images or only the bundle may have several labels an image.
    """
    model = opened_model(Classifier, bundle, trust=trust)
    if bool(model.metadata.get("multi_label")) != is_multi_label(val):
        counts = ("several labels", "one label") if is_multi_label(val) else ("one label", "several labels")
        raise UserError(
            f"The images have {counts[0]} each, and {model.folder} predicts {counts[1]}; expected the same of both."
        )
    if is_multi_label(val):
        readable, scores = predict_files(model, val)
        thresholds = model.metadata.get("thresholds")
        thresholds = None if thresholds is None else [thresholds.get(name, NO_THRESHOLD) for name in val.class_names]
        measured = multi_label_metrics(readable.label_sets, scores, thresholds)
        return Evaluation(measured.numbers(), readable.paths, readable.label_sets, scores, measured=measured)
    if isinstance(val, SmallImages):
        names, images = [f"validation image {number}" for number in range(len(val))], val.pixels
        labels, probabilities = val.labels, predict_small_images(model, val)
    else:
        readable, probabilities = predict_files(model, val)
        names, labels, images = readable.paths, readable.labels, None
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    metrics = {"accuracy": accuracy, "calibration_error": calibration(probabilities, labels).error}
    return Evaluation(metrics, names, labels, probabilities, images)


def keep_thresholds(run: RunFolder, bundle: Path, evaluation: Evaluation, class_names: Sequence[str]) -> None:
    """Write the thresholds of an evaluation into ``bundle.json``, and note how they were chosen.

    Args:
        run: takes the notes.
        bundle: a classifier of several labels an image.
        evaluation: of that bundle, when it had no thresholds yet.
        class_names: names by class number.
    """
    measured = evaluation.measured
    update_metadata(bundle, thresholds=dict(zip(class_names, measured.thresholds.tolist(), strict=True)))
    if measured.counts.any():
        run.note(
            "The threshold of each class is the score at which its F1 is best on these same validation images, so macro F1 and "
            "exact matches flatter the model; mAP needs no threshold."
        )
    absent = [name for name, count in zip(class_names, measured.counts, strict=True) if not count]
    if absent:
        run.note(
            f"No validation image has the label {', '.join(absent[:MOST_NAMES])}{' ...' if len(absent) > MOST_NAMES else ''}: "
            f"the threshold there is {NO_THRESHOLD}, average precision and F1 are not measured, and their means leave it out."
        )


def predict_files(model: Classifier, val: Index) -> tuple[Index, np.ndarray]:
    """The probabilities of a model for images in files.

    Returns:
        the images that can be read, and float32 ``(N, num_classes)`` in the order of ``val.class_names``.

    Raises:
        UserError: none of the files can be read.
    """
    results = list(bar(model.predict_many(val.paths), "evaluating", total=len(val), unit=" images"))
    readable, rows = [], []
    for position, result in enumerate(results):
        if isinstance(result, ClassificationResult):
            scores = dict(result.top)
            readable.append(position)
            rows.append([scores[name] for name in val.class_names])
        else:
            val.skipped.add(result.path, result.error)
    if not readable:
        raise UserError(f"None of {len(val)} images can be read.")
    return val.take(readable), np.array(rows, np.float32)


def predict_small_images(model: Classifier, images: SmallImages) -> np.ndarray:
    """The probabilities for images in memory, float32 ``(N, num_classes)`` in the order of ``images.class_names``."""
    starts = bar(range(0, len(images), BATCH), "evaluating", unit=" batches")
    parts = [model.probabilities(images.as_rgb(start, start + BATCH)) for start in starts]
    return np.concatenate(parts)[:, [model.labels.index(name) for name in images.class_names]]


def accuracy_of(bundle: str | Path, val: Index | SmallImages, *, trust: bool = False) -> float:
    """The share of images whose class a bundle predicts; of those in files, only readable ones count. See ``visionkit.load``.

    Raises:
        UserError: the images have classes that the bundle does not know, or none of them can be read.
    """
    labels = read_metadata(find_bundle(bundle))["labels"]
    unknown = sorted(set(val.class_names) - set(labels))
    if unknown:
        raise UserError(f"{bundle} does not know {', '.join(unknown[:6])}; it knows {', '.join(labels[:6])} ...")
    return evaluate(find_bundle(bundle), val, trust=trust).metrics["accuracy"]


def note_litert_difference(run: RunFolder, bundle: Path, evaluation: Evaluation) -> None:
    """Note how far the probabilities of the LiteRT model, if there is one, are from those of the bundle.

    Args:
        run: takes the note.
        bundle: a classifier of images.
        evaluation: its predictions.
    """
    rows = compared_rows(len(evaluation.labels))
    images = [evaluation.names[row] if evaluation.images is None else _rgb(evaluation.images[row]) for row in rows]
    difference = litert_difference(bundle, images, evaluation.probabilities[rows])
    if difference is not None:
        note_difference(run, difference)


def note_difference(run: RunFolder, difference: float) -> None:
    """Note the largest difference between the probabilities of a bundle and of its LiteRT model."""
    run.note(f"The LiteRT model's probabilities differ from the SavedModel's by at most {difference:.4f}.")


def compared_rows(count: int) -> np.ndarray:
    """The rows of ``count`` samples that are compared, spread evenly, int ``(NUM_COMPARED,)`` or fewer."""
    return np.unique(np.linspace(0, count - 1, NUM_COMPARED).astype(int))


def litert_difference(folder: str | Path, images: Sequence[str | np.ndarray], probabilities: np.ndarray) -> float | None:
    """The largest difference between the probabilities of a bundle and of its LiteRT model; None if it has no LiteRT model.

    Args:
        folder: the bundle.
        images: files or uint8 pixels ``(H, W, 3)`` to compare on, at least one.
        probabilities: those of the bundle, ``(N, num_classes)``.
    """
    folder = Path(folder)
    if not (folder / LITERT_FILE).is_file():
        return None
    metadata = read_metadata(folder)
    see = letterbox if metadata.get("whole") else center_crop
    pixels = [image if isinstance(image, np.ndarray) else read_image(image) for image in images]
    litert_probabilities = litert.run(folder / LITERT_FILE, np.stack([see(each, metadata["size"]).numpy() for each in pixels]))
    return float(np.abs(probabilities - litert_probabilities).max())


def _rgb(image: np.ndarray) -> np.ndarray:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)
