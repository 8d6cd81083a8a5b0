"""Order, determinism, and files that vanish during an epoch."""

import gc
import os
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image

from tests.colored_quadrants import write_quadrants
from visionkit.data.augmentation import presets
from visionkit.data.images.decode import read_image
from visionkit.data.images.resize import center_crop
from visionkit.data.images.scan import scan
from visionkit.data.index import Annotation, Index, Objects, class_weights
from visionkit.data.mask_targets import MaskTargets
from visionkit.data.pipeline import batches as pipeline
from visionkit.data.pipeline.batches import TrainingPipeline, evaluation_batches, evaluation_dataset
from visionkit.data.pipeline.pixel_cache import open_cache
from visionkit.data.sources import read_classified
from visionkit.errors import UserError
from visionkit.layers.batch_augmentation import BatchAugmentation, augmented

MEDIUM = presets.preset("medium")


@pytest.fixture
def index(class_folders) -> Index:
    """12 scanned images of two classes; one is a PNG, one is rotated by EXIF."""
    paths = sorted(class_folders.rglob("*.jpg"))
    Image.open(paths[0]).save(paths[0].with_suffix(".png"))
    paths[0].unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(paths[1]).save(paths[1], exif=exif)
    return scan(read_classified(class_folders).train)


def batches(index, *, size=32, batch_size=5, augmentation=None, shuffle=True, epoch=0, start=0, **options) -> tf.data.Dataset:
    """The batches of one epoch; without an augmentation, those of evaluation."""
    if augmentation is None:
        return evaluation_batches(index, size, batch_size)
    order = None if shuffle else np.arange(len(index))
    return TrainingPipeline(index, size, batch_size, augmentation, **options).epoch(epoch, order=order, start=start)


def collect(index, **options) -> dict[str, np.ndarray]:
    parts = [{name: value.numpy() for name, value in batch.items()} for batch in batches(index, **options)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_an_empty_index_gives_no_batches(index):
    nothing = index.take([])
    assert list(batches(nothing)) == list(batches(nothing, augmentation=MEDIUM)) == []
    assert list(evaluation_dataset(nothing, 32, 4)) == list(TrainingPipeline(nothing, 32, 4, MEDIUM).dataset()) == []


def test_an_index_that_was_not_scanned_is_refused(class_folders):
    with pytest.raises(ValueError, match="scan"):
        evaluation_batches(read_classified(class_folders).train, 32, 4)
    with pytest.raises(ValueError, match="scan"):
        TrainingPipeline(read_classified(class_folders).train, 32, 4, MEDIUM)


def test_without_augmentation_each_image_is_what_the_bundle_sees(index):
    whole = collect(index)
    assert whole["position"].tolist() == list(range(len(index)))
    np.testing.assert_array_equal(whole["label"], index.labels)
    for path, image in zip(index.paths, whole["image"], strict=True):
        np.testing.assert_array_equal(image, center_crop(read_image(path), 32))


@pytest.mark.parametrize("preset", [None, "medium"])
def test_the_seed_decides_everything_whatever_the_number_of_threads(index, preset):
    augmentation = preset and presets.preset(preset)
    runs = []
    for threads in (1, 16):
        options = tf.data.Options()
        options.threading.private_threadpool_size = threads
        seed = {} if augmentation is None else {"seed": 5}
        dataset = batches(index, batch_size=4, augmentation=augmentation, epoch=2, **seed)
        runs.append([batch["image"].numpy() for batch in dataset.with_options(options)])
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first, second)


def test_epochs_and_seeds_differ(index):
    draw = lambda **o: collect(index, augmentation=presets.preset("medium"), **o)  # noqa: E731
    first, again, later, other = draw(seed=1), draw(seed=1), draw(seed=1, epoch=1), draw(seed=2)
    np.testing.assert_array_equal(first["image"], again["image"])
    assert (first["position"] != later["position"]).any()
    assert (first["position"] != other["position"]).any()
    assert sorted(first["position"]) == sorted(later["position"]) == list(range(len(index)))


