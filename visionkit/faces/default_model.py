"""The default model for faces, and the fingerprint by which a gallery recognizes its model."""

import hashlib
import json
from pathlib import Path

from filelock import FileLock

from visionkit.export.bundle import find_bundle, read_metadata
from visionkit.files import BUNDLE_METADATA, cache_folder

FORM = 1  # version of the bundle in the cache: another number exports it again
FINGERPRINTED = ("weights_sha256", "alignment", "size", "dimensions", "unit", "mirror")  # metadata that affect embeddings


def default_face_model() -> Path:
    """The face network of dlib as a bundle, exported from the package face_recognition_models by the first call.

    The bundle lies in the user's cache. If two first calls come at once, the second waits. The threshold is the published one.

    Returns:
        the bundle's folder.

    Raises:
        UserError: the package is not installed, or differs from the published one.
    """
    folder = cache_folder() / "faces" / f"dlib_face-{FORM}"
    if _is_exported(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not _is_exported(folder):
            # These imports take seconds, which reading a gallery does not need.
            from visionkit.models.dlib_face import THRESHOLD, dlib_face
            from visionkit.tasks.embedding.export import export_embedder
            from visionkit.weights.dlib_faces import PACKAGE, SHA256

            metadata = {"base": "dlib_face", "weights": PACKAGE, "weights_sha256": SHA256}
            export_embedder(
                dlib_face(weights="dlib"), folder, metadata={**metadata, "threshold": THRESHOLD, "alignment": "mtcnn"}
            )
    return folder


def fingerprint(model: str | Path) -> str:
    """Compute a fingerprint; models with different fingerprints have embeddings that cannot be compared.

    If a bundle names the file of its weights, the digest of that file decides: another version of TensorFlow would export
    other bytes with the same embeddings. Otherwise, graph and weights of the bundle decide. Its place does not matter.

    Args:
        model: a bundle, or the run folder that holds it.

    Returns:
        64 hexadecimal digits.

    Raises:
        UserError: the folder is no bundle.
    """
    folder = find_bundle(model)
    metadata = read_metadata(folder)
    digest = hashlib.sha256(json.dumps([metadata.get(name) for name in FINGERPRINTED]).encode())
    if not metadata.get("weights_sha256"):
        for file in [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def _is_exported(folder: Path) -> bool:
    return (folder / BUNDLE_METADATA).is_file()
