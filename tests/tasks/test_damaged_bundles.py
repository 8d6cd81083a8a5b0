"""A damaged bundle ends in one sentence that names it, and with digests no damage goes unnoticed."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import visionkit
from tests.tasks.damage import WRONG_METADATA, damage
from visionkit.bundle_files import DIGESTS, LABELS, update_metadata
from visionkit.errors import UserError
from visionkit.files import BUNDLE_METADATA

EACH = 75  # damaged copies of a bundle
TASKS = ("stylization", "classification", "detection", "segmentation", "volumes", "embedding", "landmarks")


def exported(task: str, folder: Path) -> Path:
    """The smallest bundle of a task."""
    import keras

    from tests.tasks.detection.square_detector import NAMES, square_detector
    from tests.tasks.embedding.color_embedder import color_bundle
    from tests.tasks.localization.conftest import constant_network
    from tests.tasks.segmentation.color_segmenter import export_color_segmenter
    from tests.tasks.style_transfer.painters import export_hand_painter
    from visionkit.tasks.classification.export import export_classifier
    from visionkit.tasks.detection.export import export_detector
    from visionkit.tasks.localization.export import export_locator

    if task == "classification":
        layers = [keras.Input((32, 32, 3)), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3)]
        return export_classifier(keras.Sequential(layers), folder, class_names=("a", "b", "c"), metadata={})
    if task == "detection":
        return export_detector(square_detector(), folder, class_names=NAMES, threshold=0.3, metadata={})
    if task == "landmarks":
        network = constant_network([0] * 4, [0.25, 0.5, 0.75, 0.5], 2, 2)
        return export_locator(network, folder, task="landmarks", class_names=("a", "b"), metadata={})
    if task == "embedding":
        return color_bundle(folder)
    if task == "stylization":
        return export_hand_painter(folder)
    return export_color_segmenter(folder, rank=3 if task == "volumes" else 2)


@pytest.fixture(scope="module")
def bundle_of(tmp_path_factory):
    made = {}
    return lambda task: made.setdefault(task, exported(task, tmp_path_factory.mktemp(task) / "model"))


def test_an_empty_folder_is_no_model(tmp_path):
    with pytest.raises(UserError, match="is not a model that visionkit exported"):
        visionkit.load(tmp_path)


@pytest.mark.parametrize(
    ("task", "count"),
    [("stylization", 20), *(pytest.param(task, EACH, marks=pytest.mark.exhaustive) for task in TASKS)],
)
def test_every_damage_is_one_error_that_names_a_file(bundle_of, tmp_path, task, count):
    bundle, rng, accepted = bundle_of(task), np.random.default_rng(TASKS.index(task)), []
    for number in range(count):
        copy = Path(shutil.copytree(bundle, tmp_path / str(number)))
        kind = damage(copy, rng)
        try:
            visionkit.load(copy)
        except UserError as error:
            assert str(copy) in str(error) and "\n" not in str(error), kind
        else:
            accepted.append(kind)
    # Without its digests a bundle is that of an earlier version, and whole.
    assert {*accepted} <= {f"remove {DIGESTS}"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", TASKS)
def test_damage_of_a_bundle_without_digests_is_an_error_or_harmless(bundle_of, tmp_path, task):
    bundle, rng = bundle_of(task), np.random.default_rng(TASKS.index(task))
    for number in range(EACH):
        copy = Path(shutil.copytree(bundle, tmp_path / str(number)))
        (copy / DIGESTS).unlink()
        kind = damage(copy, rng)
        try:
            visionkit.load(copy)
        except UserError as error:
            assert str(copy) in str(error) and "\n" not in str(error), kind


@pytest.mark.parametrize("text", WRONG_METADATA, ids=lambda text: text[:60])
def test_wrong_metadata_are_an_error_that_names_the_file(bundle_of, tmp_path, text):
    copy = Path(shutil.copytree(bundle_of("classification"), tmp_path / "model"))
    (copy / DIGESTS).unlink()
    (copy / BUNDLE_METADATA).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"bundle\.json|labels\.txt"):
        visionkit.load(copy)


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c", "d"], []])
def test_labels_of_another_model_are_noticed(bundle_of, tmp_path, labels):
    copy = Path(shutil.copytree(bundle_of("classification"), tmp_path / "model"))
    (copy / DIGESTS).unlink()
    (copy / LABELS).unlink()
    update_metadata(copy, labels=labels)
    with pytest.raises(UserError, match=rf"the graph has 3 probabilities, and bundle.json speaks of {len(labels)} "):
        visionkit.load(copy)


def test_a_bundle_without_digests_is_that_of_an_earlier_version(bundle_of, tmp_path):
    copy = Path(shutil.copytree(bundle_of("stylization"), tmp_path / "model"))
    (copy / DIGESTS).unlink()
    assert visionkit.load(copy).labels == visionkit.load(bundle_of("stylization")).labels


def test_what_people_put_beside_the_files_is_not_part_of_the_bundle(bundle_of, tmp_path):
    copy = Path(shutil.copytree(bundle_of("stylization"), tmp_path / "model"))
    for name in ("README.md", "assets.extra/notes.txt", "variables/.DS_Store", "assets.extra/Thumbs.db"):
        (copy / name).write_text("x")
    assert visionkit.load(copy).labels
