"""The report of style transfer: one page with images and curves, whatever there is to show."""

import io

import numpy as np
import pytest
from PIL import Image

from visionkit.tasks.style_transfer.report import MOST_FRAMES, Painted, StyleReport, descent, write_style_report


def image(rng, height=20, width=30) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def rows(count: int, loss: float = 2.0) -> list[dict]:
    parts = {"loss": loss, "content_loss": loss / 4, "style_loss": loss / 50}
    return [{"phase": "64 px" if n < count // 2 else "128 px", "epoch": n, **parts} for n in range(count)]


def plain(rng, **more) -> StyleReport:
    given = {
        "title": "Painted",
        "sentences": ["A story & more."],
        "metrics": {"style_loss": 0.25},
        "painting": [],
        "skipped": [],
    }
    given |= {"content": image(rng), "styles": {"<b>": image(rng)}, "masks": (), "result": image(rng), "frames": []}
    return StyleReport(**(given | {"config": {"seed": 0}} | more))


def test_a_report_without_a_way_or_a_network_shows_the_image(rng, tmp_path):
    page = write_style_report(plain(rng), tmp_path / "report.html").read_text()
    assert page.count("data:image/") == 3 and "style: &lt;b&gt;" in page and "A story &amp; more." in page
    assert "The way there" not in page and "one pass" not in page


def test_the_way_the_masks_and_the_network_are_shown(rng, tmp_path):
    frames = [image(rng) for _ in range(30)]
    painted = [Painted("cat.png", image(rng), [image(rng)])]
    history = [
        {"phase": "network", "epoch": n, "weighted_style_loss": 1.0, "val_style_loss": 0.1, "val_content_loss": 0.2}
        for n in (1, 2)
    ]
    report = plain(
        rng,
        painting=rows(8),
        frames=frames,
        masks=(np.ones((20, 30), np.float32),),
        history=history,
        fast=image(rng),
        painted=painted,
    )
    page = write_style_report(report, tmp_path / "report.html").read_text()
    assert page.count("data:image/") == 3 + 1 + 1 + MOST_FRAMES + 1 + 1 + 2
    assert "where &lt;b&gt; is wanted" in page and "cat.png" in page


@pytest.mark.parametrize("painting", [rows(1), rows(20), rows(4, loss=0.0)])
def test_losses_are_drawn_also_where_they_are_zero(painting):
    assert Image.open(io.BytesIO(descent(painting))).size == (1300, 442)
