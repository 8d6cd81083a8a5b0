"""Use an exported segmenter from Python:

import visionkit
model = visionkit.load("runs/unet_segmentation/model")
result = model.predict("street.jpg")
print(result.mask.shape, result.shares)
result.plot().save("street_classes.png")
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from PIL import Image

from visionkit.data.arrays.files import ArrayError, checked, list_arrays, read_array
from visionkit.data.arrays.volumes import standardized
from visionkit.errors import UserError
from visionkit.inference.output import OutputLine, PredictOptions, lines_of
from visionkit.inference.predictor import Explainable, Predictor
from visionkit.inference.results import Result
from visionkit.metrics.segmentation import background_of
from visionkit.ops.colors import PADDING
from visionkit.tasks.segmentation.draw_instances import draw_instances
from visionkit.tasks.segmentation.instances import Instances, find_instances
from visionkit.tasks.segmentation.mask_files import index_png, stem_of_volume, volume_file, volume_suffix
from visionkit.tasks.segmentation.output import mask_outputs, share_lines
from visionkit.viz.annotate import draw_mask, uncolored
from visionkit.viz.arrays import draw_array, slices

TILE = 256  # pixels a side of what ``visionkit understand`` shows the network
SUMMARIZED = 3  # classes
NO_INSTANCES = "--instances counts things in masks of images; this model makes none."


@dataclass(frozen=True, repr=False, eq=False)
class SegmentationResult(Result):
    """The classes of the pixels of one image, or of the voxels of one volume.

    Attributes:
        mask: uint8 ``(H, W)`` or ``(D, H, W)``: the number of each pixel's class.
        shares: the share of the pixels that each class has, with its name, largest first; only classes that are present.
    """

    mask: np.ndarray
    shares: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """The share of each class. The mask itself is no JSON; ``visionkit predict`` writes it into a file."""
        return {"path": self.path, "shares": self.shares}

    def summary(self) -> str:
        """The largest shares."""
        more = ", ..." if len(self.shares) > SUMMARIZED else ""
        return ", ".join(f"{label} {share:.1%}" for label, share in self.shares[:SUMMARIZED]) + more

    def instances(self, split: Literal["components", "watershed"] = "components") -> Instances:
        """The single things in the mask of an image; see ``find_instances``.

        Raises:
            UserError: the mask is that of a volume, or there are too many things.
        """
        if self.mask.ndim != 2:
            raise UserError(NO_INSTANCES)
        labels = self.predictor.labels
        return find_instances(self.mask, labels, split=split, background=background_of(labels))


class Segmenter(Predictor[SegmentationResult]):
    """A bundle of a segmenter of images in memory; made by ``visionkit.load``."""

    TASK = "segmentation"
    OPTIONS = frozenset({"instances"})

    @classmethod
    def open(cls, folder: Path, metadata: dict[str, Any], *, trust: bool = False) -> "Segmenter":
        """The predictor for a bundle: a ``VolumeSegmenter`` where it takes volumes."""
        return (VolumeSegmenter if metadata.get("input") == "volume" else cls)(folder, metadata, trust=trust)

    def mask_of(self, pixels: np.ndarray) -> np.ndarray:
        """Uint8 ``(H, W, 3)`` of any size to uint8 ``(H, W)``."""
        return self._model.serve_images(tf.constant(pixels[None]))["mask"][0].numpy()

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """Uint8 ``(H, W, 3)`` to float32 ``(H, W, num_classes)``."""
        return self._model.serve_probabilities(tf.constant(pixels[None]))["probabilities"][0].numpy()

    def tile_probabilities(self, tile: np.ndarray) -> np.ndarray:
        """Float32 ``(sides..., channels)``, as the LiteRT model takes it, to ``(sides..., num_classes)``, from one view."""
        return self._model.serve_tiles(tf.constant(tile[None], tf.float32))[0].numpy()

    def as_tile(self, values: np.ndarray) -> np.ndarray:
        """The middle of an image or volume as the LiteRT model takes it; a smaller one is extended by its border pixels."""
        sides = self.metadata["tile"]
        missing = [max(side - length, 0) for side, length in zip(sides, values.shape, strict=False)]
        values = np.pad(values, [*((count // 2, count - count // 2) for count in missing), (0, 0)], mode="edge")
        starts = [(length - side) // 2 for side, length in zip(sides, values.shape, strict=False)]
        return values[(*(slice(start, start + side) for start, side in zip(starts, sides, strict=True)),)].astype(np.float32)

    def draw(self, result: SegmentationResult, *, instances: Instances | None = None) -> Image.Image:
        """The image under the translucent colors of its classes; of a volume, three slices.

        Args:
            result: of this model.
            instances: ``result.instances()``, to color each thing instead of each class.
        """
        image, mask = self._image_and_mask(result)
        if instances is not None:
            return Image.fromarray(draw_instances(image, instances))
        return Image.fromarray(draw_mask(image, mask, background=uncolored(self.labels)))

    def outputs(self, files: list[str], options: PredictOptions) -> Iterator[OutputLine]:
        """As of every predictor; the masks are always written."""
        return mask_outputs(self, files, options)

    def line(self, result: SegmentationResult, options: PredictOptions) -> OutputLine:
        """The line without the files that are written."""
        return OutputLine({"path": result.path}, lines_of(result.path, *share_lines(result.shares, options.top)))

    def name_parts(self, source: str) -> tuple[str, str]:
        """The name of a file without its suffix, and the suffix of its mask."""
        return Path(source).stem, ".png"

    def encode_mask(self, result: SegmentationResult) -> bytes:
        """The contents of the file of the mask."""
        return index_png(result.mask, background=uncolored(self.labels))

    def explained(self) -> Explainable | None:
        """See ``Predictor.explained``."""
        return Explainable("masks", self.labels, TILE, central_tile, self._model.serve_tiles)

    def _predict(self, path: str, values: np.ndarray) -> SegmentationResult:
        mask = self.mask_of(values)
        counts = np.bincount(mask.ravel(), minlength=len(self.labels))
        order = [number for number in np.argsort(-counts, kind="stable") if counts[number]]
        shares = tuple((self.labels[number], float(counts[number] / mask.size)) for number in order)
        return SegmentationResult(path, mask, shares)

    def _image_and_mask(self, result: SegmentationResult) -> tuple[np.ndarray, np.ndarray]:
        """What is drawn on, uint8 ``(H, W, 3)``, and its mask, uint8 ``(H, W)``."""
        return self.show(result.source), result.mask


class VolumeSegmenter(Segmenter):
    """A bundle of a segmenter of volumes in memory; made by ``visionkit.load``.

    ``predict`` takes a file, or numbers of any type and unit, ``(D, H, W, channels)``, maybe without channels.
    """

    OPTIONS = frozenset()
    FUNCTIONS = ("serve_values",)

    def as_tile(self, values: np.ndarray) -> np.ndarray:
        """As of images, but standardized."""
        return super().as_tile(standardized(values))

    def list_files(self, folder: Path) -> list[Path]:
        """All files below a folder that may hold volumes, by name."""
        return list_arrays(folder, "volume")

    def show(self, source: Any) -> np.ndarray:
        """A volume, its path or its values, in three slices: uint8 ``(H, W, 3)``."""
        return draw_array(self._values(source))

    def mask_of(self, values: np.ndarray) -> np.ndarray:
        """Float32 ``(D, H, W, channels)`` of any size and unit to uint8 ``(D, H, W)``."""
        return self._model.serve_values(tf.constant(values[None]))["mask"][0].numpy()

    def probabilities(self, values: np.ndarray) -> np.ndarray:
        """Float32 ``(D, H, W, channels)`` to float32 ``(D, H, W, num_classes)``."""
        return self._model.serve_probabilities(tf.constant(values[None]))["probabilities"][0].numpy()

    def check(self, options: PredictOptions) -> None:
        """See ``Predictor.check``."""
        if options.instances is not None:
            raise UserError(NO_INSTANCES)
        super().check(options)

    def name_parts(self, source: str) -> tuple[str, str]:
        """As of images; the mask is written in the format of the volume."""
        return stem_of_volume(source), volume_suffix(source)

    def encode_mask(self, result: SegmentationResult) -> bytes:
        """As of images, in the format of the volume."""
        return volume_file(result.mask, result.path)

    def explained(self) -> None:
        """None: it does not see images."""
        return

    def _image_and_mask(self, result: SegmentationResult) -> tuple[np.ndarray, np.ndarray]:
        image, (mask,) = slices(self._values(result.source), result.mask)
        return image, mask

    def _values(self, source: Any) -> np.ndarray:
        return self._read(source) if isinstance(source, str | os.PathLike) else source

    def _read(self, path: str | os.PathLike) -> np.ndarray:
        return read_array(path, "volume")

    def _checked(self, image: Any) -> np.ndarray:
        if not hasattr(image, "__array__"):
            raise ArrayError(f"received {type(image).__name__}; expected a path, or an array (D, H, W) or (D, H, W, channels)")
        return checked(np.asarray(image), "volume")


def central_tile(image: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image at its own scale, float32 ``(side, side, 3)``; gray beyond its border."""
    tile = np.full((side, side, 3), PADDING, np.float32)
    height, width = (min(side, length) for length in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    y, x = (side - height) // 2, (side - width) // 2
    tile[y : y + height, x : x + width] = image[top : top + height, left : left + width]
    return tile
