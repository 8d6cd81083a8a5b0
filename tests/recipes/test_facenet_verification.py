"""The recipe for verification as a person runs it: synthetic faces, own people, LFW's pairs, an interruption, bad input."""

import json
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import visionkit
from tests.conftest import CLI
from tests.recipes.conftest import SMALL_BASE
from visionkit.data.demo.faces import make_face_demo
from visionkit.metrics.verification import verification_metrics
from visionkit.tasks.embedding import train

RECIPE = Path(__file__).parents[2] / "recipes" / "facenet_verification.py"
QUICK = ("--size", 32, "--people", 3, "--images", 2, "--dimensions", 16, "--smoke", *SMALL_BASE)


@pytest.fixture
def run(program):
    return partial(program, RECIPE)


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    return make_face_demo(tmp_path_factory.mktemp("data") / "people", num_train=5, num_val=4, images=4)


def test_the_bundle_has_the_measured_distances_of_faces_that_are_synthetic(smoke_run, program):
    done = smoke_run("facenet_verification")
    assert {"rank_1", "equal_error_rate"} <= set(done.metrics)
    assert "synthetic" in (done.out / "report.html").read_text()

    plan = json.loads((done.out / "plan.json").read_text())["data"]["val"]
    predicted = program(CLI, "predict", done.out, *plan["paths"], "--json")
    assert predicted.returncode == 0, predicted.stderr
    embeddings = np.array([json.loads(line)["embedding"] for line in predicted.stdout.splitlines()])
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    first, second = np.triu_indices(len(embeddings), 1)
    labels = np.array(plan["labels"])
    distances = np.linalg.norm(embeddings[first] - embeddings[second], axis=1)
    metrics = verification_metrics(distances, labels[first] == labels[second])
    assert metrics.auc == pytest.approx(done.metrics["auc"], abs=1e-9)
    assert visionkit.load(done.out).metadata["threshold"] == done.metrics["threshold"]


LOSSES = [("--loss", "arcface"), ("--loss", "contrastive"), ("--mining", "hard", "--no-mirror")]


@pytest.mark.exhaustive
@pytest.mark.parametrize("options", LOSSES)
def test_other_losses_and_own_people(run, people, tmp_path, options):
    done = run("--data", people, "--out", tmp_path / "run", *QUICK, *options)
    assert done.returncode == 0, done.stderr
    assert "of 5 people, and 16 validation images of 4 others" in done.stdout
    assert "synthetic" not in (tmp_path / "run" / "report.html").read_text().split("<h2>")[0].replace("synthetic_", "")


def test_pairs_of_lfw_are_measured_where_they_are_named(run, people, tmp_path):
    """People are found by the names of their folders; a pair without its images is left out."""
    flat = tmp_path / "flat"
    for person in sorted((people / "val").iterdir()) + sorted((people / "train").iterdir()):
        (flat / person.name).mkdir(parents=True)
        for number, image in enumerate(sorted(person.iterdir()), start=1):
            (flat / person.name / f"{person.name}_{number:04d}.png").write_bytes(image.read_bytes())
    names = sorted(child.name for child in flat.iterdir())
    same = [f"{name}\t1\t2" for name in names[:4]]
    different = [f"{one}\t1\t{other}\t2" for one, other in pairwise(names[:5])]
    (tmp_path / "pairs.txt").write_text("\n".join(["2\t2", *same[:2], *different[:2], *same[2:], *different[2:], "x\t1\t2"]))
    done = run("--data", flat, "--pairs", tmp_path / "pairs.txt", "--out", tmp_path / "run", *QUICK, *LOSSES[2])
    assert done.returncode == 0, done.stderr
    assert "synthetic" not in (tmp_path / "run" / "report.html").read_text().split("<h2>")[0].replace("synthetic_", "")
    assert "pairs" in (tmp_path / "run" / "report.html").read_text() and "8 pairs" in done.stdout


@pytest.mark.exhaustive
def test_after_an_interruption_the_same_weights(run, people, tmp_path, monkeypatch):
    options = ("--data", people, *QUICK, "--epochs", 2)
    assert run("--out", tmp_path / "whole", *options).returncode == 0
    calls, measure = [], train.measure

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments, **options)

    monkeypatch.setattr(train, "measure", interrupted)
    out = tmp_path / "parts"
    done = run("--out", out, *options)
    assert done.returncode == 130 and f"--resume {out}" in done.stderr
    resumed = run("--resume", out)
    assert resumed.returncode == 0, resumed.stderr
    areas = [json.loads((tmp_path / name / "metrics.json").read_text())["auc"] for name in ("whole", "parts")]
    assert areas[0] == pytest.approx(areas[1], abs=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "{tmp}/nothing"), "no such file or folder"),
        (("--base", "resnet8000"), "resnet"),
        (("--pairs", "{tmp}/pairs.txt"), "--data"),
        (("--people", "0"), "--people 0: expected at least 2"),
        (("--batch-size", "8"), "--batch-size"),
    ],
    ids=str,
)
def test_bad_input_is_named(run, tmp_path, options, message):
    done = run("--out", tmp_path / "run", *(option.format(tmp=tmp_path) for option in options))
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def test_pairs_that_cannot_be_used_end_the_run_before_it_trains(run, people, tmp_path):
    (tmp_path / "pairs.txt").write_text("nobody 1 2\n")
    done = run("--data", people, "--pairs", tmp_path / "pairs.txt", "--out", tmp_path / "run", *QUICK)
    assert done.returncode == 2 and "none of 1 pairs can be used" in done.stderr and not (tmp_path / "run").exists()
