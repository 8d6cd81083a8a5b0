"""Which model embeds faces, where the user names none; and how a gallery knows again the model that it was made with."""

import hashlib
import json
from pathlib import Path

from filelock import FileLock

from visionkit.export.bundle import EXTRA, find_bundle, read_metadata
from visionkit.files import cache_folder

FORM = 1  # of the bundle in the cache: another number has it made anew
FACTS = ("weights_sha256", "alignment", "size", "dimensions", "unit", "mirror")  # that decide which embedding a face has


def default_face_model() -> Path:
    """The face network of dlib as a bundle, made from the package face_recognition_models when it is first asked for.

    It lies in the user's cache; of two first calls at once, one makes it and the other waits. Its threshold is as published.

    Returns:
        the bundle's folder.

    Raises:
        UserError: the package is not installed, or is not the one published.
    """
    folder = cache_folder() / "faces" / f"dlib_face-{FORM}"
    if _is_made(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not _is_made(folder):
            # Building and tracing take seconds, which whoever only reads a gallery does not wait for.
            from visionkit.models.dlib_face import THRESHOLD, dlib_face
            from visionkit.tasks.embedding.export import export_embedder
            from visionkit.weights.dlib_faces import PACKAGE, SHA256

            metadata = {"base": "dlib_face", "weights": PACKAGE, "weights_sha256": SHA256}
            export_embedder(
                dlib_face(weights="dlib"), folder, metadata={**metadata, "threshold": THRESHOLD, "alignment": "mtcnn"}
            )
    return folder


def fingerprint(model: str | Path) -> str:
    """What tells models apart whose embeddings cannot be compared.

    A bundle that names the file its weights came from is known by that: made anew by another version of TensorFlow it has other
    bytes, and the same embeddings. Any other is known by its graph and weights, wherever it lies.

    Args:
        model: a bundle, or the run folder that holds it.

    Returns:
        64 hexadecimal digits.

    Raises:
        UserError: the folder is no bundle.
    """
    folder = find_bundle(model)
    metadata = read_metadata(folder)
    digest = hashlib.sha256(json.dumps([metadata.get(name) for name in FACTS]).encode())
    if not metadata.get("weights_sha256"):
        for file in [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def _is_made(folder: Path) -> bool:
    return (folder / EXTRA / "bundle.json").is_file()
