"""The packages are as CONTRIBUTING says."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import visionkit
from tests.conftest import sweep

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "visionkit").rglob("*.py"), *(ROOT / "recipes").glob("*.py")])
TENSORFLOW_PACKAGES = ("data", "export", "inference", "faces", "explain")
TENSORFLOW_FILES = re.compile(
    r"training/runtime.py|tasks/classification/(train|feature_cache|ensemble|tta).py"
    r"|tasks/\w+/(export|predict)\w*.py|tasks/\w+/(evaluate|suppression).py"
)


def test_importing_visionkit_imports_nothing_heavy():
    code = "import sys, visionkit; print(sorted({'tensorflow', 'keras', 'numpy', 'cv2', 'albumentations'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_predicting_classes_and_boxes_does_not_import_what_masks_and_volumes_take():
    code = "import sys, visionkit.cli.predict; print(sorted({'nibabel', 'skimage'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_packages_are_imported_when_they_are_touched():
    assert visionkit.models.mobilenet_v2.__module__ == "visionkit.models.mobilenet"
    assert set(visionkit.PACKAGES) <= set(dir(visionkit))
    with pytest.raises(AttributeError, match="no attribute 'attic'"):
        _ = visionkit.attic


def test_imports_go_down_only(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="setup.cfg", no_cache=True) == 0


def imported_by(text: str) -> set[str]:
    """The packages that a module imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(text)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_the_backend_stays_where_it_belongs(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 400
    assert path.name != "utils.py"
    package = path.relative_to(ROOT / "visionkit") if ROOT / "visionkit" in path.parents else None
    if package and package.parts[0] not in TENSORFLOW_PACKAGES and not TENSORFLOW_FILES.fullmatch(package.as_posix()):
        assert "tensorflow" not in imported_by(text)
    if package is None:
        assert "recipes" not in imported_by(text)


@pytest.mark.parametrize("names", sweep(["resnet8", "mobilenet alexnet"], []))
def test_the_networks_run_on_another_backend(names):
    """models/ and layers/ use Keras alone."""
    code = (
        "import jax, numpy as np; from visionkit import models\n"
        f"for name in {names.split()}:\n"
        "    print(jax.jit(models.build(name, (64, 64, 3), 2))(np.zeros((1, 64, 64, 3), 'float32')).shape)"
    )
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"  # its time is that of compiling
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == len(names.split()) * "(1, 2)\n", done.stderr


def test_folders_can_be_overlooked():
    """At most 20 Python files, or 30 where each network family has one."""
    for folder in {path.parent for path in SOURCES}:
        most = 30 if folder.name == "models" else 20
        assert len(list(folder.glob("*.py"))) <= most, folder
