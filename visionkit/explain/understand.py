"""Compute the contents of the page of ``visionkit understand`` from many images."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from visionkit.data.images.decode import ImageError, read_image
from visionkit.errors import UserError
from visionkit.explain import attribution
from visionkit.explain.activation_maximization import exciting_images
from visionkit.explain.first_filters import as_images, first_filters
from visionkit.explain.model import ExplainedModel, Target
from visionkit.explain.network_graph import Layer
from visionkit.explain.probe import Explained
from visionkit.explain.top_patches import NUM_PATCHES, Peak, TopPatches, cut, dimmed, inside
from visionkit.inference.predictor import Unreadable, map_in_order
from visionkit.progress import bar

AT_ONCE = 8  # images in a batch
BOX_COLOR = (255, 214, 10)


class Patch(NamedTuple):
    """One of the patches that excite a unit most: its pixels, uint8 ``(h, w, 3)``, and its image file."""

    pixels: np.ndarray
    path: str


class Unit(NamedTuple):
    """One channel of a layer.

    Attributes:
        number: number of the channel.
        patches: patches that excite it most, best first.
        wished: image from activation maximization, uint8 ``(h, w, 3)``.
        excitations: excitations by the strongest patch, by noise, and by ``wished``, which was made from that noise.
    """

    number: int
    patches: list[Patch]
    wished: np.ndarray
    excitations: tuple[float, float, float]


class Stage(NamedTuple):
    """A layer with some of its units; ``sees_all`` as the function of that name."""

    layer: Layer
    sees_all: bool
    units: list[Unit]


class ExplainedImage(NamedTuple):
    """Explanation of the prediction for one image.

    Attributes:
        path: the image file.
        target: the explained part of the prediction.
        image: the preprocessed image, as all drawings uint8 ``(size, size, 3)``.
        saliency: drawing of the saliency.
        grad_cam: drawing of Grad-CAM.
        occlusion: drawing of the occlusion map.
        score: the explained score, before the last softmax if there is one.
        fall: largest fall of the score by occlusion.
        heat_of: name of the layer that Grad-CAM uses.
    """

    path: str
    target: Target
    image: np.ndarray
    saliency: np.ndarray
    grad_cam: np.ndarray
    occlusion: np.ndarray
    score: float
    fall: float
    heat_of: str


class Understanding(NamedTuple):
    """Contents of the page.

    Attributes:
        model: the explained model.
        filters: filters of the first layer, uint8 ``(N, h, w, 3)``.
        stages: layers from first edges to whole objects.
        images: explanations of some images.
        num_images: number of images from which patches were chosen.
        unreadable: files that could not be read.
    """

    model: ExplainedModel
    filters: np.ndarray
    stages: list[Stage]
    images: list[ExplainedImage]
    num_images: int
    unreadable: list[Unreadable]


def understand(
    model: ExplainedModel, files: Sequence[str], *, label: str | None = None, num_units: int, num_shown: int, seed: int
) -> Understanding:
    """Explain a model with the help of images.

    Args:
        model: the model.
        files: image files.
        label: class to explain; None takes the predicted one.
        num_units: number of units of each layer.
        num_shown: number of images to explain.
        seed: seed of the noise from which images for units are made.

    Raises:
        UserError: no image can be read, or there is no such class.
    """
    if label is not None:
        model.class_number(label)
    layers = model.probe.stages()
    top_patches, readable, unreadable = _collect_peaks(model, files, layers)
    if not readable:
        raise UserError(f"None of {len(files)} images can be read; the first: {unreadable[0].path}: {unreadable[0].error}.")
    chosen = [top.telling(num_units) for top in top_patches]
    peaks = [{unit: top.peaks(unit) for unit in units} for top, units in zip(top_patches, chosen, strict=True)]
    patches = _patches(model, readable, layers, peaks)
    stages = []
    with bar(total=len(layers), description="images for units", unit=" layers") as progress:
        for layer, layer_peaks, layer_patches in zip(layers, peaks, patches, strict=True):
            stages.append(_stage(model, layer, layer_peaks, layer_patches, seed))
            progress.update()
    numbers = np.unique(np.linspace(0, len(readable) - 1, min(num_shown, len(readable))).round().astype(int)).tolist()
    shown = [readable[number] for number in numbers]
    images = ((path, _read(model, path)) for path in bar(shown, "explanations", unit=" images"))
    # A file that has vanished since it was first read is left out.
    explained = [_explain(model, path, pixels, label) for path, pixels in images if not isinstance(pixels, Unreadable)]
    return Understanding(model, as_images(first_filters(model.probe)), stages, explained, len(readable), unreadable)


def sees_all(model: ExplainedModel, layer: Layer) -> bool:
    """Whether the receptive field of a unit covers the whole image."""
    return min(layer.place.field) >= model.probe.size


def montage(images: Sequence[np.ndarray], side: int, *, columns: int, count: int | None = None, gap: int = 3) -> np.ndarray:
    """Draw images in a grid of square cells, resized in proportion.

    Args:
        images: uint8 ``(h, w, 3)``.
        side: side of a cell in pixels.
        columns: number of columns.
        count: number of cells; None has one for each image. Cells without an image stay white.
        gap: pixels between cells.

    Returns:
        uint8 ``(H, W, 3)``, white between the cells.
    """
    rows = -(-(count or len(images)) // columns)
    grid = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        y, x = (cell * (side + gap) for cell in divmod(number, columns))
        scale = side / max(image.shape[:2])
        size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
        cell = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        y, x = y + (side - size[1]) // 2, x + (side - size[0]) // 2
        grid[y : y + size[1], x : x + size[0]] = cell
    return grid


def _read(model: ExplainedModel, path: str) -> np.ndarray | Unreadable:
    """Read and preprocess an image."""
    try:
        return model.seen(read_image(path))
    except (ImageError, UserError) as error:
        return Unreadable(str(path), str(error))


def _images(
    model: ExplainedModel, files: Sequence[str], description: str
) -> Iterator[list[tuple[str, np.ndarray | Unreadable]]]:
    """Read files in groups on all cores; at most two groups are in memory."""
    images = map_in_order(lambda path: (path, _read(model, path)), files, AT_ONCE)
    with bar(total=len(files), description=description, unit=" images") as progress:
        while group := list(islice(images, AT_ONCE)):
            yield group
            progress.update(len(group))


def _collect_peaks(
    model: ExplainedModel, files: Sequence[str], layers: Sequence[Layer]
) -> tuple[list[TopPatches], list[str], list[Unreadable]]:
    """The strongest excitations of all units by all images; the readable files, and the unreadable ones."""
    per_image = -(-NUM_PATCHES // max(len(files), 1))  # one place an image, unless there are too few images
    top_patches = [
        TopPatches(layer.channels, per_image=per_image, apart=_apart(layer), inside=inside(layer, model.probe.size))
        for layer in layers
    ]
    readable, unreadable = [], []
    for group in _images(model, files, "images"):
        images = [(path, pixels) for path, pixels in group if not isinstance(pixels, Unreadable)]
        unreadable += [failure for _, failure in group if isinstance(failure, Unreadable)]
        if not images:
            continue
        excitations = model.probe.activations(np.stack([pixels for _, pixels in images]), layers, clipped=False)
        for number, (path, _) in enumerate(images):
            for top, values in zip(top_patches, excitations, strict=True):
                top.add(len(readable), values[number])
            readable.append(path)
    return top_patches, readable, unreadable


def _apart(layer: Layer) -> int:
    """Smallest distance of peaks in one image: half a receptive field, but at most a quarter of the map."""
    return max(1, min(max(layer.place.field) // (2 * layer.stride), max(layer.place.sides) // 4))


def _patches(
    model: ExplainedModel, files: Sequence[str], layers: Sequence[Layer], peaks: Sequence[dict[int, list[Peak]]]
) -> list[dict[int, list[Patch]]]:
    """The patches at peaks, by layer and unit. The images are read again, since all of them may not fit into memory."""
    peaks_by_image = defaultdict(list)
    for stage, layer_peaks in enumerate(peaks):
        for unit, unit_peaks in layer_peaks.items():
            for rank, peak in enumerate(unit_peaks):
                peaks_by_image[peak.image].append((stage, unit, rank, peak))
    patches: list[dict[int, list]] = [
        {unit: [None] * len(unit_peaks) for unit, unit_peaks in layer_peaks.items()} for layer_peaks in peaks
    ]
    order = sorted(peaks_by_image)
    whole = [layer for layer in layers if sees_all(model, layer)]
    numbers = iter(order)
    for group in _images(model, [files[number] for number in order], "patches"):
        for path, pixels in group:
            number = next(numbers)
            if isinstance(pixels, Unreadable):  # the file has vanished since it was first read
                continue
            maps = (
                dict(zip([layer.name for layer in whole], model.probe.activations(pixels[None], whole), strict=True))
                if whole
                else {}
            )
            for stage, unit, rank, peak in peaks_by_image[number]:
                layer = layers[stage]
                patch = dimmed(pixels, maps[layer.name][0, ..., unit]) if layer.name in maps else cut(pixels, layer, peak)
                patches[stage][unit][rank] = Patch(patch, path)
    return [
        {unit: [patch for patch in unit_patches if patch is not None] for unit, unit_patches in layer_patches.items()}
        for layer_patches in patches
    ]


def _stage(
    model: ExplainedModel, layer: Layer, peaks: dict[int, list[Peak]], patches: dict[int, list[Patch]], seed: int
) -> Stage:
    if not peaks:
        return Stage(layer, sees_all(model, layer), [])
    units = list(peaks)
    wished, excitations = exciting_images(model.probe, layer, units, seed=seed)
    rows = zip(units, wished, excitations.tolist(), strict=True)
    shown = [Unit(unit, patches[unit], image, (peaks[unit][0].value, *values)) for unit, image, values in rows]
    return Stage(layer, sees_all(model, layer), shown)


def _explain(model: ExplainedModel, path: str, pixels: np.ndarray, label: str | None) -> ExplainedImage:
    target = model.target(pixels, label)
    heat_of, explained, heat = _heat(model, pixels, target)
    falls, fall = attribution.occlusion(pixels, partial(model.probe.scores, weights=target.weights))
    image = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    if target.box is not None:
        x1, y1, x2, y2 = (round(value) for value in target.box)
        cv2.rectangle(image, (x1, y1), (x2, y2), BOX_COLOR, max(2, len(image) // 150))
    return ExplainedImage(
        path,
        target,
        image,
        attribution.as_light(attribution.saliency(explained.pixels)),
        attribution.as_heat(pixels, heat),
        attribution.as_heat(pixels, attribution.smooth(falls)),
        explained.score,
        fall,
        heat_of,
    )


def _heat(model: ExplainedModel, pixels: np.ndarray, target: Target) -> tuple[str, Explained, np.ndarray]:
    """Grad-CAM of the deepest layer whose map varies; small boxes may not depend on the last layers.

    If no layer has such a map, the deepest one is used.
    """
    deepest = model.probe.layers.index(model.probe.deepest())
    candidates = []
    for layer in reversed(model.probe.layers[: deepest + 1]):
        explained = model.probe.explain(pixels, target.weights, layer)
        candidates.append((layer.name, explained, attribution.grad_cam(explained, len(pixels))))
        if attribution.speaks(candidates[-1][2]):
            return candidates[-1]
    return candidates[0]
