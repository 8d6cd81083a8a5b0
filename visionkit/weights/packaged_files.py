"""Weights that come as a file of an installed package: the package is found and its file checked, and nothing of it is run."""

import hashlib
import importlib.resources
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visionkit.errors import UserError


@contextmanager
def packaged_file(package: str, file: str, *, sha256: str, install: str) -> Iterator[Path]:
    """The path of a file inside an installed package, which is not imported.

    Args:
        package: as it is imported.
        file: its path inside the package.
        sha256: of the file that was published, hexadecimal.
        install: the command that installs the package.

    Raises:
        UserError: the package is not installed, or its file is another than the one published.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise UserError(f"The weights come with the package {package}, which is not installed: {install}")
    found_package = importlib.util.module_from_spec(spec)
    with importlib.resources.as_file(importlib.resources.files(found_package) / file) as path:
        if not path.is_file():
            raise UserError(f"The installed package {package} lacks {file}. Install it anew: {install}")
        with path.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
        if found != sha256:
            raise UserError(f"{path} has the SHA-256 {found}, expected {sha256}. Install the package anew: {install}")
        yield path
