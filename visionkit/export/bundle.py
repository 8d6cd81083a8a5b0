"""A bundle: a SavedModel that takes raw images and returns final predictions, and needs TensorFlow alone.

MODEL/saved_model.pb, variables/, fingerprint.pb     the graph with its weights; in variables/ those too large for a graph
MODEL/assets.extra/bundle.json                       task, labels, size, metrics
MODEL/assets.extra/labels.txt                        one label per line
MODEL/assets.extra/model.tflite                      the LiteRT model, where the network converts: float32 (1, size, size, 3)
                                                     pixels in 0..255, the central window cut and resized, to probabilities

The module of each kind of model stands in the ``export*.py`` of its task; all are written by ``write_bundle``.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from visionkit.errors import UserError
from visionkit.export import litert
from visionkit.files import BUNDLE_METADATA, update_json

EXTRA = "assets.extra"
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

    Raises:
        UserError: the folder exists and is not a bundle.
    """
    folder = Path(folder)
    if folder.exists() and not (folder / BUNDLE_METADATA).is_file():
        raise UserError(f"{folder} exists and is not a bundle of visionkit, so it is not replaced. Name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        tf.saved_model.save(module, str(unfinished), signatures=signatures)
        extra = unfinished / EXTRA
        extra.mkdir()
        described = {"task": task, "labels": list(class_names), **metadata}
        if litert_function is None:
            described.setdefault("litert", "not converted: it was not requested")
        else:
            try:
                (unfinished / LITERT_FILE).write_bytes(
                    litert.convert(litert_function, litert_shape, half_precision=litert_half_precision)
                )
            except Exception as error:  # the converter's errors have no common type, and the bundle is whole without it
                described["litert"] = f"not converted: {_in_one_line(error)}"
        (unfinished / BUNDLE_METADATA).write_text(json.dumps(described, indent=2, ensure_ascii=False), encoding="utf-8")
        (extra / "labels.txt").write_text("\n".join(class_names) + "\n", encoding="utf-8")
        unfinished.chmod(0o755)  # mkdtemp makes a folder that others cannot read
        if folder.exists():  # an earlier export of the same run
            os.rename(folder, f"{unfinished}-replaced")
        os.rename(unfinished, folder)
    finally:
        shutil.rmtree(f"{unfinished}-replaced", ignore_errors=True)
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _in_one_line(error: Exception) -> str:
    """The first line of a converter's error, or the last where the first only says where it was raised; there may be pages."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1] if lines[0].startswith("in user code") else lines[0]


def find_bundle(path: str | Path) -> Path:
    """The bundle at a path: the folder itself, or the ``model/`` of a run folder."""
    folder = Path(path)
    return folder / "model" if not (folder / "saved_model.pb").is_file() and (folder / "model").is_dir() else folder


def read_metadata(folder: str | Path) -> dict[str, Any]:
    """The ``bundle.json`` of a bundle.

    Raises:
        UserError: the folder is no bundle of visionkit.
    """
    file = Path(folder) / BUNDLE_METADATA
    if not file.is_file():
        raise UserError(
            f"{folder} is not a model that visionkit exported: it has no {BUNDLE_METADATA.as_posix()}. "
            "Expected the RUN/model folder of a recipe, or a folder of saved_models/."
        )
    return _with_current_names(json.loads(file.read_text(encoding="utf-8")))


def _with_current_names(metadata: dict[str, Any]) -> dict[str, Any]:
    """Rename the metadata of bundles that were written before names changed: ``twin_*`` is ``litert_*``."""

    def renamed(values: dict[str, Any]) -> dict[str, Any]:
        return {f"litert_{name[5:]}" if name.startswith("twin_") else name: value for name, value in values.items()}

    metrics = metadata.get("metrics")
    return renamed(metadata) | ({"metrics": renamed(metrics)} if isinstance(metrics, dict) else {})


def update_metadata(folder: str | Path, **values: Any) -> None:
    """Add to ``bundle.json`` what is known only after the export, such as measured metrics."""
    read_metadata(folder)
    update_json(Path(folder) / BUNDLE_METADATA, **values)
