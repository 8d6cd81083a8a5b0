"""Weights in the files of installed packages: the file is located and verified without running any code of the package."""

import hashlib
import importlib.resources
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visionkit.errors import UserError


@contextmanager
def packaged_file(package: str, file: str, *, sha256: str, install: str) -> Iterator[Path]:
    """Yield the path of a file inside an installed package, without importing the package.

    Args:
        package: import name of the package.
        file: path inside the package.
        sha256: SHA-256 of the published file, hexadecimal.
        install: command that installs the package.

    Raises:
        UserError: the package is not installed, or its file differs from the published one.
    """
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise UserError(f"The weights come with the package {package}, which is not installed: {install}")
    module = importlib.util.module_from_spec(spec)  # does not run it
    with importlib.resources.as_file(importlib.resources.files(module) / file) as path:
        if not path.is_file():
            raise UserError(f"The installed package {package} lacks {file}. Reinstall it: {install}")
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != sha256:
            raise UserError(f"{path} has the SHA-256 {digest}, expected {sha256}. Reinstall the package: {install}")
        yield path
