"""The report of verification shows the hardest pairs and the distances of all; names of files cannot inject HTML."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from visionkit.data.formats.pairs import Pairs
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.splits import Splits
from visionkit.tasks.embedding.evaluate import Evaluation, distances_of, measure_pairs, one_shot
from visionkit.tasks.embedding.report import MAX_MAPPED, MAX_PAIRS, mapped, report

HISTORY = [{"phase": "train", "epoch": 1, "loss": 3.0}, {"phase": "train", "epoch": 2, "loss": 2.0, "val_auc": 0.9}]
THRESHOLD = 0.7


def evaluation_of(folder, people=(0, 0, 1, 1, 2, 2, 3, 3)) -> Evaluation:
    people, rng = np.array(people), np.random.default_rng(0)
    paths = []
    for number in range(len(people)):
        paths.append(str(folder / f"<b>{number}.png"))
        Image.new("RGB", (40, 50), (number, 0, 0)).save(paths[-1])
    first, second = np.triu_indices(len(people), 1)
    embeddings = np.eye(8)[people] + rng.normal(0, 0.1, (len(people), 8))
    pairs = Pairs(first, second, people[first] == people[second], np.zeros(len(first), int))
    verification = replace(measure_pairs(embeddings, pairs), threshold=THRESHOLD)
    index = Index(("a", "b", "c", "d"), tuple(paths), people)
    return Evaluation(
        index, embeddings, pairs, distances_of(embeddings, pairs), verification, one_shot(embeddings, people, THRESHOLD)
    )


def page_of(evaluation: Evaluation, folder, history=HISTORY, **options) -> str:
    data = Splits(evaluation.index, evaluation.index)
    page = report(evaluation, data, history, **options)
    page.write(folder / "r.html", notes=["It went <well>."], metrics={"auc": 0.5}, config={"epochs": 2})
    return (folder / "r.html").read_text(encoding="utf-8")


def test_one_pair_and_no_history_make_a_page(tmp_path):
    page = page_of(evaluation_of(tmp_path, people=(0, 0)), tmp_path, history=[])
    assert "Map of the embeddings" not in page and "1 pairs of one person and 0 of two" in " ".join(page.split())


def test_people_who_were_also_trained_on_are_counted(tmp_path):
    evaluation = evaluation_of(tmp_path)
    assert "of whom 4 were trained on" in page_of(evaluation, tmp_path)
    others = Splits(replace(evaluation.index, class_names=tuple("wxyz")), evaluation.index)
    assert report(evaluation, others, HISTORY).shown["num_trained_on"] == 0


def test_the_hardest_pairs_come_first_and_are_counted(tmp_path):
    evaluation = evaluation_of(tmp_path)
    same, distances = evaluation.pairs.same, evaluation.distances.copy()
    hard = np.flatnonzero(same)[1], np.flatnonzero(~same)[5]
    distances[hard[0]], distances[hard[1]] = 1.5, 0.1
    page = page_of(replace(evaluation, distances=distances), tmp_path)
    shown = re.findall(r'<span class="(bad|good)">([\d.]+)</span>', page)
    assert shown[0] == ("bad", "1.500") and shown[4] == ("bad", "0.100") and len(shown) == 4 + MAX_PAIRS
    assert [mark for mark, _ in shown].count("bad") == 2
    assert "1 of 4 pairs of one person" in page and "1 of 24 pairs of two people" in page
    assert "Map of the embeddings" in page and page.count("data:image/png") == 3


def test_the_map_holds_whole_people_up_to_a_number():
    people = np.repeat(np.arange(5), MAX_MAPPED // 4)
    places = mapped(people)
    assert len(places) == MAX_MAPPED and len(np.unique(people[places])) == 4
    assert len(mapped(np.zeros(MAX_MAPPED + 1, int))) == MAX_MAPPED  # the first person is on it in any case


@pytest.mark.parametrize("synthetic", [False, True])
def test_the_title_says_whether_faces_are_synthetic(tmp_path, synthetic):
    page = page_of(evaluation_of(tmp_path, people=(0, 0)), tmp_path, synthetic=synthetic)
    assert ("Synthetic faces" in page) == synthetic


@pytest.mark.parametrize("gone", [False, True])
def test_names_are_escaped_and_the_names_of_vanished_images_are_shown(tmp_path, gone):
    evaluation = evaluation_of(tmp_path)
    evaluation.index.skipped.add("evil<script>.png", "empty file")
    if gone:
        for path in tmp_path.glob("*.png"):
            path.unlink()
    page = page_of(evaluation, tmp_path)
    assert "<script>" not in page and "<well>" not in page and "<b>1.png" not in page and "&lt;b&gt;1.png" in page
    assert "evil&lt;script&gt;.png" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == [] and ("data:image/jpeg" in page) == (not gone)


def test_images_that_only_the_evaluation_skipped_are_named_once(tmp_path):
    evaluation = evaluation_of(tmp_path, people=(0, 0))
    data = Splits(*(replace(evaluation.index, skipped=SkippedFiles([("shared.png", "empty file")])) for _ in range(2)))
    evaluation.index.skipped.add("shared.png", "gone")
    evaluation.index.skipped.add("pairs.png", "gone")
    skipped = report(evaluation, data, []).skipped
    assert [(file.path, file.reason) for file in skipped] == [("pairs.png", "gone"), ("shared.png", "empty file")]
