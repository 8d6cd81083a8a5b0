"""The files of a bundle besides its graph: ``bundle.json`` and the digests by which damage is noticed.

MODEL/assets.extra/sha256.txt has the SHA-256 of every file, as ``sha256sum`` writes them, and in MODEL
``sha256sum -c assets.extra/sha256.txt`` checks a copy, too. Bundles of earlier versions have none, and are loaded without
that check.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA, home_expanded, open_file, read_file, write_atomically

EXTRA = BUNDLE_METADATA.parent.name
DIGESTS = Path(EXTRA, "sha256.txt")
LABELS = Path(EXTRA, "labels.txt")
GRAPH = "saved_model.pb"
LARGEST_METADATA = 2**27  # bytes
AGAIN = "Copy the whole folder again, or export the model again."
REQUIRED = {  # in bundle.json, by task, besides the labels
    "detection": ("size", "threshold", "iou_threshold"),
    "segmentation": ("tile",),
    "embedding": ("size", "dimensions"),
    "localization": ("size",),
    "landmarks": ("size",),
}
REQUIRED_BY_INPUT = {None: ("size",), "signal": ("shape", "fit"), "volume": ("shape", "fit")}  # of classifiers


def find_bundle(path: str | Path) -> Path:
    """The bundle at a path: the folder itself, or the ``model/`` of a run folder. ``~`` is the user's folder."""
    folder = Path(home_expanded(path))
    return folder / "model" if not (folder / GRAPH).is_file() and (folder / "model").is_dir() else folder


def read_metadata(folder: str | Path) -> dict[str, Any]:
    """The ``bundle.json`` of a bundle.

    Raises:
        UserError: the folder is no bundle of visionkit, or the file is damaged, or lacks what its task needs.
    """
    folder = Path(home_expanded(folder))
    metadata = _with_current_names(_read_object(folder))
    problem = _problem(metadata)
    if problem:
        raise UserError(f"{folder / BUNDLE_METADATA}: {problem}. {AGAIN}")
    return metadata


