"""Training and evaluation of a classifier that slides over images, on windows cut around annotated objects and between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import keras
import numpy as np

from visionkit.data.boxes import cleaned
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.listing import map_files
from visionkit.data.index import DataError, Index, SmallImages
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.inference.measuring import opened_model
from visionkit.models.fully_convolutional import stride_of
from visionkit.progress import bar
from visionkit.tasks.classification.evaluate import predict_small_images
from visionkit.tasks.classification.predict import Classifier
from visionkit.tasks.classification.sliding import Comparison, compare, draw_peaks
from visionkit.tasks.classification.train import Schedule, array_validator, arrays_phase, shuffled
from visionkit.training.fit import Phase
from visionkit.training.recipe import Run

BACKGROUND = "background"
FILLED = 0.8  # share of a window's side that the longer side of the median object fills
NEAR, FAR = 1 / 16, 1 / 4  # distances of centers in window sides: up to NEAR a window shows the object, beyond FAR it does not
SMALLEST, LARGEST = 0.4, 1.1  # longer side of an object in window sides; other objects are left out
VIEWS = 6  # windows of each object
NUM_BACKGROUND = 24  # random windows of each image, of which those far from all objects are background
BRIGHTNESS = 0.2  # by which training windows are lightened or darkened
VALIDATION_BATCH = 512  # windows
NUM_IMAGES = 12  # validation images of which all windows are classified


class WindowSplits(NamedTuple):
    """The windows of both splits, and the factor by which their images were resized."""

    train: SmallImages
    val: SmallImages
    scale: float


@dataclass(frozen=True, eq=False)
class WindowEvaluation:
    """A classifier of windows, measured on windows and on whole images.

    Attributes:
        metrics: name -> number, the accuracy on windows first.
        comparison: of both ways to classify all windows of an image.
        images: the first validation images at the scale of the windows, uint8 ``(H, W, 3)``.
        logits: of all windows of each of these images, ``(rows, columns, num_classes)``.
    """

    metrics: dict[str, float]
    comparison: Comparison
    images: list[np.ndarray]
    logits: list[np.ndarray]

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        compared = self.comparison
        return (
            f"{compared.windows:,} windows of an image of {' x '.join(map(str, self.images[0].shape[1::-1]))} pixels: "
            f"{compared.seconds_by_cropping:.3f} seconds by cropping, {compared.seconds_at_once:.3f} in one pass, "
            f"{compared.speed_up:.0f} times as fast. The logits of all windows of {len(self.images)} images differ by at most "
            f"{compared.difference:.1g}."
        )


def open_windows(run: Run, data: Splits, *, side: int, seed: int) -> WindowSplits:
    """Cut the windows of both splits.

    Args:
        run: takes a note.
        data: scanned, with boxes.
        side: side of a window in pixels.
        seed: draws the windows.

    Raises:
        DataError: there are no objects in the training images, or none of a split fits into a window.
    """
    scale = scale_of(data.train, side)
    train, val = (cut_windows(index, side=side, scale=scale, seed=seed) for index in (data.train, data.val))
    counts = f"{len(train):,} training and {len(val):,} validation windows"
    run.note(f"{counts} of {side} pixels; images times {scale:.2f}.")
    for name, windows, index in (("training", train, data.train), ("validation", val, data.val)):
        if not windows.labels.any():
            raise DataError(
                f"No {name} object gives a window of {side} pixels: expected objects of {SMALLEST:g} to {LARGEST:g} windows, "
                "not so near the border that the window leaves the image. Use more images, or objects of similar sizes."
            )
        annotated = {int(label) for each in index.annotations for label in each.objects.classes}
        without = [index.class_names[label] for label in sorted(annotated) if not windows.counts()[label + 1]]
        if without:
            run.note(
                f"Note: no {name} window shows {', '.join(without)}: its objects are too large, too small or too near the "
                "border, or their images cannot be read."
            )
    return WindowSplits(train, val, scale)


def scale_of(index: Index, side: int) -> float:
    """The factor by which all images are resized, so that the median object fills ``FILLED`` of a window.

    Raises:
        DataError: there are no objects.
    """
    longest = np.concatenate([np.zeros(0), *(_sides(index, row).max(axis=1) for row in range(len(index)))])
    if not len(longest):
        raise DataError("No objects in the training images: there is nothing to find. Expected boxes.")
    return FILLED * side / float(np.median(longest))


def cut_windows(index: Index, *, side: int, scale: float, seed: int) -> SmallImages:
    """Cut windows from the images of a split.

    Args:
        index: scanned, with boxes; ``index.skipped`` takes files that cannot be read any more.
        side: side of a window in pixels.
        scale: the factor from ``scale_of``.
        seed: draws the windows.
    """
    pixels, labels = [np.zeros((0, side, side, 3), np.uint8)], [np.zeros(0, int)]
    for row in bar(range(len(index)), "cutting windows", unit=" images"):
        rng = np.random.default_rng([seed, row])
        try:
            image = at_scale(read_image(index.paths[row]), scale, side)
        except ImageError as error:
            index.skipped.add(index.paths[row], str(error))
            continue
        objects = cleaned(index.annotations[row].objects)
        size = np.array(image.shape[1::-1])
        boxes = objects.boxes.reshape(-1, 2, 2) * size
        centers, longest = boxes.mean(axis=1), (boxes[:, 1] - boxes[:, 0]).max(axis=1, initial=0)
        fits = (longest >= SMALLEST * side) & (longest <= LARGEST * side)
        near = np.repeat(centers[fits], VIEWS, axis=0) + rng.uniform(-NEAR * side, NEAR * side, (VIEWS * fits.sum(), 2))
        corners = np.round(near - side / 2).astype(int)
        inside = ((corners >= 0) & (corners + side <= size)).all(axis=1)
        anywhere = rng.integers(0, size - side + 1, (NUM_BACKGROUND, 2))
        distances = np.abs(anywhere[:, None] + side / 2 - centers).max(axis=2).min(axis=1, initial=np.inf)
        chosen = np.concatenate([corners[inside], anywhere[distances > FAR * side]])
        pixels.append(np.array([image[y : y + side, x : x + side] for x, y in chosen], np.uint8).reshape(-1, side, side, 3))
        object_labels = np.repeat(objects.classes[fits], VIEWS)[inside] + 1
        labels.append(np.concatenate([object_labels, np.zeros(len(chosen) - len(object_labels), int)]))
    return SmallImages((BACKGROUND, *index.class_names), np.concatenate(pixels), np.concatenate(labels))


def at_scale(image: np.ndarray, scale: float, side: int) -> np.ndarray:
    """The image, resized by a factor, but to no less than ``side`` pixels on each side."""
    sides = [max(side, round(scale * length)) for length in image.shape[1::-1]]
    return cv2.resize(image, sides, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def window_phase(classifier: keras.Model, train: SmallImages, val: SmallImages, schedule: Schedule, *, seed: int) -> Phase:
    """Train a classifier on windows in memory, lightened or darkened anew in every epoch.

    Args:
        classifier: pixels ``(N, side, side, 3)`` to logits.
        train: the training windows.
        val: the validation windows.
        schedule: how long and how fast.
        seed: draws order and brightness.
    """

    def vary(_epoch: int, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        brightness = rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS, (len(train), 1, 1, 1)).astype(np.float32)
        return lambda positions: np.minimum(train.pixels[positions] * brightness[positions], 255)

    batches = shuffled(vary, len(train), schedule.batch_size, seed)
    validate = array_validator(classifier, val.pixels, val.labels, VALIDATION_BATCH)
    return arrays_phase(classifier, train, batches, validate, schedule)


def evaluate_windows(bundle: Path, classifier: keras.Model, samples: WindowSplits, val: Index) -> WindowEvaluation:
    """Measure a bundle on windows, and compare both ways to classify all windows of whole images.

    Args:
        bundle: the exported classifier.
        classifier: the same in Keras, as ``sliding.compare`` takes it.
        samples: the windows; the class that is most frequent in training is the constant prediction.
        val: the validation images; ``val.skipped`` takes files that cannot be read any more.
    """
    side, labels = classifier.input_shape[1], samples.val.labels

    def resize(path: str) -> np.ndarray:
        return at_scale(read_image(path), samples.scale, side)

    resized = map_files(resize, val.paths[:NUM_IMAGES], val.skipped, "resizing")
    images = [image for image in resized if image is not None]
    if not images:
        raise UserError(f"None of the first {len(resized)} validation images can be read any more; are the files still there?")
    accuracy = float((predict_small_images(opened_model(Classifier, bundle), samples.val).argmax(axis=1) == labels).mean())
    most_frequent = float((labels == samples.train.counts().argmax()).mean())
    comparison, logits = compare(classifier, [image.astype(np.float32) for image in images])
    metrics = {"accuracy": accuracy, "accuracy_most_frequent_class": most_frequent, **comparison._asdict()}
    return WindowEvaluation(metrics, comparison, images, logits)


def draw_windows(
    evaluation: WindowEvaluation, classifier: keras.Model, class_names: Sequence[str]
) -> list[tuple[np.ndarray, str]]:
    """The images of an evaluation with the predictions for all their windows, uint8 ``(H, W, 3)``, and captions."""
    options = {"side": classifier.input_shape[1], "stride": stride_of(classifier)}
    pairs = zip(evaluation.images, evaluation.logits, strict=True)
    return [draw_peaks(image, logits, class_names, **options) for image, logits in pairs]


def _sides(index: Index, row: int) -> np.ndarray:
    """Widths and heights of an image's objects in pixels, ``(N, 2)``."""
    boxes, info = cleaned(index.annotations[row].objects).boxes, index.infos[row]
    return (boxes[:, 2:] - boxes[:, :2]) * (info.width, info.height)
