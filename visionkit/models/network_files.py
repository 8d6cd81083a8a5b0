"""The network of a bundle as training needs it: its layers as JSON, its weights as safetensors, beside the exported graph.

MODEL/assets.extra/network.json            the layers, as Keras serializes them
MODEL/assets.extra/network.safetensors     the weights, by position: kernels as float16, vectors as float32

Half of the digits of a kernel are enough to train on from it, at a quarter of the size of the whole bundle. Nothing in
either file is executed: only layers of Keras and visionkit are built, and none that holds or loads code.
"""

import importlib
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
LARGEST_LAYERS = 2**23  # bytes of JSON; the largest network of the catalogue takes 0.4 MB
MODELS = {("keras.src.models.functional", "Functional"), ("keras.src.models.sequential", "Sequential"), ("keras", "Sequential")}
ADMITTED = (
    "Pad",
    "Add",
    "Subtract",
    "Multiply",
    "Divide",
    "Concatenate",
    "Split",
    "Stack",
    "Reshape",
    "Transpose",
    "Mean",
    "Max",
)
OPERATIONS = {("keras.src.ops.numpy", name) for name in ADMITTED}  # that compute from numbers alone; others take functions
OURS = "visionkit>"  # how the registered names of our layers begin
VALUES = {"__keras_tensor__", "__numpy__"}  # what connects the layers; numbers
BASES = {  # of what Keras finds by its name in these modules
    "keras.layers": keras.layers.Layer,
    "keras.initializers": keras.initializers.Initializer,
    "keras.regularizers": keras.regularizers.Regularizer,
    "keras.constraints": keras.constraints.Constraint,
    "keras": keras.DTypePolicy,
}
REFUSED = {
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "JaxLayer",
    "FlaxLayer",
    "TextVectorization",
    "StringLookup",
    "IntegerLookup",
}


def write_network(model: keras.Model, folder: Path) -> None:
    """Write a network into the ``assets.extra`` of a bundle.

    Args:
        model: any model of layers of Keras and visionkit; how it was compiled is not kept.
        folder: exists.

    Raises:
        TypeError, NotImplementedError, ValueError: it has layers of others; nothing is written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a loss that is a lambda: what belongs to training is dropped
        described = _without_training(keras.saving.serialize_keras_object(model))
    if refused := next(_refused(described), None):
        raise TypeError(f"it has {refused}, which could not be built again")
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
    tensors = _read_weights(folder / WEIGHTS)
    _check_sizes(described, tensors, folder / LAYERS)
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


def _read_weights(file: Path) -> dict[str, np.ndarray]:
    tensors = read_tensors(file)
    for name, array in tensors.items():
        if array.dtype not in (np.float16, np.float32) or not np.isfinite(array).all():
            raise UserError(
                f"{file} is damaged: its tensor {name[:20]} holds no finite numbers of 16 or 32 bits ({array.dtype})."
            )
    return tensors


def _check_sizes(described: Any, tensors: dict[str, np.ndarray], file: Path) -> None:
    """Refuse layers with more units or filters than any tensor has, before Keras makes room for them."""
    sides = {side for array in tensors.values() for side in array.shape}
    for number in _sizes(described):
        if not isinstance(number, int) or number not in sides:
            raise UserError(f"{file} and {WEIGHTS} do not belong together: a layer has {number!r:.40} outputs, and no tensor.")


def _sizes(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from (value[name] for name in ("units", "filters") if name in value)
        for each in value.values():
            yield from _sizes(each)
    elif isinstance(value, list):
        for each in value:
            yield from _sizes(each)


def _read_layers(file: Path) -> dict[str, Any]:
    try:
        described = json.loads(read_file(file, LARGEST_LAYERS))
        refused = next(_refused(described), None)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged: it is no JSON of layers.") from error
    if refused is not None:
        raise UserError(
            f"{file} has {refused}, which is not built: it could execute code. Expected layers of Keras and visionkit."
        )
    return described


def _refused(value: Any) -> Iterator[str]:
    """What is no layer, nor anything that a layer is made of. Keras would look up any name of its own in a description, and
    call what it finds.
    """
    if isinstance(value, dict):
        if ("class_name" in value or "module" in value) and not _is_known(value):
            yield f"the object {value.get('module')}.{value.get('class_name')}"[:120]
        for each in value.values():
            yield from _refused(each)
    elif isinstance(value, list):
        for each in value:
            yield from _refused(each)


def _is_known(described: dict[str, Any]) -> bool:
    module, name, registered = (described.get(key) for key in ("module", "class_name", "registered_name"))
    if not isinstance(name, str) or name in REFUSED:
        return False
    if name in VALUES:
        return module is None and registered is None
    if (module, name) in MODELS | OPERATIONS:
        return registered in (None, name)
    if isinstance(registered, str) and registered.startswith(OURS):
        found = keras.saving.get_registered_object(registered)
        return isinstance(found, type) and issubclass(found, keras.layers.Layer) and found.__name__ == name
    base = BASES.get(module) if isinstance(module, str) else None
    found = getattr(keras if module == "keras" else importlib.import_module(module), name, None) if base is not None else None
    return isinstance(found, type) and issubclass(found, base) and registered in (None, name)


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
