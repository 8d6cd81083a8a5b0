"""Tables of tensors from other libraries: safetensors, and PyTorch's two formats."""

import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors

from visionkit.weights.torch_legacy import read_legacy
from visionkit.weights.torch_pickle import UnsafeCheckpointError
from visionkit.weights.torch_zip import read_zip

WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read a table of tensors without executing anything in it; its first bytes say which format it is in.

    Args:
        path: a safetensors file, or a PyTorch checkpoint (a state dict, alone or as a training script saves it).

    Returns:
        name -> read-only array, in the file's dtypes, but bfloat16 as float32.

    Raises:
        UnsafeCheckpointError: the file is damaged, of another format, or asks for anything beyond plain tensors.
        OSError: it cannot be read.
    """
    path = Path(path)
    read = _reader(path)
    try:
        tensors = read(path)
    except (UnsafeCheckpointError, safetensors.SafetensorError) as error:
        raise UnsafeCheckpointError(f"{path} cannot be read safely: {error}.") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UnsafeCheckpointError(f"{path} is damaged: {error!r}.") from error
    for wrapper in WRAPPERS:
        if tensors and all(name.startswith(wrapper) for name in tensors):
            tensors = {name.removeprefix(wrapper): array for name, array in tensors.items()}
    return {name: array.astype("float32") if array.dtype == ml_dtypes.bfloat16 else array for name, array in tensors.items()}


def _reader(path: Path):
    with path.open("rb") as file:
        head = file.read(9)
    if head.startswith(b"PK\x03\x04"):
        return read_zip
    if head.startswith(b"\x80"):  # a pickle
        return read_legacy
    if head[8:] == b"{" and struct.unpack("<Q", head[:8])[0] < path.stat().st_size:
        return _read_safetensors
    raise UnsafeCheckpointError(
        f"{path} begins with {head!r}: expected safetensors or a PyTorch checkpoint (Keras' end in .weights.h5 or .keras)."
    )


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    with safetensors.safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
