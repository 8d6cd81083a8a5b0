"""From an index to batches: the one place that knows the order of the steps."""

import os
from functools import partial
from pathlib import Path

import albumentations as A  # noqa: N812
import numpy as np
import tensorflow as tf

from visionkit.data import decode, windows
from visionkit.data.augment import Augmentation, seeded
from visionkit.data.sample import Index, SkippedFiles

THREADS = 2 * os.cpu_count()  # of each step: some always wait for a file or for the interpreter
FILES_A_CALL = 8  # with all threads at it, this many a core are in memory
DECODERS = (0, 1, 2, 4, 8)  # how a window is decoded: 0 in Python, else as a JPEG at 1 / ratio of its sides


def batches(
    index: Index,
    *,
    size: int,
    batch_size: int,
    skipped: SkippedFiles,
    augmentation: Augmentation | None = None,
    shuffle: bool = False,
    seed: int = 0,
    epoch: int = 0,
) -> tf.data.Dataset:
    """One epoch of an index as batches.

    The order of the samples and each sample's augmentation come from ``seed`` and ``epoch`` alone, whatever the number of
    threads: to resume, ask for the epoch that was interrupted.

    Args:
        index: scanned (with ``facts``).
        size: side of the square pictures in pixels.
        batch_size: the last batch may be smaller.
        skipped: takes files that have changed or vanished since the scan.
        augmentation: None shows each picture as the exported model will see it.
        shuffle: whether this epoch has an order of its own.

    Returns:
        batches of ``{"image": float32 (N, size, size, 3) in 0..255, "label": int32 (N,), "position": int32 (N,)}``;
        ``position`` is the sample's place in the index.
    """
    # 1. Shuffle the index, not the pictures: a full shuffle that costs no memory.
    rng = np.random.default_rng([seed, epoch])
    positions = rng.permutation(len(index)) if shuffle else np.arange(len(index))
    columns = _columns(index, positions.astype(np.int32))
    # 2. Draw each sample's window and its seed by its place in the index, before the threads: they cannot change them.
    if augmentation is not None:
        drawn, seeds = rng.random((len(index), 4))[positions], rng.integers(2**32, size=len(index))[positions]
        columns |= {"window": windows.random_windows(columns["shape"], drawn, augmentation.area), "seed": seeds}
        ratios = np.where(columns["plain_jpeg"], windows.decoding_ratios(columns["window"], size), 0)
        columns["decoder"] = np.searchsorted(DECODERS, ratios).astype(np.int32)
    samples = tf.data.Dataset.from_tensor_slices(columns)
    # 3. Read in Python, where a file that has vanished can be named and left out; many files a call, for each call has
    #    to wait for the interpreter.
    samples = samples.batch(FILES_A_CALL).map(_reader(skipped), os.cpu_count(), deterministic=True).unbatch()
    samples = samples.filter(lambda sample: tf.strings.length(sample["contents"]) > 0)
    # 4. Decode, cut and resize on all cores, without Python.
    to_picture = _serving_picture(size) if augmentation is None else _training_picture(size)
    samples = samples.map(to_picture, THREADS, deterministic=True)
    # 5. Batch; then albumentations, again one call for many pictures.
    samples = samples.batch(batch_size)
    if augmentation is not None:
        samples = samples.map(_transformer(augmentation), THREADS, deterministic=True)
    # 6. Make the next batches while the accelerator works on this one.
    return samples.prefetch(2).with_options(without_autotuning())


def without_autotuning() -> tf.data.Options:
    """Fixed threads: autotuning has one that an epoch's end waits for, for up to the epoch's length (TensorFlow 2.21)."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return options


def _columns(index: Index, positions: np.ndarray) -> dict[str, np.ndarray]:
    if len(index.facts) != len(index):
        raise ValueError("The index has not been scanned; call visionkit.data.scan(index, skipped) first.")
    facts = index.take(positions)
    return {
        "path": np.array([os.fsencode(path) for path in facts.paths], dtype=bytes),  # names need not be UTF-8
        "label": facts.labels,
        "position": positions,
        "num_bytes": np.array([fact.num_bytes for fact in facts.facts], np.int64),
        "shape": np.array([(fact.height, fact.width) for fact in facts.facts], np.int32).reshape(-1, 2),
        "plain_jpeg": np.array([fact.plain_jpeg for fact in facts.facts], bool),
    }


def _reader(skipped: SkippedFiles):
    def read(path: bytes, num_bytes: int) -> bytes:
        name = os.fsdecode(path)
        try:
            contents = Path(name).read_bytes()
        except OSError as error:
            skipped.add(name, f"unreadable since the check: {error.strerror}")
            return b""
        if len(contents) != num_bytes:
            skipped.add(name, f"changed since the check: {len(contents)} bytes, were {num_bytes}")
            return b""
        return contents

    def read_many(paths: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        return np.array([read(path, num_bytes) for path, num_bytes in zip(paths, lengths, strict=True)], object)

    def read_samples(samples):
        contents = tf.numpy_function(read_many, [samples["path"], samples["num_bytes"]], tf.string, stateful=False)
        return samples | {"contents": tf.ensure_shape(contents, [None])}

    return read_samples


def _serving_picture(size: int):
    """The picture as a bundle sees it: decoded whole, then ``windows.fit``."""

    def picture(sample):
        contents = sample["contents"]
        image = tf.cond(
            sample["plain_jpeg"],
            lambda: tf.io.decode_jpeg(contents, 3, dct_method="INTEGER_ACCURATE"),
            lambda: _decode_in_python(contents),
        )
        return {"image": windows.fit(image, size), "label": sample["label"], "position": sample["position"]}

    return picture


def _training_picture(size: int):
    """A random window, of which alone a JPEG is decoded, resized to uint8 ``(size, size, 3)``."""

    def picture(sample):
        contents, window = sample["contents"], sample["window"]
        decoders = {ratio: partial(windows.decode_jpeg_window, contents, window, size, ratio) for ratio in (1, 2, 4, 8)}
        decoders[0] = lambda: windows.resize_smoothly(windows.cut(_decode_in_python(contents), window), size)
        image = tf.switch_case(sample["decoder"], [decoders[ratio] for ratio in DECODERS])
        return {"image": image} | {name: sample[name] for name in ("label", "position", "seed")}

    return picture


def _transformer(augmentation: Augmentation):
    """Transforms the pictures of a batch, each by its own seed."""
    transform = seeded(A.Compose(list(augmentation.transforms)))

    def transform_all(images: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        return np.stack([transform(image, seed) for image, seed in zip(images, seeds, strict=True)])

    def transform_batch(batch):
        images = tf.numpy_function(transform_all, [batch["image"], batch["seed"]], tf.uint8, stateful=False)
        images = tf.cast(tf.ensure_shape(images, batch["image"].shape), tf.float32)
        return {"image": images, "label": batch["label"], "position": batch["position"]}

    return transform_batch


def _decode_in_python(contents: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(decode.decode, [contents], tf.uint8, stateful=False), [None, None, 3])
