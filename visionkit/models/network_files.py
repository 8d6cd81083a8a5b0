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
from concurrent.futures import ThreadPoolExecutor
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
    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(_built, described, tensors).result()
    except MemoryError:
        raise
    except Exception as error:  # Keras' errors about wrong descriptions have no common type
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{folder / LAYERS} and {WEIGHTS} are damaged or do not belong together: {reason}.") from error


def _read_weights(file: Path) -> dict[str, np.ndarray]:
    tensors = read_tensors(file)
    for name, array in tensors.items():
        if array.dtype not in (np.float16, np.float32) or not np.isfinite(array).all():
            raise UserError(
                f"{file} is damaged: its tensor {name[:20]} holds no finite numbers of 16 or 32 bits ({array.dtype})."
            )
    return tensors


def _built(described: dict[str, Any], tensors: dict[str, np.ndarray]) -> keras.Model:
    """The model of a description, with the weights of ``tensors``.

    Keras makes room for weights only after their shapes were found to be those of the tensors: a damaged description could
    name any number of units, a kernel or an input of any size. Called in a thread of its own, which alone remembers the weights
    of a model that is refused; otherwise Keras would make room for them with the next model.

    Raises:
        ValueError: the shapes differ.
    """
    with keras.StatelessScope(initialize_variables=False):
        model = keras.saving.deserialize_keras_object(described, safe_mode=True)
    arrays = [tensors[f"{place:05d}"] for place in range(len(tensors))]
    if [tuple(weight.shape) for weight in model.weights] != [array.shape for array in arrays]:
        raise ValueError("the shapes of its weights differ from those of its layers")
    with keras.StatelessScope():
        pass  # when a scope ends, Keras makes room for what is pending
    model.set_weights([array.astype("float32") for array in arrays])
    return model


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
