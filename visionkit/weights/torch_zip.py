"""PyTorch checkpoints since version 1.6: a zip archive of one pickle and a file for each storage."""

import io
import zipfile
from pathlib import Path

import numpy as np

from visionkit.files import open_file
from visionkit.weights.pickles import LARGEST_PICKLE, UnsafeCheckpointError
from visionkit.weights.torch_pickle import Storage, read_table, state_dict

PICKLE = "data.pkl"


def read_zip(path: Path) -> dict[str, np.ndarray]:
    """Read the state dict in a zip archive without executing anything in it.

    Returns:
        name -> array, in the order and dtypes of the file.

    Raises:
        UnsafeCheckpointError: the file needs any name beyond plain tensors, or a size differs from its declaration. A damaged
            file raises nearly anything.
    """
    announced: dict[str, Storage] = {}
    file_bytes = path.stat().st_size
    with open_file(path) as file, zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        folders = [name.removesuffix(PICKLE) for name in members if name.count("/") == 1 and name.endswith(f"/{PICKLE}")]
        if len(folders) != 1:
            raise UnsafeCheckpointError(f"it is a zip archive with {len(folders)} {PICKLE}, where a PyTorch checkpoint has one")
        (folder,) = folders

        def contents(name: str) -> bytes:
            info = members[folder + name]
            if info.compress_type != zipfile.ZIP_STORED or not info.file_size == info.compress_size <= file_bytes:
                raise UnsafeCheckpointError(f"{name} is compressed, which PyTorch never does, or larger than the file")
            return archive.read(info)

        if f"{folder}byteorder" in members and contents("byteorder") != b"little":
            raise UnsafeCheckpointError("it was written on a big-endian machine")
        if members[folder + PICKLE].file_size > LARGEST_PICKLE:
            raise UnsafeCheckpointError(f"its {PICKLE} is larger than {LARGEST_PICKLE:,} bytes")
        tensors = state_dict(read_table(io.BytesIO(contents(PICKLE)), announced))
        wanted = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        sizes = {key: members[f"{folder}data/{key}"].file_size for key in wanted}
        for key, (_, dtype, size) in wanted.items():
            if sizes[key] != size * dtype.itemsize:
                raise UnsafeCheckpointError(
                    f"storage {key} has {sizes[key]} bytes, but {size} numbers of {dtype} were announced"
                )
        if sum(sizes.values()) > file_bytes:  # members may overlap
            raise UnsafeCheckpointError("its storages are larger than the file")
        storages = {key: np.frombuffer(contents(f"data/{key}"), storage.dtype) for key, storage in wanted.items()}
    return {name: tensor.view(storages[tensor.storage.key]) for name, tensor in tensors.items()}
