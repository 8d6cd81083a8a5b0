"""Packages whose names load their module when they are first used, so that importing a package imports nothing heavy.

And the opposite: what is to happen as soon as a heavy module has been imported by somebody else.
"""

import importlib
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
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


def when_imported(module: str, then: Callable[[], None]) -> None:
    """Call ``then`` as soon as a module has been imported: at once if it has been already.

    Args:
        module: a top-level module, which need not be installed.
        then: is called once. Where a module of visionkit imports the module, it is called after that of visionkit, which it
            could otherwise find half made.
    """
    if module in sys.modules:
        then()
    else:
        sys.meta_path.insert(0, _Watcher(module, then))


class _Watcher:
    """An entry of ``sys.meta_path`` that leaves the finding and loading of modules to the others."""

    def __init__(self, module: str, then: Callable[[], None]):
        self._module, self._then = module, then

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The usual spec of the module, or of a module of visionkit, whose loader looks afterwards whether ``then`` is due."""
        if name != self._module and not name.startswith("visionkit."):
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            usual = spec.loader.exec_module
            spec.loader.exec_module = lambda module: self._load(module, usual)
        return spec

    def _load(self, module: ModuleType, usual: Callable[[ModuleType], None]) -> None:
        usual(module)
        ours = [each for name, each in list(sys.modules.items()) if name.startswith("visionkit.") and each is not module]
        is_within = any(getattr(getattr(each, "__spec__", None), "_initializing", False) for each in ours)
        if self._module in sys.modules and self in sys.meta_path and not is_within:
            sys.meta_path.remove(self)
            self._then()