def test_an_image_is_augmented_alike_wherever_it_stands_in_the_batch(index):
    """The seed belongs to the sample: another batch size must not change the sample."""
    small = collect(index, augmentation=presets.preset("strong"), batch_size=2, shuffle=False)
    large = collect(index, augmentation=presets.preset("strong"), batch_size=7, shuffle=False)
    np.testing.assert_array_equal(small["image"], large["image"])


def test_the_number_of_threads_changes_nothing(index, monkeypatch):
    options = {"augmentation": presets.preset("strong"), "seed": 5}
    monkeypatch.setattr(pipeline, "THREADS", 1)
    alone = collect(index, **options)
    monkeypatch.setattr(pipeline, "THREADS", 16)
    together = collect(index, **options)
    for key in alone:
        np.testing.assert_array_equal(alone[key], together[key])


def test_an_epoch_can_be_resumed_at_any_batch(index):
    options = {
        "size": 32,
        "batch_size": 5,
        "augmentation": presets.preset("strong"),
    }
    options["augmentation"] = replace(options["augmentation"], mix="mixup")
    whole = [batch["image"].numpy() for batch in batches(index, epoch=3, **options)]
    rest = [batch["image"].numpy() for batch in batches(index, epoch=3, start=1, **options)]
    assert len(rest) == len(whole) - 1
    for one, other in zip(whole[1:], rest, strict=True):
        np.testing.assert_array_equal(one, other)


def test_shards_share_an_epoch(index):
    parts = [collect(index, augmentation=MEDIUM, seed=3, shard=(number, 3))["position"] for number in range(3)]
    assert sorted(np.concatenate(parts)) == list(range(len(index)))


def test_a_cache_of_pixels_changes_nothing_but_colors_at_the_edge_of_a_window(index):
    """JPEG has colors at half resolution: at its edge, a window that is decoded alone lacks its neighbors."""
    options = {"augmentation": presets.preset("medium"), "seed": 2}
    cache = open_cache(index, "memory")
    for epoch in (0, 1):  # filled, then used
        with_cache, without = collect(index, cache=cache, epoch=epoch, **options), collect(index, epoch=epoch, **options)
        difference = np.abs(with_cache["image"].astype(int) - without["image"])
        assert difference.mean() < 0.05 and difference.max() <= 16


@pytest.mark.parametrize("mix", [None, "mixup", "cutmix"])
def test_the_accelerator_makes_the_batches_that_the_processor_makes(index, mix):
    options = {"batch_size": 4, "seed": 6}
    options["augmentation"] = replace(presets.preset("strong"), mix=mix)
    for ours, theirs in zip(batches(index, **options), batches(index, augment_on="device", **options), strict=True):
        images = BatchAugmentation()(theirs)
        assert np.abs(images - tf.cast(ours["image"], tf.float32)).max() <= 2  # rounded once or twice
        np.testing.assert_array_equal(ours["label"], theirs["label"])


def annotated(tmp_path, count: int = 6) -> Index:
    """Images with one red and one green rectangle, the boxes around them, and masks of them."""
    annotations, paths = [], []
    for number in range(count):
        image, mask = np.full((60, 90, 3), 30, np.uint8), np.zeros((60, 90), np.uint8)
        image[10:30, 10 + number : 40], mask[10:30, 10 + number : 40] = (220, 0, 0), 1
        image[35:55, 50:80], mask[35:55, 50:80] = (0, 220, 0), 2
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(image).save(paths[-1])
        Image.fromarray(mask).save(tmp_path / f"{number}_mask.png")
        boxes = np.array([[10 + number, 10, 40, 30], [50, 35, 80, 55]]) / [90, 60, 90, 60]
        annotations.append(Annotation(Objects(boxes, np.array([1, 2], np.int32)), str(tmp_path / f"{number}_mask.png")))
    index = Index(("none", "red", "green"), tuple(paths), np.full(count, -1, np.int32), annotations=tuple(annotations))
    return scan(index)


