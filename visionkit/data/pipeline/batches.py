"""From an index to batches: the one place that knows the order of the steps.

``TrainingPipeline`` makes augmented batches, ``evaluation_batches`` shows each image as the exported model will see it.
"""

import functools
import itertools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import tensorflow as tf

from visionkit.data.augmentation import parameters
from visionkit.data.augmentation.presets import Augmentation
from visionkit.data.images.crops import LARGEST_GROUP
from visionkit.data.images.decode import ImageError
from visionkit.data.index import Index
from visionkit.data.mask_targets import NO_TARGETS, MaskTargets, of_mask
from visionkit.data.pipeline import collate, mixing, reading
from visionkit.data.pipeline.callback_guard import python_calls, weakly
from visionkit.data.pipeline.checks import check_numbers, refuse_unlabelled, refuse_unscanned
from visionkit.data.pipeline.pixel_cache import PixelCache, PixelCacheView
from visionkit.data.pipeline.samples import Sample, evaluation_sample, sample_maker
from visionkit.data.pipeline.service import cut_images
from visionkit.errors import UserError

THREADS = os.cpu_count() + 2  # for samples: some wait for TensorFlow's decoding threads or for the interpreter
BATCHES_AT_ONCE = 2  # so that no thread idles at the end of a batch
MIXED_ON_DEVICE = ("mixup", "cutmix")
MASK_TARGETS, OBJECT_TARGETS = ("mask", "weights", "distances"), ("boxes", "classes", "keypoints")

Spec = dict[str, tf.TensorSpec]


