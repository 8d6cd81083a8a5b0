"""What is a network learning? All that the page of ``visionkit understand`` shows is computed here, from many images."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from visionkit.data.images.decode import ImageError, read_image
from visionkit.errors import UserError
from visionkit.explain import attribution
from visionkit.explain.activation_maximization import exciting_images
from visionkit.explain.first_filters import as_images, first_filters
from visionkit.explain.model import ExplainedModel, Target
from visionkit.explain.network_graph import Layer
from visionkit.explain.probe import Explained
from visionkit.explain.top_patches import NUM_PATCHES, Peak, TopPatches, cut, dimmed, inside
from visionkit.inference.predictor import Unreadable

AT_ONCE = 8  # images through the network
BOX_COLOR = (255, 214, 10)


class Patch(NamedTuple):
    """One of the patches that excite a unit most: its pixels, uint8 ``(h, w, 3)``, and the file it is from."""

    pixels: np.ndarray
    path: str


class Unit(NamedTuple):
    """One channel of a layer.

    Attributes:
        number: of the channel.
        patches: what excites it most, best first.
        wished: the image that was made for it, uint8 ``(h, w, 3)``.
        excitations: of the strongest patch, of noise, and of the image that was made from it.
    """

    number: int
    patches: list[Patch]
    wished: np.ndarray
    excitations: tuple[float, float, float]


class Stage(NamedTuple):
    """A layer with some of its units."""

    layer: Layer
    sees_all: bool
    units: list[Unit]


class ExplainedImage(NamedTuple):
    """Where the model looks on one image: its file, what is explained, four images, uint8 ``(size, size, 3)``.

    ``score`` is what the methods work on, before the last softmax where there is one; ``fall`` by how much hiding lowers it;
    ``heat_of`` the layer that Grad-CAM shows.
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
    """All that the page shows.

    Attributes:
        model: what was looked into.
        filters: of the first layer, uint8 ``(N, h, w, 3)``.
        stages: from the first edges to whole things.
        images: some, explained.
        num_images: how many the units have seen.
        unreadable: files that were left out.
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
    """Look into a model with the help of images.

    Args:
        model: a bundle, or a network.
        files: images.
        label: the class to explain; None takes what the model answers.
        num_units: of each layer.
        num_shown: images that are explained.
        seed: draws the noise that the images for units begin with.

    Raises:
        UserError: no image can be read, or there is no such class.
    """
    if label is not None:
        model.class_number(label)
    layers = model.probe.stages()
    sums, readable, unreadable = _strongest(model, files, layers)
    if not readable:
        raise UserError(f"None of {len(files)} images can be read; the first: {unreadable[0].path}: {unreadable[0].error}.")
    chosen = [kept.telling(num_units) for kept in sums]
    patches = _patches(
        model, readable, layers, [{unit: kept.peaks(unit) for unit in units} for kept, units in zip(sums, chosen, strict=True)]
    )
    stages = []
    with tqdm(total=len(layers), desc="images for units", leave=False, disable=None) as progress:
        for layer, units, kept, of_layer in zip(layers, chosen, sums, patches, strict=True):
            stages.append(_stage(model, layer, units, kept, of_layer, seed))
            progress.update()
    spread = np.unique(np.linspace(0, len(readable) - 1, min(num_shown, len(readable))).round().astype(int)).tolist()
    shown = [readable[number] for number in spread]
    seen = ((path, _read(model, path)) for path in tqdm(shown, "explanations", leave=False, disable=None))
    # A file may have vanished since it was first read: then there is one image less.
    explained = [_explained(model, path, pixels, label) for path, pixels in seen if not isinstance(pixels, Unreadable)]
    return Understanding(model, as_images(first_filters(model.probe)), stages, explained, len(readable), unreadable)


def sees_all(model: ExplainedModel, layer: Layer) -> bool:
    """Whether a unit sees more than the whole image."""
    return min(layer.place.field) >= model.probe.size


def montage(images: Sequence[np.ndarray], side: int, *, columns: int, count: int | None = None, gap: int = 3) -> np.ndarray:
    """Images in a grid, brought to squares of one side in proportion.

    Args:
        images: uint8 ``(h, w, 3)``.
        side: of a cell in pixels.
        columns: of the grid.
        count: cells; None has one an image. Those without an image stay white.
        gap: pixels between cells.

    Returns:
        uint8 ``(H, W, 3)``, white between the cells.
    """
    rows = -(-(count or len(images)) // columns)
    grid = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        y, x = (place * (side + gap) for place in divmod(number, columns))
        scale = side / max(image.shape[:2])
        size = [max(1, round(length * scale)) for length in image.shape[1::-1]]
        cell = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        y, x = y + (side - size[1]) // 2, x + (side - size[0]) // 2
        grid[y : y + size[1], x : x + size[0]] = cell
    return grid


def _read(model: ExplainedModel, path: str) -> np.ndarray | Unreadable:
    """As the model sees it."""
    try:
        return model.seen(read_image(path))
    except (ImageError, UserError) as error:
        return Unreadable(str(path), str(error))


def _images(
    model: ExplainedModel, files: Sequence[str], description: str
) -> Iterator[list[tuple[str, np.ndarray | Unreadable]]]:
    """Files in groups, read by all cores; a group and the next are in memory at most."""
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        tqdm(total=len(files), desc=description, leave=False, disable=None) as progress,
    ):
        groups = [files[start : start + AT_ONCE] for start in range(0, len(files), AT_ONCE)]
        ahead = None
        for group, following in zip(groups, [*groups[1:], []], strict=True):
            current = ahead or [pool.submit(_read, model, path) for path in group]
            ahead = [pool.submit(_read, model, path) for path in following]
            yield list(zip(group, [each.result() for each in current], strict=True))
            progress.update(len(group))


def _strongest(
    model: ExplainedModel, files: Sequence[str], layers: Sequence[Layer]
) -> tuple[list[TopPatches], list[str], list[Unreadable]]:
    """The strongest answers of all units to all images; the files that can be read, and those that cannot."""
    per_image = -(-NUM_PATCHES // max(len(files), 1))  # of nine images or more only the best place of each
    kept = [
        TopPatches(layer.channels, per_image=per_image, apart=_apart(layer), inside=inside(layer, model.probe.size))
        for layer in layers
    ]
    readable, unreadable = [], []
    for group in _images(model, files, "images"):
        read = [(path, pixels) for path, pixels in group if not isinstance(pixels, Unreadable)]
        unreadable += [failure for _, failure in group if isinstance(failure, Unreadable)]
        if not read:
            continue
        answers = model.probe.activations(np.stack([pixels for _, pixels in read]), layers, clipped=False)
        for number, (path, _) in enumerate(read):
            for of_layer, values in zip(kept, answers, strict=True):
                of_layer.add(len(readable), values[number])
            readable.append(path)
    return kept, readable, unreadable


def _apart(layer: Layer) -> int:
    return max(1, min(max(layer.place.field) // (2 * layer.stride), max(layer.place.sides) // 4))


def _patches(
    model: ExplainedModel, files: Sequence[str], layers: Sequence[Layer], peaks: Sequence[dict[int, list[Peak]]]
) -> list[dict[int, list[Patch]]]:
    """The patches at peaks, of each layer and unit. Their images are read once more: all of them may not fit in memory."""
    wanted = defaultdict(list)
    for stage, of_layer in enumerate(peaks):
        for unit, of_unit in of_layer.items():
            for rank, peak in enumerate(of_unit):
                wanted[peak.image].append((stage, unit, rank, peak))
    found: list[dict[int, list]] = [{unit: [None] * len(of_unit) for unit, of_unit in of_layer.items()} for of_layer in peaks]
    order = sorted(wanted)
    whole = [layer for layer in layers if sees_all(model, layer)]
    numbers = iter(order)
    for group in _images(model, [files[number] for number in order], "patches"):
        for path, pixels in group:
            number = next(numbers)
            if isinstance(pixels, Unreadable):  # gone since it was read first
                continue
            maps = (
                dict(zip([layer.name for layer in whole], model.probe.activations(pixels[None], whole), strict=True))
                if whole
                else {}
            )
            for stage, unit, rank, peak in wanted[number]:
                layer = layers[stage]
                patch = dimmed(pixels, maps[layer.name][0, ..., unit]) if layer.name in maps else cut(pixels, layer, peak)
                found[stage][unit][rank] = Patch(patch, path)
    return [
        {unit: [patch for patch in of_unit if patch is not None] for unit, of_unit in of_layer.items()} for of_layer in found
    ]


def _stage(
    model: ExplainedModel, layer: Layer, units: list[int], kept: TopPatches, patches: dict[int, list[Patch]], seed: int
) -> Stage:
    if not units:
        return Stage(layer, sees_all(model, layer), [])
    wished, excitations = exciting_images(model.probe, layer, units, seed=seed)
    rows = zip(units, wished, excitations.tolist(), strict=True)
    made = [Unit(unit, patches[unit], image, (kept.peaks(unit)[0].value, *values)) for unit, image, values in rows]
    return Stage(layer, sees_all(model, layer), made)


def _explained(model: ExplainedModel, path: str, pixels: np.ndarray, label: str | None) -> ExplainedImage:
    target = model.target(pixels, label)
    heat_of, explained, heat = _heat(model, pixels, target)
    covered, fall = attribution.occlusion(pixels, partial(model.probe.scores, weights=target.weights))
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
        attribution.as_heat(pixels, attribution.smooth(covered)),
        explained.score,
        fall,
        heat_of,
    )


def _heat(model: ExplainedModel, pixels: np.ndarray, target: Target) -> tuple[str, Explained, np.ndarray]:
    """Grad-CAM of the deepest layer of which the answer depends place by place: small boxes may need none of the last ones."""
    deepest = model.probe.layers.index(model.probe.deepest())
    tried = []
    for layer in reversed(model.probe.layers[: deepest + 1]):
        explained = model.probe.explain(pixels, target.weights, layer)
        tried.append((layer.name, explained, attribution.grad_cam(explained, len(pixels))))
        if attribution.speaks(tried[-1][2]):
            return tried[-1]
    return tried[0]
