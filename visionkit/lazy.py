"""Packages whose names load their module when they are first used, so that importing a package imports nothing heavy."""

import importlib
import sys
from collections.abc import Callable
from typing import Any


def attach(package: str, names: dict[str, tuple[str, ...]]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The ``__getattr__``, ``__dir__`` and ``__all__`` of a package (PEP 562).

    Args:
        package: the package's ``__name__``.
        names: the public names of each of its modules.

    Raises:
        AttributeError: raised by ``__getattr__`` if no module has the name.
    """
    modules = {name: module for module, of_module in names.items() for name in of_module}

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return load, listed, sorted(modules)
