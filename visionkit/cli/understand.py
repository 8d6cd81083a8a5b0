"""``visionkit understand``. Heavy modules are imported when the command runs."""

import sys
import time
from pathlib import Path

import tyro

from visionkit.cli.arguments import Trust, check_between, image_files
from visionkit.cli.output import exit_status, say, say_duration
from visionkit.errors import UserError
from visionkit.outputs import PAGES, check_output


def understand(
    model: tyro.conf.Positional[str],
    images: tyro.conf.Positional[tuple[str, ...]],
    out: Path = Path("understand.html"),
    weights: str | None = None,
    label: str | None = None,
    units: int = 6,
    images_shown: int = 6,
    seed: int = 0,
    trust: Trust = False,
) -> int:
    """Show on one page what a network has learned: its first filters, what excites units of layers 1 to 5, and where it looks.

    Args:
        model: RUN/model, RUN, a folder of saved_models/, or the name of a network that visionkit models lists.
        images: Files, folders or globs. Many images, similar to the training data, show most.
        out: The page to write.
        weights: Weights for a named network: "imagenet" or a file. Default: its pretrained weights.
        label: Class to explain. Default: the predicted class of each image.
        units: Number of units to show for each layer.
        images_shown: Number of images to explain.
        seed: Seed of the noise from which the images for units are made.
        trust: Load the model even if its graph does more than compute, such as read files. Only if you trust its maker.

    Returns:
        the exit status: 1 if an image could not be read.
    """
    check_between("units", units, 1, 48)
    check_between("images-shown", images_shown, 0, 200)
    check_between("seed", seed, 0, 2**32 - 1)
    if out.suffix.lower() not in PAGES:
        raise UserError(f"--out {out}: expected the name of a page, such as understand.html.")
    out = check_output(out, "--out", suffixes=PAGES)
    files = image_files(images)
    from visionkit.explain.model import open_explained
    from visionkit.explain.page import write_understanding
    from visionkit.explain.understand import understand
    from visionkit.progress import step

    began = time.monotonic()
    with step("loading the model"):
        explained = open_explained(model, weights, trust=trust)
    understanding = understand(explained, files, label=label, num_units=units, num_shown=images_shown, seed=seed)
    for failure in understanding.unreadable:
        say(failure.path, f"    cannot be read: {failure.error}", file=sys.stderr)
    status = exit_status(len(understanding.unreadable), len(files), "cannot be read")
    with step("writing the page"):
        page = write_understanding(understanding, out, label=label)
    say_duration(f"{len(files):,} images", began)
    say(page)
    return status
