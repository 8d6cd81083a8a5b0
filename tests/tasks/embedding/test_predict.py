"""An embedder in Python and from the shell."""

import json

import keras
import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI
from visionkit.data.images.decode import ImageError
from visionkit.tasks.embedding.export import export_embedder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The mean color of an image, as three numbers."""
    pixels = keras.Input((8, 8, 3))
    network = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))
    return export_embedder(network, tmp_path_factory.mktemp("bundle") / "model", metadata={"threshold": 10.0})


@pytest.fixture
def images(tmp_path):
    for name, color in (("a", (250, 0, 0)), ("b", (247, 4, 0)), ("c", (0, 0, 90))):
        Image.new("RGB", (12, 12), color).save(tmp_path / f"{name}.png")
    return tmp_path


def test_of_a_file_that_cannot_be_read_there_is_no_distance(bundle, images):
    with pytest.raises(ImageError):
        visionkit.load(bundle).distance(images / "a.png", images / "nothing.png")


def test_the_distance_is_that_of_the_embeddings(bundle, images):
    model = visionkit.load(bundle)
    assert model.distance(images / "a.png", images / "b.png") == pytest.approx(5, abs=1e-3)
    pixels = np.zeros((5, 5, 3), np.uint8)
    assert model.distance(images / "c.png", pixels) == pytest.approx(90, abs=1e-3)


def test_predict_prints_all_numbers_as_json(bundle, images, program):
    (images / "broken.jpg").write_text("text")
    done = program(CLI, "predict", bundle, images, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [set(line) for line in lines] == [{"path", "embedding"}] * 2 + [
        {"path", "error"},
        {"path", "embedding"},
    ]
    assert lines[0]["embedding"] == pytest.approx([250, 0, 0], abs=1e-3)
    done = program(CLI, "predict", bundle, images / "c.png")
    assert done.returncode == 0 and "3 numbers: 0.000 0.000 90.000" in done.stdout
    done = program(CLI, "predict", bundle, images / "c.png", "--draw", images / "drawn")
    assert done.returncode == 2 and "cannot be drawn" in done.stderr and not (images / "drawn").exists()