@pytest.mark.parametrize("preset", [None, "detection-medium", "detection-strong"])
def test_boxes_and_masks_follow_their_pixels(tmp_path, preset):
    index = annotated(tmp_path)
    augmentation = preset and replace(presets.preset(preset), color=0.0, pca=0.0, erase=0.0)
    seed = {} if augmentation is None else {"seed": 1}
    batch = collect(index, size=96, batch_size=6, augmentation=augmentation, shuffle=False, **seed)
    assert batch["boxes"].dtype == np.float32 and batch["classes"].dtype == np.int32
    for image, mask, boxes, classes in zip(*(batch[key] for key in ("image", "mask", "boxes", "classes")), strict=True):
        for channel, label in ((0, 1), (1, 2)):
            painted = image[..., channel] > 150
            assert (painted != (mask == label)).mean() < 0.03  # edges are blended
            covered = np.zeros_like(painted)
            for left, top, right, bottom in boxes[classes == label] * 96:
                covered[max(int(top) - 1, 0) : int(bottom) + 2, max(int(left) - 1, 0) : int(right) + 2] = True
            assert (painted & ~covered).mean() < 0.03  # of less than a quarter of an object the box is given up
    assert (batch["boxes"][batch["classes"] == -1] == 0).all()


def test_a_mosaic_is_the_same_with_any_number_of_threads(tmp_path, monkeypatch):
    index = annotated(tmp_path)
    options = {"size": 64, "batch_size": 4, "augmentation": presets.preset("detection-strong"), "seed": 5}
    monkeypatch.setattr(pipeline, "THREADS", 1)
    alone = collect(index, **options)
    monkeypatch.setattr(pipeline, "THREADS", 16)
    for key, values in collect(index, **options).items():
        np.testing.assert_array_equal(alone[key], values)


def test_an_epoch_is_released_when_it_ends(index):
    """Neither threads nor random parameters stay, except while a derived dataset needs them."""
    options = {"batch_size": 4, "augmentation": presets.preset("strong")}
    derived = batches(index, **options).map(lambda batch: batch["position"])
    gc.collect()
    assert sum(len(batch) for batch in derived) == len(index)
    functions = [weakref.ref(batches(index, epoch=epoch, **options).batch_functions) for epoch in range(3)]
    for batch in batches(index, **options):
        assert len(batch["position"])
    before = threading.active_count()
    del derived, batch
    gc.collect()
    assert [reference() for reference in functions] == [None] * 3
    assert threading.active_count() <= before


def test_replicas_share_every_batch(class_folders):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])  # see ``pytest_configure``
    index = scan(read_classified(class_folders).train)
    dataset = strategy.experimental_distribute_dataset(evaluation_batches(index, 32, 4))
    seen = [[part.numpy().tolist() for part in strategy.experimental_local_results(batch["position"])] for batch in dataset]
    assert seen == [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8, 9], [10, 11]]]


def test_labels_follow_their_images_through_shuffling(index):
    unchanged = presets.Augmentation("none")
    shuffled, ordered = collect(index, augmentation=unchanged, seed=3), collect(index, augmentation=unchanged, shuffle=False)
    np.testing.assert_array_equal(shuffled["label"], index.labels[shuffled["position"]])
    for position, label, image in zip(*(shuffled[key] for key in ("position", "label", "image")), strict=True):
        path = Path(index.paths[position])
        assert path.parent.name == index.class_names[label]
        np.testing.assert_array_equal(image, ordered["image"][position])


def test_a_file_name_need_not_be_utf_8(class_folders):
    source = next((class_folders / "red").glob("*.jpg"))
    (source.parent / os.fsdecode(b"bad\xff.jpg")).write_bytes(source.read_bytes())
    index = scan(read_classified(class_folders).train)
    assert any("\udcff" in path for path in index.paths)
    assert len(collect(index)["position"]) == len(index)


def test_a_file_that_vanishes_or_changes_after_the_scan_is_named_and_left_out(index, tmp_path):
    Path(index.paths[2]).unlink()
    Path(index.paths[4]).write_bytes(b"overwritten")
    whole = collect(index)
    assert sorted(whole["position"]) == [i for i in range(len(index)) if i not in (2, 4)]
    assert [file.path for file in index.skipped.list()] == sorted([index.paths[2], index.paths[4]])
    assert "changed since the check" in " ".join(file.reason for file in index.skipped.list())


