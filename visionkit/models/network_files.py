"""The network of a bundle as training needs it: its layers as JSON, its weights as safetensors, beside the exported graph.

MODEL/assets.extra/network.json            the layers, as Keras serializes them
MODEL/assets.extra/network.safetensors     the weights, by position: kernels as float16, vectors as float32

Half of the digits of a kernel are enough to train on from it, at a quarter of the size of the whole bundle. Nothing in
either file is executed: only layers of Keras, visionkit and keras-cv are built, and none that holds or loads code.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import safetensors.numpy

from visionkit.errors import UserError
from visionkit.files import read_file
from visionkit.weights.tensor_files import read_tensors

LAYERS, WEIGHTS = "network.json", "network.safetensors"
LARGEST_LAYERS = 2**26  # bytes of JSON
LIBRARIES = ("keras", "visionkit", "keras_cv")
PARTS_OF_KERAS = ("layers", "models", "ops", "initializers", "regularizers", "constraints", "activations", "dtype_policies")
HOLD_CODE = {"Lambda", "__lambda__", "function", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
OPEN_FILES = {"TextVectorization", "StringLookup", "IntegerLookup"}


def write_network(model: keras.Model, folder: Path) -> None:
    """Write a network into the ``assets.extra`` of a bundle.

    Args:
        model: any model of layers that Keras, visionkit or keras-cv know; how it was compiled is not kept.
        folder: exists.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a loss that is a lambda: what belongs to training is dropped
        described = _without_training(keras.saving.serialize_keras_object(model))
    (folder / LAYERS).write_text(json.dumps(described, separators=(",", ":")), encoding="utf-8")
    arrays = {f"{place:05d}": _stored(keras.ops.convert_to_numpy(weight)) for place, weight in enumerate(model.weights)}
    (folder / WEIGHTS).write_bytes(safetensors.numpy.save(arrays))


def read_network(folder: Path) -> keras.Model:
    """Read the network that ``write_network`` wrote.

    Returns:
        the model, not compiled. What was frozen is frozen.

    Raises:
        UserError: there is none, or the files are damaged, or a layer could execute code.
    """
    if not (folder / LAYERS).is_file() or not (folder / WEIGHTS).is_file():
        raise UserError(
            f"{folder.parent} keeps no network to train: an earlier version exported it. Train it again, or start from its "
            "run's weights with --weights RUN/after_last.weights.h5."
        )
    described = _read_layers(folder / LAYERS)
    tensors = read_tensors(folder / WEIGHTS)
    try:
        model = keras.saving.deserialize_keras_object(described, safe_mode=True)
        arrays = [tensors[f"{place:05d}"] for place in range(len(tensors))]
        shapes = [(tuple(weight.shape), array.shape) for weight, array in zip(model.weights, arrays, strict=True)]
        if any(expected != stored for expected, stored in shapes):
            raise ValueError("the shapes of its weights differ from those of its layers")
        model.set_weights([array.astype("float32") for array in arrays])
    except MemoryError:
        raise
    except Exception as error:  # Keras' errors about wrong descriptions have no common type
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{folder / LAYERS} and {WEIGHTS} are damaged or do not belong together: {reason}.") from error
    return model


def _read_layers(file: Path) -> dict[str, Any]:
    try:
        described = json.loads(read_file(file, LARGEST_LAYERS))
        refused = next(_refused(described), None)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged: it is no JSON of layers.") from error
    if refused is not None:
        raise UserError(f"{file} has {refused}, which is not built: it could execute code. Expected layers alone.")
    return described


def _refused(value: Any) -> Iterator[str]:
    """What is no layer of a known library."""
    if isinstance(value, dict):
        if "class_name" in value:
            module, name = str(value.get("module") or "keras"), str(value["class_name"])
            library, _, part = module.replace("keras.src.", "keras.", 1).partition(".")
            known = library in LIBRARIES and (library != "keras" or not part or part.split(".")[0] in PARTS_OF_KERAS)
            if (not known and module != "builtins") or name in HOLD_CODE | OPEN_FILES:
                yield f"the object {module}.{name}"[:120]
        for each in value.values():
            yield from _refused(each)
    elif isinstance(value, list):
        for each in value:
            yield from _refused(each)


def _without_training(value: Any) -> Any:
    """A description without how its models were compiled: losses and optimizers are no part of a network."""
    if isinstance(value, dict):
        return {name: _without_training(each) for name, each in value.items() if name != "compile_config"}
    return [_without_training(each) for each in value] if isinstance(value, list) else value


def _stored(array: np.ndarray) -> np.ndarray:
    """The weight as it is stored. Vectors stay float32: BatchNorm's statistics exceed 16 bits, and all of them are few."""
    array = array.astype(np.float32)
    fits = array.ndim > 1 and np.abs(array).max(initial=0) < np.finfo(np.float16).max
    return np.ascontiguousarray(array.astype(np.float16) if fits else array)
