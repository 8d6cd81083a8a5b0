"""An exported bundle of signals or volumes measured on all validation samples, beside what a network has to beat."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, recall_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from visionkit.data.arrays.files import ArrayError, fitted
from visionkit.data.arrays.folders import find_arrays
from visionkit.data.arrays.samples import ArraySplits, read_samples
from visionkit.data.class_matching import match_classes
from visionkit.data.measured_split import measured_sentence, measured_splits, name_of
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE, find_bundle, read_metadata
from visionkit.inference.measuring import EvaluateOptions, Measured, Opened, opened_model, seconds_an_image
from visionkit.metrics.calibration import calibration
from visionkit.tasks.classification.evaluate import Evaluation, compared_rows, note_difference
from visionkit.tasks.classification.predict_arrays import ArrayClassifier
from visionkit.training.run_folder import RunFolder
from visionkit.viz.arrays import ArrayImages

PATCHES = 8  # cubes of each label that are cut from each volume, as the recipe cuts them
LAYOUT_WORDS = {
    "tables": "tables of signals",
    "classes": "class folders",
    "segmentations": "volumes with a label for every voxel, of which cubes are cut",
}


def read_data(source: str, metadata: dict[str, Any], options: EvaluateOptions) -> Opened:
    """Read signals or volumes to measure models on; of volumes with labels, cubes as in training.

    Args:
        source: see ``find_arrays``.
        metadata: of a model, which says what it takes.
        options: say which split is read.

    Raises:
        UserError: there is no such data, or no such split, or it holds another kind of arrays.
    """
    found, kind = find_arrays(source, all_splits=True), metadata["input"]
    if found.kind != kind:
        raise UserError(f"{source} holds {found.kind}s, and the model classifies {kind}s; expected the same.")
    chosen = measured_splits(found.splits, options.split, source)
    pairs = tuple(dict.fromkeys(pair for name in chosen for pair in found.splits[name]))
    part = replace(found, splits={"val": pairs})
    samples = read_samples(part, size=metadata["shape"][0], patches=PATCHES, seed=0)
    if not samples.samples:
        raise UserError(f"{source}: no {kind} can be read{samples.skipped.first()}.")
    sentence = measured_sentence(
        found.splits, chosen, source, read_as=LAYOUT_WORDS[found.layout], count=len(samples.samples), noun=kind
    )
    return Opened(source, name_of(chosen), samples, sentence, samples.notes)


def evaluate_data(bundle: str | Path, opened: Opened, options: EvaluateOptions) -> Measured:
    """Measure a classifier of signals or volumes on data that was opened.

    Args:
        bundle: a classifier.
        opened: of ``read_data``, for a model that takes the same.
        options: say whether the model is trusted.

    Raises:
        UserError: the model and the data share no class, or no sample has the channels that the model takes.
    """
    metadata, data = read_metadata(find_bundle(bundle)), opened.part
    names = tuple(sorted({sample.label for sample in data.samples}))
    match = match_classes(names, metadata["labels"], data=opened.source, model=str(bundle))
    model = opened_model(ArrayClassifier, bundle, trust=options.trust)
    numbers = dict(zip(names, match.numbers.tolist(), strict=True))
    known = [sample for sample in data.samples if numbers[sample.label] >= 0]
    notes = match.notes + match.left_out(len(data.samples) - len(known), data.kind)
    paths, labels, values = [], [], []
    for sample in known:
        try:
            values.append(fitted(sample.values, tuple(model.metadata["shape"]), model.metadata["fit"]))
        except ArrayError as error:
            data.skipped.add(sample.name, str(error))
            continue
        paths.append(sample.name)
        labels.append(numbers[sample.label])
    if not values:
        raise UserError(f"{opened.source}: no {data.kind} can be measured{data.skipped.first()}.")
    evaluation = evaluate_samples(model, paths, np.array(labels, np.int32), np.stack(values))
    seconds = seconds_an_image(model, values)
    return Measured(evaluation.metrics, evaluation, model.labels, len(paths), data.skipped.list(), notes, seconds)


def evaluate(bundle: Path, data: ArraySplits, *, seed: int) -> Evaluation:
    """Measure a bundle, a simple baseline, and the most frequent class on the validation samples.

    Args:
        bundle: a classifier of the classes of ``data``.
        data: the validation samples, and the training samples for the baseline.
        seed: of the baseline.
    """
    labels = data.val.labels
    evaluation = evaluate_samples(opened_model(ArrayClassifier, bundle), data.val.paths, labels, data.val_values)
    name, predictions = baseline(data, seed)
    metrics = evaluation.metrics | {f"{metric}_{name}": value for metric, value in scores(labels, predictions).items()}
    metrics["accuracy_most_frequent_class"] = float((labels == data.train.counts().argmax()).mean())
    return replace(evaluation, metrics=metrics)


def evaluate_samples(model: ArrayClassifier, names: Sequence[str], labels: np.ndarray, values: np.ndarray) -> Evaluation:
    """Measure a classifier on samples of its shape.

    Args:
        model: the classifier.
        names: a name for each sample.
        labels: int ``(N,)``, numbers of the model's classes.
        values: float32 ``(N, spatial..., channels)``.
    """
    probabilities = model.probabilities(values)
    metrics = scores(labels, probabilities.argmax(axis=1))
    metrics["calibration_error"] = calibration(probabilities, labels).error
    return Evaluation(metrics, names, labels, probabilities, ArrayImages(values))


def scores(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Accuracy, recall and F1; the last two are means over the classes that the validation data have.

    Args:
        labels: int ``(N,)``.
        predictions: int ``(N,)``.
    """
    options = {"labels": np.unique(labels), "average": "macro", "zero_division": 0.0}
    return {
        "accuracy": float((labels == predictions).mean()),
        "balanced_accuracy": float(recall_score(labels, predictions, **options)),
        "macro_f1": float(f1_score(labels, predictions, **options)),
    }


def baseline(data: ArraySplits, seed: int) -> tuple[str, np.ndarray]:
    """The name of a simple classifier of standardized samples, and its predictions for the validation samples, ``(N,)``."""
    train, val = (standardized(values).reshape(len(values), -1) for values in (data.train_values, data.val_values))
    if data.kind == "signal":
        return "nearest_neighbor", KNeighborsClassifier(1).fit(train, data.train.labels).predict(val)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, random_state=seed))
    return "logistic_regression", classifier.fit(train, data.train.labels).predict(val)


def standardized(values: np.ndarray) -> np.ndarray:
    """Each channel of each sample with mean 0 and deviation 1, as the network sees it; ``(N, spatial..., channels)``."""
    axes = tuple(range(1, values.ndim - 1))
    values = values - values.mean(axes, keepdims=True)
    return values / np.maximum(values.std(axes, keepdims=True), 1e-12)


def note_litert_difference(run: RunFolder, bundle: Path, data: ArraySplits, evaluation: Evaluation) -> None:
    """Note how far the probabilities of the LiteRT model are from those of the bundle, or that there is no LiteRT model.

    Args:
        run: takes the note.
        bundle: a classifier of signals or volumes.
        data: the validation samples.
        evaluation: the bundle's predictions for them.
    """
    if not (bundle / LITERT_FILE).is_file():
        run.note("The network has no LiteRT model; bundle.json says why.")
        return
    rows = compared_rows(len(data.val))
    difference = np.abs(litert.run(bundle / LITERT_FILE, data.val_values[rows]) - evaluation.probabilities[rows]).max()
    note_difference(run, float(difference))
