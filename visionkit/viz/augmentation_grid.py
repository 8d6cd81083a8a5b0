"""A grid of augmented images, one row per sample: it shows what a network will be trained on.

The images come out of ``TrainingPipeline``, as in training: the first column as the exported model will see them, and each
further column is an epoch. The samples are one batch, so images that are mixed are mixed with each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.index import IGNORE, Index
from visionkit.data.pipeline import collate
from visionkit.data.pipeline.batches import MIXED_ON_DEVICE, TrainingPipeline, evaluation_batches
from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.outputs import check_output
from visionkit.viz import annotate
from visionkit.viz.labels import encode

BACKGROUND = "background"  # the class of masks that stays uncolored
WIDEST, HIGHEST = 2900, 12_000  # pixels of the grid
SMALLEST = 160  # pixels of a cell's side: smaller images are enlarged
GAP = 6  # pixels between cells
TEXT = 13  # pixels: size of captions
MOST_NAMED = 40  # classes below the grid
SHOWN_SHARE = 0.005  # of a mixed label


class View(NamedTuple):
    """A cell of the grid: an image with its annotations, its caption, and the classes that it shows."""

    image: np.ndarray
    caption: str
    classes: frozenset[int]


def task_of(index: Index) -> str:
    """The task whose presets suit an index: one of ``augment.TASKS``."""
    return "keypoints" if collate.num_keypoints(index) else index.task


def with_mixing(augmentation: Augmentation, mix: str | None, index: Index) -> Augmentation:
    """The augmentation with another way to mix images; None leaves it as it is.

    Args:
        augmentation: the augmentation to change.
        mix: "none" or one of ``Augmentation.mix``.
        index: the index whose images are mixed.

    Raises:
        UserError: MixUp and CutMix mix labels, and the images have none.
    """
    if mix is None:
        return augmentation
    if mix in MIXED_ON_DEVICE and (index.annotations or (index.labels < 0).any()):
        raise UserError(f"--mix {mix}: it mixes labels, and these images have none; expected none or mosaic.")
    return replace(augmentation, name=f"{augmentation.name}, mix {mix}", mix=None if mix == "none" else mix)


def augmentation_grid(index: Index, augmentation: Augmentation, *, size: int, columns: int, seed: int) -> np.ndarray:
    """Draw the samples of an index, as served and as augmented.

    Args:
        index: a few samples, scanned.
        augmentation: the augmentation to show.
        size: side of the network's input in pixels.
        columns: views of a sample, including the one as served.
        seed: seed of the augmentation, as in training.

    Returns:
        uint8 ``(H, W, 3)``, at most ``WIDEST`` pixels wide.

    Raises:
        UserError: a composition of the user's own fails.
    """
    side = _cell_side(size, len(index), columns)
    columns_of_views = [_views(index, None, size, side, seed, 0)]
    columns_of_views += [_views(index, augmentation, size, side, seed, epoch) for epoch in range(columns - 1)]
    heads = ["as served", *(f"epoch {epoch}" for epoch in range(columns - 1))]
    rows = [_row([annotate.text_image(head, TEXT, max_width=side) for head in heads], side)]
    for position in range(len(index)):
        views = [column.get(position) for column in columns_of_views]
        blank = np.full((side, side, 3), annotate.PAPER, np.uint8)
        images = _row([blank if view is None else view.image for view in views], side)
        captions = ["" if view is None else view.caption for view in views]
        captions[0] = "  ".join(filter(None, (captions[0], Path(index.paths[position]).name)))
        below = _row([annotate.text_image(caption, TEXT, max_width=side) for caption in captions], side)
        rows.append(np.concatenate([images, below]))
    width = rows[0].shape[1]
    title = annotate.text_image(augmentation.name, TEXT + 6, max_width=width)
    classes = frozenset().union(*(view.classes for column in columns_of_views for view in column.values()))
    return _stack_rows([title, *rows, _legend(index, sorted(classes), width)], width)


def save(image: np.ndarray, path: Path) -> None:
    """Write an image atomically, in the format of the suffix.

    Raises:
        UserError: the image cannot be written.
    """
    path = check_target(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, encode(Image.fromarray(image), path.suffix))
    except (OSError, ValueError) as error:  # Pillow refuses some formats with a ValueError
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"--out {path}: cannot be written: {reason}.") from error


def check_target(path: Path, inputs: Iterable[str | Path] = ()) -> Path:
    """Check that an image can be written under this name, before the work is done.

    Args:
        path: the image to write.
        inputs: files and folders that are read; see ``check_output``.

    Returns:
        the file to write: of a link, what it leads to.

    Raises:
        UserError: see ``check_output``; or the path has a suffix that Pillow does not write.
    """
    target = check_output(path, "--out", inputs=inputs)
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise UserError(f"--out {path}: no images are written with the suffix {path.suffix!r}; expected .png, .jpg or .webp.")
    return target


def _cell_side(size: int, rows: int, columns: int) -> int:
    """Side of a cell in pixels: the network's own size, unless it is too small to look at or makes the grid too large."""
    enlarged = size * -(-SMALLEST // size)
    return min(enlarged, WIDEST // columns - GAP, HIGHEST // rows - GAP - 2 * TEXT)


def _views(index: Index, augmentation: Augmentation | None, size: int, side: int, seed: int, epoch: int) -> dict[int, View]:
    """The cells of one column, by position in the index."""
    if augmentation is None:
        batches = evaluation_batches(index, size, len(index))
    else:
        batches = TrainingPipeline(index, size, len(index), augmentation, seed).epoch(epoch, order=np.arange(len(index)))
    try:
        samples = list(batches.as_numpy_iterator())
    except Exception as error:
        if augmentation is None or not augmentation.whole_first:
            raise
        # The user's own composition failed: the pipeline's error names the image, and TensorFlow adds a traceback.
        reason = str(error).partition("RuntimeError: ")[2].partition("\nTraceback")[0] or str(error)
        raise UserError(reason.strip()) from error
    return {
        int(position): _view({key: values[row] for key, values in batch.items()}, index, side)
        for batch in samples
        for row, position in enumerate(batch["position"])
    }


def _view(sample: dict[str, Any], index: Index, side: int) -> View:
    image = np.round(sample["image"]).clip(0, 255).astype(np.uint8)
    kind = cv2.INTER_AREA if side < len(image) else cv2.INTER_NEAREST
    image = cv2.resize(image, (side, side), interpolation=kind)
    classes: set[int] = set()
    if "mask" in sample:
        mask = cv2.resize(sample["mask"], (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
        background = [number for number, name in enumerate(index.class_names) if name.lower() == BACKGROUND]
        image = annotate.draw_mask(image, mask, background=background)
        classes |= set(np.unique(mask).tolist()) - set(background)
    if "boxes" in sample:
        from visionkit.viz.boxes import draw_boxes  # supervision takes a second to import

        image = draw_boxes(image, sample["boxes"], sample["classes"], index.class_names, smallest=1)
        classes |= set(np.unique(sample["classes"]).tolist()) - {-1}
    if "keypoints" in sample:
        image = annotate.draw_keypoints(image, sample["keypoints"])
    return View(image, _caption(sample["label"], index.class_names), frozenset(classes))


def _caption(label: np.ndarray, class_names: Sequence[str]) -> str:
    """The class, or the shares of several classes; empty for images without a class."""
    if label.ndim == 0:
        return class_names[label] if label >= 0 else ""
    shares = sorted(((share, name) for share, name in zip(label.tolist(), class_names, strict=True)), reverse=True)
    return " + ".join(f"{name} {share:.0%}" for share, name in shares if share > SHOWN_SHARE)


def _legend(index: Index, classes: list[int], width: int) -> np.ndarray:
    named = [number for number in classes if number < len(index.class_names)]
    names = [index.class_names[number] for number in named[:MOST_NAMED]]
    colors = [annotate.color_of(number) for number in named[:MOST_NAMED]]
    if index.has_masks and IGNORE in classes:
        names, colors = [*names, "hatched: not learnt from"], [*colors, annotate.PAPER]
    return annotate.legend(names, colors, width, TEXT)


def _row(images: Sequence[np.ndarray], side: int) -> np.ndarray:
    """Images side by side, each in a cell of its own."""
    height = max(len(image) for image in images)
    row = np.full((height, len(images) * (side + GAP) - GAP, 3), annotate.PAPER, np.uint8)
    for column, image in enumerate(images):
        left = column * (side + GAP)
        row[: len(image), left : left + image.shape[1]] = image
    return row


def _stack_rows(rows: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Rows below each other, with a margin around."""
    height = sum(len(row) + GAP for row in rows) - GAP
    sheet = np.full((height + 2 * GAP, width + 2 * GAP, 3), annotate.PAPER, np.uint8)
    top = GAP
    for row in rows:
        sheet[top : top + len(row), GAP : GAP + row.shape[1]] = row
        top += len(row) + GAP
    return sheet
