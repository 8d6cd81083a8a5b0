"""Reads the pickles inside PyTorch checkpoints without executing anything.

The unpickler admits the few names that a table of tensors needs, and replaces them by inert stand-ins; any other name is an
error. Sizes that a file declares are checked before memory is allocated.
"""

import math
import pickle
import pickletools
from collections import OrderedDict
from typing import BinaryIO, NamedTuple

import ml_dtypes
import numpy as np

from visionkit.errors import UserError

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
# The keys under which training scripts save the state dict; averaged weights come first, as timm prefers them.
STATE_DICTS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model")


class UnsafeCheckpointError(UserError):
    """The file is damaged, or needs something that a table of tensors does not need."""


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


class _PlainDict(OrderedDict):
    """An ordered dict that drops the attributes (module versions) that PyTorch adds to a state dict."""

    def __setstate__(self, state) -> None:
        pass


class _RebuildTensor:
    """Stands in for PyTorch's function; a plain function would have attributes that a pickle can change."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *_gradient_and_hooks) -> Tensor:
        shape, strides = tuple(shape), tuple(strides)
        whole_numbers = all(type(n) is int and n >= 0 for n in (offset, *shape, *strides))
        if not (isinstance(storage, Storage) and whole_numbers and len(shape) == len(strides)):
            raise UnsafeCheckpointError(f"not a tensor: storage {storage!r}, shape {shape}, strides {strides}")
        return Tensor(storage, offset, shape, strides)

    def __setstate__(self, state) -> None:
        raise UnsafeCheckpointError("it tries to change the reader")


class _RebuildParameter(_RebuildTensor):
    """Stands in for PyTorch's parameters, which are tensors that require a gradient."""

    __slots__ = ()

    def __call__(self, tensor, *_gradient_and_hooks) -> Tensor:
        if not isinstance(tensor, Tensor):
            raise UnsafeCheckpointError(f"not a parameter: {tensor!r}")
        return tensor


ADMITTED = {
    ("collections", "OrderedDict"): _PlainDict,
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor(),  # before version 0.4
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    ("torch.nn.parameter", "Parameter"): _RebuildParameter(),  # before version 0.4
    **{("torch", name): _StorageType(dtype) for name, dtype in STORAGE_DTYPES.items()},
}


class _TensorUnpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, storages: dict[str, Storage]):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module, name):
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise UnsafeCheckpointError(
                f"it asks for {module}.{name}, which no table of tensors needs. If you trust the file, save its state dict "
                "alone, or a .safetensors file"
            ) from None

    def persistent_load(self, pid):
        kind, storage_type, key, _device, size, *view = pid
        plain = kind == "storage" and isinstance(storage_type, _StorageType) and type(size) is int and size >= 0
        if not plain or view not in ([], [None]):
            raise UnsafeCheckpointError(f"it refers to {pid!r}, which is no plain storage")
        storage = Storage(str(key), storage_type.dtype, size)
        if self.storages.setdefault(storage.key, storage) != storage:
            raise UnsafeCheckpointError(f"it declares storage {key} as {storage} and as {self.storages[storage.key]}")
        return storage


def unpickle(file: BinaryIO, storages: dict[str, Storage]) -> object:
    """Load the next pickle of ``file``; the storages that it declares are added to ``storages``.

    Raises:
        UnsafeCheckpointError: the pickle needs any name beyond plain tensors. A damaged pickle raises nearly anything.
    """
    start = file.tell()
    for opcode, argument, position in pickletools.genops(file):
        if opcode.name.endswith("PUT") and argument > position:  # the unpickler would allocate a list of that length
            raise UnsafeCheckpointError(f"it numbers its {position}th byte {argument}")
    file.seek(start)
    return _TensorUnpickler(file, storages).load()


def state_dict(root: object) -> dict[str, Tensor]:
    """The tensors by name of an unpickled state dict, or of the state dict inside a training script's dict.

    Raises:
        UnsafeCheckpointError: there is no state dict, or it holds more than tensors.
    """
    tensors = root
    if isinstance(root, dict):
        tensors = next((root[name] for name in STATE_DICTS if isinstance(root.get(name), dict)), root)
    if not isinstance(tensors, dict):
        raise UnsafeCheckpointError(f"it holds no state dict but a {type(root).__name__}")
    others = [str(name) for name, value in tensors.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if others:
        raise UnsafeCheckpointError(
            f"it holds more than tensors: {', '.join(others[:5])}. Expected a state dict, or one under {', '.join(STATE_DICTS)}"
        )
    return dict(tensors)
