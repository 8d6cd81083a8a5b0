"""The weights of dlib's face network, as the PyPI package face_recognition_models ships them."""

from visionkit.weights.dlib_file import DlibFile, read_dlib
from visionkit.weights.packaged_files import packaged_file

PACKAGE = "face_recognition_models"
FILE = "models/dlib_face_recognition_resnet_model_v1.dat"
SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
INSTALL = "pip install 'visionkit[faces]'"


def read() -> DlibFile:
    """Read the network in the installed package.

    Raises:
        UserError: the package is not installed, or its file differs from the published one.
    """
    # The package is not imported, because its code needs pkg_resources, which setuptools no longer has.
    with packaged_file(PACKAGE, FILE, sha256=SHA256, install=INSTALL) as path:
        return read_dlib(path)
