"""From an index to batches: the one place that knows the order of the steps."""

import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import cv2
import numpy as np
import tensorflow as tf

from visionkit.data.augmentation import parameters
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.images.crops import LARGEST_GROUP
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.mask_targets import NO_TARGETS, MaskTargets, of_mask
from visionkit.data.pipeline import collate, mixing, reading
from visionkit.data.pipeline import samples as training_sample
from visionkit.data.pipeline.callback_guard import python_calls
from visionkit.data.pipeline.pixel_cache import PixelCache, PixelCacheView
from visionkit.data.pipeline.samples import Sample
from visionkit.data.pipeline.service import cut_images
from visionkit.errors import UserError

THREADS = os.cpu_count() + 2  # that make samples: some wait for TensorFlow's, which decode, or for the interpreter
BATCHES_AT_ONCE = 2  # in the making, so that no thread idles at the end of one
MIXED_ON_DEVICE = ("mixup", "cutmix")


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
    start: int = 0,
    cache: PixelCache | PixelCacheView | None = None,
    augment_on: Literal["cpu", "device"] = "cpu",
    shard: tuple[int, int] = (0, 1),
    service: str | None = None,
    fixed_size: bool = True,
    targets: MaskTargets = NO_TARGETS,
) -> tf.data.Dataset:
    """One epoch of an index as batches.

    Order and augmentation come from ``seed`` and ``epoch`` alone, whatever the number of threads: to resume, ask for the epoch
    that was interrupted, from its next batch on.

    Args:
        index: scanned (with ``infos``).
        size: side of the square images in pixels.
        batch_size: the last batch may be smaller, and one of which a file has vanished.
        skipped: takes files that have changed or vanished since the scan.
        augmentation: None shows each image as the exported model will see it.
        shuffle: whether this epoch has an order of its own.
        start: number of the first batch that is made.
        cache: of the decoded images of this index; training images are then decoded once.
        augment_on: "device" leaves mirroring, color, erasing, MixUp and CutMix to ``visionkit.layers.BatchAugmentation``, and
            gives what it needs in further keys.
        shard: (number, of how many) processes that share the epoch, each with its own part.
        service: "grpc://HOST:PORT" of a tf.data service dispatcher, whose workers read, cut and resize; see service.py. Batches
            then come in any order. It counts for training images only.
        fixed_size: whether the dataset's type names the side of the images; if not, epochs of other sizes have the same type,
            and what is traced of one serves for all.
        targets: what else is computed from training masks.

    Returns:
        batches of ``{"image": (N, size, size, 3) in 0..255, "label": int32 (N,), "position": int32 (N,)}``; ``position`` is the
        sample's place in the index. Training images are uint8, served ones float32. With MixUp or CutMix ``label`` is float32
        ``(N, num_classes)``. As the index has them: ``boxes`` float32 ``(N, M, 4)``, xyxy, relative; ``classes`` int32
        ``(N, M)``, -1 in padded rows; ``keypoints`` float32 ``(N, M, K, 3)``; ``mask`` uint8 ``(N, size, size)``, 255 = ignore,
        and the ``targets`` asked for.
    """
    if len(index.infos) != len(index):
        raise ValueError("The index has not been scanned; call visionkit.data.images.scan(index, skipped) first.")
    # 1. Shuffle the index, not the images: a full shuffle that costs no memory.
    rng = np.random.default_rng([seed, epoch])
    order = (rng.permutation(len(index)) if shuffle else np.arange(len(index)))[shard[0] :: shard[1]]
    # 2. Draw each sample's window, colors and seed by its place in the index, before the threads: they cannot change them.
    if augmentation is not None:
        drawn = parameters.sample_params(index, augmentation, size, seed, epoch)
        here = augment_on == "cpu"
        make = training_sample.sample_maker(index, size, augmentation, drawn, skipped, cache=cache, pixels_here=here)
    else:
        make = _server(index, size, skipped)
    # 3. Read, decode, cut, resize and augment: threads that share the samples of a batch, entered once a batch. OpenCV's and
    #    TensorFlow's decoders let the other threads run meanwhile.
    threads = ThreadPoolExecutor(THREADS, "visionkit-samples")
    # 4. Batch, then mix what is in it.
    computed = targets.shapes() if augmentation is not None and index.has_masks else {}
    finish = _finisher(index, size, augmentation, augment_on)

    def make_batch(number: int, *given: np.ndarray) -> list[np.ndarray]:
        cv2.setNumThreads(0)  # ours are the parallelism
        places, *cut = given or (order[number * batch_size : (number + 1) * batch_size],)
        samples = _in_jobs(threads, lambda some: make(places[some].tolist(), *(part[some] for part in cut)), len(places))
        kept = [row for row, sample in enumerate(samples) if sample is not None]
        places, samples = places[kept], [samples[row] for row in kept]
        rng = np.random.default_rng([seed, epoch, 2, int(number)])
        if augmentation is not None and augmentation.mix == "mosaic":
            tiles = [mixing.sample_tiles(row, len(samples), size, rng) for row in range(len(samples))]
            samples = _in_jobs(threads, lambda some: [mixing.mosaic(samples, tile) for tile in tiles[some]], len(tiles))
        batch = finish(places.astype(np.int32), samples, rng)
        if computed:
            made = _in_jobs(threads, lambda some: [of_mask(sample.mask, targets) for sample in samples[some]], len(samples))
            for name, shape in computed.items():
                batch[name] = collate.stacked([its[name] for its in made], (size, size, *shape), np.float32)
        if augmentation is not None and augment_on == "device":
            batch |= {name: values[places] for name, values in drawn.pixelwise._asdict().items()}
        return [batch[key] for key in spec]

    spec = _spec(index, size if fixed_size else None, augmentation, augment_on, computed)
    guarded = python_calls().guard(_weakly(make_batch))

    @tf.autograph.experimental.do_not_convert  # it has nothing to convert, which takes time in every epoch
    def to_batch(number, given=()):
        dtypes = [part.dtype for part in spec.values()]
        values = tf.numpy_function(guarded, [number, *given], dtypes, stateful=False)
        return {key: tf.ensure_shape(value, part.shape) for (key, part), value in zip(spec.items(), values, strict=True)}

    if service is not None and augmentation is not None:
        _check_for_service(augmentation)
        pieces = cut_images(index, order[start * batch_size :], drawn, size, service, skipped, THREADS)
        numbers = pieces.batch(batch_size).enumerate(start)
    else:
        numbers = tf.data.Dataset.range(start, -(-len(order) // batch_size))
    dataset = numbers.map(to_batch, BATCHES_AT_ONCE, deterministic=True)
    dataset = dataset.filter(_has_samples)
    # 5. Make the next batches while the accelerator works on this one.
    dataset = dataset.prefetch(2).with_options(_options())
    dataset.made_by = make_batch  # lives as long as the dataset, and so do its threads and what was drawn
    return dataset


@tf.autograph.experimental.do_not_convert
def _has_samples(batch: dict[str, tf.Tensor]) -> tf.Tensor:
    """False where every file of a batch has vanished."""
    return tf.size(batch["position"]) > 0


def _weakly(function: Callable) -> Callable:
    """A function that calls another one without keeping it: TensorFlow keeps what it is handed for ever."""
    alive = weakref.ref(function)
    return lambda *arguments: alive()(*arguments)


def _check_for_service(augmentation: Augmentation) -> None:
    if augmentation.whole_first:
        raise UserError(
            f"Augmentation {augmentation.name!r} takes whole images, and the workers of --data-service send windows: use a "
            "preset, or do without the service."
        )


def _options() -> tf.data.Options:
    """Fixed threads and no rewriting: autotuning has a thread that an epoch's end waits for, for up to the epoch's length
    (TensorFlow 2.21), and rewriting the graph takes as long as a batch.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    # Under tf.distribute each replica takes its part of every batch; there are no files to deal out.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return options


def _server(index: Index, size: int, skipped: SkippedFiles) -> Callable[[list[int]], list[Sample | None]]:
    def make(position: int) -> Sample | None:
        try:
            return training_sample.served_sample(index, size, position)
        except reading.UNREADABLE as error:
            skipped.add(index.paths[position], reading.reason_of(error))
            return None

    return lambda positions: [make(position) for position in positions]


def _in_jobs(threads: ThreadPoolExecutor, make: Callable[[slice], list], count: int) -> list:
    """``make`` for all of ``count`` rows, by all threads: they share the batches that are in the making."""
    step = max(1, min(LARGEST_GROUP, count * BATCHES_AT_ONCE // THREADS))
    jobs = [slice(start, start + step) for start in range(0, count, step)]
    return [result for made in threads.map(make, jobs) for result in made]


def _finisher(
    index: Index, size: int, augmentation: Augmentation | None, augment_on: str
) -> Callable[[np.ndarray, list[Sample], np.random.Generator], dict[str, Any]]:
    """A function from places in the index, their samples and a generator to the arrays that ``batches`` promises."""
    kind = None if augmentation is None else augmentation.mix
    dtype = np.float32 if augmentation is None else np.uint8
    has_objects, has_masks, num_points = index.has_objects, index.has_masks, collate.num_keypoints(index)

    def finish(places: np.ndarray, samples: list[Sample], rng: np.random.Generator) -> dict[str, Any]:
        images = collate.stacked([sample.image for sample in samples], (size, size, 3), dtype)
        batch: dict[str, Any] = {"image": images, "label": index.labels[places], "position": places}
        if kind in MIXED_ON_DEVICE:
            mixture = mixing.sample_mixture(kind, len(samples), rng)
            batch["label"] = mixing.mix_labels(batch["label"], mixture, len(index.class_names))
            if augment_on == "device":
                batch |= mixture._asdict()
            else:
                batch["image"] = mixing.mix(images, mixture)
        if has_objects:
            batch |= collate.pad_objects([sample.objects for sample in samples], num_points)
        if has_masks:
            batch["mask"] = collate.stacked([sample.mask for sample in samples], (size, size), np.uint8)
        return batch

    return finish


def _spec(
    index: Index,
    size: int | None,
    augmentation: Augmentation | None,
    augment_on: str,
    computed: dict[str, tuple[int, ...]],
) -> dict[str, tf.TensorSpec]:
    """Shapes and types of what a batch holds."""
    mixed = augmentation is not None and augmentation.mix in MIXED_ON_DEVICE
    spec = {
        "image": tf.TensorSpec([None, size, size, 3], tf.float32 if augmentation is None else tf.uint8),
        "label": tf.TensorSpec([None, len(index.class_names)], tf.float32) if mixed else tf.TensorSpec([None], tf.int32),
        "position": tf.TensorSpec([None], tf.int32),
    }
    if index.has_objects:
        spec |= {"boxes": tf.TensorSpec([None, None, 4], tf.float32), "classes": tf.TensorSpec([None, None], tf.int32)}
        if num_points := collate.num_keypoints(index):
            spec["keypoints"] = tf.TensorSpec([None, None, num_points, 3], tf.float32)
    if index.has_masks:
        spec["mask"] = tf.TensorSpec([None, size, size], tf.uint8)
    spec |= {name: tf.TensorSpec([None, size, size, *shape], tf.float32) for name, shape in computed.items()}
    if augmentation is not None and augment_on == "device":
        shapes = {"flip": ([], tf.bool), "color": ([3, 3], tf.float32), "grey": ([], tf.float32)}
        shapes |= {"offset": ([3], tf.float32), "erase": ([4], tf.float32)}
        if mixed:
            shapes |= {"partners": ([], tf.int32), "shares": ([], tf.float32), "patches": ([4], tf.float32)}
        spec |= {key: tf.TensorSpec([None, *shape], dtype) for key, (shape, dtype) in shapes.items()}
    return spec
