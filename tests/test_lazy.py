"""Packages whose names load on first use; tests/test_public_names.py sweeps those of visionkit."""

import importlib
import importlib.util
import sys

import pytest

import visionkit
from visionkit import lazy


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of one module, whose names a and b are public."""
    (tmp_path / "attic").mkdir()
    (tmp_path / "attic" / "__init__.py").write_text(
        "from visionkit import lazy\n__getattr__, __dir__, __all__ = lazy.attach(__name__, {'box': ('b', 'a')})\n"
    )
    (tmp_path / "attic" / "box.py").write_text("a, b, c = 1, 2, 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("attic")
    for name in ("attic", "attic.box"):
        sys.modules.pop(name, None)


def test_a_package_without_names_is_empty():
    load, listed, names = lazy.attach("visionkit", {})
    assert names == [] and "__version__" in listed()
    with pytest.raises(AttributeError, match="module 'visionkit' has no attribute 'dice'"):
        load("dice")


def test_a_module_is_imported_when_its_name_is_used(package):
    assert package.__all__ == ["a", "b"] and {"a", "b"} <= set(dir(package)) and "attic.box" not in sys.modules
    assert (package.b, package.a) == (2, 1) and "attic.box" in sys.modules


def test_what_is_not_listed_is_no_name_of_the_package(package):
    with pytest.raises(AttributeError, match="module 'attic' has no attribute 'c'"):
        _ = package.c


def test_what_waits_for_a_module_that_is_there_happens_at_once():
    called = []
    lazy.when_imported("sys", lambda: called.append("sys"))
    assert called == ["sys"]


def test_what_waits_for_a_module_happens_once_when_it_is_imported(package, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    called = []
    (tmp_path / "cellar.py").write_text("wine = 1\n")
    lazy.when_imported("cellar", lambda: called.append(sys.modules["cellar"].wine))
    assert importlib.util.find_spec("cellar") is not None and called == []  # to look is not to import
    for _ in range(2):
        __import__("cellar")
    assert called == [1]
    del sys.modules["cellar"]


def test_where_our_module_imports_it_what_waits_happens_after_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(visionkit, "__path__", [*visionkit.__path__, str(tmp_path)])
    (tmp_path / "cave.py").touch()
    (tmp_path / "inner.py").write_text("import cave\n")
    (tmp_path / "outer.py").write_text("import visionkit.inner\nis_whole = True\n")
    called = []
    lazy.when_imported("cave", lambda: called.append(sys.modules["visionkit.outer"].is_whole))
    for _ in range(2):
        importlib.import_module("visionkit.outer")
    assert called == [True]
    for name in ("cave", "visionkit.inner", "visionkit.outer"):
        del sys.modules[name]


def test_what_waits_for_a_module_that_is_nowhere_never_happens(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    lazy.when_imported("no_such_module", pytest.fail)
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        __import__("no_such_module")
