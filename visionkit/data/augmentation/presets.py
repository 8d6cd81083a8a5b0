"""Augmentation: presets by task and strength, and the bridge to albumentations.

What happens to a training image, in this order:

1. a random window of it is decoded and resized (windows.py);
2. albumentations turns, shears and warps the small image, with its boxes, mask and keypoints (``seeded``);
3. mirroring, color and erasing, which need no neighboring pixels: drawn as numbers, carried out in one pass (batchwise.py), on
   the processor or, as a layer, on the accelerator;
4. images of a batch are mixed (mixing.py).

Everything is drawn from the sample's own seed, by its place in the index.
"""

import copy
import os
import random
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask PyPI for its newest version at import
import albumentations as A  # noqa: N812

from visionkit.data.augmentation.geometry import MIN_VISIBLE, in_view
from visionkit.data.augmentation.warps import BentGrid, Elastic, Turn
from visionkit.data.index import IGNORE, Objects
from visionkit.errors import UserError
from visionkit.ops.colors import PADDING

TASKS = ("classification", "detection", "segmentation", "keypoints")
STRENGTHS = ("light", "medium", "strong")


@dataclass(frozen=True)
class Augmentation:
    """What happens to an image in training.

    Attributes:
        name: stands in the configuration and in the feature cache's key.
        area: bounds of a random window's share of the image's area; the window is stretched to a square. For labels.
        zoom: bounds of a square window's side, as a share of the image's longer side. For boxes, masks and keypoints; then
            ``area`` is None. Where all three are None the whole image is seen.
        scale: bounds of a square window's side, as a share of the network's input: patches of large images, at 1 pixel for
            pixel. Then ``area`` and ``zoom`` are None.
        transforms: albumentations transforms for the resized window, in order. With ``whole_first`` they get the image as it
            was decoded, and what they return is resized.
        flip: share of the images that are mirrored left to right.
        color: strength of a shift of brightness, contrast and saturation, 0 to 1; see ``pixelwise.draw``.
        pca: strength of a shift along the main colors of photographs, as AlexNet was trained; see ``pixelwise.draw``.
        erase: share of the images of which a rectangle is painted grey (https://arxiv.org/abs/1708.04896).
        mix: how images of a batch are mixed; see mixing.py.
        whole_first: for compositions that crop by themselves.
    """

    name: str
    area: tuple[float, float] | None = None
    zoom: tuple[float, float] | None = None
    scale: tuple[float, float] | None = None
    transforms: tuple[A.BasicTransform | A.BaseCompose, ...] = ()
    flip: float = 0.0
    color: float = 0.0
    pca: float = 0.0
    erase: float = 0.0
    mix: Literal["mixup", "cutmix", "mosaic"] | None = None
    whole_first: bool = False

    def describe(self) -> str:
        """Everything that changes its result, as text.

        Raises:
            UserError: it has a ``Lambda`` without a name.
        """
        try:
            drawn = [A.to_dict(transform) for transform in self.transforms]
        except ValueError as error:  # a Lambda without a name
            raise UserError(f"Augmentation {self.name!r} cannot be written down: {error}") from error
        numbers = [self.area, self.zoom, self.scale, self.flip, self.color, self.pca, self.erase, self.mix, self.whole_first]
        return f"{self.name} {numbers} {drawn}"


def _turns(angle: float, shear: float, p: float, *, ignore: bool) -> A.BasicTransform:
    """Rotation and shearing in one pass; what comes into view is mirrored, or padding that is not learnt from."""
    border = {"border_mode": cv2.BORDER_CONSTANT, "fill": PADDING, "fill_mask": IGNORE}
    border = border if ignore else {"border_mode": cv2.BORDER_REFLECT_101}
    return Turn(rotate=(-angle, angle), shear=(-shear, shear), p=p, **border)


def _warps(p: float) -> A.BaseCompose:
    """Local warping: a smooth random field, or a bent grid. The rim stays where it is."""
    return A.OneOf([Elastic(p=1.0), BentGrid(p=1.0)], p=p)


