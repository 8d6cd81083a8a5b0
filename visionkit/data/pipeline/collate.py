"""Samples of a batch as arrays of one shape: images stacked, boxes padded."""

from typing import Any

import numpy as np

from visionkit.data.index import Index, Objects
from visionkit.data.pipeline.samples import Sample

FEWEST_ROWS = 8  # of padded boxes; the number of rows is a power of two, so that few shapes are traced
ALIGNMENT = 64  # bytes: TensorFlow uses an array that begins at a multiple of it without a copy


def stack(arrays: list[np.ndarray], shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Stack arrays of one shape, ``(N, *shape)``, aligned so that TensorFlow need not copy the result."""
    num_bytes = len(arrays) * int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(num_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    whole = memory[start : start + num_bytes].view(dtype).reshape(len(arrays), *shape)
    for row, array in enumerate(arrays):
        whole[row] = array
    return whole


def num_keypoints(index: Index) -> int:
    """The number of keypoints per object; 0 where the data set has none."""
    arrays = (a.objects.keypoints for a in index.annotations if a.objects is not None and a.objects.keypoints is not None)
    return next((keypoints.shape[1] for keypoints in arrays), 0)


def pad_objects(objects_of_samples: list[Objects], num_points: int) -> dict[str, np.ndarray]:
    """Boxes and classes of a batch; rows beyond a sample's own have class -1.

    Args:
        objects_of_samples: the objects of each sample of the batch.
        num_points: keypoints per object, or 0.

    Returns:
        ``boxes`` float32 ``(N, M, 4)``, xyxy, relative; ``classes`` int32 ``(N, M)``; with keypoints, ``keypoints`` float32
        ``(N, M, num_points, 3)``.
    """
    most = max(map(len, objects_of_samples), default=0)
    rows = max(FEWEST_ROWS, 1 << (most - 1).bit_length() if most else 0)
    padded = {
        "boxes": np.zeros((len(objects_of_samples), rows, 4), np.float32),
        "classes": np.full((len(objects_of_samples), rows), -1, np.int32),
    }
    if num_points:
        padded["keypoints"] = np.zeros((len(objects_of_samples), rows, num_points, 3), np.float32)
    for number, objects in enumerate(objects_of_samples):
        padded["boxes"][number, : len(objects)] = objects.boxes
        padded["classes"][number, : len(objects)] = objects.classes
        if num_points and objects.keypoints is not None:
            padded["keypoints"][number, : len(objects)] = objects.keypoints
    return padded


def batch_of(index: Index, positions: np.ndarray, samples: list[Sample], size: int, dtype: type) -> dict[str, Any]:
    """The arrays of a batch from the samples at ``positions`` of an index; see ``TrainingPipeline.epoch``."""
    images = stack([sample.image for sample in samples], (size, size, 3), dtype)
    labels = index.labels[positions] if index.label_sets is None else index.label_sets[positions].astype(np.float32)
    batch: dict[str, Any] = {"image": images, "label": labels, "position": positions}
    if index.has_objects:
        batch |= pad_objects([sample.objects for sample in samples], num_keypoints(index))
    if index.has_masks:
        batch["mask"] = stack([sample.mask for sample in samples], (size, size), np.uint8)
    return batch
