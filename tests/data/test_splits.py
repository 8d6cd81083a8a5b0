"""Training and validation from the splits of a data set, or without any."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from visionkit.data.images.masks.read import read_mask
from visionkit.data.index import IGNORE, Annotation, DataError, Index, MaskCode, Objects, Problem
from visionkit.data.split_names import VAL_SHARE, WHOLE, split_folders, split_name, split_names
from visionkit.data.splits import DataSet, Splits, draw_from_sets, hold_out, parted_by_folders, train_and_val


def index_of(labels, names=("a", "b"), prefix=""):
    return Index(tuple(names), tuple(f"{prefix}{i}.jpg" for i in range(len(labels))), np.array(labels, np.int32))


EMPTY = index_of([])


def test_an_empty_data_set_has_no_training_images():
    with pytest.raises(DataError, match="found no splits; expected a split named train"):
        train_and_val(DataSet({}), seed=0)
    with pytest.raises(DataError, match="found train"):
        train_and_val(DataSet({"train": EMPTY}), seed=0)
    assert len(DataSet({})) == 0


def test_nothing_is_held_out_of_an_empty_index():
    assert [len(part) for part in hold_out(EMPTY, 0)] == [0, 0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("train", "train"),
        ("Training", "train"),
        (" trainset ", "train"),
        ("train2017", "train"),
        ("train_2017", "train"),
        ("valid", "val"),
        ("Validation", "val"),
        ("val-2014", "val"),
        ("dev", "val"),
        ("TEST", "test"),
        ("test 2007", "test"),
        ("val2017", "val"),
        ("test1", "test"),
        ("stage1_train", "train"),
        ("stage1_test", "test"),
        ("stage2_test_final", "test"),
        ("train_images", "train"),
        ("training_images", "train"),
        ("TrainImages", "train"),
        ("images_val2017", "val"),
        ("test-set", "test"),
        ("TestSet", "test"),
        ("TrainingSet", "train"),
        ("validation_data", "val"),
        ("holdout", "val"),
        ("eval", "val"),
        ("Train (1)", "train"),
        ("train_v2", "train"),
        ("2007 test", "test"),
        ("trainval", "trainval"),
        ("training dog", "training dog"),
        ("testament", "testament"),
        ("train station", "train station"),
        ("train_masks", "train_masks"),
        ("train_test", "train_test"),
        ("images", "images"),
        ("stage1", "stage1"),
        ("Fold 1", "Fold 1"),
        ("2017", "2017"),
        ("", ""),
    ],
)
def test_names_of_splits(given, expected):
    assert split_name(given) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], {}),
        (["train"], {"train": "train"}),
        (["cat", "dog"], {}),
        (["train", "test1", "notes"], {"train": "train", "test1": "test"}),
        (["seg_train", "seg_test", "seg_pred"], {"seg_train": "train", "seg_test": "test"}),
        (["birds-train-64px", "birds-val-64px"], {"birds-train-64px": "train", "birds-val-64px": "val"}),
        (["seg", "seg_train"], {}),
        (["rps", "rps-test-set", "rps-validation"], {"rps": "train", "rps-test-set": "test", "rps-validation": "val"}),
        (["rps", "rps-test", "paper"], {}),
        (["e", "eval"], {"eval": "val"}),
        (["toy bus", "toy car", "toy train"], {"toy train": "train"}),  # the caller looks whether there are classes in it
    ],
)
def test_words_that_all_names_share_do_not_matter(names, expected):
    assert split_names(names) == expected


def test_the_splits_of_the_data_are_kept_and_others_are_noted():
    found = DataSet({"train": index_of([0, 1]), "val": index_of([0]), "test": index_of([1])}, ("a note",))
    splits = train_and_val(found, seed=0)
    assert splits.train is found.splits["train"] and splits.val is found.splits["val"]
    assert splits.notes == ("a note", "not used: test")


def test_test_serves_as_validation_where_there_is_no_other():
    found = DataSet({"train": index_of([0, 1]), "val": EMPTY, "test": index_of([1])})
    splits = train_and_val(found, seed=0)
    assert splits.val is found.splits["test"]
    assert splits.notes[-1] == "test serves as validation: there is no val with images"
    splits = train_and_val(DataSet({"train": index_of([0, 1]), "test": index_of([1])}), seed=0)
    assert splits.notes == ("test serves as validation: there is no val with images",)


@pytest.mark.parametrize("name", [WHOLE, "train", "trainval", "fold"])
def test_a_fifth_is_held_out_of_the_only_split(name):
    splits = train_and_val(DataSet({name: index_of([0] * 10 + [1] * 20)}), seed=3)
    assert splits.train.counts().tolist() == [8, 16] and splits.val.counts().tolist() == [2, 4]
    assert not set(splits.train.paths) & set(splits.val.paths)
    assert f"{VAL_SHARE:.0%} of each class is held out, drawn with seed 3" in splits.notes[-1]


def test_several_splits_of_other_names_are_an_error():
    with pytest.raises(DataError, match="found north, south"):
        train_and_val(DataSet({"north": index_of([0]), "south": index_of([0])}), seed=0)


def test_images_without_labels_are_held_out_as_one():
    splits = train_and_val(DataSet({WHOLE: index_of([-1] * 10)}), seed=0)
    assert len(splits.train) == 8 and len(splits.val) == 2
    assert "of each class" not in splits.notes[-1]


def test_the_last_pages_of_stacks_are_held_out():
    """Adjacent slices look alike, so slices drawn at random would be known from training."""
    paths = tuple(f"{stack}.tif@page={page}" for stack in "ab" for page in range(1, 11))
    splits = train_and_val(DataSet({WHOLE: Index(("x",), paths, np.full(20, -1, np.int32))}), seed=0)
    assert splits.val.paths == ("a.tif@page=9", "a.tif@page=10", "b.tif@page=9", "b.tif@page=10")
    assert not set(splits.val.paths) & set(splits.train.paths) and len(splits.train) == 16
    assert "the last 20% of each stack" in splits.notes[-1]


def test_annotations_go_with_their_images():
    annotations = tuple(Annotation(Objects(np.full((1, 4), i), np.zeros(1, np.int32))) for i in range(10))
    index = Index(("a",), tuple(map(str, range(10))), np.full(10, -1, np.int32), annotations=annotations)
    for part in hold_out(index, 0):
        assert [str(int(annotation.objects.boxes[0, 0])) for annotation in part.annotations] == list(part.paths)


def test_a_class_of_one_is_trained_on():
    train, val = hold_out(index_of([0, 1, 1]), 0)
    assert train.counts().tolist() == [1, 1] and val.counts().tolist() == [0, 1]


def test_the_seed_draws_what_is_held_out():
    index = index_of([0] * 50)
    assert hold_out(index, 1)[1].paths == hold_out(index, 1)[1].paths != hold_out(index, 2)[1].paths


def test_problems_are_passed_on():
    problems = (Problem("broken image", "x.jpg", "empty file"),)
    for splits in ({WHOLE: index_of([0] * 5)}, {"train": index_of([0]), "val": index_of([0])}):
        assert train_and_val(DataSet(splits, problems=problems), seed=0).problems == problems


def test_splits_are_mapped_and_lose_classes():
    splits = Splits(index_of([0, 1, 1]), index_of([0, 1]), ("a note",))
    kinds = []
    assert splits.map(lambda index, kind: kinds.append(kind) or index) == splits and kinds == ["training", "validation"]
    fewer = splits.without_classes(["a"], "a is gone")
    assert fewer.train.class_names == ("b",) and fewer.train.labels.tolist() == [0, 0] and len(fewer.val) == 1
    assert fewer.notes == ("a note", "a is gone")


def test_splits_survive_a_json_file():
    splits = Splits(index_of([0, 1, 1]), index_of([1, 0]), ("a note",))
    again = Splits.from_plain(json.loads(json.dumps(splits.to_plain())))
    assert again.train.paths == splits.train.paths and again.val.labels.tolist() == [1, 0]
    assert again.train.class_names == ("a", "b") and again.notes == ("a note",)


def with_masks(tmp_path, values, code, names):
    masks = []
    for number, row in enumerate(values):
        masks.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(np.array([row], np.uint8)).save(masks[-1])
    annotations = tuple(Annotation(mask=mask) for mask in masks)
    index = Index(names, tuple(f"{number}.jpg" for number in range(len(masks))), np.full(len(masks), -1, np.int32))
    return Splits(*(replace(index, annotations=annotations, mask_code=code).take([number]) for number in range(2)))


def read_again(plain):
    again = Splits.from_plain(json.loads(json.dumps(plain)))
    return [read_mask(index.annotations[0].mask, index).tolist() for index in again]


def test_the_meaning_of_mask_values_survives_a_json_file(tmp_path):
    code = MaskCode(np.array([5, 7]), np.array([1, IGNORE], np.uint8), rest=0)
    splits = with_masks(tmp_path, [[0, 5, 7], [9, 5, 7]], code, ("a", "b"))
    assert read_again(splits.to_plain()) == [[[0, 1, IGNORE]], [[0, 1, IGNORE]]]
    without = replace(splits, train=replace(splits.train, mask_code=None))
    assert read_again(without.to_plain()) == [[[0, IGNORE, IGNORE]], [[IGNORE, IGNORE, IGNORE]]]


@pytest.mark.parametrize(
    ("names", "old", "values", "classes"),
    [
        (("sky", "car", "tree"), {}, [[0, 1, 2], [2, 255, 0]], [[[0, 1, 2]], [[2, IGNORE, 0]]]),
        (("background", "foreground"), {}, [[0, 1, 1], [0, 255, 0]], [[[0, 1, 1]], [[0, 1, 0]]]),
        (("sky", "car"), {"mask_colors": [[0] * 3, [255] * 3]}, [[0, 255, 255], [0, 1, 0]], [[[0, 1, 1]], [[0, 1, 0]]]),
        (("sky", "car"), {"mask_colors": [[9] * 3, [4] * 3]}, [[9, 4, 1], [4, 9, 0]], [[[0, 1, IGNORE]], [[1, 0, IGNORE]]]),
    ],
)
def test_plans_of_older_runs_keep_the_meaning_of_their_masks(tmp_path, names, old, values, classes):
    plain = with_masks(tmp_path, values, None, names).to_plain()
    del plain["mask_code"]
    assert read_again(plain | old) == classes


def sets_of(*rows) -> Index:
    sets = np.array(rows, bool).reshape(len(rows), -1)
    paths = tuple(f"{i}.jpg" for i in range(len(sets)))
    return Index(tuple("abcdef"[: sets.shape[1]]), paths, np.full(len(sets), -1, np.int32), label_sets=sets)


@pytest.mark.parametrize("shape", [(0, 3), (0, 0), (1, 3)])
def test_nothing_is_drawn_of_few_sets_of_labels(shape):
    assert not draw_from_sets(np.ones(shape, bool), 0).any()


def test_sets_of_labels_are_drawn_by_class():
    rng = np.random.default_rng(0)
    sets = rng.random((400, 4)) < (0.5, 0.2, 0.05, 0.02)
    drawn = draw_from_sets(sets, 0)
    shares = sets[drawn].sum(axis=0) / sets.sum(axis=0)
    np.testing.assert_allclose(shares, VAL_SHARE, atol=0.06)
    assert drawn[~sets.any(axis=1)].mean() == pytest.approx(VAL_SHARE, abs=0.01)
    np.testing.assert_array_equal(drawn, draw_from_sets(sets, 0))
    assert not np.array_equal(drawn, draw_from_sets(sets, 1))


def test_a_class_of_two_images_is_on_both_sides_and_one_of_one_in_training():
    for seed in range(100):
        rng = np.random.default_rng(seed)
        sets = rng.random((12, 4)) < rng.uniform(0.1, 0.6)
        sets[0] = [True, False, False, False]
        sets[1:, 0] = False
        sets[1:3, 1] = sets[2:4, 2] = sets[4:6, 3] = True  # so that it can be done: no odd circle of classes of two
        drawn, counts = draw_from_sets(sets, seed), sets.sum(axis=0)
        assert not drawn[0]
        assert sets[drawn][:, counts > 1].any(axis=0).all() and sets[~drawn].any(axis=0).all()


def test_held_out_sets_of_labels_keep_their_images_and_are_noted():
    index = sets_of(*[[1, 0]] * 5, *[[1, 1]] * 5, *[[0, 0]] * 5)
    splits = train_and_val(DataSet({WHOLE: index}), seed=3)
    assert [len(part) for part in splits] == [12, 3] and splits.val.counts().tolist() == [2, 1]
    assert "20% of each class is held out" in splits.notes[-1]
    assert sorted(splits.train.paths + splits.val.paths) == sorted(index.paths)
    again = Splits.from_plain(json.loads(json.dumps(splits.to_plain())))
    np.testing.assert_array_equal(again.val.label_sets, splits.val.label_sets)


def test_folders_of_splits(tmp_path):
    assert split_folders([]) == ({}, (), ())
    for name in ("Train", "test", "val", "valid", "images"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    (tmp_path / "validation").touch()  # no folder
    (tmp_path / "training").mkdir()  # empty
    folders, notes, problems = split_folders(tmp_path.iterdir())
    assert folders == {"train": tmp_path / "Train", "val": tmp_path / "val", "test": tmp_path / "test"}
    assert list(folders) == ["train", "val", "test"]
    assert notes == (f"{tmp_path / 'training'} is not used: Train/ is the train split, too",)
    assert [problem.path for problem in problems] == [str(tmp_path / "valid")]
    (tmp_path / "val" / "a.jpg").unlink()
    (tmp_path / "val" / ".gitkeep").touch()
    assert split_folders(tmp_path.iterdir()).folders["val"] == tmp_path / "valid"
    assert split_folders(tmp_path.iterdir(), lambda folder: folder.name == "val").folders["val"] == tmp_path / "val"


def test_a_second_folder_of_training_images_is_a_problem_and_words_that_all_names_share_do_not_matter(tmp_path):
    for name in ("seg_train", "seg_training", "seg_test"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").touch()
    folders, notes, (problem,) = split_folders(tmp_path.iterdir())
    assert folders == {"train": tmp_path / "seg_train", "test": tmp_path / "seg_test"} and notes == ()
    assert problem.kind == "unclear layout" and problem.path == str(tmp_path / "seg_training")
    assert problem.detail.startswith(f"{tmp_path / 'seg_training'} is not used: seg_train/ is the train split, too; move")


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], {"all": []}),
        (["d/train/0.jpg", "d/valid/1.jpg", "d/test/2.jpg", "d/train/3.jpg"], {"train": "03", "val": "1", "test": "2"}),
        (["d/train/cat/0.jpg", "d/images/val2017/1.jpg"], {"train": "0", "val": "1"}),
        (["d/train/0.jpg", "d/train/1.jpg"], {"all": "01"}),
        (["d/test/train/0.jpg", "d/test/val/1.jpg"], {"train": "0", "val": "1"}),
        (["d/cat/0.jpg", "d/dog/1.jpg"], {"all": "01"}),
    ],
)
def test_the_folders_of_images_name_splits(paths, expected):
    index = replace(index_of([0] * len(paths)), paths=tuple(paths))
    found = parted_by_folders(DataSet({WHOLE: index}))
    assert {split: [path[-5] for path in part.paths] for split, part in found.splits.items()} == {
        split: list(numbers) for split, numbers in expected.items()
    }
    assert found.problems == () and len(found.notes) == (len(expected) > 1)


def test_images_outside_of_folders_of_splits_leave_one_set_and_are_a_problem():
    paths = ("d/train/0.jpg", "d/val/1.jpg", "d/more/2.jpg")
    found = parted_by_folders(DataSet({WHOLE: replace(index_of([0, 0, 0]), paths=paths)}))
    assert list(found.splits) == [WHOLE] and [problem.kind for problem in found.problems] == ["unclear layout"]
    assert found.problems[0].detail.startswith("1 of 3 images lie in no folder of a split, the others in those of train, val")


@pytest.mark.parametrize(
    ("first", "second", "is_problem"), [("val", "valid", True), ("test", "testing", True), ("test1", "test2", False)]
)
def test_a_second_folder_of_a_split_is_a_finding_unless_both_are_numbered(tmp_path, first, second, is_problem):
    for name in ("train", first, second):
        (tmp_path / name / "cat").mkdir(parents=True)
    found = split_folders(tmp_path.iterdir())
    assert set(found.folders.values()) == {tmp_path / "train", tmp_path / first}
    assert [problem.path for problem in found.problems] == [str(tmp_path / second)] * is_problem
    assert len(found.notes) == 1 - is_problem
