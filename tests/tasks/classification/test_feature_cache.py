"""Entries are right, whole, and refused when they are not."""

import json
import os
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from visionkit.data.augmentation import presets
from visionkit.data.images.scan import scan
from visionkit.data.pipeline.batches import evaluation_batches
from visionkit.data.sources import read_classified
from visionkit.tasks.classification.feature_cache import FeatureCache, weights_digest


@pytest.fixture
def extractor(small_classifier) -> keras.Model:
    return keras.Model(small_classifier.input, small_classifier.layers[-2].output, name="small_features")


@pytest.fixture
def index(class_folders):
    return scan(read_classified(class_folders).train)


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def cache(extractor, notes, tmp_path) -> FeatureCache:
    return FeatureCache(extractor, folder=tmp_path / "features", note=notes.append)


def entries(cache) -> list[Path]:
    return sorted(cache.folder.iterdir()) if cache.folder.exists() else []


def never(*args, **kwargs):
    raise AssertionError("computed again")


def test_an_empty_index_has_no_features(cache, index):
    assert cache.features(index.take([])).shape == (0, 4)


def test_features_are_the_extractors_output_row_by_row(cache, index, extractor):
    features = cache.features(index, batch_size=5)
    assert isinstance(features, np.memmap) and not features.flags.writeable
    for batch in evaluation_batches(index, 32, 3):
        np.testing.assert_allclose(features[batch["position"]], extractor(batch["image"]), rtol=1e-5, atol=1e-6)


def test_mirror_images_have_an_entry_of_their_own(cache, index, extractor):
    features, mirrored = (cache.features(index, mirrored=look) for look in (False, True))
    assert len(entries(cache)) == 2 and not np.allclose(features, mirrored)
    for batch in evaluation_batches(index, 32, 3):
        expected = extractor(batch["image"][:, :, ::-1])
        np.testing.assert_allclose(mirrored[batch["position"]], expected, rtol=1e-5, atol=1e-6)


def test_a_second_call_reads_what_the_first_kept(cache, index, monkeypatch):
    first = cache.features(index)
    monkeypatch.setattr(cache, "_compute", never)
    np.testing.assert_array_equal(cache.features(index), first)


def test_views_are_entries_of_their_own(cache, index):
    medium, light = presets.preset("medium"), presets.preset("light")
    options = [
        {},
        *({"augmentation": medium, "view": v} for v in (0, 1)),
        {"augmentation": light},
        {"augmentation": medium, "seed": 1},
    ]
    rows = {cache.features(index, **option).tobytes() for option in options}
    assert len(rows) == len(entries(cache)) == len(options)


def test_other_files_weights_sizes_and_layers_are_other_entries(cache, index, extractor, small_classifier, tmp_path):
    cache.features(index)
    cache.features(index.take(range(3)))
    changed = keras.models.clone_model(extractor)
    changed.set_weights([w + 0.5 for w in extractor.get_weights()])
    inner = extractor.layers[2:]
    x = image = keras.Input((32, 32, 3))
    for layer in [keras.layers.Rescaling(1 / 128), *(layer.from_config(layer.get_config()) for layer in inner)]:
        x = layer(x)
    rescaled = keras.Model(image, x, name=extractor.name)
    rescaled.set_weights(extractor.get_weights())
    for other in (changed, rescaled):
        FeatureCache(other, folder=cache.folder).features(index)
    assert len(entries(cache)) == 4
    assert weights_digest(extractor) != weights_digest(changed)


def test_a_file_that_changes_makes_another_entry(cache, index, class_folders):
    cache.features(index)
    Path(index.paths[0]).write_bytes(Path(index.paths[-1]).read_bytes())
    again = scan(read_classified(class_folders).train)
    cache.features(again)
    assert len(entries(cache)) == 2


def flip_a_byte(entry):
    contents = bytearray((entry / "features.npy").read_bytes())
    contents[-3] ^= 255
    (entry / "features.npy").write_bytes(contents)


