"""Which images a step can learn from, and what a resumed run keeps to."""

from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import write_classes
from visionkit.data.demo import scenes
from visionkit.data.index import NO_OBJECTS, Annotation, Index, Objects
from visionkit.data.sources import read
from visionkit.errors import UserError
from visionkit.tasks.localization import plan
from visionkit.training.config import RunConfig
from visionkit.training.recipe import Run


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """Twelve training images, of which some show several objects, and six validation images."""
    folder = scenes.make_localization_demo(tmp_path_factory.mktemp("boxes") / "set", num_train=12, num_val=6)
    for file in sorted((folder / "labels" / "train").glob("*.txt"))[:4]:
        file.write_text(file.read_text() + "0 0.3 0.3 0.2 0.2\n1 0.6 0.6 0.2 0.2\n")
    return folder


def index_of(*objects: Objects | None, **more) -> Index:
    annotations = tuple(Annotation(objects=each) for each in objects)
    paths = tuple(f"{number}.jpg" for number in range(len(objects)))
    return Index(("thing",), paths, np.full(len(objects), -1, np.int32), annotations=annotations, **more)


def test_without_boxes_there_is_nothing_to_learn(tmp_path):
    folder = write_classes(tmp_path / "classes", {"a": 4, "b": 4})
    for step, words in (("object", "at most one box"), ("landmarks", "the landmarks of one thing"), ("windows", "boxes")):
        with pytest.raises(UserError, match=f"none of 6 training images can be used: expected {words}"):
            plan.read_data(folder, step, seed=0)


def test_a_step_takes_the_images_that_show_what_it_needs(boxes):
    everything = read(boxes).splits["train"]
    for step, most in (("object", 1), ("windows", 99)):
        data = plan.read_data(boxes, step, seed=0)
        expected = [p for p, one in zip(everything.paths, everything.annotations, strict=True) if len(one.objects) <= most]
        assert list(data.train.paths) == expected
        assert any("left out" in note for note in data.notes) == (step == "object")
    assert 0 < len(plan.read_data(boxes, "object", seed=0).train) < len(everything)
    with pytest.raises(UserError, match="the landmarks of one thing"):
        plan.read_data(boxes, "landmarks", seed=0)


def test_landmarks_have_the_names_of_the_data_set_or_numbers():
    objects = Objects(np.array([[0, 0, 1, 1.0]]), np.zeros(1, np.int32), keypoints=np.zeros((1, 2, 3)))
    assert plan.landmark_names(index_of(NO_OBJECTS)) == ()
    assert plan.landmark_names(index_of(NO_OBJECTS, objects)) == ("0", "1")
    assert plan.landmark_names(index_of(objects, class_attributes=({"keypoints": ["eye", "nose"]},))) == ("eye", "nose")
    assert plan.landmark_names(index_of(objects, class_attributes=({"keypoints": ["eye"]},))) == ("0", "1")


def test_a_resumed_run_keeps_to_its_images(boxes, tmp_path):
    config = RunConfig(data=str(boxes), out=tmp_path / "run")

    def open_data(run: Run):
        return plan.open_data(run, config, "object", built_in=scenes.make_localization_demo)

    run = Run.start(config.out, {})
    data = open_data(run)
    assert any("training and" in note for note in run.notes) and len(data.train.infos) == len(data.train)
    stored = run.read_json("plan.json")
    assert stored == {"train": list(data.train.paths), "val": list(data.val.paths)}
    gone, moved = str(tmp_path / "gone.jpg"), stored["val"][0]
    run.write_json("plan.json", {"train": [gone, *stored["train"][1:], moved], "val": stored["val"][1:]})
    run.release()
    resumed = open_data(Run.resume(config.out))
    assert list(resumed.train.paths) == [*stored["train"][1:], moved]
    assert list(resumed.val.paths) == stored["val"][1:]
    (moved_annotation,) = (each for path, each in zip(data.val.paths, data.val.annotations, strict=True) if path == moved)
    np.testing.assert_array_equal(resumed.train.annotations[-1].objects.boxes, moved_annotation.objects.boxes)


def test_built_in_data_of_a_smoke_run_are_few_and_stay_in_the_cache(tmp_path):
    config = RunConfig(smoke=True, seed=3)
    counts = {}

    def write(folder, *, seed, num_train, num_val):
        counts[folder.name] = (seed, num_train, num_val)
        return scenes.make_localization_demo(folder, seed=seed, num_train=4, num_val=4)

    run = Run.start(tmp_path / "run", {})
    data = plan.open_data(run, replace(config, out=run.path), "object", built_in=write)
    assert counts == {"object-3_smoke": (3, 24, 8)}
    assert run.notes[0] == f"{len(data.train)} training and {len(data.val)} validation images: built-in."
