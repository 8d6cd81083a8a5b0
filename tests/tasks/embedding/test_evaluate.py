"""The evaluation of embedders: vanished images are named, distances are Euclidean, one image is enough to know a person."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tests.tasks.embedding.color_embedder import PEOPLE, color_bundle, write_people
from visionkit.data.formats.identities import read_identities
from visionkit.data.formats.pairs import Pairs
from visionkit.data.index import Index
from visionkit.errors import UserError
from visionkit.inference.measuring import EvaluateOptions
from visionkit.tasks.embedding.evaluate import (
    COLLAPSED,
    distances_of,
    embeddings_of,
    evaluate,
    evaluate_data,
    note_threshold,
    one_shot,
    read_data,
)
from visionkit.tasks.embedding.report import report_on
from visionkit.training.run_folder import RunFolder


def mean_color(pixels: np.ndarray) -> np.ndarray:
    return pixels.mean((1, 2)).astype(np.float32)


def test_images_that_cannot_be_read_have_no_embedding(tmp_path):
    index = Index(("a",), (str(tmp_path / "gone.png"),), np.zeros(1, int))
    places, embeddings = embeddings_of(mean_color, index)
    assert len(places) == len(embeddings) == 0 and len(index.skipped) == 1


def test_images_of_any_size_are_embedded_in_order(tmp_path):
    paths = []
    for number, side in enumerate((3, 9, 4)):
        paths.append(str(tmp_path / f"{number}.png"))
        Image.new("RGB", (side, 5), (number, 10, 20)).save(paths[-1])
    (tmp_path / "1.png").write_text("text")
    places, embeddings = embeddings_of(mean_color, Index(("a",), tuple(paths), np.zeros(3, int)))
    assert places.tolist() == [0, 2]
    np.testing.assert_allclose(embeddings, [[0, 10, 20], [2, 10, 20]])


def test_distances_are_euclidean(rng):
    embeddings = rng.normal(size=(4, 3))
    pairs = Pairs(np.array([0, 1]), np.array([2, 3]), np.array([True, False]), np.zeros(2, int))
    expected = [np.sqrt(((embeddings[a] - embeddings[b]) ** 2).sum()) for a, b in ((0, 2), (1, 3))]
    np.testing.assert_allclose(distances_of(embeddings, pairs), expected)


@pytest.mark.parametrize(("threshold", "refused", "strangers"), [(0.5, 0, 0), (0.05, 1, 0), (9, 0, 1)])
def test_every_other_person_is_enrolled_with_one_image(threshold, refused, strangers):
    """People 0 and 2 are enrolled with their first images; 1 and 3 are strangers."""
    labels = np.repeat([0, 1, 2, 3], 2)
    embeddings = np.eye(4)[labels] + 0.1 * np.tile([0, 1], 4)[:, None] * np.eye(4)[(labels + 1) % 4]
    metrics = one_shot(embeddings, labels, threshold)
    assert (metrics.known, metrics.strangers, metrics.rank_1) == (2, 4, 1)
    assert (metrics.known_refused, metrics.strangers_recognized) == (refused, strangers)


def test_a_bundle_is_evaluated_on_the_images_that_can_be_read(tmp_path):
    """The bundle embeds colors, and each person has one: all are recognized."""
    bundle = color_bundle(tmp_path / "model")
    (index,) = read_identities(write_people(tmp_path / "people", dict.fromkeys(PEOPLE, 3))).splits.values()
    (tmp_path / "people" / "Ada" / "0.png").write_text("text")
    evaluation = evaluate(bundle, index, seed=0)
    assert len(evaluation.index) == len(evaluation.embeddings) == 8 and len(index.skipped) == 1
    assert evaluation.pairs.same.sum() == 1 + 3 + 3 and len(evaluation.distances) == len(evaluation.pairs)
    assert evaluation.metrics["auc"] == evaluation.metrics["rank_1"] == 1
    assert evaluation.metrics["threshold"] == evaluation.threshold > evaluation.distances[evaluation.pairs.same].max()


def test_pairs_are_evaluated_where_both_images_can_be_read(tmp_path):
    bundle = color_bundle(tmp_path / "model")
    (index,) = read_identities(write_people(tmp_path / "people")).splits.values()
    pairs = Pairs(np.array([0, 2, 1, 3]), np.array([1, 3, 2, 4]), np.array([True, True, False, False]), np.zeros(4, int))
    (tmp_path / "people" / "Ada" / "0.png").write_text("text")
    evaluation = evaluate(bundle, index, pairs, seed=0)
    assert evaluation.pairs.first.tolist() == [1, 0, 2] and evaluation.pairs.second.tolist() == [2, 1, 3]


def test_images_that_are_all_gone_are_one_clear_error(tmp_path):
    (index,) = read_identities(write_people(tmp_path / "people")).splits.values()
    gone = dataclasses.replace(index, paths=tuple(f"{path}.gone" for path in index.paths))
    with pytest.raises(UserError, match=f"None of {len(index)} images of people can be read"):
        evaluate(color_bundle(tmp_path / "model"), gone, seed=0)


@pytest.mark.parametrize("threshold", [COLLAPSED / 2, 2 * COLLAPSED])
def test_collapsed_embeddings_are_noted(tmp_path, threshold):
    run = RunFolder(tmp_path)
    note_threshold(run, threshold)
    assert f"Threshold {threshold:.3f}" in run.notes[0]
    assert [note for note in run.notes if "lie close to one point" in note] == run.notes[1:] and (len(run.notes) == 2) == (
        threshold < COLLAPSED
    )
    run.release()


def measured(bundle, source, **options):
    options = EvaluateOptions(**options)
    return evaluate_data(bundle, read_data(str(source), {}, options), options)


def test_one_person_cannot_be_told_from_others(tmp_path):
    write_people(tmp_path / "people", {"Ada": 3})
    with pytest.raises(UserError, match=r"1 people with up to 3 readable images|no layout|without class folders"):
        measured(color_bundle(tmp_path / "model"), tmp_path / "people")


def test_a_finished_embedder_is_measured_at_its_own_threshold(tmp_path):
    """At a threshold of 9 everybody is everybody."""
    people = write_people(tmp_path / "people", dict.fromkeys(PEOPLE, 3))
    sure = measured(color_bundle(tmp_path / "sure", threshold=9.0), people)
    right = measured(color_bundle(tmp_path / "right"), people)
    assert sure.metrics["threshold"] == 9 and right.metrics["threshold"] == 0.2 and right.images == 9
    assert sure.metrics["auc"] == right.metrics["auc"] == 1
    assert sure.metrics["strangers_recognized"] == 1 and right.metrics["strangers_recognized"] == 0
    assert sure.notes[0].startswith("the model's own threshold is 9.000; the best one for these images is 0.")
    page = report_on(right, "T").write(tmp_path / "r.html", notes=[], metrics=right.metrics, config={}).read_text()
    assert "of 3 people. Up to a distance of <b>0.200</b>" in page and "trained on" not in page
