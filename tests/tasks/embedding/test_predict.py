"""An embedder in Python and from the shell."""

import io
import json

import keras
import numpy as np
import pytest
from PIL import Image

import visionkit
from tests.conftest import CLI
from visionkit.data.images.decode import ImageError
from visionkit.data.images.resize import letterbox
from visionkit.errors import UserError
from visionkit.tasks.embedding.export import export_embedder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle that embeds an image as its mean color, three numbers."""
    pixels = keras.Input((8, 8, 3))
    network = keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(pixels))
    return export_embedder(network, tmp_path_factory.mktemp("bundle") / "model", metadata={"threshold": 10.0})


@pytest.fixture
def images(tmp_path):
    for name, color in (("a", (250, 0, 0)), ("b", (247, 4, 0)), ("c", (0, 0, 90))):
        Image.new("RGB", (12, 12), color).save(tmp_path / f"{name}.png")
    return tmp_path


def test_a_file_that_cannot_be_read_has_no_distance(bundle, images):
    with pytest.raises(ImageError):
        visionkit.load(bundle).distance(images / "a.png", images / "nothing.png")


def test_the_distance_is_that_of_the_embeddings(bundle, images):
    model = visionkit.load(bundle)
    assert model.distance(images / "a.png", images / "b.png") == pytest.approx(5, abs=1e-3)
    pixels = np.zeros((5, 5, 3), np.uint8)
    assert model.distance(images / "c.png", pixels) == pytest.approx(90, abs=1e-3)


def test_distances_are_of_images_in_any_form(bundle, images):
    model, contents = visionkit.load(bundle), (images / "b.png").read_bytes()
    with Image.open(images / "b.png") as image:
        for form in (str(images / "b.png"), image, contents, io.BytesIO(contents)):
            assert model.distance(images / "a.png", form) == pytest.approx(5, abs=1e-3)


def test_a_result_is_short_and_json_and_cannot_be_drawn(bundle, images):
    result = visionkit.load(bundle).predict(images / "c.png")
    assert repr(result) == f"EmbeddingResult({images / 'c.png'}: 3 numbers: 0.000 0.000 90.000 ...)"
    assert json.loads(json.dumps(result.to_dict()))["embedding"] == pytest.approx([0, 0, 90], abs=1e-3)
    with pytest.raises(UserError, match="cannot be drawn"):
        result.plot()


def test_its_features_can_be_explained(bundle, images):
    model = visionkit.load(bundle)
    explained = model.explained()
    assert (explained.kind, explained.labels, explained.size, explained.takes_images) == ("features", (), 8, False)
    pixels = np.full((6, 12, 3), (10, 20, 30), np.uint8)
    seen = explained.see(pixels, explained.size)
    np.testing.assert_array_equal(seen, letterbox(pixels, 8))
    np.testing.assert_allclose(explained.outputs(seen[None]), model.embed(pixels[None]), atol=1e-4)


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
    assert done.returncode == 0
    assert done.stdout == f"{images / 'c.png'}\n    3 numbers: 0.000 0.000 90.000 ...; --json gives all\n"
    done = program(CLI, "predict", bundle, images / "c.png", "--draw", images / "drawn")
    assert done.returncode == 2 and "cannot be drawn" in done.stderr and not (images / "drawn").exists()
