"""Legacy PyTorch checkpoints (before version 1.6): five pickles, then raw storages."""

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from visionkit.files import open_file
from visionkit.weights.pickles import UnsafeCheckpointError
from visionkit.weights.torch_pickle import Storage, read_table, state_dict

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
    with open_file(path) as file:
        if read_table(file, announced) != MAGIC_NUMBER or read_table(file, announced) != PROTOCOL_VERSION:
            raise UnsafeCheckpointError("it does not begin like a legacy PyTorch file")
        if read_table(file, announced).get("little_endian") is not True:
            raise UnsafeCheckpointError("it was written on a big-endian machine")
        tensors = state_dict(read_table(file, announced))
        wanted = {tensor.storage.key for tensor in tensors.values()}
        storages = {}
        keys = read_table(file, announced)
        keys = list(map(str, keys)) if type(keys) is list and all(type(key) in (str, int) for key in keys) else None
        if keys is None or len(set(keys)) < len(keys):  # as texts: integers can be chosen so that all have one hash
            raise UnsafeCheckpointError("it has no list of its storages, or names one of them twice")
        file_bytes = path.stat().st_size
        for key in keys:
            storages[key] = _next_storage(file, announced.get(key), file_bytes, skip=key not in wanted)
        if beyond := file_bytes - file.tell():
            raise UnsafeCheckpointError(f"{beyond} bytes follow the last storage")
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
