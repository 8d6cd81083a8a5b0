"""Augmentation: presets by task and strength, and the bridge to albumentations.

What happens to a training image, in this order:

1. a random window of it is decoded and resized (windows.py);
2. albumentations rotates, shears and warps the small image, with its boxes, mask and keypoints (``seeded``);
3. mirroring, color and erasing, which need no neighboring pixels, are applied in one pass (pixelwise.py), on the processor or,
   as a layer, on the accelerator;
4. images of a batch are mixed (mixing.py).

All random numbers depend on the seed and the position of the sample in the index.
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

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise it asks PyPI for its newest version at import
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
    """The changes to an image in training. At most one of ``area``, ``zoom`` and ``scale`` is set.

    Attributes:
        name: name in the configuration and in the key of the feature cache.
        area: bounds of a random window's share of the image's area; the window is stretched to a square. For labels.
        zoom: bounds of a square window's side, as a share of the image's longer side. For boxes, masks and keypoints.
        scale: bounds of a square window's side, as a share of the network's input: patches of large images, whose pixels are
            not resized at 1. If all three are None, the window is the whole image.
        transforms: albumentations transforms for the resized window, in order. With ``whole_first`` they get the whole decoded
            image, and their result is resized.
        flip: share of the images that are mirrored left to right.
        color: strength of a shift of brightness, contrast and saturation, 0 to 1; see ``pixelwise.pixel_params``.
        pca: strength of a shift along the principal colors of photographs, as in AlexNet; see ``pixelwise.pixel_params``.
        erase: share of the images in which a rectangle is painted grey (https://arxiv.org/abs/1708.04896).
        mix: how the images of a batch are mixed; see mixing.py.
        whole_first: whether the transforms get the whole image; for compositions that crop by themselves.
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
        """All settings that change the result, as text.

        Raises:
            UserError: a transform is a ``Lambda`` without a name.
        """
        try:
            transforms = [A.to_dict(transform) for transform in self.transforms]
        except ValueError as error:  # a Lambda without a name
            raise UserError(f"Augmentation {self.name!r} cannot be serialized: {error}") from error
        numbers = [self.area, self.zoom, self.scale, self.flip, self.color, self.pca, self.erase, self.mix, self.whole_first]
        return f"{self.name} {numbers} {transforms}"

    def any_way_up(self) -> "Augmentation":
        """The same, after a random turn by quarters or reflection."""
        return replace(self, name=f"{self.name}, any way up", transforms=(A.D4(p=1.0), *self.transforms))


def _turns(angle: float, shear: float, p: float, *, ignore: bool) -> A.BasicTransform:
    """Rotation and shearing in one pass; what comes into view is a reflection, or padding that the loss ignores."""
    border = {"border_mode": cv2.BORDER_CONSTANT, "fill": PADDING, "fill_mask": IGNORE}
    border = border if ignore else {"border_mode": cv2.BORDER_REFLECT_101}
    return Turn(rotate=(-angle, angle), shear=(-shear, shear), p=p, **border)


def _warps(p: float) -> A.BaseCompose:
    """Local warping by a smooth random field or a bent grid; the border stays in place."""
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
    """Look up a preset.

    Args:
        name: a full name such as "detection-strong", or only a strength: "light", "medium", "strong".
        task: task of the preset if ``name`` is only a strength.
        flip: False never mirrors (for letters, left and right hands).

    Raises:
        UserError: there is no such preset.
    """
    chosen = PRESETS.get(f"{task}-{name}" if name in STRENGTHS else name)
    if chosen is None:
        raise UserError(f"Unknown augmentation {name!r}; expected {', '.join(STRENGTHS)}, or one of {', '.join(PRESETS)}.")
    return chosen if flip else replace(chosen, name=f"{chosen.name} without flip", flip=0.0)


def from_compose(compose: A.BaseCompose | A.BasicTransform, name: str = "own") -> Augmentation:
    """Use any composition of albumentations as it is: it gets the whole image, and its result is resized.

    It need not set ``bbox_params`` and ``keypoint_params``: it gets boxes and keypoints in any case.
    """
    return Augmentation(name, transforms=(compose,), whole_first=True)


Transformed = tuple[np.ndarray, Objects | None, np.ndarray | None]


def seeded(
    transforms: tuple[A.BasicTransform | A.BaseCompose, ...],
) -> Callable[[np.ndarray, Objects | None, np.ndarray | None, int], Transformed]:
    """A function ``(image, objects, mask, seed) -> (image, objects, mask)`` whose result depends on the seed, in any thread.

    A shared Compose draws from one generator, which is neither reproducible nor safe across threads. So each thread has a copy,
    and each call gives it new generators. (``set_random_seed`` would give all its transforms the same numbers: of two mirrors
    with p=0.5, either both or none would be applied.)

    Args:
        transforms: transforms of albumentations; images are uint8 ``(H, W, 3)``, masks uint8 ``(H, W)``.

    Raises:
        UserError: raised by the function if a transform returns another kind of image, like ``Normalize`` and ``ToTensorV2``.
    """
    if not transforms:
        return lambda image, objects, mask, seed: (image, objects, mask)
    checks = any(isinstance(transform, A.Compose) for transform in transforms)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Got processor for")  # it is fine if no transform moves the boxes
        whole = A.Compose(list(transforms), **(_compose_params() if checks else {}))
    thread_local = threading.local()

    def apply(image, objects, mask, seed):
        if not hasattr(thread_local, "compose"):
            cv2.setNumThreads(0)  # the threads of the pipeline are the parallelism
            thread_local.compose = copy.deepcopy(whole)
        compose = thread_local.compose
        compose.set_random_state(np.random.default_rng(seed), random.Random(int(seed)))
        data = {"image": image} | ({} if mask is None else {"mask": mask}) | _to_albumentations(objects, image.shape, checks)
        if checks:
            data = compose(**data)
        else:  # one by one: the checks of a Compose between them take longer than they do, and ``in_view`` follows anyway
            for transform in compose.transforms:
                data = transform(**data)
        _check_image(data["image"])
        return data["image"], _from_albumentations(objects, data), data.get("mask")

    return apply


def _compose_params() -> dict[str, Any]:
    """The parameters that a user's Compose needs to transform boxes and keypoints, too."""
    return {
        "bbox_params": A.BboxParams("albumentations", clip=True, min_visibility=MIN_VISIBLE),
        "keypoint_params": A.KeypointParams("xy", remove_invisible=False),
    }


def _check_image(image: Any) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        kind = f"{getattr(image, 'dtype', type(image).__name__)} {tuple(getattr(image, 'shape', ()))}"
        raise UserError(
            f"the image became {kind}; expected uint8 (H, W, 3). Leave out Normalize, ToFloat and ToTensorV2: these "
            "models take 0..255 and normalise by themselves."
        )


def _to_albumentations(objects: Objects | None, shape: tuple[int, ...], checked: bool) -> dict[str, Any]:
    """The objects in the form that albumentations expects, with their numbers in the last column.

    Keypoints become a flat list in pixels, counted from the center of the first pixel. Transforms also expect the columns
    depth, angle and scale, which a Compose that checks adds by itself.
    """
    if objects is None:
        return {}
    data = {"bboxes": np.column_stack([objects.boxes, np.arange(len(objects))])}
    if objects.keypoints is not None:
        flat = objects.keypoints.reshape(-1, 3)
        points = np.flatnonzero(flat[:, 2] > 0)
        others = np.zeros((len(points), 0 if checked else 3))
        data["keypoints"] = np.column_stack([flat[points, :2] * (shape[1], shape[0]) - 0.5, others, points])
    return data


def _from_albumentations(objects: Objects | None, data: dict[str, Any]) -> Objects | None:
    if objects is None:
        return None
    height, width = data["image"].shape[:2]
    boxes, keypoints = np.asarray(data["bboxes"], np.float64).reshape(-1, 5), objects.keypoints
    if keypoints is not None:
        flat = np.asarray(data["keypoints"], np.float64)
        flat = flat if len(flat) else np.zeros((0, 3))
        points = flat[:, -1].astype(int)
        moved = np.zeros_like(keypoints).reshape(-1, 3)
        moved[points, :2] = (flat[:, :2] + 0.5) / (width, height)
        moved[points, 2] = keypoints.reshape(-1, 3)[points, 2]
        keypoints = moved.reshape(keypoints.shape)
    remaining = replace(objects, keypoints=keypoints, outlines=()).take(boxes[:, 4].astype(int))
    return in_view(replace(remaining, boxes=boxes[:, :4]))