def test_broken_files_are_named_counted_and_left_out_by_the_scan(class_folders):
    whole = (class_folders / "red" / "00.jpg").read_bytes()
    (class_folders / "red" / "01.jpg").write_bytes(b"")
    (class_folders / "red" / "02.jpg").write_bytes(whole[:400])
    (class_folders / "red" / "03.jpg").write_text("not an image")
    splits = read_classified(class_folders)
    sound = splits.map(lambda index, _: scan(index))
    assert len(sound.train) + len(sound.val) == 13
    assert [file.path.rsplit("/", 1)[1] for file in sound.skipped] == ["01.jpg", "02.jpg", "03.jpg"]


def test_a_set_with_nothing_left_is_an_error(class_folders):
    for path in class_folders.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="None of 12 images can be read"):
        scan(read_classified(class_folders).train)


def test_class_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0] * 7 + [1] * 2 + [3] * 5, np.int32)
    index = Index(("a", "b", "c", "d"), ("x",) * 14, labels)
    theirs = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    assert class_weights(index) == pytest.approx(dict(zip([0, 1, 3], theirs, strict=True)))


class Recorder(keras.Model):
    """A model of one weight that remembers the batches that ``fit`` shows it."""

    def __init__(self):
        super().__init__()
        self.batches = []
        self.dense = keras.layers.Dense(2)

    def call(self, image):
        return self.dense(ops.mean(ops.cast(image, "float32"), axis=(1, 2)))

    def train_step(self, data):
        self.batches.append(data[0].numpy())
        return super().train_step(data)


def test_fit_sees_new_augmentation_in_every_epoch_and_the_epochs_are_those_of_epoch(index):
    pipeline = TrainingPipeline(index, 32, 5, MEDIUM, seed=4)
    model = Recorder()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    history = model.fit(pipeline.dataset(), epochs=3, shuffle=False, verbose=0).history
    assert len(history["loss"]) == 3 and len(model.batches) == 3 * len(pipeline) == 9
    epochs = [np.concatenate(model.batches[start : start + 3]) for start in (0, 3, 6)]
    for number, shown in enumerate(epochs):
        expected = np.concatenate([batch["image"] for batch in pipeline.epoch(number).as_numpy_iterator()])
        np.testing.assert_array_equal(shown, expected)
    assert not np.array_equal(np.sort(epochs[0], axis=None), np.sort(epochs[1], axis=None))


@pytest.mark.parametrize("value", [0, -1, 2.5, "3", None])
def test_numbers_that_make_no_sense_are_named(index, value):
    with pytest.raises(UserError, match=f"batch_size={value!r}: expected a whole number from 1 on"):
        TrainingPipeline(index, 32, value, MEDIUM)
    with pytest.raises(UserError, match=f"size={value!r}: expected"):
        evaluation_dataset(index, value, 4)
    with pytest.raises(UserError, match=r"augmentation='medium': expected an Augmentation, such as data\.preset\('medium'\)"):
        TrainingPipeline(index, 32, 4, "medium")


def test_each_epoch_for_fit_is_drawn_once(index, monkeypatch):
    drawn, draw = [], TrainingPipeline._epoch
    monkeypatch.setattr(TrainingPipeline, "_epoch", lambda self, number: drawn.append(number) or draw(self, number))
    dataset = TrainingPipeline(index, 32, 2, MEDIUM).dataset()
    for _ in range(3):
        assert len(list(dataset)) == 6
    assert drawn == [0, 1, 2]


def test_a_dataset_for_fit_has_pairs_and_a_known_cardinality(index):
    training = TrainingPipeline(index, 32, 5, MEDIUM).dataset()
    validation = evaluation_dataset(index, 32, 5)
    assert training.cardinality() == validation.cardinality() == 3
    for dataset, dtype in ((training, tf.uint8), (validation, tf.float32)):
        image, label = dataset.element_spec
        assert (image.shape, image.dtype) == ((None, 32, 32, 3), dtype) and (label.shape, label.dtype) == ((None,), tf.int32)
    labels = np.concatenate([label for _, label in validation.as_numpy_iterator()])
    np.testing.assert_array_equal(labels, index.labels)
    assert sum(len(label) for _, label in training.repeat(2).as_numpy_iterator()) == 2 * len(index)


