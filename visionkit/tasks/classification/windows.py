"""Windows of one side, cut around the objects of annotated images and between them: what a sliding classifier learns from."""

from collections.abc import Iterator

import cv2
import keras
import numpy as np
from tqdm import tqdm

from visionkit.data.boxes import cleaned
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import DataError, Index, SkippedFiles, SmallImages
from visionkit.tasks.classification.train import answering_in_parts, weighted_targets
from visionkit.training.fit import Phase

BACKGROUND = "background"
FILLED = 0.8  # share of a window's side that the median object's longer side gets
NEAR, FAR = 1 / 16, 1 / 4  # sides between a window's center and an object's: it shows the object; it does not
SMALLEST, LARGEST = 0.4, 1.1  # sides of a window: an object's longer side, else it is of another scale
VIEWS = 6  # windows of each object
NOTHING = 24  # windows of each image that show none


def scale_of(index: Index, side: int) -> float:
    """By what all images are resized, so that the median object fills ``FILLED`` of a window.

    Raises:
        DataError: there are no objects.
    """
    longest = np.concatenate([np.zeros(0), *(_sides(index, row).max(axis=1) for row in range(len(index)))])
    if not len(longest):
        raise DataError("No objects in the training images: there is nothing to find. Expected boxes.")
    return FILLED * side / float(np.median(longest))


def cut_windows(index: Index, *, side: int, scale: float, seed: int, skipped: SkippedFiles) -> SmallImages:
    """Cut windows from the images of a split.

    Args:
        index: scanned, with boxes.
        side: of a window in pixels.
        scale: of ``scale_of``.
        seed: draws them.
        skipped: takes images that cannot be read any more.
    """
    pixels, labels = [np.zeros((0, side, side, 3), np.uint8)], [np.zeros(0, int)]
    for row in tqdm(range(len(index)), "cutting windows", unit=" images", leave=False):
        rng = np.random.default_rng([seed, row])
        try:
            image = at_scale(read_image(index.paths[row]), scale, side)
        except ImageError as error:
            skipped.add(index.paths[row], str(error))
            continue
        objects = cleaned(index.annotations[row].objects)
        size = np.array(image.shape[1::-1])
        boxes = objects.boxes.reshape(-1, 2, 2) * size
        centers, longest = boxes.mean(axis=1), (boxes[:, 1] - boxes[:, 0]).max(axis=1, initial=0)
        fits = (longest >= SMALLEST * side) & (longest <= LARGEST * side)
        near = np.repeat(centers[fits], VIEWS, axis=0) + rng.uniform(-NEAR * side, NEAR * side, (VIEWS * fits.sum(), 2))
        corners = np.round(near - side / 2).astype(int)
        inside = ((corners >= 0) & (corners + side <= size)).all(axis=1)
        drawn = rng.integers(0, size - side + 1, (NOTHING, 2))
        apart = np.abs(drawn[:, None] + side / 2 - centers).max(axis=2).min(axis=1, initial=np.inf)
        chosen = np.concatenate([corners[inside], drawn[apart > FAR * side]])
        pixels.append(np.array([image[y : y + side, x : x + side] for x, y in chosen], np.uint8).reshape(-1, side, side, 3))
        shown = np.repeat(objects.classes[fits], VIEWS)[inside] + 1
        labels.append(np.concatenate([shown, np.zeros(len(chosen) - len(shown), int)]))
    return SmallImages((BACKGROUND, *index.class_names), np.concatenate(pixels), np.concatenate(labels))


def at_scale(image: np.ndarray, scale: float, side: int) -> np.ndarray:
    """An image resized; at least ``side`` pixels on each side."""
    sides = [max(side, round(scale * length)) for length in image.shape[1::-1]]
    return cv2.resize(image, sides, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def _sides(index: Index, row: int) -> np.ndarray:
    boxes, info = cleaned(index.annotations[row].objects).boxes, index.infos[row]
    return (boxes[:, 2:] - boxes[:, :2]) * (info.width, info.height)


BRIGHTNESS = 0.2  # by which training windows are lightened or darkened
ANSWERED_AT_ONCE = 512


def window_phase(
    classifier: keras.Model,
    train: SmallImages,
    val: SmallImages,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Phase:
    """Train a classifier on windows in memory.

    Args:
        classifier: pixels ``(N, side, side, 3)`` to logits.
        train: what to train on.
        val: what to validate with.
        epochs: how many.
        batch_size: windows a step.
        learning_rate: the highest.
        seed: draws order and brightness.
    """
    one_hot, weights = weighted_targets(train)

    def batches(epoch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(train))
        light = rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS, (len(train), 1, 1, 1)).astype(np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            yield np.minimum(train.pixels[rows] * light[rows], 255), one_hot[rows], weights[rows]

    return Phase(
        name="training",
        model=classifier,
        epochs=epochs,
        learning_rate=learning_rate,
        steps_per_epoch=-(-len(train) // batch_size),
        batches=batches,
        validate=answering_in_parts(classifier, val.pixels, val.labels, ANSWERED_AT_ONCE),
        short_steps=True,
    )
