"""Tables of tensors from other libraries: safetensors, and PyTorch's two formats."""

import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors

from visionkit.weights.torch_legacy import read_legacy
from visionkit.weights.torch_pickle import UnsafeCheckpointError
from visionkit.weights.torch_zip import read_zip

WRAPPERS = ("module.", "_orig_mod.")  # prefixes that DataParallel and torch.compile add to every name


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read a table of tensors without executing anything in it; its first bytes determine the format.

    Args:
        path: a safetensors file, or a PyTorch checkpoint (a state dict, alone or inside the dict of a training script).

    Returns:
        name -> read-only array, in the dtypes of the file, except that bfloat16 becomes float32.

    Raises:
        UnsafeCheckpointError: the file is damaged, of another format, or needs anything beyond plain tensors.
        OSError: the file cannot be read.
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
        f"{path} begins with {head!r}: expected safetensors or a PyTorch checkpoint (Keras files end in .weights.h5 or .keras)."
    )


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    with safetensors.safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the file is no dict)
