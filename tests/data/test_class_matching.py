"""The classes of data and of a model are matched by name, and what the model does not know is left out and counted."""

from dataclasses import replace

import numpy as np
import pytest

from visionkit.data.class_matching import joined, match_classes, relabelled
from visionkit.data.images.masks.read import classes_by_value
from visionkit.data.index import IGNORE, NO_OBJECTS, Annotation, DataError, Index, MaskCode, Objects

LABELS = ("daisy", "rose", "tulip")


def matched(names, labels=LABELS, **options):
    return match_classes(names, labels, data="DATA", model="MODEL", **options)


def index_of(names, labels, **options) -> Index:
    return Index(tuple(names), tuple(f"{place}.png" for place in range(len(labels))), np.array(labels, np.int32), **options)


def test_no_classes_share_none():
    with pytest.raises(DataError, match=r"DATA has the classes \(none\); MODEL knows daisy, rose, tulip: no class is shared"):
        matched(())


def test_names_are_matched_in_any_order_and_what_is_absent_is_said():
    match = matched(("tulip", "daisy"))
    assert match.numbers.tolist() == [2, 0] and match.unknown == () and match.shared == ("daisy", "tulip")
    assert match.notes == ("the data has nothing of rose, which the model knows, too",)


def test_blanks_and_the_form_of_letters_do_not_matter_and_case_alone_is_noted():
    match = matched((" daisy", "TULIP", "ro\u0301se"), ("daisy", "tulip", "rós" + "e"))
    assert match.numbers.tolist() == [0, 1, 2]
    assert match.notes == ("'TULIP' of the data is taken for 'tulip' of the model: they differ in case alone",)


def test_a_name_that_differs_in_case_from_two_labels_is_not_guessed():
    assert matched(("CAT", "Cat"), ("cat", "Cat")).numbers.tolist() == [-1, 1]


def test_other_classes_are_an_error_that_names_both_and_the_nearest():
    expected = (
        "DATA has the classes ants, roses; MODEL knows daisy, rose, tulip: no class is shared. The nearest are 'roses' and"
    )
    with pytest.raises(DataError, match=expected):
        matched(("ants", "roses"))


def test_the_background_alone_is_nothing_to_measure():
    with pytest.raises(DataError, match=r"no class but background is shared. The nearest are 'cell' and 'cells'"):
        matched(("background", "cell"), ("background", "cells"), needed="background")
    assert matched(("background",), ("background",), needed="background").shared == ("background",)


def test_images_of_unknown_classes_are_left_out():
    index, notes = relabelled(index_of(("tulip", "oak", "daisy"), [0, 1, 2, 1]), matched(("tulip", "oak", "daisy")))
    assert index.paths == ("0.png", "2.png") and index.labels.tolist() == [2, 0] and index.class_names == LABELS
    assert notes == ("left out: 2 images of oak, which the model does not know",)


def test_of_images_with_several_labels_only_unknown_ones_are_left_out():
    sets = np.array([[1, 1, 0], [0, 0, 1]], bool)
    index, notes = relabelled(index_of(("oak", "rose", "Rose"), [-1, -1], label_sets=sets), matched(("oak", "rose", "Rose")))
    assert index.label_sets.tolist() == [[False, True, False], [False, True, False]]
    assert notes == ("left out: 1 label of oak, which the model does not know",)


def test_boxes_of_unknown_classes_are_left_out_and_their_images_stay():
    objects = Objects(np.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1]]), np.array([1, 0], np.int32))
    index = index_of(("oak", "rose"), [-1, -1], annotations=(Annotation(objects), Annotation(NO_OBJECTS)))
    match = matched(("oak", "rose"))
    index, notes = relabelled(index, match.to(match.shared))
    assert len(index) == 2 and index.class_names == ("rose",)
    assert index.annotations[0].objects.classes.tolist() == [0]
    assert index.annotations[0].objects.boxes.tolist() == [[0, 0, 0.5, 0.5]]
    assert notes == ("left out: 1 box of oak, which the model does not know",)


@pytest.mark.parametrize("code", [None, MaskCode(np.array([0, 1, 2]), np.array([0, 1, 2], np.uint8))])
def test_pixels_of_unknown_classes_are_ignored(code):
    index = index_of(("rose", "oak", "daisy"), [-1], annotations=(Annotation(mask="m.png"),), mask_code=code)
    index, notes = relabelled(index, matched(("rose", "oak", "daisy")))
    assert classes_by_value(np.arange(4), index.mask_code, nearest=False).tolist() == [1, IGNORE, 0, IGNORE] and notes == ()


def test_splits_are_joined_and_a_file_in_two_counts_once():
    first, second = index_of("ab", [0, 1]), replace(index_of("ab", [1, 0]), paths=("1.png", "9.png"))
    second.skipped.add("gone.png", "no such file")
    whole, notes = joined([first, replace(second, annotations=(Annotation(NO_OBJECTS),) * 2)])
    assert whole.paths == ("0.png", "1.png", "9.png") and whole.labels.tolist() == [0, 1, 0]
    assert [file.path for file in whole.skipped.list()] == ["gone.png"]
    assert [annotation.objects is None for annotation in whole.annotations] == [True, True, False]
    assert notes == ("1 image of several splits has another label or annotation in each, and counts as in the first: 1.png",)
    assert joined([first]) == (first, ())


def test_a_file_that_several_splits_label_alike_needs_no_note():
    index = index_of("ab", [0, 1])
    assert joined([index, index])[1] == ()
    sets = replace(index, labels=np.full(2, -1, np.int32), label_sets=np.array([[True, False], [True, True]]))
    assert joined([sets, sets])[1] == ()
    assert "2 images of several splits have" in joined([sets, replace(sets, label_sets=~sets.label_sets)])[1][0]


def test_a_file_whose_boxes_or_masks_differ_between_splits_is_named():
    def of(*annotations):
        return replace(index_of("ab", [-1, -1]), annotations=annotations)

    box, wider = (Annotation(Objects(np.array([[0, 0, side, 1]]), np.zeros(1, np.int32))) for side in (0.5, 0.9))
    assert joined([of(box, box), of(box, box)])[1] == ()
    for other in (wider, Annotation(NO_OBJECTS), Annotation(), Annotation(mask="m.png")):
        assert joined([of(box, box), of(box, other)])[1][0].endswith(": 1.png")
