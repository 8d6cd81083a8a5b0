"""More machines: workers of tf.data service read, cut and resize; this machine does what needs Python.

A worker runs a graph and no Python, so it needs TensorFlow alone. It reads the files under the same paths (a shared disk), and
sends small images, ready to be augmented. Which worker makes which sample, and the order of the samples, are not determined;
the augmentation of each sample is, since its parameters are drawn before.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from visionkit.data.augmentation.parameters import EpochParams
from visionkit.data.images import decode
from visionkit.data.images.contents import read_contents
from visionkit.data.index import Index
from visionkit.data.pipeline.callback_guard import python_calls
from visionkit.errors import UserError
from visionkit.ops.colors import PADDING

RATIOS = (1, 2, 4, 8)


def cut_images(index: Index, order: np.ndarray, params: EpochParams, size: int, address: str, threads: int) -> tf.data.Dataset:
    """Windows of an epoch, cut by the workers of a tf.data service.

    Args:
        index: a scanned index.
        order: positions in the index.
        params: the random parameters of the epoch.
        size: side of the result in pixels.
        address: "grpc://HOST:PORT" of the dispatcher.
        threads: number of threads of each worker.

    Returns:
        ``(position, uint8 (size, size, 3))``, one by one, in any order.

    Raises:
        UserError: the address has another form.
    """
    if not address.startswith("grpc://") or ":" not in address.removeprefix("grpc://"):
        raise UserError(f"--data-service {address}: expected grpc://HOST:PORT, the address of a tf.data service dispatcher.")
    infos = [index.infos[position] for position in order]
    columns = {
        "path": np.array([index.paths[position].encode(errors="surrogateescape") for position in order], dtype=bytes),
        "position": order.astype(np.int32),
        "part": params.parts[order],
        "frame": params.frames[order],
        "ratio": np.searchsorted(RATIOS, params.ratios[order]).astype(np.int32),
        "plain_jpeg": np.array([info.plain_jpeg for info in infos], bool),
    }
    samples = tf.data.Dataset.from_tensor_slices(columns).map(partial(_cut, size=size), threads, deterministic=True)
    samples = samples.ignore_errors()  # files that fail here are reported below
    whole_epoch = tf.data.experimental.service.ShardingPolicy.DYNAMIC  # each sample once, by whichever worker is free
    samples = samples.apply(tf.data.experimental.service.distribute(whole_epoch, address))
    received: set[int] = set()

    def count(position):
        received.add(int(position))
        return position

    def report_missing():
        for position in set(order.tolist()) - received:
            index.skipped.add(index.paths[position], _reason_of(index.paths[position]))
        return False

    calls = python_calls()
    samples = samples.map(lambda position, image: (_in_python(calls.guard(count), [position], tf.int32), image))
    ending = tf.data.Dataset.range(1).filter(lambda _: _in_python(calls.guard(report_missing), [], tf.bool))
    return samples.concatenate(ending.map(lambda _: (tf.constant(0), tf.zeros([size, size, 3], tf.uint8))))


def _in_python(function: Callable, inputs: list, dtype: tf.DType) -> tf.Tensor:
    return tf.ensure_shape(tf.numpy_function(function, inputs, dtype), [])


def _cut(sample: dict[str, tf.Tensor], size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """One window in a graph, as ``crops.decode_jpeg_window`` and ``crops.place`` make it."""
    contents, part, frame = tf.io.read_file(sample["path"]), sample["part"], sample["frame"]

    def window_of_jpeg(ratio):
        return tf.io.decode_and_crop_jpeg(contents, -(-part // ratio), 3, ratio=ratio, dct_method="INTEGER_ACCURATE")

    def window_of_any():
        top, left, height, width = tf.unstack(part)
        return decode.decode_in_graph(contents)[top : top + height, left : left + width]

    pixels = tf.cond(
        sample["plain_jpeg"],
        lambda: tf.switch_case(sample["ratio"], [partial(window_of_jpeg, ratio) for ratio in RATIOS]),
        window_of_any,
    )
    top, left, height, width = tf.unstack(frame)
    resized = tf.cast(tf.image.resize(pixels, [height, width]) + 0.5, tf.uint8)
    around = [[top, size - top - height], [left, size - left - width], [0, 0]]
    return sample["position"], tf.ensure_shape(tf.pad(resized, around, constant_values=PADDING), [size, size, 3])


def _reason_of(path: str) -> str:
    try:
        decode.decode(read_contents(path))
    except (OSError, decode.ImageError) as error:
        return f"unreadable since the check: {error}"
    return (
        "no worker of the data service could read it: the path has to be visible there, and the image a JPEG, PNG, GIF or BMP"
    )
