"""The report of a style transfer run."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from visionkit.data.index import Skipped
from visionkit.inference.measuring import Measured
from visionkit.tasks.style_transfer.evaluate import NUM_EXAMPLES, Evaluation
from visionkit.tasks.style_transfer.plan import Inputs
from visionkit.viz import plots
from visionkit.viz.page import inline, inline_jpeg
from visionkit.viz.report import Report, thumbnail

LARGE, MEDIUM = 1000, 420  # longer sides in pixels
MAX_FRAMES = 8
LINES = {
    "loss": ("weighted sum", plots.INK),
    "content_loss": ("content", plots.VALIDATION),
    "style_loss": ("style", "#d97706"),
}
CURVES = {
    "weighted style loss": {"training": "weighted_style_loss"},
    "style loss": {"validation": "val_style_loss"},
    "content loss": {"validation": "val_content_loss"},
}


def report(
    evaluation: Evaluation,
    inputs: Inputs,
    *,
    steps: list[dict],
    frames: Sequence[np.ndarray],
    history: list[dict],
    skipped: Sequence[Skipped],
) -> Report:
    """The report on a painted image, and on the network if one was trained.

    Args:
        evaluation: the image and its metrics, and what the bundle paints.
        inputs: content image, styles, masks.
        steps: a row for each step of the descent, with ``phase``, ``loss``, ``content_loss`` and ``style_loss``.
        frames: intermediate images of the descent.
        history: a row for each epoch of the network's training; empty if none was trained.
        skipped: photographs that were left out.
    """
    masks = [thumbnail(_grey(mask), MEDIUM) for mask in inputs.masks] or [None] * len(inputs.styles)
    chosen = np.unique(np.linspace(0, len(frames) - 1, MAX_FRAMES).round().astype(int)) if len(frames) else []
    bundle = evaluation.bundle
    shown = {
        "result": _large(evaluation.result),
        "content": thumbnail(inputs.content, MEDIUM),
        "styles": [
            {"name": name, "image": thumbnail(image, MEDIUM), "mask": mask}
            for (name, image), mask in zip(inputs.styles.items(), masks, strict=True)
        ],
        "frames": [thumbnail(frames[number]) for number in chosen],
        "losses": inline(loss_figure(steps)) if steps else None,
        "one_pass": None if bundle is None else _large(bundle.one_pass),
        "examples": [
            {"path": each.path, "images": [thumbnail(image, MEDIUM) for image in (each.image, *each.painted)]}
            for each in (() if bundle is None else bundle.examples)
        ],
    }
    title = f"Painted in the style of {', '.join(inputs.styles)}"
    return Report(title, __package__, shown, history, skipped, curves=CURVES)


def report_on(measured: Measured, title: str) -> Report:
    """The report of a finished bundle on photographs.

    Args:
        measured: by ``evaluate.evaluate_data``.
        title: of the page.
    """
    examples = [
        {"path": each.path, "images": [thumbnail(image, MEDIUM) for image in (each.image, *each.painted)]}
        for each in measured.evaluation[:NUM_EXAMPLES]
    ]
    shown = {"styles": [{"name": name} for name in measured.labels], "examples": examples, "which": "measured"}
    return Report(title, __package__, shown, [], measured.skipped)


def loss_figure(steps: list[dict]) -> bytes:
    """Plot the losses over the steps on a logarithmic scale, with the size of the image above each scale: a PNG."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    axes = figure.subplots()
    numbers = np.arange(len(steps))
    for column, (label, color) in LINES.items():
        values = np.array([row[column] for row in steps], float)
        axes.plot(numbers, np.where(values > 0, values, np.nan), color=color, linewidth=1.4, label=label)
    for number, row in enumerate(steps):
        if number == 0 or row["phase"] != steps[number - 1]["phase"]:
            axes.axvline(number, color="#d5d9e0", linewidth=1, zorder=0)
            axes.text(number, 1.02, row["phase"], transform=axes.get_xaxis_transform(), fontsize=8, color=plots.INK)
    if any(row[column] > 0 for row in steps for column in LINES):
        axes.set_yscale("log")
    axes.set_xlim(0, max(len(steps) - 1, 1))
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return plots.to_png(figure)


def _large(image: np.ndarray) -> str:
    shown = Image.fromarray(image)
    shown.thumbnail((LARGE, LARGE))
    return inline_jpeg(shown)


def _grey(mask: np.ndarray) -> np.ndarray:
    return np.repeat((255 * mask).round().astype(np.uint8)[..., None], 3, axis=2)
