"""Reads the tensors of a legacy PyTorch checkpoint (before version 1.6: five pickles, then raw storages).

Nothing in the file is executed: the unpickler admits the four names that a plain state dict needs, and puts
inert stand-ins of ours in their place; any other name is an error. Sizes are checked against the file's own length
before memory is taken.
"""

import math
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import numpy as np

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
STORAGE_DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
}


class UnsafeCheckpointError(ValueError):
    """The file is damaged, or asks for something that a table of tensors does not need."""


class _StorageType(NamedTuple):
    dtype: np.dtype


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _PlainDict(OrderedDict):
    """An ordered dict that drops the attributes (module versions) that PyTorch hangs on a state dict."""

    def __setstate__(self, state) -> None:
        pass


class _RebuildTensor:
    """Stands in for PyTorch's function; a plain function of ours would have attributes that a pickle can change."""

    __slots__ = ()

    def __call__(self, storage, offset, shape, strides, *_gradient_and_hooks) -> _Tensor:
        shape, strides = tuple(shape), tuple(strides)
        whole_numbers = all(type(n) is int and n >= 0 for n in (offset, *shape, *strides))
        if not (isinstance(storage, _Storage) and whole_numbers and len(shape) == len(strides)):
            raise UnsafeCheckpointError(f"not a tensor: storage {storage!r}, shape {shape}, strides {strides}")
        return _Tensor(storage, offset, shape, strides)

    def __setstate__(self, state) -> None:
        raise UnsafeCheckpointError("it tries to change the reader")


ADMITTED = {
    ("collections", "OrderedDict"): _PlainDict,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    **{("torch", name): _StorageType(dtype) for name, dtype in STORAGE_DTYPES.items()},
}


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return ADMITTED[module, name]
        except KeyError:
            raise UnsafeCheckpointError(f"it asks for {module}.{name}, which no table of tensors needs") from None

    def persistent_load(self, pid):
        kind, storage_type, key, _device, size, view = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType) or view is not None or type(size) is not int:
            raise UnsafeCheckpointError(f"it refers to {pid!r}, which is no plain storage")
        return _Storage(str(key), storage_type.dtype, size)


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Read a legacy ``.pth`` state dict without executing anything in it.

    Args:
        path: the file.

    Returns:
        name -> array, in the file's order and dtypes (float16/32/64, int32/64).

    Raises:
        UnsafeCheckpointError: the file is damaged, not a legacy checkpoint, or asks for any name beyond plain tensors.
        OSError: it cannot be read.
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            return _read(file, path.stat().st_size)
        except UnsafeCheckpointError as error:
            raise UnsafeCheckpointError(f"{path} is not a checkpoint that can be read safely: {error}") from None
        except Exception as error:  # a damaged pickle raises nearly anything
            raise UnsafeCheckpointError(f"{path} is damaged or not a legacy PyTorch checkpoint: {error!r}") from error


def _read(file, file_bytes: int) -> dict[str, np.ndarray]:
    def unpickle():
        return _TensorUnpickler(file).load()

    if unpickle() != MAGIC_NUMBER or unpickle() != PROTOCOL_VERSION:
        raise UnsafeCheckpointError("it does not begin like a legacy PyTorch file")
    if unpickle().get("little_endian") is not True:
        raise UnsafeCheckpointError("it was written on a big-endian machine")
    state_dict, keys = unpickle(), unpickle()
    tensors = {name: value for name, value in state_dict.items() if isinstance(value, _Tensor)}
    if len(tensors) != len(state_dict):
        raise UnsafeCheckpointError("it holds more than tensors")
    declared = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {str(key): _read_storage(file, declared.get(str(key)), file_bytes) for key in keys}
    return {name: _view(tensor, storages) for name, tensor in tensors.items()}


def _read_storage(file, declared: _Storage | None, file_bytes: int) -> np.ndarray:
    (size,) = struct.unpack("<q", file.read(8))
    if declared is None or size != declared.size:
        raise UnsafeCheckpointError(f"a storage of {size} numbers was announced as {declared}")
    wanted, left = size * declared.dtype.itemsize, file_bytes - file.tell()
    if not 0 <= wanted <= left:
        raise UnsafeCheckpointError(f"a storage needs {wanted} bytes where {left} are left: the file is cut off")
    return np.frombuffer(file.read(wanted), declared.dtype)


def _view(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    storage = storages[tensor.storage.key]
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    empty = 0 in tensor.shape
    if not empty and last >= storage.size:
        raise UnsafeCheckpointError(f"a tensor of shape {tensor.shape} reaches beyond its storage of {storage.size}")
    if math.prod(tensor.shape) > storage.size:  # strides may repeat numbers without end
        raise UnsafeCheckpointError(f"a tensor of shape {tensor.shape} is larger than its storage of {storage.size}")
    if empty:
        return np.zeros(tensor.shape, storage.dtype)
    strides = [s * storage.itemsize for s in tensor.strides]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, strides).copy()
