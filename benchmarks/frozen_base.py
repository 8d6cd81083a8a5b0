"""An epoch on cached features against an epoch of plain Keras ``fit`` through the frozen base: same model, same images.

    python benchmarks/frozen_base.py --data hymenoptera/

Plain Keras: ``keras.utils.image_dataset_from_directory`` and ``fit`` of the base, frozen, and a dense head. Ours: the same
base, head and images, one cached view, the recipe's own epoch. Both without validation, batches of 32, median of the epochs
after the first.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import visionkit

visionkit.quiet_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
import tyro  # noqa: E402

from visionkit import models  # noqa: E402
from visionkit.data.demo.photographs import make_demo  # noqa: E402
from visionkit.data.images.scan import scan  # noqa: E402
from visionkit.data.sources import read_classified  # noqa: E402
from visionkit.tasks.classification import train, transfer  # noqa: E402
from visionkit.tasks.classification.feature_cache import FeatureCache, Features  # noqa: E402
from visionkit.training import runtime  # noqa: E402
from visionkit.training.fit import compile_phase, run_epoch  # noqa: E402
from visionkit.training.freezing import BASE, freeze_base  # noqa: E402


@dataclass(frozen=True)
class Options:
    """What is measured."""

    data: Path | None = None
    """Folder with train/ and val/, one folder a class in each. Default: built-in photographs."""
    size: int = 224
    """Side of the images."""
    epochs: int = 4
    """Epochs of plain Keras; ours runs five times as many."""


def plain_keras(folder: Path, options: Options, num_classes: int) -> list[float]:
    """Seconds of each epoch of fit through the frozen base."""
    dataset = keras.utils.image_dataset_from_directory(
        folder / "train", image_size=(options.size, options.size), label_mode="categorical", verbose=False
    ).prefetch(tf.data.AUTOTUNE)
    backbone = models.efficientnet_lite0((options.size, options.size, 3), None, weights="imagenet")
    model = transfer.transfer_model(backbone, num_classes)
    freeze_base(backbone, BASE)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.classifier.compile("adam", loss, metrics=["accuracy"], jit_compile=runtime.jit_compile())
    return timed(lambda epoch: model.classifier.fit(dataset, verbose=0), options.epochs)


def cached(folder: Path, options: Options) -> tuple[float, list[float]]:
    """Seconds of filling the cache, and of each epoch on the features."""
    images = scan(read_classified(folder).train)
    backbone = models.efficientnet_lite0((options.size, options.size, 3), None, weights="imagenet")
    model = transfer.transfer_model(backbone, len(images.class_names))
    freeze_base(backbone, BASE)
    with tempfile.TemporaryDirectory() as cache:
        began = time.perf_counter()
        features = Features(images, [FeatureCache(model.extractor, folder=Path(cache)).features(images)])
        filled = time.perf_counter() - began
        schedule = train.Schedule(epochs=5, batch_size=32, learning_rate=transfer.LEARNING_RATES[transfer.HEAD])
        phase = train.head_phase(model, features, features, schedule, seed=0)
        compile_phase(phase)
        return filled, timed(lambda epoch: run_epoch(phase, epoch, lambda: None), 5 * options.epochs)


def timed(epoch, count: int) -> list[float]:
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        epoch(number)
        seconds.append(time.perf_counter() - began)
    return seconds


def main(options: Options) -> None:
    folder = options.data or make_demo(Path(tempfile.mkdtemp()) / "demo")
    runtime.prepare(0)
    num_classes = len(read_classified(folder).train.class_names)
    plain = plain_keras(folder, options, num_classes)
    filled, ours = cached(folder, options)
    plain_epoch, our_epoch = statistics.median(plain[1:]), statistics.median(ours[1:])
    print(f"plain Keras fit, frozen base   {plain_epoch:8.3f} s an epoch ({min(plain[1:]):.3f} to {max(plain[1:]):.3f})")
    print(f"cached features                {our_epoch:8.3f} s an epoch ({min(ours[1:]):.3f} to {max(ours[1:]):.3f})")
    print(f"filling the cache, once        {filled:8.3f} s")
    print(f"ratio                          {plain_epoch / our_epoch:8.1f}")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