def test_targets_for_fit_are_those_of_the_data(index, tmp_path):
    both = annotated(tmp_path)
    _, mask = TrainingPipeline(both, 32, 2, presets.preset("segmentation-light")).dataset().element_spec
    assert mask.dtype == tf.uint8 and mask.shape == (None, 32, 32)
    targets = MaskTargets(borders=1.0, distances=3)
    _, several = TrainingPipeline(both, 32, 2, presets.preset("segmentation-light"), targets=targets).dataset().element_spec
    assert set(several) == {"mask", "weights", "distances"}
    boxes = replace(both, annotations=tuple(replace(each, mask=None) for each in both.annotations))
    _, objects = TrainingPipeline(boxes, 32, 2, presets.preset("detection-light")).dataset().element_spec
    assert set(objects) == {"boxes", "classes"}
    mixed = replace(MEDIUM, mix="mixup")
    inputs, shares = TrainingPipeline(index, 32, 4, mixed, augment_on="device").dataset().element_spec
    assert shares.dtype == tf.float32 and set(augmented(small_network(), mixes=True).input) == set(inputs)


def small_network() -> keras.Model:
    image = keras.Input((32, 32, 3))
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(image))


def test_images_without_labels_cannot_be_fitted(index):
    unlabelled = replace(index, labels=np.full(len(index), -1, np.int32))
    for make in (TrainingPipeline(unlabelled, 32, 4, MEDIUM).dataset, lambda: evaluation_dataset(unlabelled, 32, 4)):
        with pytest.raises(UserError, match="have no label"):
            make()


def test_where_a_whole_batch_has_vanished_fit_gets_another_one_and_evaluation_ends(index):
    dataset, validation = TrainingPipeline(index, 32, 4, MEDIUM).dataset(), evaluation_dataset(index, 32, 4)
    for path in index.paths[:4]:
        Path(path).unlink()
    counts = [len(label) for _, label in dataset.as_numpy_iterator()]
    assert len(counts) == 3 and min(counts) > 0
    with pytest.raises(tf.errors.OpError, match="cannot be read any more"):
        list(validation)


def test_where_every_file_has_vanished_training_ends_with_an_error(index):
    dataset = TrainingPipeline(index, 32, 4, MEDIUM).dataset()
    for path in index.paths:
        Path(path).unlink()
    with pytest.raises(tf.errors.OpError, match="No training image can be read any more"):
        list(dataset)


def test_a_summary_walks_one_image_through_the_pipeline(index):
    assert TrainingPipeline(index.take([]), 32, 4, MEDIUM).summary() == "an empty index: no batches"
    summary = TrainingPipeline(index, 32, 4, MEDIUM).summary()
    assert "12 images in 3 batches of 4" in summary and "image (4, 32, 32, 3) uint8" in summary


@pytest.mark.parametrize("mix", [None, "mixup"])
def test_several_labels_are_targets_of_training_and_evaluation(tmp_path, mix):
    index = scan(write_quadrants(tmp_path, 6, side=32))
    augmentation = replace(presets.preset("light"), mix=mix)
    training = TrainingPipeline(index, 32, 4, augmentation)
    (batch, _) = training.epoch(0)
    expected = index.label_sets[batch["position"].numpy()]
    assert batch["label"].dtype == tf.float32 and batch["label"].shape == (4, 3)
    assert mix is not None or np.array_equal(batch["label"], expected)
    assert mix is None or (batch["label"].numpy()[expected] > 0).all()
    for dataset in (training.dataset(), evaluation_dataset(index, 32, 4)):
        images, targets = next(iter(dataset))
        assert images.shape == (4, 32, 32, 3) and targets.shape == (4, 3)
    np.testing.assert_array_equal(targets, index.label_sets[:4])
