"""Ask a segmenter about images and volumes with masks: what is measured is what is shipped."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from visionkit.data.arrays.volumes import Volume
from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.images.masks import read_fitting_mask
from visionkit.data.index import Index, SkippedFiles
from visionkit.export import litert
from visionkit.export.bundle import LITERT_FILE
from visionkit.metrics import membranes
from visionkit.metrics.segmentation import IGNORE, boundary_f1, confusion, measure
from visionkit.tasks.segmentation.predict import Segmenter

Answer = Callable[[np.ndarray], np.ndarray]  # pixels or values to a mask of as many pixels
OF_MEMBRANES = ("rand_error", "warping_error")


class Outcome(NamedTuple):
    """What a segmenter made of one image or volume.

    Attributes:
        matrix: int64 ``(C, C)``; see ``metrics.segmentation.confusion``.
        boundary: F1 of each class's boundary, float ``(C,)``, nan where there is none; None where it was not asked for.
        membranes: the errors of the ISBI challenge by name; empty where they were not asked for.
    """

    matrix: np.ndarray
    boundary: np.ndarray | None = None
    membranes: dict[str, float] = {}  # noqa: RUF012 - never changed

    @property
    def error(self) -> float:
        """The share of wrong pixels, nan where none counts."""
        total = self.matrix.sum()
        return float(1 - self.matrix.trace() / total) if total else float("nan")


def outcome(truth: np.ndarray, answer: np.ndarray, num_classes: int, *, closely: bool, are_cells: bool) -> Outcome:
    """Compare a mask with the truth.

    Args:
        truth: uint8 ``(spatial...)``, ``IGNORE`` does not count.
        answer: uint8 ``(spatial...)``.
        num_classes: of both.
        closely: of images, look at boundaries, too.
        are_cells: and at cells (class 1) between membranes (class 0).
    """
    matrix = confusion(truth, answer, num_classes)
    if not closely or truth.ndim != 2:
        return Outcome(matrix)
    errors = {}
    if are_cells and not (truth == IGNORE).any():
        errors = {name: getattr(membranes, name)(truth, answer) for name in OF_MEMBRANES}
    return Outcome(matrix, boundary_f1(truth, answer, num_classes), errors)


def outcomes_of_images(
    answer: Answer, index: Index, skipped: SkippedFiles, *, closely: bool = False, are_cells: bool = False
) -> tuple[Index, list[Outcome]]:
    """Ask about images in files, on all cores.

    Args:
        answer: uint8 ``(H, W, 3)`` to uint8 ``(H, W)``.
        index: with masks.
        skipped: takes files that cannot be read any more.
        closely: see ``outcome``.
        are_cells: see ``outcome``.

    Returns:
        the images that could be read, and what was made of each.
    """

    def ask(place: int) -> Outcome | None:
        try:
            pixels, truth = read_pair(index, place)
        except (ImageError, OSError) as error:
            skipped.add(index.paths[place], str(error))
            return None
        return outcome(truth, answer(pixels), len(index.class_names), closely=closely, are_cells=are_cells)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = pool.map(ask, range(len(index)))
        made = list(tqdm(asked, "evaluating", total=len(index), unit=" images", leave=False))
    kept = [place for place, each in enumerate(made) if each is not None]
    return index.take(kept), [made[place] for place in kept]


def read_pair(index: Index, place: int) -> tuple[np.ndarray, np.ndarray]:
    """An image, uint8 ``(H, W, 3)``, and its mask, uint8 ``(H, W)``.

    Raises:
        ImageError: one of them cannot be read, or their sizes differ.
    """
    pixels = read_image(index.paths[place])
    return pixels, read_fitting_mask(index.annotations[place].mask, index, *pixels.shape[:2])


def outcomes_of_volumes(answer: Answer, volumes: Iterable[Volume], num_classes: int) -> list[Outcome]:
    """Ask about volumes in memory: ``answer`` takes their values, and gives a mask."""
    volumes = tqdm(list(volumes), "evaluating", unit=" volumes", leave=False)
    return [outcome(v.labels, answer(v.values), num_classes, closely=False, are_cells=False) for v in volumes]


def summed(outcomes: Sequence[Outcome], num_classes: int) -> np.ndarray:
    """The confusion of all of them, int64 ``(C, C)``."""
    return sum((each.matrix for each in outcomes), np.zeros((num_classes, num_classes), np.int64))


def mean_boundary(outcomes: Sequence[Outcome]) -> np.ndarray | None:
    """F1 of each class's boundary, the mean of the images that have it; None where it was not asked for."""
    found = [each.boundary for each in outcomes if each.boundary is not None]
    if not found:
        return None
    known = ~np.isnan(found)
    return np.where(known.any(axis=0), np.nansum(found, axis=0) / np.maximum(known.sum(axis=0), 1), np.nan)


def mean_errors(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The errors of membranes, the means of the images; empty where they were not asked for.

    ``challenge_pixel_error`` is 1 minus the F-score of cells, as ISBI 2012 scored pixels (there at the best threshold).
    """
    found = [each.membranes for each in outcomes if each.membranes]
    if not found:
        return {}
    of_cells = float(measure(summed(outcomes, 2), ("membrane", "cell")).dice[1])
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]} | {"challenge_pixel_error": 1 - of_cells}


def litert_disagreement(model: Segmenter, folder: Path, given: Iterable[np.ndarray]) -> float | None:
    """The share of pixels for which the LiteRT model names another class than the bundle; None if it has no litert_model.

    Args:
        model: the bundle.
        folder: where it lies.
        given: images or volumes, of which the middles are looked at.
    """
    if not (folder / LITERT_FILE).is_file():
        return None
    litert_model, shares = litert.LiteRTModel(folder / LITERT_FILE), []
    for tile in map(model.as_tile, given):
        (answer,) = litert_model.answer(tile).values()
        shares.append((answer.argmax(axis=-1) != model.tile_probabilities(tile).argmax(axis=-1)).mean())
    return float(np.mean(shares)) if shares else None
