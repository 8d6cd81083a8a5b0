"""The recipe for verification as a person runs it: drawn faces, own people, LFW's pairs, an interruption, bad input."""

import json
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import visionkit
from tests.conftest import CLI
from visionkit.data.demo.faces import make_face_demo
from visionkit.metrics import verification
from visionkit.tasks.embedding import train as embedding_phase

RECIPE = Path(__file__).parents[2] / "recipes" / "facenet_verification.py"
QUICK = ("--size", 32, "--people", 3, "--images", 2, "--dimensions", 16, "--smoke")


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    return make_face_demo(tmp_path_factory.mktemp("data") / "people", num_train=5, num_val=4, images=4)


def test_smoke_needs_nothing_says_that_faces_are_synthetic_and_the_bundle_has_the_measured_distances(run, program, tmp_path):
    out = tmp_path / "run"
    done = run("--smoke", "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f"report   {out / 'report.html'}", f"model    {out / 'model'}"]
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"auc", "verification_accuracy", "threshold", "rank_1", "seconds"} <= set(metrics)
    page = (out / "report.html").read_text()
    assert "synthetic" in page and "data:image/" in page

    plan = json.loads((out / "plan.json").read_text())["data"]["val"]
    done = program(CLI, "predict", out, *plan["paths"], "--json")
    assert done.returncode == 0, done.stderr
    embeddings = np.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    first, second = np.triu_indices(len(embeddings), 1)
    labels = np.array(plan["labels"])
    distances = np.linalg.norm(embeddings[first] - embeddings[second], axis=1)
    found = verification.measure(distances, labels[first] == labels[second])
    assert found.auc == pytest.approx(metrics["auc"], abs=1e-9)
    assert visionkit.load(out).metadata["threshold"] == metrics["threshold"]


@pytest.mark.parametrize("options", [("--loss", "arcface"), ("--loss", "contrastive"), ("--mining", "hard", "--no-mirror")])
def test_other_losses_and_own_people(run, people, tmp_path, options):
    done = run("--data", people, "--out", tmp_path / "run", *QUICK, *options)
    assert done.returncode == 0, done.stderr
    assert "of 5 people, and 16 validation images of 4 others" in done.stdout
    assert "synthetic" not in (tmp_path / "run" / "report.html").read_text().split("<h2>")[0].replace("synthetic_", "")


def test_pairs_of_lfw_are_measured_where_they_are_named(run, people, tmp_path):
    """Its people are found by their folders; images that are not there are told."""
    flat = tmp_path / "flat"
    for person in sorted((people / "val").iterdir()) + sorted((people / "train").iterdir()):
        (flat / person.name).mkdir(parents=True)
        for number, image in enumerate(sorted(person.iterdir()), start=1):
            (flat / person.name / f"{person.name}_{number:04d}.png").write_bytes(image.read_bytes())
    names = sorted(child.name for child in flat.iterdir())
    same = [f"{name}\t1\t2" for name in names[:4]]
    different = [f"{one}\t1\t{other}\t2" for one, other in pairwise(names[:5])]
    (tmp_path / "pairs.txt").write_text("\n".join(["2\t2", *same[:2], *different[:2], *same[2:], *different[2:], "x\t1\t2"]))
    done = run("--data", flat, "--pairs", tmp_path / "pairs.txt", "--out", tmp_path / "run", *QUICK)
    assert done.returncode == 0, done.stderr
    assert "pairs" in (tmp_path / "run" / "report.html").read_text() and "8 pairs" in done.stdout


def test_after_an_interruption_the_same_weights(run, people, tmp_path, monkeypatch):
    options = ("--data", people, *QUICK, "--epochs", 2)
    assert run("--out", tmp_path / "whole", *options).returncode == 0
    calls, measured = [], embedding_phase.Validation

    def interrupted(*values):
        calls.append(values)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measured(*values)

    monkeypatch.setattr("visionkit.tasks.embedding.train.Validation", interrupted)
    out = tmp_path / "parts"
    done = run("--out", out, *options)
    assert done.returncode == 130 and f"--resume {out}" in done.stderr
    resumed = run("--resume", out)
    assert resumed.returncode == 0, resumed.stderr
    found = [json.loads((tmp_path / name / "metrics.json").read_text())["auc"] for name in ("whole", "parts")]
    assert found[0] == pytest.approx(found[1], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--data", "{tmp}/nothing"), "no such folder"),
        (("--base", "resnet8000"), "resnet"),
        (("--pairs", "{tmp}/pairs.txt"), "--data"),
        (("--people", "1"), "--people 1: expected at least 2"),
    ],
    ids=str,
)
def test_bad_input_ends_in_one_line(run, tmp_path, options, says):
    done = run("--out", tmp_path / "run", *(option.format(tmp=tmp_path) for option in options))
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr
