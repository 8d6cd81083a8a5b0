"""Tables of tensors from other libraries: safetensors, and PyTorch's two formats."""

import struct
from pathlib import Path

import ml_dtypes
import numpy as np
import safetensors

from visionkit.files import open_file
from visionkit.weights.pickles import LONGEST_KEY, UnsafeCheckpointError
from visionkit.weights.torch_legacy import read_legacy
from visionkit.weights.torch_pickle import is_counter
from visionkit.weights.torch_zip import read_zip

# Prefixes that DataParallel and averaged models, torch.compile, and classes around a network add to every name.
WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.")
MOST_TENSORS = 20_000  # in a safetensors file; the largest networks of the catalogue have 2000
MOST_SHARED = 8  # how often the numbers of a file may be used, on the average: weights may be tied
READABLE = ("F16", "BF16", "F32", "F64", "BOOL", *(f"{sign}{bits}" for sign in "UI" for bits in (8, 16, 32, 64)))
OTHER_FILES = (  # what stands in place of weights, by its first bytes
    (b"version https://git-lfs", "is a pointer of Git LFS, not the file itself: `git lfs pull` fetches it"),
    (b"<", "is a web page, not the file itself: download it again, and look into the page for the reason"),
    (b"{", "is a text in JSON, maybe a server's error message: download it again"),
    (b"\x89HDF", "is an HDF5 file; those of Keras 3 end in .weights.h5"),
    (b"PK", "is a zip archive; those of Keras end in .keras"),
)


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Read a table of tensors without executing anything in it; its first bytes determine the format.

    The storages of PyTorch's zip archives have checksums. Legacy files and safetensors have none: there, structure, types and
    shapes can be checked, and whether numbers are finite (``weights.whole``), but not whether a number was changed.

    Args:
        path: a safetensors file, or a PyTorch checkpoint (a state dict, alone or inside the dict of a training script).

    Returns:
        name -> read-only array, in the dtypes of the file, except that bfloat16 becomes float32. Prefixes that wrappers add to
        all names (``WRAPPERS``) are dropped.

    Raises:
        UnsafeCheckpointError: the file is damaged, of another format, or needs anything beyond plain tensors.
        OSError: the file cannot be read, or is no regular file.
    """
    path = Path(path)
    read = _reader(path)
    try:
        tensors = _unwrapped(read(path))
    except (UnsafeCheckpointError, safetensors.SafetensorError) as error:
        raise UnsafeCheckpointError(f"{path} cannot be read safely: {error}.") from None
    except Exception as error:  # a damaged pickle raises nearly anything
        raise UnsafeCheckpointError(f"{path} is damaged: {repr(error)[:200]}.") from error
    if sum(array.nbytes for array in tensors.values()) > MOST_SHARED * path.stat().st_size:
        raise UnsafeCheckpointError(f"{path} cannot be read safely: its tensors are far larger than the file.")
    return {name: array.astype("float32") if array.dtype == ml_dtypes.bfloat16 else array for name, array in tensors.items()}


def unlike(path: Path, head: bytes) -> str:
    """A sentence on what a file is that does not begin like weights; empty if that is not known."""
    begins = head.lstrip(b"\xef\xbb\xbf\r\n\t ")
    if not head:
        return f" {path.name} is empty: download or copy it again."
    return next((f" {path.name} {what}." for start, what in OTHER_FILES if begins.startswith(start)), "")


def _reader(path: Path):
    with open_file(path) as file:
        head = file.read(32)
    if (
        head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < path.stat().st_size
    ):  # first: a length may begin like the others
        return _read_safetensors
    if head.startswith(b"PK\x03\x04"):
        return read_zip
    if head.startswith(b"\x80"):  # a pickle
        return read_legacy
    raise UnsafeCheckpointError(
        f"{path} begins with {head[:9]!r}: expected safetensors or a PyTorch checkpoint (Keras files end in .weights.h5 or "
        f".keras).{unlike(path, head)}"
    )


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    with safetensors.safe_open(path, framework="numpy") as file:
        names = list(file.keys())
        if len(names) > MOST_TENSORS:
            raise UnsafeCheckpointError(f"it holds {len(names):,} tensors; at most {MOST_TENSORS:,} are read")
        types = {name: file.get_slice(name).get_dtype() for name in names}
        unreadable = [name for name in names if types[name] not in READABLE]
        if unreadable:
            raise UnsafeCheckpointError(
                f"it holds numbers of type {types[unreadable[0]]} in {unreadable[0][:80]}; expected float32, float16 or "
                "bfloat16"
            )
        return {name: file.get_tensor(name) for name in names}


def _unwrapped(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors without the prefixes that wrappers add, in any order and number; counters may lack a prefix."""
    if any(len(name) > LONGEST_KEY for name in tensors):
        raise UnsafeCheckpointError(f"a tensor has a name of more than {LONGEST_KEY} characters")
    compiled = {name.replace("_orig_mod.", ""): array for name, array in tensors.items()}  # also of a part of a network
    tensors = compiled if len(compiled) == len(tensors) else tensors
    names = [name for name in tensors if not is_counter(name)]
    prefix = ""
    while wrapper := next((each for each in WRAPPERS if names and all(name.startswith(prefix + each) for name in names)), ""):
        prefix += wrapper
    return {name.removeprefix(prefix): array for name, array in tensors.items()}
