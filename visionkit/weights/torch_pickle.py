"""The tables of tensors inside PyTorch checkpoints, which are read without unpickling them.

A table admits the few names that tensors need, and gives each an inert stand-in; any other name is an error. Sizes that a file
declares are checked before memory is allocated.
"""

import math
from typing import Any, BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from visionkit.weights.pickles import UnsafeCheckpointError, read_pickle, set_items

STORAGE_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
# The keys under which scripts save the state dict, also one in the other; averaged weights come first, as timm prefers.
STATE_DICTS = (
    *("state_dict_ema", "model_ema", "ema_state_dict", "params_ema", "ema"),
    *("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights", "params"),
)
DEEPEST = 8  # of tables in tables
MOST_SIDES = 32  # of a tensor
LARGEST_NUMBER = 2**63
COUNTERS = ("num_batches_tracked", "n_averaged")  # of PyTorch's batch normalisation, and of averaged weights


class Storage(NamedTuple):
    """A flat array of numbers, of which tensors are views."""

    key: str
    dtype: np.dtype
    size: int


class Tensor(NamedTuple):
    """A tensor that is not loaded yet; offset and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, numbers: np.ndarray) -> np.ndarray:
        """The tensor as an array that shares the memory of ``numbers``, the contents of its storage.

        Raises:
            UnsafeCheckpointError: the tensor reaches beyond its storage, or repeats numbers.
        """
        if 0 in self.shape:
            return np.zeros(self.shape, numbers.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if last >= numbers.size:
            raise UnsafeCheckpointError(f"a tensor of shape {self.shape} reaches beyond its storage of {numbers.size}")
        if math.prod(self.shape) > numbers.size:  # strides may repeat numbers endlessly
            raise UnsafeCheckpointError(f"a tensor of shape {self.shape} is larger than its storage of {numbers.size}")
        strides = [s * numbers.itemsize for s in self.strides]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False)


class _StorageType(NamedTuple):
    dtype: np.dtype


def _rebuild_tensor(*arguments: Any) -> Tensor:
    """Stands in for PyTorch's function: storage, offset, shape, strides, then what concerns gradients."""
    storage, offset, shape, strides = arguments[:4]
    sides = [shape, strides]
    plain = type(offset) is int and all(type(each) in (tuple, list) and len(each) <= MOST_SIDES for each in sides)
    numbers = [offset, *shape, *strides] if plain else []
    whole = all(type(number) is int and 0 <= number < LARGEST_NUMBER for number in numbers)
    if not (plain and whole and isinstance(storage, Storage) and len(shape) == len(strides)):
        raise UnsafeCheckpointError("it holds a tensor without a storage, or with a shape that no tensor has")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: Any, *_gradient_and_hooks: Any) -> Tensor:
    """Stands in for PyTorch's parameters, which are tensors that require a gradient."""
    if not isinstance(tensor, Tensor):
        raise UnsafeCheckpointError("it holds a parameter that is no tensor")
    return tensor


class _OrderedDict:
    """Stands in for the class; Python 2 wrote the items as a list of pairs, each of which may be used once."""

    def __init__(self) -> None:
        self._used: dict[int, list] = {}

    def __call__(self, *arguments: Any) -> dict:
        table: dict = {}
        for pairs in arguments:
            if type(pairs) is not list or id(pairs) in self._used:
                raise UnsafeCheckpointError("it makes a table of something that is no list of pairs")
            self._used[id(pairs)] = pairs  # kept, so that no other list gets its id
            for pair in pairs:
                if type(pair) not in (list, tuple) or len(pair) != 2:
                    raise UnsafeCheckpointError("it makes a table of something that is no list of pairs")
                set_items(table, [*pair])
        return table


def _admitted() -> dict[tuple[str, str], Any]:
    return {
        ("collections", "OrderedDict"): _OrderedDict(),
        ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,  # before version 0.4
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        ("torch.nn.parameter", "Parameter"): _rebuild_parameter,  # before version 0.4
        **{("torch", name): _StorageType(dtype) for name, dtype in STORAGE_DTYPES.items()},
    }


def _refused(module: str, name: str) -> UnsafeCheckpointError:
    if module.startswith("torch") and any(part in name.lower() for part in ("float8", "qint", "quint", "qtensor", "tensor_v3")):
        return UnsafeCheckpointError(
            f"it asks for {module}.{name}: its weights have 8 bits or are quantised. Expected float32, float16 or bfloat16"
        )
    return UnsafeCheckpointError(
        f"it asks for {module}.{name}, which no table of tensors needs. If you trust the file, save its state dict "
        "alone, or a .safetensors file"
    )


def read_table(file: BinaryIO, storages: dict[str, Storage]) -> Any:
    """Read the next pickle of ``file``; the storages that it declares are added to ``storages``.

    Raises:
        UnsafeCheckpointError: the pickle needs any name beyond plain tensors. A damaged pickle raises nearly anything.
    """

    def storage(pid: Any) -> Storage:
        if type(pid) is not tuple or not 5 <= len(pid) <= 6:
            raise UnsafeCheckpointError("it refers to something that is no plain storage")
        kind, storage_type, key, _device, size, *view = pid
        named = (type(key) is str and len(key) <= 100) or (type(key) is int and 0 <= key < LARGEST_NUMBER)
        plain = type(kind) is str and kind == "storage" and isinstance(storage_type, _StorageType)
        if not (named and plain and type(size) is int and 0 <= size < LARGEST_NUMBER and all(part is None for part in view)):
            raise UnsafeCheckpointError("it refers to something that is no plain storage")
        declared = Storage(str(key), storage_type.dtype, size)
        if storages.setdefault(declared.key, declared) != declared:
            raise UnsafeCheckpointError(f"it declares storage {key} as {declared} and as {storages[declared.key]}")
        return declared

    return read_pickle(file, _admitted(), _refused, storage)


def is_counter(name: str) -> bool:
    """Whether a tensor only counts steps, so that no prediction depends on it."""
    return name.rpartition(".")[2] in COUNTERS


def state_dict(root: object) -> dict[str, Tensor]:
    """The tensors by name of an unpickled state dict, or of the state dict inside a training script's dict.

    Raises:
        UnsafeCheckpointError: there is no state dict, or it holds more than tensors.
    """
    tensors = root
    for _ in range(DEEPEST):
        inner = [tensors[name] for name in STATE_DICTS if type(tensors.get(name)) is dict] if type(tensors) is dict else []
        if not inner:
            break
        tensors = inner[0]
    if type(tensors) is not dict:
        raise UnsafeCheckpointError(f"it holds no state dict but a {type(root).__name__}")
    tensors = {name: value for name, value in tensors.items() if not (type(value) in (int, float) and is_counter(str(name)))}
    others = [str(name)[:60] for name, value in tensors.items() if not (type(name) is str and isinstance(value, Tensor))]
    if others:
        raise UnsafeCheckpointError(
            f"it holds more than tensors: {', '.join(others[:5])}. Expected a state dict, or one under {', '.join(STATE_DICTS)}"
        )
    return tensors
