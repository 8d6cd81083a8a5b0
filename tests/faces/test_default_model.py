"""The default model is exported once; the fingerprint of a model depends on what decides its embeddings."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.tasks.embedding.color_embedder import color_bundle
from visionkit.errors import UserError
from visionkit.export.bundle import update_metadata
from visionkit.faces.default_model import default_face_model, fingerprint
from visionkit.tasks import load


def test_a_folder_without_a_model_has_no_fingerprint(tmp_path):
    with pytest.raises(UserError, match="not a model that visionkit exported"):
        fingerprint(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return color_bundle(tmp_path_factory.mktemp("colors") / "model")


def copy_of(model: Path, folder: Path, **metadata) -> Path:
    """The same model with other metadata."""
    shutil.copytree(model, folder)
    update_metadata(folder, **metadata)
    return folder


def test_place_and_metrics_of_a_model_do_not_change_its_fingerprint(model, tmp_path):
    copy_of(model, tmp_path / "run" / "model", metrics={"auc": 0.99}, threshold=0.7)
    assert fingerprint(tmp_path / "run") == fingerprint(model) and len(fingerprint(model)) == 64


def test_what_changes_embeddings_changes_the_fingerprint(model, tmp_path):
    changes = [{"alignment": "mtcnn"}, {"weights_sha256": "a"}, {"weights_sha256": "b"}]
    copies = [copy_of(model, tmp_path / str(number), **metadata) for number, metadata in enumerate(changes)]
    others = [*copies, color_bundle(tmp_path / "other", gain=2.0)]
    assert len({fingerprint(folder) for folder in [model, *others]}) == 5


def test_models_from_one_weights_file_have_one_fingerprint_however_they_were_written(model, tmp_path):
    first, again = (copy_of(model, tmp_path / name, weights_sha256="a") for name in ("first", "again"))
    with (again / "saved_model.pb").open("ab") as graph:
        graph.write(b"\0")
    assert fingerprint(first) == fingerprint(again)


def test_two_first_calls_export_the_default_model_once_into_the_cache():
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: default_face_model(), range(2))
    assert first == second and first.is_relative_to(os.environ["VISIONKIT_CACHE"])
    written = (first / "saved_model.pb").stat().st_mtime_ns
    assert default_face_model() == first and (first / "saved_model.pb").stat().st_mtime_ns == written
    assert [path.name for path in first.parent.iterdir() if path.is_dir()] == [first.name]
    embedder = load(first)
    assert (
        embedder.metadata["threshold"] == 0.6 and embedder.metadata["alignment"] == "mtcnn" and embedder.metadata["size"] == 150
    )
    embeddings = embedder.embed(np.zeros((2, 150, 150, 3), np.uint8))
    assert embeddings.shape == (2, 128) and embeddings.dtype == np.float32 and np.isfinite(embeddings).all()
