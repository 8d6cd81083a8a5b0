"""What is expected of the files of a run when they are read: each function raises ``ValueError`` where it is not so."""

import hashlib
import io
import json
import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.errors import UserError
from visionkit.files import open_file

FOUND = "found_rates"  # in a plan: the learning rates that training found
CHANGING = ("epochs", FOUND)  # in a plan: what is changed on purpose, and what training adds
UNREADABLE = (
    *(ValueError, KeyError, EOFError, TypeError, AttributeError, OSError, zipfile.BadZipFile, zlib.error, SyntaxError),
    *(NotImplementedError, RuntimeError, MemoryError, OverflowError),  # a bit may name a compression, a password, a huge shape
)


class RunFolderError(UserError):
    """A folder that cannot be started in or resumed from."""


def digest(contents: bytes) -> str:
    """The digest of what a file holds."""
    return hashlib.blake2b(contents, digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """The digest of a file, which may be larger than the memory."""
    with open_file(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def reason(error: Exception) -> str:
    """The first line of an error, or what kind of error it is."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.splitlines()[0].removesuffix(".") if text.strip() else type(error).__name__


def parsed(contents: bytes) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(contents)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def plan_digests(contents: bytes) -> list[str]:
    """The digest of a plan, and that of the plan without what may differ where it was lost and is decided anew."""
    try:
        lasting = {name: value for name, value in as_object(parsed(contents)).items() if name not in CHANGING}
    except ValueError:
        return [digest(contents)]
    return [digest(contents), digest(json.dumps(lasting, sort_keys=True).encode())]


def _expect(*conditions: bool) -> None:
    if not all(conditions):
        raise ValueError("it does not hold what a run writes there")


def as_object(contents: Any) -> dict[str, Any]:
    """A JSON object: the options, or the plan."""
    _expect(isinstance(contents, dict))
    return contents


def as_notes(contents: Any) -> list[str]:
    """The notes of a run."""
    _expect(isinstance(contents, list))
    _expect(all(isinstance(note, str) for note in contents))
    return contents


def with_own_digest(digests: dict[str, list[str]]) -> dict[str, Any]:
    """The digests of files with their own, for a JSON file."""
    return {"files": digests, "digest": digest(json.dumps(digests).encode())}


def as_digests(contents: Any) -> dict[str, list[str]]:
    """The digests of files by name, the last ones of each; the inverse of ``with_own_digest``."""
    _expect(isinstance(contents, dict) and isinstance(contents.get("files"), dict))
    _expect(contents == with_own_digest(contents["files"]))
    contents = contents["files"]
    _expect(*(isinstance(known, list) and all(isinstance(each, str) for each in known) for known in contents.values()))
    return contents


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def as_metrics(contents: Any) -> dict[str, float | None]:
    """The metrics of a finished run."""
    _expect(isinstance(contents, dict))
    _expect(len(contents) > 1, _is_number(contents.get("seconds")))
    _expect(*(value is None or _is_number(value) for value in contents.values()))
    return contents


def as_checkpoint(contents: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The state and the arrays of a checkpoint."""
    arrays = read_arrays(contents)
    _expect("__state__" in arrays)
    state = as_object(parsed(str(arrays.pop("__state__")).encode()))
    epoch, history = state.get("epoch"), state.get("history")
    _expect(isinstance(state.get("phase"), str), isinstance(epoch, int) and epoch >= 0, _is_number(state.get("seconds")))
    _expect(isinstance(history, list))
    _expect(*(isinstance(row, dict) and isinstance(row.get("phase"), str) for row in history))
    return state, arrays


def read_arrays(contents: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file; nothing is unpickled.

    Raises:
        ValueError: it is no such file, or damaged.
    """
    try:
        with np.load(io.BytesIO(contents), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except UNREADABLE as error:
        raise ValueError(reason(error)) from error
