"""Windows around objects and between them."""

from dataclasses import replace

import numpy as np
import pytest

from visionkit.data.demo.scenes import make_window_demo
from visionkit.data.images.scan import scan
from visionkit.data.index import NO_OBJECTS, DataError, SkippedFiles
from visionkit.data.sources import read
from visionkit.data.splits import Splits
from visionkit.models.lenet import lenet5
from visionkit.tasks.classification.export import export_classifier
from visionkit.tasks.classification.train import Schedule
from visionkit.tasks.classification.windows import (
    BACKGROUND,
    FILLED,
    cut_windows,
    draw_windows,
    evaluate_windows,
    open_windows,
    scale_of,
    window_phase,
)
from visionkit.training.fit import train_in_order
from visionkit.training.recipe import Run


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = make_window_demo(tmp_path_factory.mktemp("data") / "set", num_train=3, num_val=1)
    return scan(read(folder).splits["train"])


def test_images_without_objects_have_nothing_but_background(index):
    empty = replace(index, annotations=tuple(replace(one, objects=NO_OBJECTS) for one in index.annotations))
    windows = cut_windows(empty, side=32, scale=1.0, seed=0)
    assert len(windows) > 0 and set(windows.labels) == {0}
    with pytest.raises(DataError, match="nothing to find"):
        scale_of(empty, 32)


def test_objects_that_give_no_window_are_named(index, tmp_path):
    run = Run.start(tmp_path / "run", {})
    objects = index.annotations[0].objects
    tiny = np.concatenate([objects.boxes, [[0.5, 0.5, 0.51, 0.51]]]).astype(np.float32)
    objects = replace(objects, boxes=tiny, classes=np.append(objects.classes, len(index.class_names)), attributes=())
    index = replace(index, class_names=(*index.class_names, "speck"))
    val = replace(index.take([0]), annotations=(replace(index.annotations[0], objects=objects),))
    open_windows(run, Splits(index, val), side=32, seed=0)
    assert "no validation window shows" in run.notes[-1] and "speck: its objects are too large" in run.notes[-1]
    empty = replace(val, annotations=(replace(val.annotations[0], objects=NO_OBJECTS),))
    with pytest.raises(DataError, match="No validation object gives a window of 32 pixels"):
        open_windows(run, Splits(index, empty), side=32, seed=0)


def test_windows_show_what_their_labels_say(index):
    scale = scale_of(index, 32)
    longest = np.concatenate([(a.objects.boxes[:, 2:] - a.objects.boxes[:, :2]) * (512, 384) for a in index.annotations]).max(
        axis=1
    )
    assert scale * np.median(longest) == pytest.approx(32 * FILLED)
    windows, again = (cut_windows(index, side=32, scale=scale, seed=1) for _ in range(2))
    assert windows.class_names == (BACKGROUND, *index.class_names)
    assert windows.pixels.shape == (len(windows), 32, 32, 3) and windows.pixels.dtype == np.uint8
    assert np.array_equal(windows.pixels, again.pixels)
    present = {int(label) for one in index.annotations for label in one.objects.classes + 1}
    assert {0} < set(windows.labels.tolist()) <= present | {0}


def test_a_vanished_image_is_named(index, tmp_path):
    gone = replace(index, paths=(*index.paths[:2], str(tmp_path / "gone.jpg")), skipped=SkippedFiles())
    assert len(cut_windows(gone, side=32, scale=1.0, seed=0)) > 0
    assert [one.path for one in gone.skipped.list()] == [str(tmp_path / "gone.jpg")]


def test_a_classifier_learns_windows_and_is_measured_on_them_and_on_whole_images(index, tmp_path):
    gone = str(tmp_path / "gone.jpg")
    val = replace(index.take([2, 0]), paths=(index.paths[2], gone), skipped=SkippedFiles())
    run = Run.start(tmp_path / "run", {})
    samples = open_windows(run, Splits(index, val), side=32, seed=0)
    counts = f"{len(samples.train)} training and {len(samples.val)} validation windows"
    assert run.notes[0] == f"{counts} of 32 pixels; images times {samples.scale:.2f}."
    names = samples.train.class_names
    classifier = lenet5((32, 32, 3), len(names), filters=(4, 4), activation="relu", pooling="Max")
    schedule = Schedule(epochs=3, batch_size=32, learning_rate=2e-3)
    phase = window_phase(classifier, samples.train, samples.val, schedule, seed=0)
    history = train_in_order(run, {phase.name: lambda: phase}, classifier)
    assert history[-1]["loss"] < history[0]["loss"]

    bundle = export_classifier(classifier, run.model, class_names=names, metadata={}, whole=True)
    evaluation = evaluate_windows(bundle, classifier, samples, val)
    assert list(evaluation.metrics)[:2] == ["accuracy", "accuracy_most_frequent_class"]
    assert evaluation.metrics["accuracy"] == pytest.approx(history[-1]["val_accuracy"], abs=1e-4)
    assert evaluation.metrics["difference"] < 1e-4
    assert len(evaluation.images) == len(evaluation.logits) == 1  # the other one is gone
    assert [one.path for one in val.skipped.list()] == [gone]
    assert evaluation.sentence.startswith(f"{evaluation.comparison.windows:,} windows of an image of ")
    ((drawn, caption),) = draw_windows(evaluation, classifier, names)
    assert drawn.dtype == np.uint8 and drawn.shape[2] == 3 and caption.endswith(" peaks")
