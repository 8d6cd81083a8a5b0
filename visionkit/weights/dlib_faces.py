"""The weights of dlib's face network, as the PyPI package face_recognition_models ships them."""

import hashlib
import importlib.resources
import importlib.util

from visionkit.errors import UserError
from visionkit.weights.dlib_file import DlibFile, read_dlib

PACKAGE = "face_recognition_models"
FILE = "models/dlib_face_recognition_resnet_model_v1.dat"
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
INSTALL = "pip install 'visionkit[faces]'"


def read() -> DlibFile:
    """The network in the installed package.

    Raises:
        UserError: the package is not installed, or its file is another than the one published.
    """
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None:
        raise UserError(
            f"The weights of dlib's face network come with the package {PACKAGE}, which is not installed: {INSTALL}"
        )
    # Not imported: what the package runs then needs pkg_resources, which setuptools no longer has.
    package = importlib.util.module_from_spec(spec)
    with importlib.resources.as_file(importlib.resources.files(package) / FILE) as path:
        if not path.is_file():
            raise UserError(f"The installed package {PACKAGE} lacks {FILE}. Install it anew: {INSTALL}")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != SHA256:
            raise UserError(f"{path} has the SHA-256 {found}, expected {SHA256}. Install the package anew: {INSTALL}")
        return read_dlib(path)