def cut_short(entry):
    contents = (entry / "features.npy").read_bytes()
    (entry / "features.npy").write_bytes(contents[:-20])


def claim_another_key(entry):
    manifest = json.loads((entry / "manifest.json").read_text())
    manifest["key"]["size"] = 999
    (entry / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "damage",
    [
        flip_a_byte,
        cut_short,
        claim_another_key,
        lambda entry: (entry / "manifest.json").write_text("{"),
        lambda entry: (entry / "manifest.json").write_text("[]"),
        lambda entry: (entry / "manifest.json").unlink(),
        lambda entry: (entry / "features.npy").unlink(),
        lambda entry: (shutil.rmtree(entry), entry.write_text("a file")),
        lambda entry: ((entry / "manifest.json").unlink(), os.mkfifo(entry / "manifest.json")),
    ],
)
def test_a_damaged_or_stale_entry_is_refused_and_rebuilt(cache, index, notes, damage):
    right = np.array(cache.features(index))
    damage(entries(cache)[0])
    np.testing.assert_array_equal(cache.features(index), right)
    assert "refused" in notes[0] and len(notes) == 1
    cache.features(index)
    assert len(notes) == 1


def test_features_without_every_file_are_used_but_not_kept(cache, index):
    Path(index.paths[1]).unlink()
    features = cache.features(index)
    assert np.isnan(features[1]).all() and np.isfinite(features[[0, 2]]).all()
    assert len(index.skipped) == 1 and entries(cache) == []


def test_a_head_is_trained_on_all_views_of_the_images_that_are_still_there(cache, index):
    augmentation = presets.preset("light")
    whole = cache.training_features(index, augmentation, seed=3, views=2)
    assert whole.index is index and [view.shape for view in whole.views] == [(12, 4)] * 3
    np.testing.assert_array_equal(whole.views[2], cache.features(index, augmentation=augmentation, seed=3, view=1))
    assert len(cache.training_features(index, augmentation, seed=3, views=0).views) == 1
    Path(index.paths[1]).unlink()
    rest = FeatureCache(cache.extractor, folder=cache.folder / "other").training_features(index, augmentation, seed=3, views=1)
    assert rest.index.paths == (index.paths[0], *index.paths[2:])
    np.testing.assert_allclose(rest.views[1], np.delete(whole.views[1], 1, axis=0), rtol=1e-5, atol=1e-6)


def test_a_head_is_validated_on_mirror_images_where_the_bundle_averages_over_both(cache, index):
    assert len(cache.validation_features(index, mirrored=False).views) == 1
    plain, mirrored = cache.validation_features(index, mirrored=True).views
    np.testing.assert_array_equal(mirrored, cache.features(index, mirrored=True))
    assert not np.array_equal(plain, mirrored)


def test_on_a_full_disk_features_are_used_and_nothing_half_written_is_left(cache, index, notes, monkeypatch):
    right = np.array(cache.features(index.take(range(3))))
    monkeypatch.setattr(np, "save", lambda path, array: (_ for _ in ()).throw(OSError("disk full")))
    features = cache.features(index)
    np.testing.assert_allclose(features[:3], right, rtol=1e-5)
    assert len(entries(cache)) == 1 and "disk full" in notes[0]


def test_a_folder_that_cannot_be_made_is_no_failure(extractor, index, notes, tmp_path):
    (tmp_path / "file").touch()
    cache = FeatureCache(extractor, folder=tmp_path / "file" / "features", note=notes.append)
    assert cache.features(index).shape == (len(index), 4)
    assert "not kept" in notes[0]


def test_freezing_the_base_does_not_change_its_entries(cache, index, extractor):
    cache.features(index)
    extractor.trainable = not extractor.trainable
    FeatureCache(extractor, folder=cache.folder).features(index)
    assert len(entries(cache)) == 1
