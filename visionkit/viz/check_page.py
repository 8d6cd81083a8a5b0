"""The result of a data check as one self-contained HTML file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from visionkit.data.images.decode import ImageError, read_image
from visionkit.data.index import PROBLEM_KINDS
from visionkit.data.quality.check import Checked
from visionkit.data.quality.findings import Finding
from visionkit.data.quality.summary import LONGER_SIDE, TINY, box_sides, image_sizes
from visionkit.viz.check_table import by_kind, headline, shown_spread, shown_tiny
from visionkit.viz.page import inline, inline_jpeg, write_page
from visionkit.viz.plots import LINES, VALIDATION, to_png

THUMBNAIL = 260  # pixels of the longer side
SHOWN = 24  # findings of a kind that have thumbnails
LISTED = 200  # findings of a kind without thumbnails
CLASSES_SHOWN = 100
RED = (217, 45, 32)
RING = 10  # radius in pixels of the ring around boxes that are easily overlooked
BEYOND = 0.25  # of a side: how far outside of the image a box is drawn
WITHOUT_IMAGES = ("broken image", "bad annotation", "missing partner")


def write_check_page(checked: Checked, path: str | Path, *, title: str = "Data check") -> Path:
    """Write the page atomically. Only images that it shows are opened.

    Returns:
        its path.
    """
    summary = checked.summary
    return write_page(
        path,
        __package__,
        "check.html.j2",
        title=title,
        summary=summary,
        headline=headline(checked),
        notes=checked.notes,
        width=shown_spread(summary["sizes"]["width"]),
        height=shown_spread(summary["sizes"]["height"]),
        per_image=shown_spread(summary["objects_per_image"]) if "objects" in summary else None,
        tiny=shown_tiny(summary) if "objects" in summary else None,
        splits=[{"name": name, "shade": shade} for name, shade in zip(summary["splits"], _shades(summary), strict=True)],
        classes=_class_rows(summary),
        figures=list(_figures(checked)),
        kinds=[_kind(checked, kind, findings) for kind, findings in by_kind(checked.findings).items()],
    )


def _shades(summary: dict[str, Any]) -> list[str]:
    return [LINES[number % len(LINES)] for number in range(len(summary["splits"]))]


def _class_rows(summary: dict[str, Any]) -> list[dict]:
    """Each class's counts by split, and the counts as shares of the split's largest class."""
    classes = list(summary["classes"].items())
    largest = {split: max(1, *(counts[split] for _, counts in classes)) for split in summary["splits"]} if classes else {}
    return [
        {
            "name": name,
            "counts": list(counts.values()),
            "shares": [count / largest[split] for split, count in counts.items()],
        }
        for name, counts in classes[:CLASSES_SHOWN]
    ]


def _figures(checked: Checked) -> Iterator[dict[str, str]]:
    sizes = image_sizes(checked.data, checked.opened)
    if len(np.unique(sizes, axis=0)) > 1:
        yield {"source": inline(_size_figure(sizes)), "caption": "Widths and heights of the images"}
    sides = box_sides(checked.data, checked.opened)
    if len(sides):
        yield {"source": inline(_box_figure(sides)), "caption": "Sides of the boxes"}


def _size_figure(sizes: np.ndarray) -> bytes:
    """Scatter plot of widths and heights; a point's area grows with the number of images of that size."""
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    axes = figure.subplots()
    unique, counts = np.unique(sizes, axis=0, return_counts=True)
    areas = 8 + 300 * counts / counts.sum()
    axes.scatter(unique[:, 1], unique[:, 0], s=areas, color=VALIDATION, alpha=0.45, linewidths=0)
    axes.set_xlabel("width of images in pixels")
    axes.set_ylabel("height")
    if sizes.max() > 10 * sizes.min():
        ticks = 2 ** np.arange(np.floor(np.log2(sizes.min())), np.ceil(np.log2(sizes.max())) + 1)
        for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            scale("log", base=2)
            axis.set_ticks(ticks, [f"{tick:.0f}" for tick in ticks])
    else:
        axes.set_xlim(0, 1.1 * sizes[:, 1].max())
        axes.set_ylim(0, 1.1 * sizes[:, 0].max())
    axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


