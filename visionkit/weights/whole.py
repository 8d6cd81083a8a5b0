"""What the numbers of a file must be before a network takes them: floats, finite, and no negative variances."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import keras
import numpy as np

from visionkit.errors import UserError
from visionkit.printable import some


class Filled(NamedTuple):
    """What a file did to a network.

    Attributes:
        library: the library whose names a state dict uses: a key of ``torch_names.forms``; None for files of Keras.
        used: the number of tensors that were taken.
        left_out: the names of those that were not.
        untrained: the layers that keep their initial weights, for lack of tensors that fit.
    """

    library: str | None
    used: int
    left_out: tuple[str, ...]
    untrained: tuple[str, ...]


class Given(NamedTuple):
    """The arrays for a layer, by their names in the file, in the order of ``layer.weights`` and with its shapes."""

    layer: keras.layers.Layer
    names: list[str]
    arrays: list[np.ndarray]


def set_all(given: Iterable[Given], source: object) -> None:
    """Set the weights of layers, after all arrays were checked.

    Raises:
        UserError: an array holds integers (a quantised network), or numbers that are not finite, or a negative variance; no
            weight is changed then.
    """
    given = list(given)
    complaints = defaultdict(list)
    for layer, names, arrays in given:
        is_norm = isinstance(layer, (keras.layers.BatchNormalization, keras.layers.Normalization))
        for weight, name, array in zip(layer.weights, names, arrays, strict=True):
            if complaint := _complaint(array, np.dtype(weight.dtype), is_variance=is_norm and "variance" in weight.name):
                complaints[complaint].append(name)
    if complaints:
        complaint, names = next(iter(complaints.items()))
        raise UserError(f"{source} holds {complaint.format(some(names))}")
    for layer, _, arrays in given:
        layer.set_weights(arrays)


def _complaint(array: np.ndarray, dtype: np.dtype, *, is_variance: bool) -> str:
    if dtype.kind in "iu":  # a counter
        return "" if array.dtype.kind in "iu" else f"{array.dtype} numbers in {{}}; expected whole numbers."
    if array.dtype.kind != "f":
        return (
            f"{array.dtype} numbers in {{}}; expected float32, float16 or bfloat16. The weights of a quantised network mean "
            "nothing without its scales: take the file from before it was quantised."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        numbers = array.astype(dtype)
    if not np.isfinite(numbers).all():
        return (
            f"numbers that are not finite as {dtype} in {{}}; expected finite weights. Its training diverged, or the file is "
            "damaged: take an earlier checkpoint, or download it again."
        )
    if is_variance and numbers.size and numbers.min() < 0:
        return "negative variances in {}; expected 0 or more. The file is damaged, or its layers are named wrongly."
    return ""
