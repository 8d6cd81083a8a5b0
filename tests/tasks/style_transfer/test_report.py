"""The report of style transfer: one page with images and curves, also where parts are missing."""

import io

import numpy as np
import pytest
from PIL import Image

from visionkit.tasks.style_transfer.evaluate import BundleEvaluation, Evaluation, Example
from visionkit.tasks.style_transfer.plan import Inputs
from visionkit.tasks.style_transfer.report import MAX_FRAMES, loss_figure, report


def image(rng, height=20, width=30) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def rows(count: int, loss: float = 2.0) -> list[dict]:
    parts = {"loss": loss, "content_loss": loss / 4, "style_loss": loss / 50}
    return [{"phase": "64 px" if n < count // 2 else "128 px", "epoch": n, **parts} for n in range(count)]


def page_of(rng, tmp_path, *, masks=(), bundle=None, **options) -> str:
    evaluation = Evaluation({"style_loss": 0.25}, image(rng), bundle)
    inputs = Inputs(image(rng), {"<b>": image(rng)}, (1.0,), masks)
    options = {"steps": [], "frames": [], "history": [], "skipped": []} | options
    shown = report(evaluation, inputs, **options)
    path = shown.write(tmp_path / "report.html", notes=["A note & more."], metrics=evaluation.metrics, config={"seed": 0})
    return path.read_text()


def test_a_report_without_steps_or_a_network_shows_the_image(rng, tmp_path):
    page = page_of(rng, tmp_path)
    assert page.count("data:image/") == 3 and "style: &lt;b&gt;" in page and "A note &amp; more." in page
    assert "The descent" not in page and "one pass" not in page and "Training" not in page


def test_frames_masks_and_the_network_are_shown(rng, tmp_path):
    history = [
        {"phase": "network", "epoch": n, "weighted_style_loss": 1.0, "val_style_loss": 0.1, "val_content_loss": 0.2}
        for n in (1, 2)
    ]
    page = page_of(
        rng,
        tmp_path,
        steps=rows(8),
        frames=[image(rng) for _ in range(30)],
        masks=(np.ones((20, 30), np.float32),),
        history=history,
        bundle=BundleEvaluation({"style_loss": 0.1}, image(rng), {}, [Example("cat.png", image(rng), [image(rng)])]),
    )
    assert page.count("data:image/") == 3 + 1 + 1 + MAX_FRAMES + 1 + 1 + 2
    assert "where &lt;b&gt; is applied" in page and "cat.png" in page


@pytest.mark.parametrize("steps", [rows(1), rows(20), rows(4, loss=0.0)])
def test_losses_are_drawn_even_if_they_are_zero(steps):
    assert Image.open(io.BytesIO(loss_figure(steps))).size == (1300, 442)
