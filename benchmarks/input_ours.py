"""visionkit's pipeline, and TensorFlow's decoding alone, as contenders: see ``turns.Loader``."""

import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import visionkit

visionkit.quiet_tensorflow()

sys.modules["torch"] = None  # albumentations imports it where it is there, half a gigabyte; with visionkit alone it is not
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from turns import Batch, Loader  # noqa: E402

from visionkit.data.augmentation import pixelwise  # noqa: E402
from visionkit.data.augmentation.parameters import lasting_ratios  # noqa: E402
from visionkit.data.augmentation.presets import Augmentation  # noqa: E402
from visionkit.data.augmentation.warps import Turn  # noqa: E402
from visionkit.data.images.scan import scan  # noqa: E402
from visionkit.data.index import IGNORE, Index  # noqa: E402
from visionkit.data.pipeline import batches  # noqa: E402
from visionkit.data.pipeline.pixel_cache import open_cache  # noqa: E402
from visionkit.data.sources import read  # noqa: E402
from visionkit.ops.colors import PADDING  # noqa: E402

pixelwise.COLOR_SHARE = 1.0  # visionkit shifts the colors of 0.8 of the images; its peers do it to all


def photographs(
    paths: list[str],
    num_images: int,
    *,
    size: int,
    batch: int,
    area: tuple[float, float],
    color: float,
    threads: int | None = None,
    cached: bool = False,
    augment_on: Literal["cpu", "device"] = "cpu",
) -> Loader:
    """Random windows, mirrored, with shifted colors. The hue is turned by at most ``pixelwise.HUE``."""
    if threads is not None:
        tf.config.threading.set_inter_op_parallelism_threads(threads)  # TensorFlow's, which decode
        batches.THREADS = threads + batches.THREADS - os.cpu_count()
    index = scan(Index(("image",), tuple(paths), np.zeros(len(paths), np.int32)))
    augmentation = Augmentation("benchmark", area=tuple(area), flip=0.5, color=color)
    return _epochs(_repeated(index, num_images), augmentation, size=size, batch=batch, cached=cached, augment_on=augment_on)


def mosaics(
    data: str,
    num_images: int,
    *,
    split: str | None = None,
    size: int,
    batch: int,
    zoom: tuple[float, float],
    rotate: float,
    shear: float,
    color: float,
) -> Loader:
    """Four images in one, turned, sheared, mirrored and with shifted colors; with boxes or masks, as the data set has."""
    splits = read(data).splits
    index = scan(splits[split] if split else next(iter(splits.values())))
    border = {"border_mode": cv2.BORDER_CONSTANT, "fill": PADDING, "fill_mask": IGNORE}
    turned = Turn(rotate=(-rotate, rotate), shear=(-shear, shear), p=1.0, **border)
    augmentation = Augmentation("benchmark", zoom=tuple(zoom), transforms=(turned,), flip=0.5, color=color, mix="mosaic")
    return _epochs(_repeated(index, num_images), augmentation, size=size, batch=batch)


def _repeated(index: Index, num_images: int) -> Index:
    index = replace(index, class_names=index.class_names or ("image",))
    return index.take(itertools.islice(itertools.cycle(range(len(index))), num_images))


def _epochs(index: Index, augmentation: Augmentation, *, size: int, batch: int, cached: bool = False, **options) -> Loader:
    cache = open_cache(index, "memory", ratios=lasting_ratios(index, augmentation, size)) if cached else None
    pipeline = batches.TrainingPipeline(index, size, batch, augmentation, cache=cache, **options)
    numbers = itertools.count()

    def epoch() -> Iterator[Batch]:
        for samples in pipeline.epoch(next(numbers)):
            num_boxes = int((samples["classes"].numpy() >= 0).sum()) if "classes" in samples else 0
            yield Batch(tuple(samples["image"].shape), num_boxes)

    return epoch


def decoding(paths: list[str], num_images: int) -> Loader:
    """Read and decode whole JPEGs in as many threads as there are cores; nothing else."""

    def decode(path: tf.Tensor) -> tf.Tensor:
        return tf.shape(tf.io.decode_jpeg(tf.io.read_file(path), 3, dct_method="INTEGER_ACCURATE"))

    repeated = list(itertools.islice(itertools.cycle(paths), num_images))
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread would be waited for at the end of each epoch
    dataset = tf.data.Dataset.from_tensor_slices(repeated).map(decode, os.cpu_count()).batch(32).prefetch(2)
    dataset = dataset.with_options(options)

    def epoch() -> Iterator[Batch]:
        for shapes in dataset.as_numpy_iterator():
            yield Batch((len(shapes), *shapes[0].tolist()))

    return epoch
