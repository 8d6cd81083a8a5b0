"""Reads the arrays in Keras' .weights.h5 and .keras files. What a .keras file says of its layers is not read at all.

A network is never built from a file: its configuration could name functions, and layers of any size. HDF5 is read as a table of
plain arrays: links to other files, compressed, virtual and external data are refused, none of which Keras writes.
"""

import io
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import ml_dtypes
import numpy as np

from visionkit.files import open_file
from visionkit.weights.pickles import UnsafeCheckpointError
from visionkit.weights.tensor_files import unlike

Groups = dict[str, list[np.ndarray]]
MEMBER = "model.weights.h5"
MOST_OBJECTS = 50_000  # groups and arrays; the largest network of the catalogue has 4000
DEEPEST = 16  # groups in groups
MOST_SHARED = 8  # how often the bytes of a file may be used
LARGEST_INFLATION = 20  # a compressed archive may be so many times as large unpacked; float weights compress by a tenth
OLD_LAYERS = "_layer_checkpoint_dependencies"  # the name of layers/ in Keras 2.13


def read_groups(path: str | Path) -> Groups:
    """Read the weights of all layers.

    A ``.keras`` file has a checksum of its weights. A ``.weights.h5`` file has none: its structure, types and shapes can be
    checked, but not whether a number was changed.

    Args:
        path: a ``.weights.h5`` file, or a ``.keras`` file.

    Returns:
        the path of a layer inside the file, such as "layers/conv2d_3" -> its arrays, in order. An optimizer's are left out.

    Raises:
        UnsafeCheckpointError: the file is damaged, or something else.
        OSError: the file cannot be read, or is no regular file.
    """
    path = Path(path)
    with open_file(path) as file:
        head = file.read(32)
        is_archive = path.suffix == ".keras"
        start, expected = (b"PK\x03\x04", ".keras file, which is a zip archive") if is_archive else (b"\x89HDF", "HDF5 file")
        if not head.startswith(start):
            raise UnsafeCheckpointError(
                f"{path} cannot be read: it begins with {head[:9]!r}; expected Keras' {expected}.{unlike(path, head)}"
            )
        file.seek(0)
        try:
            contents = io.BytesIO(_member(file, path.stat().st_size)) if is_archive else file
            with h5py.File(contents, "r") as stored:
                return _groups(stored, len(contents.getvalue()) if is_archive else path.stat().st_size)
        except UnsafeCheckpointError as error:
            raise UnsafeCheckpointError(f"{path} cannot be read safely: {error}.") from None
        except Exception as error:  # h5py and zipfile raise nearly anything for damaged files
            reason = " ".join(str(error).split())[:200]
            raise UnsafeCheckpointError(
                f"{path} is damaged: {reason or type(error).__name__}. Download or copy it again."
            ) from error


def _member(file: BinaryIO, file_bytes: int) -> bytes:
    """The HDF5 file in a .keras file; reading to its end checks its checksum."""
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if MEMBER not in members:
            raise UnsafeCheckpointError(f"it holds no {MEMBER}, as a .keras file of Keras 3 does")
        info = members[MEMBER]
        if not (info.file_size <= LARGEST_INFLATION * info.compress_size and info.compress_size <= file_bytes):
            raise UnsafeCheckpointError(
                f"its {MEMBER} would unpack to {info.file_size:,} bytes, more than {LARGEST_INFLATION} times what is stored"
            )
        return archive.read(info)


def _groups(stored: h5py.File, file_bytes: int) -> Groups:
    found: dict[str, dict[int, np.ndarray]] = {}
    left = MOST_SHARED * file_bytes
    todo: list[tuple[str, h5py.Group]] = [("", stored)]
    objects = 0
    while todo:
        path, group = todo.pop()
        for name in group:
            objects += 1
            where = f"{path}/{name}".removeprefix("/")
            if objects > MOST_OBJECTS or where.count("/") > DEEPEST:
                raise UnsafeCheckpointError(f"it holds more than {MOST_OBJECTS:,} groups and arrays, or too deep ones")
            if where == "optimizer":
                continue
            if type(group.get(name, getlink=True)) is not h5py.HardLink:
                raise UnsafeCheckpointError(f"{where[:80]} is a link, which Keras never writes")
            thing = group[name]
            if isinstance(thing, h5py.Group):
                todo.append((where, thing))
            elif not isinstance(thing, h5py.Dataset) or thing.shape is None:
                raise UnsafeCheckpointError(f"{where[:80]} is neither a group nor an array")
            elif path.rpartition("/")[2] == "vars":
                left -= thing.size * thing.dtype.itemsize
                if left < 0:
                    raise UnsafeCheckpointError("its arrays are far larger than the file")
                owner = path.removesuffix("vars").rstrip("/").replace(OLD_LAYERS, "layers")
                found.setdefault(owner, {})[_number(where, name)] = _array(where, thing)
    return {owner: [arrays[number] for number in sorted(arrays)] for owner, arrays in found.items()}


def _number(where: str, name: str) -> int:
    if not (name.isascii() and name.isdigit() and len(name) < 6):
        raise UnsafeCheckpointError(f"{where[:80]} is no numbered array, as Keras' are")
    return int(name)


def _array(where: str, stored: Any) -> np.ndarray:
    layout = stored.id.get_create_plist().get_layout()
    if stored.external or stored.is_virtual or layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT):
        raise UnsafeCheckpointError(f"{where[:80]} is compressed or lies elsewhere, which Keras never does")
    if layout == h5py.h5d.CONTIGUOUS and stored.size and stored.id.get_storage_size() == 0:
        raise UnsafeCheckpointError(f"{where[:80]} was never written: its numbers are missing")
    if stored.dtype.kind == "V" and stored.dtype.itemsize == 2 and stored.attrs.get("dtype") == "bfloat16":
        return stored[()].view(ml_dtypes.bfloat16).astype("float32")
    if stored.dtype.kind not in "fiub":
        raise UnsafeCheckpointError(f"{where[:80]} holds {stored.dtype}, no numbers")
    return np.asarray(stored[()])
