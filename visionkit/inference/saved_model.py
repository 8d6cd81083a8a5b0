"""The only place that loads a SavedModel: its files are compared with their digests, and its graph is looked into, first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from visionkit.bundle_files import AGAIN, check_files
from visionkit.errors import UserError
from visionkit.files import home_expanded
from visionkit.inference.graph_check import check_graph


def load_saved_model(folder: str | Path, *, trust: bool = False) -> Any:
    """Load the SavedModel of a bundle. Nothing of it runs before it was checked.

    Args:
        folder: the bundle.
        trust: load it also if its graph does more than compute: read files, say, or call Python. See ``check_graph``.

    Raises:
        UserError: a file is missing or damaged, the graph does more than compute, or the memory does not suffice.
    """
    folder = Path(home_expanded(folder))
    check_files(folder)
    if not trust:
        check_graph(folder)
    try:
        return tf.saved_model.load(str(folder))
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise UserError(f"{folder} cannot be loaded: there is not enough memory. Close other programs.") from error
    except Exception as error:  # TensorFlow's errors about damaged files have no common type
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{folder} cannot be loaded: {first[:300]} Its saved_model.pb or variables/ are damaged or incomplete. {AGAIN}"
        ) from error


def check_metadata(folder: Path, model: Any, metadata: dict[str, Any], functions: tuple[str, ...]) -> None:
    """Compare a loaded SavedModel with its ``bundle.json``, which may be that of another model.

    Args:
        folder: the bundle, for messages.
        model: from ``load_saved_model``.
        metadata: its ``bundle.json``.
        functions: the functions that a model of its task has.

    Raises:
        UserError: a function is missing, or the numbers of classes or dimensions differ.
    """
    missing = [name for name in functions if not callable(getattr(model, name, None))]
    if missing or not getattr(model, "signatures", None):
        raise UserError(
            f"{folder} has no function {(*missing, 'serving_default')[0]}, which a model of {metadata['task']} has: "
            f"bundle.json belongs to another model, or an older version wrote it. {AGAIN}"
        )
    count = len(metadata["labels"])
    expected = {"probabilities": count, "shares": count, "scores": count, "embedding": metadata.get("dimensions")}
    for name, length in _lengths(model):
        if expected[name] is not None and length not in (None, expected[name]):
            raise UserError(
                f"{folder}: the graph has {length} {name}, and bundle.json speaks of {expected[name]} "
                f"({count} labels): it belongs to another model. {AGAIN}"
            )


def _lengths(model: Any) -> Iterator[tuple[str, int | None]]:
    """The lengths of the last axis of tensors that have one number for each class or dimension; None where it is not known."""
    for signature in model.signatures.values():
        tensors = {**signature.structured_input_signature[1], **signature.structured_outputs}
        yield from ((name, _last(tensors[name].shape)) for name in ("probabilities", "shares", "embedding") if name in tensors)
    for function in getattr(getattr(model, "serve_pixels", None), "concrete_functions", ()):
        outputs = function.structured_outputs
        if isinstance(outputs, dict) and "scores" in outputs:  # of a detector, before suppression
            yield "scores", _last(outputs["scores"].shape)


def _last(shape: tf.TensorShape) -> int | None:
    return 0 if shape.rank == 0 else shape[-1]
