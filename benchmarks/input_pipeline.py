"""Pictures a second of decode + random resized crop to 224 + flip + colour jitter: visionkit, torch DataLoader, decoding alone.

    python benchmarks/input_pipeline.py --data hymenoptera/          # without --data: JPEGs cut from built-in photographs
    pip install torch                                                # for the comparison; left out where it is not installed

Same files, crop areas (0.08 to 1) and ranges of brightness, contrast, saturation and hue; batches of 32, as many workers as
cores. Each is measured several times, in turns, after a warm-up; the table gives the median and the range.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import visionkit

visionkit.quiet_tensorflow()

import albumentations as A  # noqa: E402, N812
import cv2  # noqa: E402
import numpy as np  # noqa: E402
import skimage.data  # noqa: E402
import tensorflow as tf  # noqa: E402
import tyro  # noqa: E402
from PIL import Image  # noqa: E402

from visionkit.data.augment import FLIP, Augmentation, ColorShift  # noqa: E402
from visionkit.data.folders import list_pictures  # noqa: E402
from visionkit.data.pipeline import THREADS, batches, without_autotuning  # noqa: E402
from visionkit.data.sample import Index, SkippedFiles  # noqa: E402
from visionkit.data.scan import scan  # noqa: E402

SIZE, BATCH, AREA = 224, 32, (0.08, 1.0)
JITTER = A.ColorJitter((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.02, 0.02), p=1.0)


@dataclass(frozen=True)
class Options:
    """What is measured."""

    data: Path | None = None
    """Folder of JPEGs, at any depth. Default: 400 JPEGs of 492 x 393, cut from built-in photographs."""
    pictures: int = 1600
    """How many pictures a measurement goes through; files are repeated."""
    rounds: int = 5
    """Measurements of each."""


class Files:
    """For torch's DataLoader: a map-style data set, as its documentation writes one with albumentations."""

    def __init__(self, paths: list[str]):
        self.paths = paths
        self.transform = A.Compose([A.RandomResizedCrop((SIZE, SIZE), scale=AREA), A.HorizontalFlip(p=0.5), JITTER])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, position: int) -> np.ndarray:
        image = cv2.cvtColor(cv2.imread(self.paths[position]), cv2.COLOR_BGR2RGB)
        return self.transform(image=image)["image"]


def torch_loader(paths: list[str]) -> Callable[[], int] | None:
    """An epoch of the DataLoader, workers kept alive; None where torch is not installed."""
    try:
        import torch
    except ModuleNotFoundError:
        return None
    loader = torch.utils.data.DataLoader(
        Files(paths),
        BATCH,
        shuffle=True,
        num_workers=os.cpu_count(),
        persistent_workers=True,
        worker_init_fn=one_thread,
        multiprocessing_context="spawn",  # a fork would copy TensorFlow's threads half
    )
    return lambda: sum(len(batch) for batch in loader)


def one_thread(worker: int) -> None:
    """Keep OpenCV from starting threads in every worker."""
    cv2.setNumThreads(0)


def our_pipeline(index: Index) -> Callable[[], int]:
    augmentation = Augmentation("benchmark", AREA, (FLIP, ColorShift(0.2, 0.2, 0.2, 0.02, p=1.0)))
    options = {"size": SIZE, "batch_size": BATCH, "skipped": SkippedFiles(), "augmentation": augmentation, "shuffle": True}
    return lambda: sum(len(batch["label"]) for batch in batches(index, **options))


def decoding_alone(index: Index) -> Callable[[], int]:
    """Read and decode the whole JPEGs in TensorFlow's threads; nothing else."""

    def decode(path):
        image = tf.io.decode_jpeg(tf.io.read_file(path), 3, dct_method="INTEGER_ACCURATE")
        return tf.shape(image)[0]

    dataset = tf.data.Dataset.from_tensor_slices(list(index.paths)).map(decode, THREADS).prefetch(2)
    dataset = dataset.with_options(without_autotuning())
    return lambda: sum(1 for _ in dataset)


def photographs(folder: Path) -> None:
    """400 JPEGs of 492 x 393 pixels, windows of real photographs at several scales."""
    rng = np.random.default_rng(0)
    sources = [skimage.data.retina(), skimage.data.hubble_deep_field(), skimage.data.astronaut(), skimage.data.rocket()]
    for number in range(400):
        source = sources[number % len(sources)]
        scale = rng.uniform(0.6, 1.0) * min(source.shape[0] / 393, source.shape[1] / 492)
        height, width = int(393 * scale), int(492 * scale)
        top, left = rng.integers(source.shape[0] - height + 1), rng.integers(source.shape[1] - width + 1)
        window = Image.fromarray(source[top : top + height, left : left + width]).resize((492, 393), Image.Resampling.BICUBIC)
        window.save(folder / f"{number:03d}.jpg", quality=90)


def main(options: Options) -> None:
    folder = options.data or Path(tempfile.mkdtemp())
    if options.data is None:
        photographs(folder)
    paths = [str(path) for path in list_pictures(folder)[0] if path.suffix.lower() in (".jpg", ".jpeg")]
    repeated = tuple((paths * (options.pictures // len(paths) + 1))[: options.pictures])
    index = scan(Index(("picture",), repeated, np.zeros(len(repeated), np.int32)), SkippedFiles())
    loader = torch_loader(list(index.paths))
    contenders = {"torch DataLoader + albumentations": loader} if loader else {}
    contenders |= {"decoding alone (tf.data)": decoding_alone(index), "visionkit": our_pipeline(index)}
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(options.rounds + 1):
        for name, epoch in contenders.items():
            began = time.perf_counter()
            count = epoch()
            if number:  # the first is the warm-up
                rates[name].append(count / (time.perf_counter() - began))
    ours = statistics.median(rates["visionkit"])
    print(f"{len(paths)} JPEGs, {len(index)} pictures a measurement, {os.cpu_count()} cores")
    for name, measured in rates.items():
        median = statistics.median(measured)
        spread = f"({min(measured):.0f} to {max(measured):.0f})"
        print(f"{name:36} {median:7.0f} pictures a second {spread:16} visionkit is {ours / median:.2f} times as fast")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
