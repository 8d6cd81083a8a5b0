"""The report of verification shows the hardest pairs and what lies how far apart; and names of strangers do nothing."""

import re

import numpy as np
import pytest
from PIL import Image

from visionkit.data.index import Skipped
from visionkit.tasks.embedding.report import MOST_MAPPED, MOST_PAIRS, VerificationReport, write_verification_report

HISTORY = [{"phase": "train", "epoch": 1, "loss": 3.0}, {"phase": "train", "epoch": 2, "loss": 2.0, "val_auc": 0.9}]


def report(folder, people=(0, 0, 1, 1, 2, 2, 3, 3), **changes) -> VerificationReport:
    people, rng = np.array(people), np.random.default_rng(0)
    paths = []
    for number in range(len(people)):
        paths.append(str(folder / f"<b>{number}.png"))
        Image.new("RGB", (40, 50), (number, 0, 0)).save(paths[-1])
    first, second = np.triu_indices(len(people), 1)
    embeddings = np.eye(8)[people] + rng.normal(0, 0.1, (len(people), 8))
    options = {
        "title": "A <run>",
        "sentences": ["It went <well>."],
        "metrics": {"auc": 0.5},
        "history": HISTORY,
        "paths": paths,
        "people": people,
        "embeddings": embeddings,
        "first": first,
        "second": second,
        "same": people[first] == people[second],
        "distances": np.linalg.norm(embeddings[first] - embeddings[second], axis=1),
        "false_rates": np.array([0, 0, 1]),
        "true_rates": np.array([0, 1, 1]),
        "threshold": 0.7,
        "skipped": [Skipped("evil<script>.png", "empty file")],
        "config": {"epochs": 2},
    }
    return VerificationReport(**(options | changes))


def page_of(given, folder) -> str:
    return write_verification_report(given, folder / "r.html").read_text(encoding="utf-8")


def test_of_one_pair_and_no_history_there_is_a_page(tmp_path):
    page = page_of(report(tmp_path, people=(0, 0), history=[]), tmp_path)
    assert "Map of the embeddings" not in page and "1 pairs of one person and 0 of two" in " ".join(page.split())


def test_the_hardest_pairs_come_first_and_are_counted(tmp_path):
    given = report(tmp_path)
    distances = given.distances.copy()
    hard = np.flatnonzero(given.same)[1], np.flatnonzero(~given.same)[5]
    distances[hard[0]], distances[hard[1]] = 1.5, 0.1
    page = page_of(report(tmp_path, distances=distances), tmp_path)
    shown = re.findall(r'<span class="(bad|good)">([\d.]+)</span>', page)
    assert shown[0] == ("bad", "1.500") and shown[4] == ("bad", "0.100") and len(shown) == 4 + MOST_PAIRS
    assert [mark for mark, _ in shown].count("bad") == 2
    assert "1 of 4 pairs of one person" in page and "1 of 24 pairs of two people" in page
    assert "Map of the embeddings" in page and page.count("data:image/png") == 3


def test_the_map_holds_whole_people_up_to_a_number(tmp_path):
    given = report(tmp_path, people=(0,) * 3)
    many = np.repeat(np.arange(5), MOST_MAPPED // 4)
    object.__setattr__(given, "people", many)
    assert len(given.mapped) == MOST_MAPPED and given.num_shown == 4 and given.num_people == 5


@pytest.mark.parametrize("gone", [False, True])
def test_names_are_escaped_and_vanished_images_leave_their_names(tmp_path, gone):
    given = report(tmp_path)
    if gone:
        for path in tmp_path.glob("*.png"):
            path.unlink()
    page = page_of(given, tmp_path)
    assert "<script>" not in page and "<run>" not in page and "<b>1.png" not in page and "&lt;b&gt;1.png" in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == [] and ("data:image/jpeg" in page) == (not gone)
