"""Legacy PyTorch checkpoints (before version 1.6): five pickles, then raw storages."""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from visionkit.weights.torch_pickle import Storage, UnsafeCheckpointError, state_dict, unpickle

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001


def read_legacy(path: Path) -> dict[str, np.ndarray]:
    """Read a legacy state dict without executing anything in it.

    Returns:
        name -> array, in the order and dtypes of the file.

    Raises:
        UnsafeCheckpointError: the file needs any name beyond plain tensors, or a size differs from its declaration. A damaged
            file raises nearly anything.
    """
    announced: dict[str, Storage] = {}
    with path.open("rb") as file:
        if unpickle(file, announced) != MAGIC_NUMBER or unpickle(file, announced) != PROTOCOL_VERSION:
            raise UnsafeCheckpointError("it does not begin like a legacy PyTorch file")
        if unpickle(file, announced).get("little_endian") is not True:
            raise UnsafeCheckpointError("it was written on a big-endian machine")
        tensors = state_dict(unpickle(file, announced))
        wanted = {tensor.storage.key for tensor in tensors.values()}
        storages = {}
        for key in unpickle(file, announced):
            numbers = _next_storage(file, announced.get(str(key)), path.stat().st_size, skip=str(key) not in wanted)
            storages[str(key)] = numbers
    return {name: tensor.view(storages[tensor.storage.key]) for name, tensor in tensors.items()}


def _next_storage(file: BinaryIO, announced: Storage | None, file_bytes: int, *, skip: bool) -> np.ndarray | None:
    (size,) = struct.unpack("<q", file.read(8))
    if announced is None or size != announced.size:
        raise UnsafeCheckpointError(f"a storage of {size} numbers was announced as {announced}")
    wanted, left = size * announced.dtype.itemsize, file_bytes - file.tell()
    if wanted > left:
        raise UnsafeCheckpointError(f"a storage needs {wanted} bytes where {left} are left: the file is cut off")
    if skip:  # an optimizer's, in a training script's file
        file.seek(wanted, 1)
        return None
    return np.frombuffer(file.read(wanted), announced.dtype)