PRESETS: dict[str, Augmentation] = {
    preset.name: preset
    for preset in (
        Augmentation("classification-light", area=(0.6, 1.0), flip=0.5, color=0.1),
        Augmentation(
            "classification-medium",
            area=(0.35, 1.0),
            flip=0.5,
            color=0.2,
            transforms=(_turns(12, 0, 0.3, ignore=False),),
        ),
        Augmentation(
            "classification-strong",
            area=(0.15, 1.0),
            flip=0.5,
            color=0.4,
            pca=0.2,
            erase=0.3,
            transforms=(_turns(20, 10, 0.5, ignore=False), _warps(0.3)),
        ),
        Augmentation("detection-light", zoom=(0.8, 1.25), flip=0.5, color=0.1),
        Augmentation(
            "detection-medium",
            zoom=(0.6, 1.5),
            flip=0.5,
            color=0.2,
            pca=0.1,
            transforms=(_turns(5, 3, 0.5, ignore=True),),
        ),
        Augmentation(
            "detection-strong",
            zoom=(0.5, 1.2),
            flip=0.5,
            color=0.3,
            pca=0.2,
            erase=0.2,
            mix="mosaic",
            transforms=(_turns(8, 5, 0.5, ignore=True), _warps(0.2)),
        ),
        Augmentation("segmentation-light", zoom=(0.6, 1.0), flip=0.5, color=0.1),
        Augmentation(
            "segmentation-medium",
            zoom=(0.4, 1.0),
            flip=0.5,
            color=0.2,
            pca=0.1,
            transforms=(_turns(10, 5, 0.5, ignore=True),),
        ),
        Augmentation(
            "segmentation-strong",
            zoom=(0.3, 1.2),
            flip=0.5,
            color=0.4,
            pca=0.2,
            transforms=(_turns(20, 10, 0.7, ignore=True), _warps(0.5)),
        ),
        # No mirroring: a mirrored left eye is a right one.
        Augmentation("keypoints-light", zoom=(0.9, 1.2), color=0.1),
        Augmentation("keypoints-medium", zoom=(0.8, 1.4), color=0.2, pca=0.1, transforms=(_turns(10, 3, 0.5, ignore=True),)),
        Augmentation(
            "keypoints-strong",
            zoom=(0.7, 1.6),
            color=0.4,
            pca=0.2,
            erase=0.3,
            transforms=(_turns(25, 8, 0.7, ignore=True), _warps(0.2)),
        ),
    )
}


def preset(name: str, *, task: str = "classification", flip: bool = True) -> Augmentation:
    """A named preset.

    Args:
        name: "detection-strong", or a strength alone: "light", "medium", "strong".
        task: taken where ``name`` is a strength alone.
        flip: False never mirrors (letters, left and right hands).

    Raises:
        UserError: no such preset.
    """
    chosen = PRESETS.get(f"{task}-{name}" if name in STRENGTHS else name)
    if chosen is None:
        raise UserError(f"Unknown augmentation {name!r}; expected {', '.join(STRENGTHS)}, or one of {', '.join(PRESETS)}.")
    return chosen if flip else replace(chosen, name=f"{chosen.name} without flip", flip=0.0)


def from_compose(compose: A.BaseCompose | A.BasicTransform, name: str = "own") -> Augmentation:
    """Any composition of albumentations, taken as it is: it gets the whole image, and what it returns is resized.

    Its own ``bbox_params`` and ``keypoint_params`` need not be set; boxes and keypoints are handed over in any case.
    """
    return Augmentation(name, transforms=(compose,), whole_first=True)


Transformed = tuple[np.ndarray, Objects | None, np.ndarray | None]


