"""Folders that cannot be listed: each is named, and the others are read."""

import os

import pytest

from tests.conftest import sweep
from tests.data.layouts import LAYOUTS
from visionkit.data.index import DataError
from visionkit.data.sources import read


@pytest.fixture
def refuse(monkeypatch):
    """Makes a folder as it is for a user without the right to read it; tests may run as root, who has all rights."""
    refused = set()

    def refusing(function):
        def call(path=".", *args, **options):
            if os.fspath(path) in refused:
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return function(path, *args, **options)

        return call

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    return refused.add


def test_a_folder_that_cannot_be_listed_itself_is_named(tmp_path, refuse):
    refuse(str(tmp_path))
    with pytest.raises(DataError, match=f"{tmp_path} cannot be listed \\(Permission denied"):
        read(tmp_path)


@pytest.mark.parametrize("layout", sweep(LAYOUTS, LAYOUTS[::12]), ids=lambda layout: layout.name)
def test_any_folder_that_cannot_be_listed_is_named(tmp_path, refuse, layout):
    (tmp_path / "whole").mkdir()
    layout.build(tmp_path / "whole")
    for number, path in enumerate(sorted(path for path in (tmp_path / "whole").rglob("*") if path.is_dir())):
        (tmp_path / str(number)).mkdir()
        layout.build(tmp_path / str(number))
        folder = tmp_path / str(number) / path.relative_to(tmp_path / "whole")
        refuse(str(folder))
        try:
            named = [problem.detail for problem in read(tmp_path / str(number)).problems if problem.path == str(folder)]
        except DataError as error:
            named = [str(error)] if str(folder) in str(error) else []
        assert any("cannot be listed (Permission denied)" in each for each in named), path
