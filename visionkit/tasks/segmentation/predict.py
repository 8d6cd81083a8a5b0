"""Use an exported segmenter from Python:

import visionkit
model = visionkit.load("runs/unet_segmentation/model")
answer = model.predict("street.jpg")
print(answer.mask.shape, answer.shares)
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from visionkit.data.arrays.files import checked, list_arrays, read_array
from visionkit.data.arrays.volumes import standardized
from visionkit.inference.predictor import Predictor
from visionkit.viz.arrays import draw_array


class SegmentationResult(NamedTuple):
    """What a segmenter says of one image or volume.

    Attributes:
        path: of the file; empty for pixels or values.
        mask: uint8 ``(H, W)`` or ``(D, H, W)``: the number of the class of each pixel.
        shares: of each class in all pixels, the largest first, with its name; only those that are there.
    """

    path: str
    mask: np.ndarray
    shares: tuple[tuple[str, float], ...]


class Segmenter(Predictor[SegmentationResult]):
    """A bundle of a segmenter of images in memory; made by ``visionkit.load``."""

    def _answer(self, path: str, pixels: np.ndarray) -> SegmentationResult:
        return self._segmented(path, self.mask_of(pixels))

    def mask_of(self, pixels: np.ndarray) -> np.ndarray:
        """Uint8 ``(H, W, 3)`` of any size to uint8 ``(H, W)``."""
        return self._model.serve_images(tf.constant(pixels[None]))["mask"][0].numpy()

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Uint8 ``(H, W, 3)`` to float32 ``(H, W, num_classes)``."""
        return self._model.serve_probabilities(tf.constant(pixels[None]))["probabilities"][0].numpy()

    def tile_probabilities(self, tile: np.ndarray) -> np.ndarray:
        """Float32 ``(sides..., channels)``, as the LiteRT model takes them, to ``(sides..., num_classes)``: one look."""
        return self._model.serve_tiles(tf.constant(tile[None], tf.float32))[0].numpy()

    def as_tile(self, values: np.ndarray) -> np.ndarray:
        """The middle of an image or volume as the LiteRT model takes it; the border goes on where there is too little."""
        sides = self.metadata["tile"]
        missing = [max(side - length, 0) for side, length in zip(sides, values.shape, strict=False)]
        values = np.pad(values, [*((count // 2, count - count // 2) for count in missing), (0, 0)], mode="edge")
        starts = [(length - side) // 2 for side, length in zip(sides, values.shape, strict=False)]
        return values[(*(slice(start, start + side) for start, side in zip(starts, sides, strict=True)),)].astype(np.float32)

    def _segmented(self, path: str, mask: np.ndarray) -> SegmentationResult:
        counts = np.bincount(mask.ravel(), minlength=len(self.labels))
        order = [number for number in np.argsort(-counts, kind="stable") if counts[number]]
        return SegmentationResult(
            path, mask, tuple((self.labels[number], float(counts[number] / mask.size)) for number in order)
        )


class VolumeSegmenter(Segmenter):
    """A bundle of a segmenter of volumes in memory; made by ``visionkit.load``.

    ``predict`` takes a file, or numbers of any type and unit, ``(D, H, W, channels)``, maybe without channels.
    """

    def as_tile(self, values: np.ndarray) -> np.ndarray:
        """As of images, standardised."""
        return super().as_tile(standardized(values))

    def list_files(self, folder: Path) -> list[Path]:
        """All files below a folder that may hold volumes, by name."""
        return list_arrays(folder, "volume")

    def show(self, path: str | Path) -> np.ndarray:
        """The volume in three slices, uint8 ``(H, W, 3)``."""
        return draw_array(self._read(path))

    def values(self, path: str | Path) -> np.ndarray:
        """What a file holds, float32 ``(D, H, W, channels)``."""
        return self._read(path)

    def mask_of(self, values: np.ndarray) -> np.ndarray:
        """Float32 ``(D, H, W, channels)`` of any size and unit to uint8 ``(D, H, W)``."""
        return self._model.serve_values(tf.constant(values[None]))["mask"][0].numpy()

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Float32 ``(D, H, W, channels)`` to float32 ``(D, H, W, num_classes)``."""
        return self._model.serve_probabilities(tf.constant(values[None]))["probabilities"][0].numpy()

    def _read(self, path: str | Path) -> np.ndarray:
        return read_array(path, "volume")

    def _checked(self, image: np.ndarray) -> np.ndarray:
        return checked(image, "volume")
