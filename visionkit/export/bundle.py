"""A bundle: a SavedModel that takes raw images and returns final predictions, and needs TensorFlow alone.

MODEL/saved_model.pb, variables/, fingerprint.pb     the graph with its weights; in variables/ those too large for a graph
MODEL/assets.extra/bundle.json                       task, labels, size, metrics
MODEL/assets.extra/labels.txt                        one label per line
MODEL/assets.extra/network.json, network.safetensors the network as training needs it; see ``models.network_files``
MODEL/assets.extra/sha256.txt                        the digest of each file; see ``bundle_files``
MODEL/assets.extra/model.tflite                      the LiteRT model, where the network converts: float32 (1, size, size, 3)
                                                     pixels in 0..255, the central window cut and resized, to probabilities

The module of each kind of model stands in the ``export*.py`` of its task; all are written by ``write_bundle``.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from visionkit.bundle_files import EXTRA, LABELS, as_json, find_bundle, read_metadata, update_metadata, write_digests
from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.files import BUNDLE_METADATA, home_expanded, sync
from visionkit.models.network_files import write_network
from visionkit.progress import step

__all__ = ["LITERT_FILE", "LUMA", "answers", "find_bundle", "read_metadata", "update_metadata", "write_bundle"]
LUMA = (0.299, 0.587, 0.114)  # of red, green, blue in grey, as Pillow has it; unlike TensorFlow's they sum to 1
LITERT_FILE = f"{EXTRA}/model.tflite"


def answers(labels: tf.Tensor, probabilities: tf.Tensor) -> dict[str, tf.Tensor]:
    """The final predictions from ``(N, num_classes)`` probabilities; see ``ImageClassifier.serve_images``."""
    order = tf.argsort(probabilities, direction="DESCENDING", stable=True)
    sorted_labels, scores = tf.gather(labels, order), tf.gather(probabilities, order, batch_dims=1)
    return {
        "label": sorted_labels[:, 0],
        "score": scores[:, 0],
        "labels": sorted_labels,
        "scores": scores,
        "probabilities": probabilities,
    }


def write_bundle(
    module: tf.Module,
    folder: str | Path,
    *,
    task: str,
    signatures: dict[str, Any],
    litert_function: Callable[..., tf.Tensor | dict[str, tf.Tensor]] | None,
    litert_shape: litert.Shapes | None,
    litert_half_precision: bool = True,
    class_names: tuple[str, ...],
    metadata: dict[str, Any],
    network: keras.Model | None = None,
) -> Path:
    """Write a module as a bundle, atomically.

    Args:
        module: the content of the bundle.
        folder: where the bundle is written; an earlier bundle is replaced.
        task: "classification", "detection", ...
        signatures: name -> function of the module.
        litert_function: the function of the LiteRT model, with variables of the module; None for no such model, and
            ``metadata["litert"]`` may say why.
        litert_shape: shape of the float32 tensor that ``litert_function`` takes, with a batch of one; for several tensors see
            ``litert.convert``.
        litert_half_precision: whether its weights are stored as float16.
        class_names: in the order of the classes' numbers.
        metadata: further contents of ``bundle.json``.
        network: what was trained; it is kept beside the graph, so that training can go on from the bundle.

    Raises:
        UserError: the folder exists and is not a bundle.
        OSError: the disk is full, or the folder cannot be written. Nothing is left, and an earlier bundle is as it was.
    """
    folder = Path(home_expanded(folder))
    if folder.exists() and not (folder / BUNDLE_METADATA).is_file():
        raise UserError(f"{folder} exists and is not a bundle of visionkit, so it is not replaced. Name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with step("Exporting: tracing and saving the graph"):
            _save(module, unfinished, signatures)
        (unfinished / EXTRA).mkdir()
        described = {"task": task, "labels": list(class_names), **metadata}
        if litert_function is None:
            described.setdefault("litert", "not converted: it was not requested")
        else:
            try:
                with step("Exporting: converting to LiteRT"):
                    converted = litert.convert(litert_function, litert_shape, half_precision=litert_half_precision)
            except Exception as error:  # the converter's errors have no common type, and the bundle is whole without it
                if isinstance(error, OSError) and error.errno is not None:  # a full disk is not a lack of LiteRT's
                    raise
                described["litert"] = f"not converted: {_in_one_line(error)}"
            else:
                (unfinished / LITERT_FILE).write_bytes(converted)
        if network is not None:
            described |= _keep_network(network, unfinished / EXTRA)
        (unfinished / BUNDLE_METADATA).write_bytes(as_json(described))
        (unfinished / LABELS).write_text("\n".join(class_names) + "\n", encoding="utf-8")
        write_digests(unfinished)
        unfinished.chmod(0o755)  # mkdtemp makes a folder that others cannot read
        for path in (unfinished, *sorted(unfinished.rglob("*"))):
            sync(path)
        _replace(folder, unfinished)
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(folder)) from error  # a write that fails does not know its file
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _keep_network(network: keras.Model, folder: Path) -> dict[str, str]:
    """Write the network, and return what ``bundle.json`` says if its layers cannot be described."""
    try:
        write_network(network, folder)
    except (NotImplementedError, TypeError, ValueError) as error:  # a layer of somebody else without get_config
        return {"network": f"not kept: {_in_one_line(error)}"}
    return {}


def _save(module: tf.Module, folder: Path, signatures: dict[str, Any]) -> None:
    """Save a module; that the disk is full, say, is an ``OSError``, as everywhere else."""
    try:
        tf.saved_model.save(module, str(folder), signatures=signatures)
    except tf.errors.OpError as error:
        if str(folder) not in str(error):  # it does not speak of a file
            raise
        is_full = isinstance(error, tf.errors.ResourceExhaustedError)
        number = errno.ENOSPC if is_full else errno.EIO
        reason = os.strerror(number) if is_full else _in_one_line(error)
        raise OSError(number, f"the model cannot be written: {reason}", str(folder.parent)) from error


def _replace(folder: Path, unfinished: Path) -> None:
    """Put a finished bundle into its place; an earlier one is deleted when the new one is there, and else put back."""
    earlier = Path(f"{unfinished}-replaced")
    try:
        if folder.exists():
            os.rename(folder, earlier)
        os.rename(unfinished, folder)
        sync(folder.parent)
    except BaseException:  # also a signal
        if earlier.exists() and not folder.exists():
            os.rename(earlier, folder)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _in_one_line(error: Exception) -> str:
    """The first line of a converter's error, or the last where the first only says where it was raised; there may be pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if lines[0].startswith("in user code") else lines[0]
