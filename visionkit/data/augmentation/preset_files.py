"""Loads augmentations from compositions that were saved with albumentations' ``A.save``.

Such a file names classes that loading instantiates, so it is checked first: only albumentations' own classes are allowed.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from visionkit.data.augmentation.presets import (  # this module keeps albumentations from asking PyPI
    A,
    Augmentation,
    from_compose,
    preset,
)
from visionkit.data.images.contents import read_text
from visionkit.errors import UserError

SUFFIXES = (".json", ".yaml", ".yml")
MOST_BYTES = 1_000_000
MOST_VALUES = 100_000  # in a file: YAML's aliases could multiply values without limit, or form a cycle
DEEPEST = 50  # levels of nested compositions
NO_PIXELS = ("Normalize", "ToFloat", "ToTensorV2", "ToTensor3D")
EXPECTED = "Expected a file that albumentations.save(transform, path) wrote (data_format json or yaml)."


def find_augmentation(name: str, *, task: str, flip: bool = True) -> Augmentation:
    """The augmentation that ``--preset`` names: a preset, or the contents of a saved file.

    Args:
        name: name of a preset (see ``presets.preset``), or path of a file.
        task: task of the preset if ``name`` is only a strength.
        flip: False never mirrors; not allowed for a file, which is used as it is.

    Raises:
        UserError: there is no such preset, the file cannot be used, or ``flip`` is False for a file.
    """
    if Path(name).suffix.lower() not in SUFFIXES:
        return preset(name, task=task, flip=flip)
    if not flip:
        raise UserError(f"{name}: --no-flip applies to presets only; remove the mirroring from the file instead.")
    return load_augmentation(name)


def load_augmentation(path: str | Path) -> Augmentation:
    """Load an augmentation from a saved composition; see ``presets.from_compose``.

    Args:
        path: a .json, .yaml or .yml file.

    Raises:
        UserError: there is no such file, or it holds anything but albumentations' transforms of pixels.
    """
    from albumentations.core.serialization import SERIALIZABLE_REGISTRY, shorten_class_name

    path = Path(path)
    saved = _parsed(path)
    transform = saved.get("transform") if isinstance(saved, dict) else None
    for name in _names(transform, path):
        cls = SERIALIZABLE_REGISTRY.get(shorten_class_name(name))
        if shorten_class_name(name) in NO_PIXELS:
            raise UserError(
                f"{path}: {name} does not return 8-bit pixels. The models expect these and normalise them; leave {name} out."
            )
        if cls is None or not cls.__module__.startswith("albumentations."):
            raise UserError(f"{path}: {name!r} is not a transform that albumentations {A.__version__} can load.")
        if not issubclass(cls, (A.BasicTransform, A.BaseCompose)):
            raise UserError(f"{path}: {name!r} is not a transform. {EXPECTED}")
    try:
        return from_compose(A.from_dict(saved), path.name)
    except Exception as error:  # the constructors may raise anything
        raise UserError(f"{path}: albumentations {A.__version__} rejects it: {error}") from error


def _parsed(path: Path) -> Any:
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a file with this suffix is not an augmentation. {EXPECTED}")
    if not path.is_file():
        raise UserError(f"{path}: no such file. {EXPECTED}")
    if (num_bytes := path.stat().st_size) > MOST_BYTES:
        raise UserError(f"{path}: {num_bytes:,} bytes; expected at most {MOST_BYTES:,}. {EXPECTED}")
    text = read_text(path)
    try:
        parsed = json.loads(text) if path.suffix.lower() == ".json" else yaml.safe_load(text)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not valid {path.suffix[1:].upper()}: {str(error).splitlines()[0]}. {EXPECTED}") from error
    if sum(1 for _ in itertools.islice(_values(parsed), MOST_VALUES)) == MOST_VALUES:
        raise UserError(f"{path}: it holds more than {MOST_VALUES:,} values. {EXPECTED}")
    return parsed


def _values(parsed: Any) -> Iterator[Any]:
    """All values within a parsed file; endless if it contains itself."""
    remaining = [parsed]
    while remaining:
        value = remaining.pop()
        yield value
        remaining += value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple | set) else ()


def _names(transform: Any, path: Path, depth: int = 0) -> Iterator[str]:
    """The names of the classes that loading would instantiate, from the outermost inwards."""
    name = transform.get("__class_fullname__") if isinstance(transform, dict) else None
    inner = transform.get("transforms", []) if isinstance(transform, dict) else None
    if not isinstance(name, str) or not isinstance(inner, list) or depth > DEEPEST:
        raise UserError(f"{path}: a transform lacks the name of its class, or is nested too deep. {EXPECTED}")
    yield name
    for one in inner:
        yield from _names(one, path, depth + 1)
