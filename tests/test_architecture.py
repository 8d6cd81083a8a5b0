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


def traced_with_autograph(text: str) -> list[int]:
    """The lines in which a module calls or binds ``tf.function`` without ``autograph=False``."""
    nodes = list(ast.walk(ast.parse(text)))
    uses = [node for node in nodes if isinstance(node, ast.Call) and "tf.function" in map(ast.unparse, (node.func, *node.args))]
    lines = [node.lineno for node in uses if "autograph=False" not in map(ast.unparse, node.keywords)]
    decorators = [each for node in nodes if isinstance(node, ast.FunctionDef) for each in node.decorator_list]
    return lines + [node.lineno for node in decorators if ast.unparse(node) == "tf.function"]


def test_graphs_are_traced_without_autograph():
    examples = ("tf.function(f)", "@tf.function\ndef f(): pass", "@partial(tf.function, input_signature=[])\ndef f(): pass")
    assert [len(traced_with_autograph(text)) for text in examples] == [1, 1, 1]
    assert [path.name for path in SOURCES if traced_with_autograph(path.read_text(encoding="utf-8"))] == []


def test_folders_can_be_overlooked():
    """At most 20 Python files, or 30 where each network family has one."""
    for folder in {path.parent for path in SOURCES}:
        most = 30 if folder.name == "models" else 20
        assert len(list(folder.glob("*.py"))) <= most, folder


# What opens a file by its path although strangers may have made it, and why it may.
OPENED_BY_PATH = {
    "visionkit/data/arrays/files.py": "NumPy maps a file and nibabel turns it, after check_file",
    "visionkit/data/demo/arrays.py": "a file of nibabel's own",
    "visionkit/data/demo/photographs.py": "a marker that the program wrote",
    "visionkit/data/images/crops.py": "TensorFlow reads groups of files, after check_file in pipeline/reading.py",
    "visionkit/data/images/stacks.py": "OpenCV reads a page of a file that is open",
    "visionkit/data/pipeline/pixel_cache.py": "a map of the program's own cache",
    "visionkit/data/pipeline/reading.py": "TensorFlow reads while other threads run, after check_file",
    "visionkit/data/pipeline/service.py": "a graph on another machine, of files that the scan has read",
    "visionkit/inference/video.py": "OpenCV opens videos by path, after check_file",
    "visionkit/tasks/classification/feature_cache.py": "a map of the program's own cache, after check_file",
    "visionkit/tasks/segmentation/mask_files.py": "nibabel, after check_file",
}
BY_PATH = re.compile(
    r"open|(np|nibabel|cv2|h5py)\.(load|fromfile|memmap|imread|imreadmulti|VideoCapture|File)|tf\.io\.(read_file|gfile\.GFile)"
    r"|.*\.(read_bytes|read_text)"
)


def opens_by_path(call: ast.Call) -> bool:
    if BY_PATH.fullmatch(ast.unparse(call.func)):
        return not (call.args and ast.unparse(call.args[0]).startswith("io.BytesIO"))
    is_path = isinstance(call.func, ast.Attribute) and call.func.attr == "open"
    return is_path and bool(call.args) and isinstance(call.args[0], ast.Constant) and "r" in str(call.args[0].value)


def test_files_of_strangers_are_opened_in_one_place():
    """Anything else would wait for a named pipe for ever."""
    packages = ("visionkit/data/", "visionkit/inference/", "visionkit/tasks/", "visionkit/cli/", "recipes/")
    found = set()
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if name.startswith(packages) else ()
        if any(isinstance(node, ast.Call) and opens_by_path(node) for node in nodes):
            found.add(name)
    assert found == set(OPENED_BY_PATH)