def seeded(
    transforms: tuple[A.BasicTransform | A.BaseCompose, ...],
) -> Callable[[np.ndarray, Objects | None, np.ndarray | None, int], Transformed]:
    """A function ``(image, objects, mask, seed) -> (image, objects, mask)`` that draws from its seed alone, in any thread.

    A shared Compose draws from one generator, which makes it neither reproducible nor safe across threads; so each
    thread has a copy, and each call gives it generators of its own. (``set_random_seed`` would give each of its transforms the
    same numbers: of two mirrors with p=0.5 always both would be carried out, or none.)

    Args:
        transforms: of albumentations; images are uint8 ``(H, W, 3)``, masks uint8 ``(H, W)``.

    Raises:
        UserError: (the function) a transform has made something else of the image, as ``Normalize`` and ``ToTensorV2`` do.
    """
    if not transforms:
        return lambda image, objects, mask, seed: (image, objects, mask)
    checks = any(isinstance(transform, A.Compose) for transform in transforms)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got processor for")  # boxes that no transform moves simply stay
        whole = A.Compose(list(transforms), **(_checked() if checks else {}))
    of_this_thread = threading.local()

    def apply(image, objects, mask, seed):
        if not hasattr(of_this_thread, "compose"):
            cv2.setNumThreads(0)  # the pipeline's threads are the parallelism
            of_this_thread.compose = copy.deepcopy(whole)
        compose = of_this_thread.compose
        compose.set_random_state(np.random.default_rng(seed), random.Random(int(seed)))
        data = {"image": image} | ({} if mask is None else {"mask": mask}) | _handed_over(objects, image.shape, checks)
        if checks:
            data = compose(**data)
        else:  # one by one: what a Compose does between them takes longer than they do, and ``in_view`` does it at the end
            for transform in compose.transforms:
                data = transform(**data)
        _refuse_other_kinds(data["image"])
        return data["image"], _taken_back(objects, data), data.get("mask")

    return apply


def _checked() -> dict[str, Any]:
    """What a Compose of the user's needs, to take boxes and keypoints along."""
    return {
        "bbox_params": A.BboxParams("albumentations", clip=True, min_visibility=MIN_VISIBLE),
        "keypoint_params": A.KeypointParams("xy", remove_invisible=False),
    }


def _refuse_other_kinds(image: Any) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        kind = f"{getattr(image, 'dtype', type(image).__name__)} {tuple(getattr(image, 'shape', ()))}"
        raise UserError(
            f"the image became {kind}; expected uint8 (H, W, 3). Leave out Normalize, ToFloat and ToTensorV2: models here take "
            "0..255 and normalise by themselves."
        )


def _handed_over(objects: Objects | None, shape: tuple[int, ...], checked: bool) -> dict[str, Any]:
    """Objects as albumentations takes them, the number of each in a last column.

    Keypoints become a flat list, in pixels counted from the center of the first; a Compose that checks adds the columns that
    transforms expect, depth, angle and scale.
    """
    if objects is None:
        return {}
    given = {"bboxes": np.column_stack([objects.boxes, np.arange(len(objects))])}
    if objects.keypoints is not None:
        flat = objects.keypoints.reshape(-1, 3)
        points = np.flatnonzero(flat[:, 2] > 0)
        others = np.zeros((len(points), 0 if checked else 3))
        given["keypoints"] = np.column_stack([flat[points, :2] * (shape[1], shape[0]) - 0.5, others, points])
    return given


def _taken_back(objects: Objects | None, made: dict[str, Any]) -> Objects | None:
    if objects is None:
        return None
    height, width = made["image"].shape[:2]
    boxes, keypoints = np.asarray(made["bboxes"], np.float64).reshape(-1, 5), objects.keypoints
    if keypoints is not None:
        flat = np.asarray(made["keypoints"], np.float64)
        flat = flat if len(flat) else np.zeros((0, 3))
        points = flat[:, -1].astype(int)
        moved = np.zeros_like(keypoints).reshape(-1, 3)
        moved[points, :2] = (flat[:, :2] + 0.5) / (width, height)
        moved[points, 2] = keypoints.reshape(-1, 3)[points, 2]
        keypoints = moved.reshape(keypoints.shape)
    kept = replace(objects, keypoints=keypoints, outlines=()).take(boxes[:, 4].astype(int))
    return in_view(replace(kept, boxes=boxes[:, :4]))
