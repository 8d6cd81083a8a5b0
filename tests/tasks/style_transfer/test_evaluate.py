"""Bundles that paint are measured on photographs."""

import numpy as np
import pytest
from PIL import Image

from tests.tasks.style_transfer.painters import STYLES, by_hand, export_hand_painter
from tests.tasks.style_transfer.small_features import LAYERS, small_features
from visionkit.data.images.decode import read_image
from visionkit.data.images.resize import center_crop
from visionkit.errors import UserError
from visionkit.inference.measuring import EvaluateOptions
from visionkit.tasks.style_transfer import evaluate
from visionkit.tasks.style_transfer.descent import StyleImage
from visionkit.tasks.style_transfer.objective import FeatureExtractor
from visionkit.tasks.style_transfer.report import report_on
from visionkit.tasks.style_transfer.train import StyleTargets, content_and_style_loss


def measured(bundle, source, **options):
    options = EvaluateOptions(**options)
    opened = evaluate.read_data(str(source), {}, options)
    return opened, evaluate.evaluate_data(bundle, opened, options)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return export_hand_painter(tmp_path_factory.mktemp("run") / "model")


@pytest.fixture
def photographs(tmp_path, rng):
    (tmp_path / "photographs").mkdir()
    for number in range(20):
        pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photographs" / f"{number:02d}.png")
    return tmp_path / "photographs"


def test_no_photographs_and_splits_are_errors(bundle, tmp_path, photographs):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in it; expected a folder of photographs"):
        measured(bundle, tmp_path / "empty")
    with pytest.raises(UserError, match="--split val: photographs to paint have no splits"):
        measured(bundle, photographs, split="val")
    (tmp_path / "broken.png").write_text("text")
    with pytest.raises(UserError, match="None of 1 images can be read"):
        measured(bundle, tmp_path / "broken.png")


def test_photographs_are_painted_in_each_style_and_what_is_broken_is_skipped(bundle, photographs, tmp_path):
    (photographs / "00.png").write_text("text")
    opened, result = measured(bundle, photographs)
    assert opened.sentence == f"{photographs} holds 20 images, of which 16 are measured."
    assert result.images == 2 and result.labels == STYLES  # of three, since it has no LiteRT model
    assert [file.path for file in result.skipped] == [str(photographs / "00.png")]
    assert np.isnan(result.metrics["style_loss"]) and "what of None the training compared is not known here" in result.notes[1]
    page = report_on(result, "T").write(tmp_path / "r.html", notes=[], metrics={"images": 2}, config={}).read_text()
    assert "Painted images" in page and page.count("data:image/jpeg") == 2 * (1 + len(STYLES))


def test_the_losses_are_those_of_the_training_for_styles_that_are_built_in(bundle, photographs, monkeypatch, rng):
    extractor, style = FeatureExtractor(small_features(), LAYERS), rng.integers(0, 256, (64, 64, 3), np.uint8)
    monkeypatch.setattr(evaluate.plan, "build_extractors", lambda *_, **__: (extractor, extractor))
    monkeypatch.setattr(evaluate.compared, "STYLES", STYLES)
    by_default = evaluate.compared.Compared(LAYERS, None, "max", 1.0, STYLES)
    monkeypatch.setattr(evaluate.compared, "read", lambda metadata: by_default)
    monkeypatch.setattr(evaluate, "painting", lambda name: style)
    monkeypatch.setattr(evaluate, "WINDOW", 32)
    metrics = measured(bundle, photographs / "00.png")[1].metrics
    image = center_crop(read_image(photographs / "00.png"), 32).numpy()
    targets = StyleTargets.at_window_size([StyleImage(style)] * 2, extractor, 32)
    expected = []
    for shares in np.eye(2, dtype=np.float32):
        painted = by_hand(image.round().astype(np.uint8), shares[0]).astype(np.float32)
        expected.append(content_and_style_loss(extractor, targets, painted[None], image[None], shares[None]))
    assert list(metrics.values()) == pytest.approx(np.mean(np.array(expected, float), axis=0).tolist(), rel=1e-3)
    assert list(metrics) == ["content_loss", "style_loss"] and min(metrics.values()) > 0


def test_the_style_loss_needs_the_style_images(bundle, photographs, monkeypatch):
    extractor = FeatureExtractor(small_features(), LAYERS)
    monkeypatch.setattr(evaluate.plan, "build_extractors", lambda *_, **__: (extractor, extractor))
    of_files = evaluate.compared.Compared(LAYERS, None, "max", 1.0, (None, None))
    monkeypatch.setattr(evaluate.compared, "read", lambda metadata: of_files)
    result = measured(bundle, photographs / "00.png")[1]
    assert result.metrics["content_loss"] > 0 and np.isnan(result.metrics["style_loss"])
    assert result.notes == ("the style loss is not measured: the model does not hold its style images",)
