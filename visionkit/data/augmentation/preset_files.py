"""Compositions of albumentations that were saved with ``A.save``, as augmentation.

Such a file names classes, which loading it makes; so it is looked through first, and only albumentations' own are made.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from visionkit.data.augmentation.presets import (  # it keeps albumentations from asking PyPI
    A,
    Augmentation,
    from_compose,
    preset,
)
from visionkit.data.images.contents import read_text
from visionkit.errors import UserError

SUFFIXES = (".json", ".yaml", ".yml")
MOST_BYTES = 1_000_000
MOST_VALUES = 100_000  # in a file: the aliases of YAML could make any number of a few, or a circle
DEEPEST = 50  # compositions in each other
NO_PIXELS = ("Normalize", "ToFloat", "ToTensorV2", "ToTensor3D")
EXPECTED = "Expected a file that albumentations.save(transform, path) wrote (data_format json or yaml)."


def find_augmentation(name: str, *, task: str, flip: bool = True) -> Augmentation:
    """A preset, or what a saved file holds: whatever ``--preset`` may be.

    Args:
        name: of a preset (see ``augment.preset``), or a file.
        task: whose presets are meant, where ``name`` is a strength alone.
        flip: False never mirrors; a file is taken as it is.

    Raises:
        UserError: no such preset, a file that cannot be used, or ``flip`` is False for a file.
    """
    if Path(name).suffix.lower() not in SUFFIXES:
        return preset(name, task=task, flip=flip)
    if not flip:
        raise UserError(f"{name}: --no-flip is for presets; take the mirroring out of the file instead.")
    return load_augmentation(name)


def load_augmentation(path: str | Path) -> Augmentation:
    """An augmentation from a saved composition; see ``augment.from_compose``.

    Args:
        path: ends in .json, .yaml or .yml.

    Raises:
        UserError: no such file, of another kind, or it holds anything but albumentations' transforms of pixels.
    """
    from albumentations.core.serialization import SERIALIZABLE_REGISTRY, shorten_class_name

    path = Path(path)
    saved = _parsed(path)
    transform = saved.get("transform") if isinstance(saved, dict) else None
    for name in _names(transform, path):
        made = SERIALIZABLE_REGISTRY.get(shorten_class_name(name))
        if shorten_class_name(name) in NO_PIXELS:
            raise UserError(f"{path}: {name} returns no 8-bit pixels, which the models expect: they normalise. Leave it out.")
        if made is None or not made.__module__.startswith("albumentations."):
            raise UserError(f"{path}: {name!r} is no transform of albumentations {A.__version__} that can be loaded.")
        if not issubclass(made, (A.BasicTransform, A.BaseCompose)):
            raise UserError(f"{path}: {name!r} is no transform. {EXPECTED}")
    try:
        return from_compose(A.from_dict(saved), path.name)
    except Exception as error:  # its constructors raise what they like
        raise UserError(f"{path}: albumentations {A.__version__} refuses it: {error}") from error


def _parsed(path: Path) -> Any:
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a file that ends so is no augmentation. {EXPECTED}")
    if not path.is_file():
        raise UserError(f"{path}: no such file. {EXPECTED}")
    if (num_bytes := path.stat().st_size) > MOST_BYTES:
        raise UserError(f"{path}: {num_bytes:,} bytes; expected at most {MOST_BYTES:,}. {EXPECTED}")
    text = read_text(path)
    try:
        parsed = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: no valid {path.suffix[1:].upper()}: {str(error).splitlines()[0]}. {EXPECTED}") from error
    if sum(1 for _ in itertools.islice(_values(parsed), MOST_VALUES)) == MOST_VALUES:
        raise UserError(f"{path}: more than {MOST_VALUES:,} values. {EXPECTED}")
    return parsed


def _values(parsed: Any) -> Iterator[Any]:
    """All that is within what was parsed; endless where it holds itself."""
    left = [parsed]
    while left:
        value = left.pop()
        yield value
        left += value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()


def _names(transform: Any, path: Path, depth: int = 0) -> Iterator[str]:
    """The classes that loading would make, from the outermost inwards."""
    name = transform.get("__class_fullname__") if isinstance(transform, dict) else None
    inner = transform.get("transforms", []) if isinstance(transform, dict) else None
    if not isinstance(name, str) or not isinstance(inner, list) or depth > DEEPEST:
        raise UserError(f"{path}: a transform without the name of its class, or nested too deep. {EXPECTED}")
    yield name
    for one in inner:
        yield from _names(one, path, depth + 1)
