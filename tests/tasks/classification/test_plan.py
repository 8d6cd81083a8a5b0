"""What is decided before training: usable images, and each choice with its reason."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.colored_quadrants import quadrants, write_quadrants
from tests.data.tfds_sets import write_tfds
from visionkit.data import sources
from visionkit.data.augmentation import presets
from visionkit.data.formats.small_sets import digits
from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SmallImages
from visionkit.data.sources import read_classified
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.tasks.classification import plan, transfer
from visionkit.tasks.classification.train import LABEL_SMOOTHING
from visionkit.training.config import RunConfig, TrainConfig
from visionkit.training.dataset import few
from visionkit.training.freezing import Part
from visionkit.training.recipe import Run


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path / "run")


def part(name: str, epochs: int | None = None) -> Part:
    return Part(name, "none", 0, epochs or transfer.EPOCHS[name])


def network(*, size: int = 8, batch_norm: bool = False, units: int = 2) -> keras.Model:
    layers = [keras.Input((size, size, 3)), keras.layers.Flatten(), keras.layers.Dense(units)]
    return keras.Sequential([*layers, *([keras.layers.BatchNormalization()] if batch_norm else [])])


def test_sound_images_are_all_taken(run, class_folders):
    data = plan.open_data(run, RunConfig(data=str(class_folders)))
    assert data.skipped == [] and len(data.train) == 12 == len(data.train.infos)
    assert run.notes[0] == f"12 training and 4 validation images of 2 classes in {class_folders}."


def test_without_data_the_built_in_images_are_taken(run, class_folders):
    data = plan.open_data(run, RunConfig(smoke=True), built_in=lambda folder: class_folders)
    assert data.train.counts().tolist() == [6, 6] and data.val.counts().tolist() == [2, 2]


def test_broken_files_are_named_and_a_class_of_nothing_else_is_left_out(run, class_folders):
    (class_folders / "broken").mkdir()
    for number in range(3):
        (class_folders / "broken" / f"{number}.jpg").write_text("no image")
    config = RunConfig(data=str(class_folders))
    data = plan.open_data(run, config)
    assert data.train.class_names == ("blue", "red") and len(data.skipped) == 3
    assert tuple(run.read_json("plan.json")["data"]["class_names"]) == ("blue", "red")
    assert any("no training image of broken can be read: left out" in note for note in run.notes)


def test_records_of_tensorflow_datasets_are_trained_on(run, tmp_path, monkeypatch):
    write_tfds(tmp_path, "pets", {"train": ["cat", "dog"] * 3, "test": ["cat", "dog"]})
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    data = plan.open_data(run, RunConfig(data="tfds:pets"))
    assert run.notes[0] == "6 training and 2 validation images of 2 classes in tfds:pets."
    assert data.train.shapes.tolist() == [[48, 48]] * 6 and data.val.class_names == ("cat", "dog")


def test_a_resumed_run_keeps_its_classes(run, class_folders):
    config = RunConfig(data=str(class_folders))
    plan.open_data(run, config)
    for path in (class_folders / "red").iterdir():
        path.write_text("no image")
    with pytest.raises(UserError, match="no training image of red can be read: left out, and the rest is no task"):
        plan.open_data(run, config)


def test_the_first_small_images_are_taken_up_to_a_limit(run):
    images = digits()
    assert len(plan.open_small_images(run, "digits", images).train) == len(images.train)
    few = plan.open_small_images(run, "digits", images, (10, 1_000))
    assert (len(few.train), len(few.val)) == (10, 355)
    np.testing.assert_array_equal(few.train.labels, images.train.labels[:10])
    assert run.notes[0].startswith("1,442 training and 355 validation images: digits, of which every fifth")
    assert run.notes[1].startswith("10 training and 355 validation images: the first images of each split of digits, ")


def test_requested_choices_are_taken_and_others_are_explained(run, class_folders):
    train = scan(read_classified(class_folders).train)
    requested = plan.choose_plan(run, train, TrainConfig(base="resnet18", size=96), approach="all")
    assert requested == plan.Plan(96, "all")
    assert run.notes == ["Input of 96 x 96 pixels: as requested.", "Approach 'all': as requested."]
    assert plan.choose_plan(run, train, TrainConfig(base="resnet18"), approach="auto") == plan.Plan(224, "head")
    assert "shorter sides are about" in run.notes[2] and "12 training images in 2 classes" in run.notes[3]


def test_random_weights_are_all_trained(run, class_folders):
    train, config = scan(read_classified(class_folders).train), TrainConfig(base="resnet18", size=96, weights="none")
    assert plan.choose_plan(run, train, config, approach="auto").approach == transfer.ALL
    assert run.notes[-1] == "Approach 'all': there are no pretrained weights to keep."
    plan.choose_plan(run, train, config, approach="last")
    assert "the frozen layers then keep random weights" in run.notes[-1]
    assert plan.choose_transfer_schedule(config, part(transfer.ALL)).learning_rate == 1e-3


def test_the_learning_rate_of_the_head_is_its_own():
    default, requested = TrainConfig(), TrainConfig(epochs=3, learning_rate=5e-5)
    head, rest = (plan.choose_transfer_schedule(default, part(approach)) for approach in (transfer.HEAD, transfer.ALL))
    assert (head.epochs, head.learning_rate, head.label_smoothing) == (20, 1e-3, 0)
    assert (rest.epochs, rest.learning_rate, rest.label_smoothing) == (8, 1e-4, LABEL_SMOOTHING)
    rates = [plan.choose_transfer_schedule(requested, part(approach, 3)).learning_rate for approach in transfer.APPROACHES]
    assert rates == [1e-3, 5e-5, 5e-5]


@pytest.mark.parametrize(("service", "is_cached"), [(None, True), ("grpc://localhost:1", False)])
def test_images_are_cached_unless_a_service_decodes_them(run, class_folders, service, is_cached):
    train = scan(read_classified(class_folders).train)
    config, options = TrainConfig(cache="memory"), {"augment_on": "device", "service": service}
    pipeline = plan.training_pipeline(run, config, train, network(), presets.preset("light"), **options)
    assert (pipeline.cache is not None) == is_cached and pipeline.augment_on == "device" and pipeline.size == 8
    assert run.notes[-1] == "Images are mirrored, colored and mixed on 'device': as requested."


def test_the_best_approach_is_the_one_with_the_highest_accuracy_then_the_lowest_loss(run):
    row = {"phase": "head", "val_accuracy": 0.9, "val_loss": 0.5}
    assert plan.choose_best(run, [row]) == ("head", {"accuracy_after_head": 0.9}) and run.notes == []
    history = [row | {"val_accuracy": 1.0}, row, row | {"phase": "last", "val_loss": 0.4}, row | {"phase": "all"}]
    best, metrics = plan.choose_best(run, history)
    assert best == "last" and metrics == {f"accuracy_after_{name}": 0.9 for name in transfer.APPROACHES}
    assert "'last' is exported" in run.notes[0]


def test_a_network_that_cannot_take_the_size_says_which_it_takes():
    train = SmallImages(("a", "b"), np.zeros((2, 8, 8), np.uint8), np.array([0, 1], np.int32))
    assert plan.build_network("lenet5", 32, train).input_shape == (None, 32, 32, 1)
    files = Index(("a", "b"), ("x",) * 2, train.labels)
    assert plan.build_network("lenet5", 32, files).input_shape == (None, 32, 32, 3)
    with pytest.raises(UserError, match="lenet5 takes no 8 x 8 pixels: give --size, for example 32"):
        plan.build_network("lenet5", 8, train)


@pytest.mark.parametrize(("options", "rate"), [({"batch_norm": True}, 2e-3), ({}, 4e-3), ({"size": 64, "units": 20}, 2e-4)])
def test_the_learning_rate_is_chosen_by_the_network(options, rate):
    assert plan.choose_learning_rate(network(**options))[0] == rate


def test_large_sets_are_trained_on_for_fewer_epochs_in_larger_batches(run):
    options = {"epochs": None, "batch_size": None, "learning_rate": None, "flips": False}
    small, large = (plan.choose_schedule(run, network(), count, **options) for count in (10_000, 10_001))
    assert (small.epochs, small.batch_size) == (40, 32) and (large.epochs, large.batch_size) == (20, 128)
    requested = plan.choose_schedule(run, network(), 1, **options | {"epochs": 2, "learning_rate": 0.5, "flips": True})
    assert (requested.epochs, requested.learning_rate) == (2, 0.5)
    assert run.notes[-1] == (
        "AdamW with a learning rate of 0.5 (as requested), 2 epochs in batches of 32, input of 8 x 8 pixels, mirrored, too."
    )


def test_images_of_a_large_set_are_not_shifted_for_a_small_network():
    assert plan.choose_variation(network(size=32), 10_000, flips=False) == (4, 0.0)
    assert plan.choose_variation(network(size=32), 10_001, flips=True) == (0, 0.5)
    assert plan.choose_variation(network(size=64, units=20), 10_001, flips=False) == (8, 0.0)


@pytest.fixture
def several(tmp_path, monkeypatch) -> RunConfig:
    """Options of a run whose data have several labels an image: 8 training and 6 validation images."""
    data = quadrants(tmp_path / "several", train=8, val=6, side=32)
    monkeypatch.setattr(sources, "read", lambda _, **options: data)
    return RunConfig(data=str(tmp_path / "several"))


def test_several_labels_are_read_where_a_recipe_can_use_them(run, several):
    data = plan.open_data(run, several, multi_label=True)
    counts = data.train.label_sets.sum(axis=1)
    assert run.notes[0] == (
        f"8 training and 6 validation images of 3 classes in {several.data}. An image may have several labels: "
        f"{(counts > 1).sum()} training images have several, and {(counts == 0).sum()} none."
    )
    resumed = plan.open_data(run, several, multi_label=True)
    np.testing.assert_array_equal(resumed.train.label_sets, data.train.label_sets)
    with pytest.raises(UserError, match=r"may have several labels \(red, green, blue\): use `visionkit train classification`"):
        sources.read_classified(several.data)


def test_a_class_without_training_images_is_left_out_and_one_class_is_enough(run, several, monkeypatch):
    data = sources.read("")
    data.splits["train"].label_sets[:, 1:] = False
    opened = plan.open_data(run, several, multi_label=True)
    assert opened.train.class_names == ("red",) and opened.val.label_sets.shape == (6, 1)
    assert any("no training image of green, blue" in note for note in run.notes)


def test_a_smoke_run_of_several_labels_has_images_of_each_class_and_of_none(run, several):
    data = few(Splits(write_quadrants(Path(several.data) / "more", 60), write_quadrants(Path(several.data) / "val", 40, 5)))
    for index, least in zip(data, (6, 3), strict=True):
        assert (index.counts() >= least).all() and (~index.label_sets.any(axis=1)).sum() == least
        assert len(index) <= 4 * least


def test_several_labels_are_not_smoothed_and_count_for_the_approach():
    config = TrainConfig(base="small")
    assert plan.choose_transfer_schedule(config, part(transfer.ALL), multi_label=True).label_smoothing == 0
    assert transfer.choose_approach(300, 2)[0] == transfer.LAST
    approach, reason = transfer.choose_approach(300, 2, num_labels=100)
    assert approach == transfer.HEAD and "300 training images in 2 classes, 50 a class" in reason


def test_the_best_approach_of_several_labels_has_the_highest_map_else_the_lowest_loss(run):
    rows = [{"phase": "head", "val_loss": 0.5, "val_map": 0.9}, {"phase": "all", "val_loss": 0.4, "val_map": 0.8}]
    assert plan.choose_best(run, rows) == ("head", {"map_after_head": 0.9, "map_after_all": 0.8})
    assert run.notes[-1].startswith("mAP after each approach: head 0.900 (loss 0.500), all 0.800")
    rows = [{"phase": row["phase"], "val_loss": row["val_loss"]} for row in rows]
    assert plan.choose_best(run, rows) == ("all", {})
    assert run.notes[-1].startswith("Loss after each approach: head 0.500, all 0.400")