def _box_figure(sides: np.ndarray) -> bytes:
    """Histogram of the sizes of the boxes, with the limit below which a box is tiny."""
    figure = Figure(figsize=(5.4, 3.6), layout="constrained")
    axes = figure.subplots()
    edges = np.geomspace(1, LONGER_SIDE, 41)
    axes.hist(np.sqrt(sides.prod(axis=1)).clip(edges[0], edges[-1]), edges, color=VALIDATION, alpha=0.75)
    axes.axvline(TINY, color="#b42318", linewidth=1)
    axes.text(TINY * 0.95, 0.97, "tiny", color="#b42318", ha="right", va="top", transform=axes.get_xaxis_transform())
    axes.set_xscale("log", base=2)
    axes.set_xticks([2**power for power in range(10)], [str(2**power) for power in range(10)])
    axes.set_xlabel(f"side of boxes in pixels (root of the area; images at {LONGER_SIDE})")
    axes.set_ylabel("objects")
    axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


def _kind(checked: Checked, kind: str, findings: Sequence[Finding]) -> dict[str, Any]:
    has_images = kind not in WITHOUT_IMAGES and any(finding.split is not None for finding in findings)
    in_pairs = any(finding.other is not None for finding in findings)
    shown = [_item(checked, finding, has_images) for finding in findings[: SHOWN if has_images else LISTED]]
    return {
        "name": kind,
        "meaning": PROBLEM_KINDS.get(kind, ""),
        "count": len(findings),
        "has_images": has_images,
        "in_pairs": in_pairs,
        "shown": shown,
    }


def _item(checked: Checked, finding: Finding, has_images: bool) -> dict[str, Any]:
    images = []
    if has_images and finding.split is not None:
        index = checked.data.splits[finding.split]
        annotation = index.annotations[finding.position] if index.annotations else None
        box = None if finding.box is None else annotation.objects.boxes[finding.box]
        images = [_thumbnail(index.paths[finding.position], box)]
        if finding.other is not None and finding.other != finding.path:
            images.append(_thumbnail(finding.other))
    name = f"{finding.label}: " if finding.box is not None and finding.label is not None else ""
    place = f"{finding.split}: " if finding.split is not None and len(checked.data.splits) > 1 else ""
    return {
        "path": finding.path,
        "other": finding.other,
        "detail": name + finding.detail,
        "place": place,
        "images": images,
    }


def _thumbnail(path: str, box: np.ndarray | None = None) -> str | None:
    """A small JPEG, with a box (xyxy, relative) in red; None if the image cannot be read."""
    try:
        image = Image.fromarray(read_image(path))
    except ImageError:
        return None
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    if box is not None:
        image = _with_box(image, box)
    return inline_jpeg(image)


def _with_box(image: Image.Image, box: np.ndarray) -> Image.Image:
    """Draw a box on a canvas that also shows its part outside of the image; a small box has a ring around it."""
    box = np.nan_to_num(box).clip(-BEYOND, 1 + BEYOND)
    corners = np.concatenate([np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])])
    size = np.array(image.size)
    low = (np.minimum(corners[:2], 0) * size).astype(int)
    high = np.ceil(np.maximum(corners[2:], 1) * size).astype(int)
    if (low < 0).any() or (high > size).any():
        low, high = low - 4, high + 4  # room for the line
    canvas = Image.new("RGB", tuple((high - low).tolist()), (226, 229, 234))
    canvas.paste(image, tuple((-low).tolist()))
    pen = ImageDraw.Draw(canvas)
    x1, y1, x2, y2 = (corners * np.tile(size, 2) - np.tile(low, 2)).tolist()
    pen.rectangle((x1, y1, x2, y2), outline=RED, width=2)
    if max(x2 - x1, y2 - y1) < RING:
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        pen.ellipse((x - RING, y - RING, x + RING, y + RING), outline=RED, width=2)
    return canvas
