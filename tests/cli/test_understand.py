"""``visionkit understand`` as a separate process."""

import re
from functools import partial

import keras
import numpy as np
import pytest
from PIL import Image

from tests.conftest import CLI
from visionkit import models
from visionkit.tasks.classification.export import export_classifier


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    keras.utils.set_random_seed(8)
    folder = tmp_path_factory.mktemp("classifier") / "model"
    return export_classifier(
        models.build("resnet8", (32, 32, 3), 2), folder, class_names=("blue", "red"), metadata={}, flips=True
    )


@pytest.fixture
def run(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return partial(program, CLI, "understand")


def test_without_images_model_or_class_the_message_says_what_is_expected(run, model, class_folders, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"no image")
    for arguments, message in (
        ([model], "No images given"),
        ([model, "empty"], "No images in empty"),
        ([model, "broken.png"], "None of 1 images can be read; the first: broken.png"),
        (["runs/none", class_folders], "runs/none: no such model"),
        ([class_folders, class_folders], "not a model that visionkit exported"),
        (["eficientnet_lite0", class_folders], "did you mean 'efficientnet_lite0'"),
        (["resnet8", class_folders], "no published 'imagenet' weights for resnet8"),
        (["resnet8", class_folders, "--weights", "w.h5"], "no such file"),
        ([model, class_folders, "--weights", "imagenet"], "--weights goes with a network's name"),
        ([model, class_folders, "--label", "reed"], "did you mean 'red'"),
        ([model, class_folders, "--units", "0"], "--units 0: expected 1 to"),
        ([model, class_folders, "--out", "page.png"], "expected the name of a page"),
    ):
        done = run(*arguments)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and done.stdout == ""
    assert not list(tmp_path.glob("*.html"))


def test_the_page_shows_layers_images_and_unreadable_files(run, model, class_folders, tmp_path):
    (class_folders / "blue" / "broken <b>.jpg").write_bytes(b"no image")
    done = run(model.parent, class_folders, "--out", "out/page.html", "--units", 2, "--images-shown", 3)
    assert done.returncode == 1 and done.stdout == "out/page.html\n", done.stderr
    assert "broken <b>.jpg\n    cannot be read" in done.stderr and "1 of 17 images cannot be read." in done.stderr
    page = (tmp_path / "out/page.html").read_text()
    assert "16 images were shown" in page and "broken &lt;b&gt;.jpg" in page and "<b>.jpg" not in page
    assert re.findall(r"<h2>Layer (\d)", page) == list("12345")
    assert page.count('class="unit"') == 10 and page.count('<figure class="shown">') == 3
    assert len(re.findall(r"<b>(?:blue|red) \d+%</b>", page)) == 3


def test_a_network_of_the_catalogue_is_explained_by_its_features_where_it_has_no_head(run, tmp_path):
    keras.utils.set_random_seed(9)
    models.build("resnet8", None, None).save_weights(tmp_path / "base.weights.h5")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)).save(tmp_path / "one.png")
    done = run("ResNet-8", "one.png", "--weights", "base.weights.h5", "--units", 1, "--images-shown", 1)
    assert done.returncode == 0 and done.stdout == "understand.html\n", done.stderr
    page = (tmp_path / "understand.html").read_text()
    assert "has no classes" in page and "length of features" in page and "1 image was shown" in page
    refused = run("resnet8", "one.png", "--weights", "base.weights.h5", "--label", "cat")
    assert refused.returncode == 2 and "has no classes" in refused.stderr