def finite(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Metrics as JSON can hold them: None where nothing was measured."""
    return {name: None if value is None or not math.isfinite(value) else value for name, value in metrics.items()}


def update_metadata(folder: str | Path, **values: Any) -> None:
    """Add to ``bundle.json`` what is known only after the export, such as measured metrics; its digest is kept right.

    Raises:
        UserError: the folder is no bundle of visionkit, or the file is damaged.
        OSError: it cannot be written; it is as it was.
    """
    folder = Path(home_expanded(folder))
    contents = as_json(_read_object(folder) | values)
    if not (folder / DIGESTS).is_file():
        write_atomically(folder / BUNDLE_METADATA, contents)
        return
    lines = read_file(folder / DIGESTS, LARGEST_METADATA).decode("utf-8", "replace").splitlines()
    new = _line(hashlib.sha256(contents).hexdigest(), BUNDLE_METADATA)
    others = [line for line in lines if not line.endswith(f"  {BUNDLE_METADATA.as_posix()}")]
    _write_lines(folder, [*lines, new])  # both are right until the file is replaced, also if the computer stops between
    write_atomically(folder / BUNDLE_METADATA, contents)
    _write_lines(folder, [*others, new])


def as_json(values: dict[str, Any]) -> bytes:
    """The contents of a ``bundle.json``."""
    return json.dumps(values, indent=2, ensure_ascii=False).encode()


def write_digests(folder: Path) -> None:
    """Write the digests of all files of a bundle.

    Raises:
        OSError: a file cannot be read, or the digests cannot be written.
    """
    _write_lines(folder, [_line(_digest(folder / file), file) for file in _files(folder)])


def check_files(folder: str | Path) -> None:
    """Compare the files of a bundle with their digests, if it has any, and its lists of labels with each other.

    Raises:
        UserError: a file is missing, damaged, no regular file, or cannot be read; it is named.
    """
    folder = Path(folder)
    try:
        files = list(_files(folder))
        digests = _read_digests(folder)
        for file in files if digests is None else sorted({*files, *digests}):
            if (folder / file).is_symlink() and (folder / file).is_dir():
                raise UserError(f"{folder / file} is a link to a folder, which is not followed. Copy the folder itself there.")
            if digests is None:
                open_file(folder / file).close()  # TensorFlow would wait at a pipe
            else:
                _check_digest(folder, file, digests)
        if LABELS in files:
            _check_labels(folder)
    except OSError as error:
        raise UserError(f"{error.filename or folder} cannot be read: {error.strerror or error}. {AGAIN}") from error


def _check_digest(folder: Path, file: Path, digests: dict[Path, set[str]]) -> None:
    if file not in digests:
        raise UserError(f"{folder / file} is not among the files in {DIGESTS.as_posix()}, which is damaged. {AGAIN}")
    if not (folder / file).exists():
        raise UserError(f"{folder / file} is missing: the model is not whole. {AGAIN}")
    if _digest(folder / file) not in digests[file]:
        edited = file == BUNDLE_METADATA
        hint = " visionkit.export.bundle.update_metadata changes it and keeps its digest right." if edited else ""
        raise UserError(f"{folder / file} is damaged: its SHA-256 differs from that in {DIGESTS.as_posix()}. {AGAIN}{hint}")


def _check_labels(folder: Path) -> None:
    labels = _read_object(folder).get("labels")
    listed = read_file(folder / LABELS, LARGEST_METADATA).decode("utf-8", "replace").replace("\r\n", "\n")
    if isinstance(labels, list) and listed.rstrip("\n") != "\n".join(map(str, labels)).rstrip("\n"):
        count = len(listed.rstrip("\n").split("\n"))
        raise UserError(
            f"{folder / LABELS} has {count} labels that are not the {len(labels)} of {BUNDLE_METADATA.as_posix()}; expected "
            f"the same in the same order. {AGAIN}"
        )


def _files(folder: Path) -> Iterator[Path]:
    """The files that make up a bundle, relative to it; what people put beside them is not part of it."""
    for name in (GRAPH, "fingerprint.pb"):
        if os.path.lexists(folder / name):
            yield Path(name)
    for part in ("variables", "assets"):
        yield from sorted(_files_below(folder, part))
    for name in ("bundle.json", "labels.txt", "model.tflite", "network.json", "network.safetensors"):
        if os.path.lexists(folder / EXTRA / name):
            yield Path(EXTRA, name)


def _files_below(folder: Path, part: str) -> Iterator[Path]:
    """The files of a part of a bundle. A link to a folder, which may lead anywhere, is one of them, and is not followed."""
    if (folder / part).is_symlink():
        yield Path(part)
        return
    for place, folders, files in os.walk(folder / part):
        links = [name for name in folders if Path(place, name).is_symlink()]
        yield from (Path(place, name).relative_to(folder) for name in [*links, *files] if not name.startswith("."))


def _read_digests(folder: Path) -> dict[Path, set[str]] | None:
    if not os.path.lexists(folder / DIGESTS):
        return None
    digests: dict[Path, set[str]] = {}
    *lines, rest = read_file(folder / DIGESTS, LARGEST_METADATA).decode("utf-8", "replace").split("\n")
    for line in [*lines, *([rest] if rest else [])]:
        found = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if found is None or found[2].startswith("/") or ".." in Path(found[2]).parts:
            raise UserError(
                f"{folder / DIGESTS} is damaged: expected lines of a SHA-256 and a file, found {line[:80]!r}. {AGAIN}"
            )
        digests.setdefault(Path(found[2]), set()).add(found[1])
    return digests


def _digest(file: Path) -> str:
    with open_file(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _line(digest: str, file: Path) -> str:
    return f"{digest}  {file.as_posix()}"


def _write_lines(folder: Path, lines: list[str]) -> None:
    write_atomically(folder / DIGESTS, "".join(f"{line}\n" for line in lines).encode())


def _read_object(folder: Path) -> dict[str, Any]:
    """The object in ``bundle.json``, whatever it holds."""
    file = folder / BUNDLE_METADATA
    if not file.exists():
        raise UserError(
            f"{folder} is not a model that visionkit exported: it has no {BUNDLE_METADATA.as_posix()}. "
            "Expected the RUN/model folder of a recipe, or a folder of saved_models/."
        )
    try:
        contents = read_file(file, LARGEST_METADATA)
        digests = _read_digests(folder)
    except OSError as error:
        raise UserError(f"{error.filename or file} cannot be read: {error.strerror or error}. {AGAIN}") from error
    if digests is not None:
        _check_digest(folder, BUNDLE_METADATA, digests)
    try:
        values = json.loads(contents.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged: it is not JSON ({_first_line(error)}). {AGAIN}") from error
    if not isinstance(values, dict):
        raise UserError(
            f"{file} is damaged: it holds {type(values).__name__}, expected an object with task and labels. {AGAIN}"
        )
    return values


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _with_current_names(metadata: dict[str, Any]) -> dict[str, Any]:
    """Rename the metadata of bundles that were written before names changed: ``twin_*`` is ``litert_*``."""

    def renamed(values: dict[str, Any]) -> dict[str, Any]:
        return {f"litert_{name[5:]}" if name.startswith("twin_") else name: value for name, value in values.items()}

    metrics = metadata.get("metrics")
    return renamed(metadata) | ({"metrics": renamed(metrics)} if isinstance(metrics, dict) else {})


def _problem(metadata: dict[str, Any]) -> str | None:
    """What is wrong with the values of a ``bundle.json``, or None."""
    task, labels = metadata.get("task"), metadata.get("labels")
    if not isinstance(task, str):
        return f"the task is {_short(task)}, expected its name"
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return f"the labels are {_short(labels)}, expected a list of names"
    required = REQUIRED.get(task, ())
    if task == "classification":
        required = REQUIRED_BY_INPUT.get(metadata.get("input") if isinstance(metadata.get("input"), str) else None, ())
    for name, (is_right, expected) in VALUES.items():
        value = metadata.get(name)
        if (name in required or value is not None) and not is_right(value):
            return f"{name} is {_short(value)}, expected {expected}"
    shares = metadata.get("shares")
    if shares is not None and len(shares) != len(labels):
        return f"shares has {len(shares)} numbers for {len(labels)} labels"
    return None


def _short(value: Any) -> str:
    return "missing" if value is None else repr(value)[:60]


def _is_count(value: Any) -> bool:
    return type(value) is int and 1 <= value < 2**31


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= 4 and all(map(_is_count, value))


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


def _are_named_numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


VALUES = {
    **dict.fromkeys(("size", "dimensions"), (_is_count, "a whole number from 1")),
    **dict.fromkeys(("threshold", "iou_threshold"), (_is_number, "a number")),
    **dict.fromkeys(("flips", "whole", "multi_label", "unit", "mirror"), (_is_flag, "true or false")),
    **dict.fromkeys(("tile", "shape"), (_are_counts, "a list of whole numbers from 1")),
    **dict.fromkeys(("input", "fit"), (lambda value: isinstance(value, str), "a word")),
    "shares": (_are_numbers, "a list of numbers"),
    "thresholds": (_are_named_numbers, "a number for each label"),
    "members": (lambda value: isinstance(value, list), "a list"),
    "metrics": (lambda value: isinstance(value, dict), "an object"),
}