@dataclass(frozen=True)
class TrainingPipeline:
    """Augmented batches of a data set.

    Order and augmentation come from ``seed`` and the epoch's number alone, whatever the number of threads.

    Attributes:
        index: a scanned index (``visionkit.data.scan``); ``index.skipped`` collects files that change or vanish afterwards.
        size: side of the square images in pixels.
        batch_size: images per batch; the last batch may be smaller, and so is a batch with a file that has vanished.
        augmentation: how images are augmented.
        seed: draws order and augmentation, together with the epoch's number.
        cache: a cache of this index, so that each image is decoded only once.
        augment_on: "device" leaves mirroring, color, erasing, MixUp and CutMix to ``visionkit.layers.BatchAugmentation``, and
            adds what that layer needs to the batches.
        service: "grpc://HOST:PORT" of a tf.data service dispatcher, whose workers read, cut and resize; see service.py. The
            samples of an epoch then come in any order.
        targets: further targets that are computed from masks.
        shard: (number of this process, number of all processes) that share each epoch.
    """

    index: Index
    size: int
    batch_size: int
    augmentation: Augmentation
    seed: int = 0
    cache: PixelCache | PixelCacheView | None = None
    augment_on: Literal["cpu", "device"] = "cpu"
    service: str | None = None
    targets: MaskTargets = NO_TARGETS
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self):
        refuse_unscanned(self.index)
        check_numbers(self.size, self.batch_size)
        if not isinstance(self.augmentation, Augmentation):
            raise UserError(f"augmentation={self.augmentation!r}: expected an Augmentation, such as data.preset('medium').")
        if self.service is not None and self.augmentation.whole_first:
            raise UserError(
                f"Augmentation {self.augmentation.name!r} takes whole images, and the workers of --data-service send windows: "
                "use a preset, or do without the service."
            )

    def __len__(self) -> int:
        """The number of batches per epoch."""
        return -(-len(range(self.shard[0], len(self.index), self.shard[1])) // self.batch_size)

    def dataset(self) -> tf.data.Dataset:
        """Batches for ``model.fit``. Each time the dataset is iterated, it is the next epoch, with new augmentation.

        Returns:
            ``(image, target)``: image uint8 ``(N, size, size, 3)`` in 0..255, or with ``augment_on="device"`` a dict of inputs.
            The target of a data set with labels is int32 ``(N,)``, with several labels an image, MixUp or CutMix float32
            ``(N, num_classes)``; of one
            with boxes ``{"boxes": (N, M, 4), "classes": (N, M)}``, and ``"keypoints"`` as in ``epoch``; of one with masks uint8
            ``(N, size, size)``, or a dict of mask and computed ``targets``. The cardinality is known: ``len(pipeline)``.

        Raises:
            UserError: the index has neither labels nor boxes nor masks, or a service makes the samples.
        """
        if self.service is not None:
            raise UserError("A data service delivers single epochs: use pipeline.epoch(number) instead of pipeline.dataset().")
        refuse_unlabelled(self.index)
        numbers, spec, steps = itertools.count(), self._spec(), len(self)
        cached, lock = functools.lru_cache(2)(self._epoch), threading.Lock()

        def epoch_of(number: int) -> _Epoch:
            with lock:  # several batches are made at once, and each of them would draw the epoch
                return cached(number)

        def next_epoch() -> np.int64:
            return np.int64(next(numbers))

        def make_batch(epoch: int, number: int) -> list[np.ndarray]:
            for later in range(steps):  # a batch whose files have all vanished is replaced by the next one
                batch = epoch_of(int(epoch)).batch((int(number) + later) % steps)
                if len(batch["position"]):
                    return [batch[key] for key in spec]
            raise ImageError("No training image can be read any more; are the files still there?")

        guarded = python_calls().guard(weakly(next_epoch))
        started = tf.data.Dataset.range(1).map(lambda _: tf.ensure_shape(tf.numpy_function(guarded, [], tf.int64), []))
        numbered = started.flat_map(lambda epoch: tf.data.Dataset.range(steps).map(lambda number: (epoch, number)))
        dataset = _batches_from(make_batch, numbered, spec).map(functools.partial(_input_and_target, self.index))
        dataset = _prefetched(dataset.apply(tf.data.experimental.assert_cardinality(steps)))
        dataset.batch_functions = make_batch, next_epoch  # these live as long as the dataset
        return dataset

    def epoch(self, number: int, *, order: np.ndarray | None = None, start: int = 0) -> tf.data.Dataset:
        """The batches of one particular epoch, for code that resumes, or that needs more than ``(image, target)``.

        Args:
            number: the epoch, from 0.
            order: positions in the index. Default: a permutation of all of them, drawn for this epoch.
            start: the number of the first batch.

        Returns:
            batches of ``{"image": uint8 (N, size, size, 3), "label": int32 (N,), "position": int32 (N,)}``; ``position`` is the
            sample's place in the index. With several labels an image, MixUp or CutMix ``label`` is float32
            ``(N, num_classes)``. If the index has them:
            ``boxes`` float32 ``(N, M, 4)``, xyxy, relative; ``classes`` int32 ``(N, M)``, -1 in padded rows; ``keypoints``
            float32 ``(N, M, K, 3)``; ``mask`` uint8 ``(N, size, size)``, 255 = ignore; and the computed ``targets``.
        """
        epoch, spec = self._epoch(number, order), self._spec()

        def make_batch(number: int, *cut: np.ndarray) -> list[np.ndarray]:
            batch = epoch.batch(int(number), *cut)
            return [batch[key] for key in spec]

        if self.service is None:
            numbered = tf.data.Dataset.range(start, -(-len(epoch.order) // self.batch_size))
        else:
            positions = epoch.order[start * self.batch_size :]
            windows = cut_images(self.index, positions, epoch.params, self.size, self.service, THREADS)
            numbered = windows.batch(self.batch_size).enumerate(start).map(lambda number, cut: (number, *cut))
        dataset = _prefetched(_batches_from(make_batch, numbered, spec).filter(_has_samples))
        dataset.batch_functions = make_batch
        return dataset

    def summary(self) -> str:
        """Describe the way of one sample through the pipeline, one step per line, and the batch that it joins."""
        epoch, index = self._epoch(0, None), self.index
        if not len(index):
            return "an empty index: no batches"
        position, params = int(epoch.order[0]), epoch.params
        info, flipped = index.infos[position], bool(params.pixelwise.flip[position])
        batch = epoch.batch(0)
        return "\n".join(
            [
                f"{len(index)} images in {len(self)} batches of {self.batch_size}; augmentation {self.augmentation.name!r}",
                f"file       {index.paths[position]}: {info.height} x {info.width} pixels",
                f"window     top, left, height, width {params.windows[position].tolist()}",
                f"resized    to {self.size} x {self.size} pixels",
                f"augmented  {'mirrored, ' if flipped else ''}{len(self.augmentation.transforms)} transforms, then colors",
                *(f"batch      {name} {values.shape} {values.dtype}" for name, values in batch.items()),
            ]
        )

    def _epoch(self, number: int, order: np.ndarray | None = None) -> "_Epoch":
        return _Epoch(self, number, order)

    def _spec(self) -> Spec:
        """Shapes and dtypes of a training batch."""
        index, mixed = self.index, self.augmentation.mix in MIXED_ON_DEVICE
        spec = _common_spec(index, self.size, tf.uint8)
        if mixed:
            spec["label"] = tf.TensorSpec([None, len(index.class_names)], tf.float32)
        for name, shape in _computed(self).items():
            spec[name] = tf.TensorSpec([None, self.size, self.size, *shape], tf.float32)
        if self.augment_on == "device":
            shapes = {"flip": ([], tf.bool), "color": ([3, 3], tf.float32), "grey": ([], tf.float32)}
            shapes |= {"offset": ([3], tf.float32), "erase": ([4], tf.float32)}
            if mixed:
                shapes |= {"partners": ([], tf.int32), "shares": ([], tf.float32), "patches": ([4], tf.float32)}
            spec |= {key: tf.TensorSpec([None, *shape], dtype) for key, (shape, dtype) in shapes.items()}
        return spec


class _Epoch:
    """The order and the random parameters of one epoch, and its batches by number."""

    def __init__(self, pipeline: TrainingPipeline, number: int, order: np.ndarray | None):
        index, seed = pipeline.index, pipeline.seed
        self._pipeline, self._number = pipeline, number
        # 1. Shuffle the index, not the images: a full shuffle that costs no memory.
        whole = np.random.default_rng([seed, number]).permutation(len(index)) if order is None else np.asarray(order, int)
        self.order = whole[pipeline.shard[0] :: pipeline.shard[1]]
        # 2. Draw each sample's window, colors and seed by its place in the index, before and not in the threads.
        self.params = parameters.sample_params(index, pipeline.augmentation, pipeline.size, seed, number)
        on_cpu = pipeline.augment_on == "cpu"
        options = {"cache": pipeline.cache, "on_cpu": on_cpu}
        self._make = sample_maker(index, pipeline.size, pipeline.augmentation, self.params, **options)
        # 3. Read, decode, cut, resize and augment: threads share the samples of a batch. OpenCV's and TensorFlow's decoders
        #    let the other threads run meanwhile.
        self._threads = ThreadPoolExecutor(THREADS, "visionkit-samples")

    def batch(self, number: int, *cut: np.ndarray) -> dict[str, np.ndarray]:
        """Make a batch for ``TrainingPipeline.epoch``; ``cut`` holds the positions and windows that a service sent."""
        pipeline, size = self._pipeline, self._pipeline.size
        index, mix = pipeline.index, pipeline.augmentation.mix
        first = number * pipeline.batch_size
        positions, *windows = cut or (self.order[first : first + pipeline.batch_size],)
        samples = _in_threads(
            self._threads, lambda rows: self._make(positions[rows].tolist(), *(part[rows] for part in windows)), len(positions)
        )
        readable = [row for row, sample in enumerate(samples) if sample is not None]
        positions, samples = positions[readable].astype(np.int32), [samples[row] for row in readable]
        # 4. Batch the samples, then mix what is in the batch.
        rng = np.random.default_rng([pipeline.seed, self._number, 2, number])
        if mix == "mosaic":
            tiles = [mixing.sample_tiles(row, len(samples), size, rng) for row in range(len(samples))]
            samples = _in_threads(
                self._threads, lambda rows: [mixing.mosaic(samples, tile) for tile in tiles[rows]], len(tiles)
            )
        batch = collate.batch_of(index, positions, samples, size, np.uint8)
        if mix in MIXED_ON_DEVICE:
            mixture = mixing.sample_mixture(mix, len(samples), rng)
            batch["label"] = mixing.mix_labels(batch["label"], mixture, len(index.class_names))
            if pipeline.augment_on == "device":
                batch |= mixture._asdict()
            else:
                batch["image"] = mixing.mix(batch["image"], mixture)
        computed = _computed(pipeline)
        if computed:
            targets = _in_threads(
                self._threads, lambda rows: [of_mask(sample.mask, pipeline.targets) for sample in samples[rows]], len(samples)
            )
            for name, shape in computed.items():
                batch[name] = collate.stack([each[name] for each in targets], (size, size, *shape), np.float32)
        if pipeline.augment_on == "device":
            batch |= {name: values[positions] for name, values in self.params.pixelwise._asdict().items()}
        return batch


def evaluation_batches(index: Index, size: int, batch_size: int) -> tf.data.Dataset:
    """Batches of every image once, in the order of the index, as the exported model will see it.

    Args:
        index: a scanned index; ``index.skipped`` collects files that have changed or vanished since.
        size: side of the square images in pixels.
        batch_size: images per batch.

    Returns:
        batches with the keys of ``TrainingPipeline.epoch``; ``image`` is float32 in 0..255.
    """
    make_batch, dataset = _unaugmented(index, size, batch_size)
    dataset = _prefetched(dataset.filter(_has_samples))
    dataset.batch_functions = make_batch
    return dataset


def evaluation_dataset(index: Index, size: int, batch_size: int) -> tf.data.Dataset:
    """``evaluation_batches`` as ``(image, target)``, for ``validation_data=`` of ``model.fit`` and for ``model.evaluate``.

    The targets are those of ``TrainingPipeline.dataset``, and the cardinality is known. An epoch ends with an error where all
    images of a batch have vanished: metrics without them would not be comparable.

    Raises:
        UserError: the index has neither labels nor boxes nor masks.
    """
    refuse_unlabelled(index)
    make_batch, dataset = _unaugmented(index, size, batch_size, may_be_empty=False)
    dataset = dataset.map(functools.partial(_input_and_target, index))
    dataset = _prefetched(dataset.apply(tf.data.experimental.assert_cardinality(-(-len(index) // batch_size))))
    dataset.batch_functions = make_batch
    return dataset


def _unaugmented(
    index: Index, size: int, batch_size: int, *, may_be_empty: bool = True
) -> tuple[Callable[[int], list[np.ndarray]], tf.data.Dataset]:
    """Return a function that makes a batch by its number, which the caller keeps alive, and the dataset of its batches."""
    refuse_unscanned(index)
    check_numbers(size, batch_size)
    spec = _common_spec(index, size, tf.float32)
    threads = ThreadPoolExecutor(THREADS, "visionkit-samples")

    def sample_at(position: int) -> Sample | None:
        try:
            return evaluation_sample(index, size, position)
        except reading.UNREADABLE as error:
            index.skipped.add(index.paths[position], reading.reason_of(error))
            return None

    def make_batch(number: int) -> list[np.ndarray]:
        positions = np.arange(number * batch_size, min((number + 1) * batch_size, len(index)), dtype=np.int32)
        samples = _in_threads(threads, lambda rows: [sample_at(int(each)) for each in positions[rows]], len(positions))
        readable = [row for row, sample in enumerate(samples) if sample is not None]
        if not readable and not may_be_empty:
            raise ImageError(f"{index.paths[positions[0]]} and the images after it cannot be read any more.")
        batch = collate.batch_of(index, positions[readable], [samples[row] for row in readable], size, np.float32)
        return [batch[key] for key in spec]

    return make_batch, _batches_from(make_batch, tf.data.Dataset.range(-(-len(index) // batch_size)), spec)


@tf.autograph.experimental.do_not_convert
def _input_and_target(index: Index, batch: dict[str, tf.Tensor]) -> tuple[Any, Any]:
    """A batch for Keras: a dict of inputs where the device augments, and a dict of targets where there are several."""
    names = MASK_TARGETS if index.has_masks else OBJECT_TARGETS if index.has_objects else ("label",)
    target = {name: batch[name] for name in names if name in batch}
    inputs = {
        name: values for name, values in batch.items() if name not in (*MASK_TARGETS, *OBJECT_TARGETS, "label", "position")
    }
    return (inputs if len(inputs) > 1 else batch["image"]), (target if len(target) > 1 else batch[names[0]])


@tf.autograph.experimental.do_not_convert
def _has_samples(batch: dict[str, tf.Tensor]) -> tf.Tensor:
    """False where every file of a batch has vanished."""
    return tf.size(batch["position"]) > 0


def _batches_from(make_batch: Callable[..., list[np.ndarray]], numbered: tf.data.Dataset, spec: Spec) -> tf.data.Dataset:
    """Map ``make_batch`` over the elements of ``numbered``."""
    guarded = python_calls().guard(weakly(make_batch))

    @tf.autograph.experimental.do_not_convert  # it has nothing to convert, which takes time in every epoch
    def to_batch(*element):
        dtypes = [part.dtype for part in spec.values()]
        values = tf.numpy_function(guarded, element, dtypes, stateful=False)
        return {key: tf.ensure_shape(value, part.shape) for (key, part), value in zip(spec.items(), values, strict=True)}

    return numbered.map(to_batch, BATCHES_AT_ONCE, deterministic=True)


def _prefetched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Make the next batches while the accelerator works on this one.

    Autotuning is off, since the end of an epoch waits for its thread for up to the epoch's length (TensorFlow 2.21). Graph
    rewriting is off, since it takes as long as a batch.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    # Under tf.distribute each replica takes its part of every batch; there are no files to distribute.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.prefetch(2).with_options(options)


def _in_threads(threads: ThreadPoolExecutor, make: Callable[[slice], list], count: int) -> list:
    """Call ``make`` for slices of ``count`` rows, in threads that all batches in progress share."""
    cv2.setNumThreads(0)  # our threads are the parallelism
    step = max(1, min(LARGEST_GROUP, count * BATCHES_AT_ONCE // THREADS))
    jobs = [slice(start, start + step) for start in range(0, count, step)]
    return [result for results in threads.map(make, jobs) for result in results]


def _computed(pipeline: TrainingPipeline) -> dict[str, tuple[int, ...]]:
    """Names of the targets that are computed from masks, and their shapes after ``(size, size)``."""
    return pipeline.targets.shapes() if pipeline.index.has_masks else {}


def _common_spec(index: Index, size: int, dtype: tf.DType) -> Spec:
    """Shapes and dtypes of what all batches of an index hold."""
    spec = {
        "image": tf.TensorSpec([None, size, size, 3], dtype),
        "label": tf.TensorSpec([None], tf.int32),
        "position": tf.TensorSpec([None], tf.int32),
    }
    if index.label_sets is not None:
        spec["label"] = tf.TensorSpec([None, len(index.class_names)], tf.float32)
    if index.has_objects:
        spec |= {"boxes": tf.TensorSpec([None, None, 4], tf.float32), "classes": tf.TensorSpec([None, None], tf.int32)}
        if num_points := collate.num_keypoints(index):
            spec["keypoints"] = tf.TensorSpec([None, None, num_points, 3], tf.float32)
    if index.has_masks:
        spec["mask"] = tf.TensorSpec([None, size, size], tf.uint8)
    return spec
