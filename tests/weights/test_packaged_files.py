"""Files of installed packages: errors for missing or different files; no code of a package is run."""

from pathlib import Path

import pytest

from visionkit.errors import UserError
from visionkit.weights import dlib_faces, hed_trunk

READERS = pytest.mark.parametrize("reader", [dlib_faces, hed_trunk], ids=lambda reader: reader.__name__.rpartition(".")[2])


@READERS
def test_a_missing_package_is_an_error_that_says_how_to_install_it(reader, monkeypatch):
    monkeypatch.setattr(reader, "PACKAGE", "a_package_that_nobody_has")
    with pytest.raises(UserError) as error:
        reader.read()
    assert str(error.value).endswith(f"a_package_that_nobody_has, which is not installed: {reader.INSTALL}")


@pytest.fixture
def package(reader, tmp_path, monkeypatch) -> Path:
    """A package that cannot be imported."""
    folder = tmp_path / "the_package_of_another"
    (folder / reader.FILE).parent.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('it was run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(reader, "PACKAGE", folder.name)
    return folder


@READERS
def test_a_package_without_the_file_is_an_error(reader, package):
    with pytest.raises(UserError) as error:
        reader.read()
    assert f"lacks {reader.FILE}" in str(error.value)


@READERS
def test_a_file_that_differs_from_the_published_one_is_an_error(reader, package):
    (package / reader.FILE).write_bytes(b"anything")
    with pytest.raises(UserError, match=rf"has the SHA-256 ee087417[0-9a-f]+, expected {reader.SHA256}"):
        reader.read()
