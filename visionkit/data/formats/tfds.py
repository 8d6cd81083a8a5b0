"""Data sets of tensorflow-datasets: by name, and folders that it wrote.

The records stay where they are (see ``records``); ``tfds_features`` says what of them is used.
"""

import contextlib
import difflib
import json
import os
import re
import socket
import sys
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from visionkit.data.formats.annotation_files import check_not_empty
from visionkit.data.formats.tfds_features import Roles, find_roles, read_split
from visionkit.data.images.mask_names import NamedClasses
from visionkit.data.images.masks import find_classes
from visionkit.data.index import DataError
from visionkit.data.splits import WHOLE, DataSet, split_name

DATA_DIR = "TFDS_DATA_DIR"  # the environment variable that tensorflow-datasets itself reads
DESCRIPTIONS = ("dataset_info.json", "features.json")  # files in a folder that it wrote
VERSION = re.compile(r"\d+\.\d+\.\d+")
NAME = re.compile(r"tfds:(?P<name>\w+(?:/[^:/]+)?)(?::(?P<version>\d+\.\d+\.\d+))?(?::(?P<split>.+))?")


def read_tfds(data: str) -> DataSet:
    """Index a data set of tensorflow-datasets by its name; if it is not on this machine, it is downloaded.

    Args:
        data: ``tfds:NAME[/config][:version][:split]``. Without a split, all are read; with one, which may be a slice such as
            ``train[:10%]``, it is the whole data set.

    Raises:
        DataError: an unknown name, configuration or split; it cannot be downloaded; or it has no images.
    """
    match = NAME.fullmatch(data)
    if match is None:
        raise DataError(
            f"{data}: not a name of tensorflow-datasets; expected tfds:NAME[/config][:split], as in tfds:mnist:train."
        )
    return _read_builder(_builder(match), match["split"])


def looks_like_tfds(folder: Path) -> bool:
    """Whether tensorflow-datasets wrote it, or a version in it: ``1.0.0/dataset_info.json``."""
    return _version_folder(folder) is not None


def read_tfds_folder(folder: str | Path) -> DataSet:
    """Index a folder that tensorflow-datasets wrote; of several versions in it, the last.

    Raises:
        DataError: its description is missing or damaged, or it has no images.
    """
    found = _version_folder(Path(folder))
    if found is None:
        raise DataError(f"{folder}: not written by tensorflow-datasets; expected {' and '.join(DESCRIPTIONS)} in it.")
    missing = [name for name in DESCRIPTIONS if not (found / name).is_file()]
    if missing:
        raise DataError(f"{found}: {missing[0]} is missing, which tensorflow-datasets writes beside {DESCRIPTIONS}.")
    _check_features(found / "features.json")
    import tensorflow_datasets

    try:
        builder = tensorflow_datasets.builder_from_directory(found)
    except Exception as error:  # a damaged description raises of all kinds
        raise DataError(f"{found}: tensorflow-datasets cannot read its description ({_first_line(error)}).") from error
    return _read_builder(builder, None)


def _version_folder(folder: Path) -> Path | None:
    versions = [child for child in folder.iterdir() if VERSION.fullmatch(child.name) and child.is_dir()]
    versions.sort(key=lambda child: [int(number) for number in child.name.split(".")])
    candidates = (folder, *reversed(versions))
    return next((path for path in candidates if any((path / name).is_file() for name in DESCRIPTIONS)), None)


def _check_features(file: Path) -> None:
    """Features are classes, which tensorflow-datasets imports by the names in this file: only its own are let pass."""
    try:
        remaining = [json.loads(file.read_bytes())]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: damaged ({_first_line(error)}).") from error
    while remaining:
        value = remaining.pop()
        if isinstance(value, dict):
            name = value.get("pythonClassName", "tensorflow_datasets.")
            if not str(name).startswith("tensorflow_datasets."):
                raise DataError(f"{file}: feature of class {name}; expected those of tensorflow_datasets only.")
        remaining += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []


def _builder(match: re.Match) -> Any:
    import tensorflow_datasets

    data_dir = os.environ.get(DATA_DIR)
    name = match["name"] + (f":{match['version']}" if match["version"] else "")
    try:
        builder = tensorflow_datasets.builder(name, data_dir=data_dir)
    except tensorflow_datasets.core.DatasetNotFoundError as error:
        plain = match["name"].partition("/")[0]
        near = difflib.get_close_matches(plain, tensorflow_datasets.list_builders(with_community_datasets=False), 5)
        where = data_dir or tensorflow_datasets.core.constants.DATA_DIR
        raise DataError(
            f"tfds:{plain}: tensorflow-datasets has no data set of this name, and {where} ({DATA_DIR}) holds none. "
            + (f"Did you mean {', '.join(near)}?" if near else "See https://www.tensorflow.org/datasets/catalog.")
        ) from error
    except Exception as error:  # an unknown configuration or version is a ValueError, an AssertionError, ...
        raise DataError(f"tfds:{name}: {_first_line(error)}") from error
    if not builder.data_path.exists():
        _prepare(builder, name)
    return builder


def _prepare(builder: Any, name: str) -> None:
    try:
        _check_network(builder)
        with contextlib.redirect_stdout(sys.stderr):  # standard output belongs to results
            builder.download_and_prepare()
    except Exception as error:  # of the network, of the disk, of a library that this data set needs, ...
        command = f"import tensorflow_datasets; tensorflow_datasets.load('{name}', data_dir='data')"
        raise DataError(
            f"tfds:{name} is not in {builder.data_path}, and cannot be downloaded ({_first_line(error)}). On a machine with a "
            f'network, run: python -c "{command}"; copy its folder "data" here, and set {DATA_DIR} to it.'
        ) from error


def _check_network(builder: Any) -> None:
    """Fail now where there is no network: the downloader would try again for minutes."""
    hosts = sorted(filter(None, (urllib.parse.urlsplit(url).hostname for url in builder.url_infos or {})))
    if hosts and not urllib.request.getproxies():
        socket.getaddrinfo(hosts[0], 443)


def _read_builder(builder: Any, split: str | None) -> DataSet:
    named = f"tfds:{builder.info.full_name}"
    roles, unused = find_roles(builder.info.features, named)
    splits, problems = {}, []
    for name in [split] if split else builder.info.splits:
        try:
            instructions = builder.info.splits[name].file_instructions
        except Exception as error:  # an unknown name, a slice that cannot be parsed, or one that is empty
            raise DataError(f"{named}: split {name!r}: {_first_line(error)}.") from error
        canonical = WHOLE if split else split_name(name)
        splits[name if canonical in splits else canonical], more = read_split(instructions, name, roles)
        problems += more
    notes = (f"features not used: {', '.join(unused)}",) if unused else ()
    found = check_not_empty(DataSet(splits, notes, tuple(problems)), named)
    return _with_mask_classes(found, roles) if roles.mask else found


def _with_mask_classes(found: DataSet, roles: Roles) -> DataSet:
    masks = [annotation.mask for index in found.splits.values() for annotation in index.annotations]
    classes = find_classes(masks, NamedClasses(roles.class_names, None) if roles.class_names else None)
    splits = {
        name: replace(index, class_names=classes.names, mask_colors=classes.colors) for name, index in found.splits.items()
    }
    return replace(found, splits=splits, notes=found.notes + classes.notes)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
