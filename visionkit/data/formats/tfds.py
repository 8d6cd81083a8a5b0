"""Data sets of tensorflow-datasets, by name or in folders that it wrote.

The records stay where they are (see ``records``); ``tfds_features`` chooses which of their features are used.
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
from visionkit.data.formats.tfds_features import Roles, find_roles, read_split, with_all_names
from visionkit.data.images.masks.code import find_classes
from visionkit.data.images.masks.names import NamedClasses
from visionkit.data.index import DataError
from visionkit.data.split_names import WHOLE, split_name
from visionkit.data.splits import DataSet
from visionkit.files import LARGEST_TEXT, kind_of_file, read_file

DATA_DIR = "TFDS_DATA_DIR"  # the environment variable that tensorflow-datasets itself reads
DESCRIPTIONS = ("dataset_info.json", "features.json")  # files that it writes into the folder of a data set
VERSION = re.compile(r"\d+\.\d+\.\d+")
NAME = re.compile(r"tfds:(?P<name>\w+(?:/[^:/]+)?)(?::(?P<version>\d+\.\d+\.\d+))?(?::(?P<split>.+))?")


def read_tfds(data: str, named: NamedClasses | None = None, *, labels_first: bool = False) -> DataSet:
    """Index a data set of tensorflow-datasets by its name; it is downloaded if it is not on this machine.

    Args:
        data: ``tfds:NAME[/config][:version][:split]``. Without a split, all splits are read. A split, which may be a slice
            such as ``train[:10%]``, becomes the whole data set.
        named: the meaning of mask values; None for that of the data set.
        labels_first: whether labels go before masks and boxes, where a data set has several of them.

    Raises:
        DataError: the name, configuration or split is unknown, or the data set cannot be downloaded or has no images.
    """
    match = NAME.fullmatch(data)
    if match is None:
        raise DataError(
            f"{data}: not a name of tensorflow-datasets; expected tfds:NAME[/config][:split], such as tfds:mnist:train."
        )
    return _read_builder(_builder(match), match["split"], named, labels_first=labels_first)


def looks_like_tfds(folder: Path) -> bool:
    """Whether tensorflow-datasets wrote the folder, or a version in it: ``1.0.0/dataset_info.json``."""
    return _version_folder(folder) is not None


def read_tfds_folder(folder: str | Path, named: NamedClasses | None = None, *, labels_first: bool = False) -> DataSet:
    """Index a folder that tensorflow-datasets wrote; if it holds several versions, the latest.

    Args:
        folder: the folder.
        labels_first: whether labels go before masks and boxes, where a data set has several of them.

    Raises:
        DataError: a description is missing or damaged, or the data set has no images.
    """
    version = _version_folder(Path(folder))
    if version is None:
        raise DataError(f"{folder}: not written by tensorflow-datasets; expected {' and '.join(DESCRIPTIONS)} in it.")
    missing = [name for name in DESCRIPTIONS if not (version / name).is_file()]
    if missing:
        raise DataError(f"{version}: {missing[0]} is missing; tensorflow-datasets writes {' and '.join(DESCRIPTIONS)}.")
    _check_are_files(version)
    _check_features(version / "features.json")
    import tensorflow_datasets

    try:
        builder = tensorflow_datasets.builder_from_directory(version)
    except Exception as error:  # a damaged description raises all kinds of errors
        raise DataError(f"{version}: tensorflow-datasets cannot read its description ({_first_line(error)}).") from error
    return _read_builder(builder, None, named, labels_first=labels_first)


def _version_folder(folder: Path) -> Path | None:
    versions = [child for child in folder.iterdir() if VERSION.fullmatch(child.name) and child.is_dir()]
    versions.sort(key=lambda child: [int(number) for number in child.name.split(".")])
    candidates = (folder, *reversed(versions))
    return next((path for path in candidates if any((path / name).is_file() for name in DESCRIPTIONS)), None)


def _check_are_files(folder: Path) -> None:
    """tensorflow-datasets opens what lies in the folder by name."""
    for path in folder.iterdir():
        if not path.is_dir() and (kind := kind_of_file(path)):
            raise DataError(f"{path}: is {kind}, not a file.")


def _check_features(file: Path) -> None:
    """tensorflow-datasets imports the feature classes that this file names, so only its own are allowed."""
    try:
        remaining = [json.loads(read_file(file, LARGEST_TEXT))]
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: damaged ({_first_line(error)}).") from error
    while remaining:
        value = remaining.pop()
        if isinstance(value, dict):
            name = value.get("pythonClassName", "tensorflow_datasets.")
            if not str(name).startswith("tensorflow_datasets."):
                raise DataError(f"{file}: feature of class {name}; expected only classes of tensorflow_datasets.")
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
    except Exception as error:  # errors of the network, the disk, a library that this data set needs, ...
        command = f"import tensorflow_datasets; tensorflow_datasets.load('{name}', data_dir='data')"
        raise DataError(
            f"tfds:{name} is not in {builder.data_path} and cannot be downloaded ({_first_line(error)}). On a machine with a "
            f'network, run: python -c "{command}"; copy its folder "data" here, and set {DATA_DIR} to it.'
        ) from error


def _check_network(builder: Any) -> None:
    """Fail at once if there is no network: the downloader would retry for minutes."""
    hosts = sorted(filter(None, (urllib.parse.urlsplit(url).hostname for url in builder.url_infos or {})))
    if hosts and not urllib.request.getproxies():
        socket.getaddrinfo(hosts[0], 443)


def _read_builder(builder: Any, split: str | None, named: NamedClasses | None, *, labels_first: bool) -> DataSet:
    name_of_all = f"tfds:{builder.info.full_name}"
    roles, unused = find_roles(builder.info.features, name_of_all, labels_first=labels_first)
    splits, problems = {}, []
    for name in [split] if split else builder.info.splits:
        try:
            instructions = builder.info.splits[name].file_instructions
        except Exception as error:  # an unknown name, a slice that cannot be parsed, or one that is empty
            raise DataError(f"{name_of_all}: split {name!r}: {_first_line(error)}.") from error
        canonical = WHOLE if split else split_name(name)
        splits[name if canonical in splits else canonical], more = read_split(instructions, name, roles)
        problems += more
    splits = with_all_names(splits) if roles.is_text else splits
    notes = (f"features not used: {', '.join(unused)}",) if unused else ()
    data_set = check_not_empty(DataSet(splits, notes, tuple(problems)), name_of_all)
    return _with_mask_classes(data_set, roles, named) if roles.mask else data_set


def _with_mask_classes(data_set: DataSet, roles: Roles, named: NamedClasses | None) -> DataSet:
    masks = [annotation.mask for index in data_set.splits.values() for annotation in index.annotations]
    if named is None and roles.class_names:
        named = NamedClasses(roles.class_names, source="the data set's list of classes")
    classes = find_classes(masks, named)
    splits = {
        name: replace(index, class_names=classes.names, mask_code=classes.code) for name, index in data_set.splits.items()
    }
    return replace(data_set, splits=splits, notes=data_set.notes + classes.notes, problems=data_set.problems + classes.problems)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")[:200]
