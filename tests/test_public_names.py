"""The public names of packages exist, no submodule hides one, and lazy packages import nothing before a name is used."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import visionkit

PACKAGES = [
    module.name
    for module in pkgutil.walk_packages(visionkit.__path__, "visionkit.")
    if module.ispkg and hasattr(importlib.import_module(module.name), "__all__")
]
LAZY = [name for name in PACKAGES if hasattr(importlib.import_module(name), "__getattr__")]
HEAVY = ("tensorflow", "keras", "numpy", "cv2", "albumentations", "scipy", "sklearn")


def test_the_packages_are_swept():
    assert {"visionkit.layers", "visionkit.losses", "visionkit.metrics", "visionkit.models", "visionkit.ops"} <= set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_is_listed_once(package):
    module = importlib.import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_no_submodule_hides_a_public_name(package):
    """Importing a submodule sets it as an attribute of its package, and so would replace a function of the same name."""
    module = importlib.import_module(package)
    for name in {found.name for found in pkgutil.iter_modules(module.__path__)} & set(module.__all__):
        assert getattr(module, name) is not importlib.import_module(f"{package}.{name}")


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="has no attribute 'attic'"):
        _ = importlib.import_module(package).attic


@pytest.mark.parametrize("package", LAZY)
def test_importing_a_lazy_package_imports_nothing_heavy(package):
    code = f"import sys, {package}; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_names_work_from_the_top():
    assert visionkit.ops.nms.__module__ == "visionkit.ops.non_max_suppression"
    assert visionkit.metrics.segmentation_metrics.__module__ == "visionkit.metrics.segmentation"
