"""Writes files like those of PyTorch without PyTorch, and files like those of an attacker."""

import io
import pickle
import struct
import zipfile

import numpy as np

from visionkit.weights import torch_legacy
from visionkit.weights.torch_pickle import STORAGE_DTYPES


class Named:
    """Pickles as a global name that need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Call:
    """Pickles as a call of a global with arguments, after which ``state`` is set."""

    def __init__(self, function, arguments, state=None):
        self.function, self.arguments, self.state = function, arguments, state


class Storage:
    def __init__(self, key, kind, size):
        self.pid = ("storage", Named("torch", kind), key, "cpu", size)


class Pickler(pickle._Pickler):
    """A pickler of the three above; legacy files say besides which part of another storage one is: None."""

    legacy = True

    def persistent_id(self, thing):
        return (*thing.pid, None)[: 6 if self.legacy else 5] if isinstance(thing, Storage) else None

    def save(self, thing, save_persistent_id=True):
        if isinstance(thing, Named):
            self.write(f"c{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Call):
            self.save(thing.function)
            self.save(thing.arguments)
            self.write(pickle.REDUCE)
            if thing.state is not None:
                self.save(thing.state)
                self.write(pickle.BUILD)
        else:
            super().save(thing, save_persistent_id)


def pickled(thing, *, legacy=False) -> bytes:
    buffer = io.BytesIO()
    pickler = Pickler(buffer, 2)
    pickler.legacy = legacy
    pickler.dump(thing)
    return buffer.getvalue()


REBUILD = Named("torch._utils", "_rebuild_tensor_v2")
HOOKS = Call(Named("collections", "OrderedDict"), ())


def tensor(key, shape, strides, *, kind="FloatStorage", size=None, offset=0):
    return Call(REBUILD, (Storage(key, kind, size), offset, shape, strides, False, HOOKS))


def legacy_file(root, storages: dict[str, np.ndarray], *, magic=torch_legacy.MAGIC_NUMBER) -> bytes:
    """Five pickles, then the storages."""
    header = [magic, torch_legacy.PROTOCOL_VERSION, {"little_endian": True, "protocol_version": 1001}]
    parts = [pickled(thing, legacy=True) for thing in [*header, root, list(storages)]]
    for array in storages.values():
        parts += [struct.pack("<q", array.size), array.tobytes()]
    return b"".join(parts)


def zip_file(root, storages: dict[str, np.ndarray], *, others: dict[str, bytes] | None = None, compression=0) -> bytes:
    """An archive of one pickle and the storages; ``root`` may be bytes."""
    members = {"data.pkl": root if isinstance(root, bytes) else pickled(root), "byteorder": b"little", "version": b"3\n"}
    members |= {f"data/{key}": array.tobytes() for key, array in storages.items()} | (others or {})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, contents in members.items():
            archive.writestr(f"archive/{name}", contents)
    return buffer.getvalue()


def saved(tensors: dict[str, np.ndarray]) -> tuple[dict, dict[str, np.ndarray]]:
    """A state dict as ``legacy_file`` and ``zip_file`` take it, each tensor with a storage of its own."""
    kinds = {dtype: kind for kind, dtype in STORAGE_DTYPES.items()}
    root, storages = {}, {}
    for number, (name, array) in enumerate(tensors.items()):
        strides = tuple(stride // array.itemsize for stride in np.ascontiguousarray(array).strides)
        root[name] = tensor(str(number), array.shape, strides[: array.ndim], kind=kinds[array.dtype], size=array.size)
        storages[str(number)] = np.ascontiguousarray(array)
    return root, storages
