"""``visionkit understand``: what is a network learning? Heavy modules are imported when it runs."""

import sys
from pathlib import Path

import tyro

from visionkit.errors import UserError


def understand(
    model: tyro.conf.Positional[str],
    images: tyro.conf.Positional[tuple[str, ...]],
    out: Path = Path("understand.html"),
    weights: str | None = None,
    label: str | None = None,
    units: int = 6,
    images_shown: int = 6,
    seed: int = 0,
) -> int:
    """Draw what a network has learned on one page: first filters, what excites units of its layers 1 to 5, where it looks.

    Args:
        model: RUN/model, RUN, a folder of saved_models/, or the name of a network, as visionkit models lists them.
        images: Files, folders or globs: the more, and the more like those it was trained on, the more they tell.
        out: The page to write.
        weights: Of a network that is named: "imagenet" or a file. Default: its pretrained ones.
        label: Explain this class. Default: what the model answers.
        units: How many units of each layer.
        images_shown: On how many images to show where it looks.
        seed: Draws the noise that the images made for units begin with.

    Returns:
        the exit status: 1 if an image could not be read.
    """
    for name, value, least, most in (
        ("units", units, 1, 48),
        ("images-shown", images_shown, 0, 200),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if not least <= value <= most:
            raise UserError(f"--{name} {value}: expected {least} to {most}.")
    if not images:
        raise UserError("No images given; expected files, folders or globs after the model.")
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise UserError(f"--out {out}: expected the name of a page, such as understand.html.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.images.listing import expand
    from visionkit.explain.model import open_explained
    from visionkit.explain.page import write_understanding
    from visionkit.explain.understand import understand

    files = expand(images)
    if not files:
        raise UserError(f"No images in {', '.join(images)}.")
    explained = open_explained(model, weights)
    found = understand(explained, files, label=label, num_units=units, num_shown=images_shown, seed=seed)
    for failure in found.unreadable:
        print(f"{failure.path}\n    cannot be read: {failure.error}", file=sys.stderr)
    if found.unreadable:
        print(f"{len(found.unreadable)} of {len(files)} images cannot be read.", file=sys.stderr)
    print(write_understanding(found, out, label=label))
    return 1 if found.unreadable else 0
