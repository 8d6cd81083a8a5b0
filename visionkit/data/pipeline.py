"""From an index to batches: the one place that knows the order of the steps."""

import os
from pathlib import Path

import albumentations as A  # noqa: N812
import numpy as np
import tensorflow as tf

from visionkit.data import decode, windows
from visionkit.data.augment import Augmentation, resize, seeded
from visionkit.data.sample import Index, SkippedFiles


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
    samples = tf.data.Dataset.from_tensor_slices(_columns(index, positions.astype(np.int32)))
    # 2. Each sample gets a seed from its place in the index, before the threads: they cannot change what it becomes.
    epoch_seed = int(rng.integers(2**31))
    samples = samples.map(lambda sample: sample | {"seed": tf.stack([epoch_seed, sample["position"]])})
    # 3. Read in Python, where a file that has vanished can be named and left out.
    samples = samples.map(_reader(skipped), tf.data.AUTOTUNE, deterministic=True)
    samples = samples.filter(lambda sample: tf.strings.length(sample["contents"]) > 0)
    # 4. Decode and augment in one parallel step: a thread keeps its picture in its cache.
    to_pixels = _serving_picture(size) if augmentation is None else _training_picture(size, augmentation)
    samples = samples.map(to_pixels, tf.data.AUTOTUNE, deterministic=True)
    # 5. Batch, and make the next batches while the accelerator works on this one.
    return samples.batch(batch_size).prefetch(tf.data.AUTOTUNE)


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

    def read_sample(sample):
        contents = tf.numpy_function(read, [sample["path"], sample["num_bytes"]], tf.string, stateful=False)
        return sample | {"contents": tf.ensure_shape(contents, [])}

    return read_sample


def _serving_picture(size: int):
    """The picture as a bundle sees it: decoded whole, then ``windows.fit``."""

    def picture(sample):
        contents = sample["contents"]
        image = tf.cond(
            sample["plain_jpeg"],
            lambda: tf.io.decode_jpeg(contents, 3, dct_method="INTEGER_ACCURATE"),
            lambda: _decode_in_python(contents),
        )
        return _finished(sample, windows.fit(image, size))

    return picture


def _training_picture(size: int, augmentation: Augmentation):
    """A random window, of which alone a JPEG is decoded; resized; then albumentations on the small picture."""
    transform = seeded(A.Compose(list(augmentation.transforms)))

    def resize_and_transform(window: np.ndarray, seed: np.ndarray) -> np.ndarray:
        return transform(resize(window, size), np.random.SeedSequence(seed.tolist()).generate_state(1)[0])

    def picture(sample):
        contents = sample["contents"]
        height, width = tf.unstack(sample["shape"])
        window = windows.random_window(height, width, sample["seed"], augmentation.area)
        pixels = tf.cond(
            sample["plain_jpeg"],
            lambda: tf.io.decode_and_crop_jpeg(contents, window, 3, dct_method="INTEGER_ACCURATE"),
            lambda: windows.cut(_decode_in_python(contents), window),
        )
        image = tf.numpy_function(resize_and_transform, [pixels, sample["seed"]], tf.uint8, stateful=False)
        return _finished(sample, tf.cast(tf.ensure_shape(image, [size, size, 3]), tf.float32))

    return picture


def _decode_in_python(contents: tf.Tensor) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(decode.decode, [contents], tf.uint8, stateful=False), [None, None, 3])


def _finished(sample: dict, image: tf.Tensor) -> dict:
    return {"image": image, "label": sample["label"], "position": sample["position"]}
