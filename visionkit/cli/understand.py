"""``visionkit understand``: what is a network learning? Heavy modules are imported when it runs."""

import sys
from pathlib import Path

import tyro

from visionkit.errors import UserError


def understand(
    model: tyro.conf.Positional[str],
    pictures: tyro.conf.Positional[tuple[str, ...]],
    out: Path = Path("understand.html"),
    weights: str | None = None,
    label: str | None = None,
    units: int = 6,
    pictures_shown: int = 6,
    seed: int = 0,
) -> int:
    """Draw what a network has learned on one page: first filters, what excites units of its layers 1 to 5, where it looks.

    Args:
        model: RUN/model, RUN, a folder of saved_models/, or the name of a network, as visionkit models lists them.
        pictures: Files, folders or globs: the more, and the more like those it was trained on, the more they tell.
        out: The page to write.
        weights: Of a network that is named: "imagenet" or a file. Default: its pretrained ones.
        label: Explain this class. Default: what the model answers.
        units: How many units of each layer.
        pictures_shown: On how many pictures to show where it looks.
        seed: Draws the noise that the pictures made for units begin with.

    Returns:
        the exit status: 1 if a picture could not be read.
    """
    for name, value, least, most in (
        ("units", units, 1, 48),
        ("pictures-shown", pictures_shown, 0, 200),
        ("seed", seed, 0, 2**32 - 1),
    ):
        if not least <= value <= most:
            raise UserError(f"--{name} {value}: expected {least} to {most}.")
    if not pictures:
        raise UserError("No pictures given; expected files, folders or globs after the model.")
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise UserError(f"--out {out}: expected the name of a page, such as understand.html.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.images.listing import expand
    from visionkit.explain.model import open_explained
    from visionkit.explain.page import write_understanding
    from visionkit.explain.understand import understand

    files = expand(pictures)
    if not files:
        raise UserError(f"No pictures in {', '.join(pictures)}.")
    explained = open_explained(model, weights)
    found = understand(explained, files, label=label, num_units=units, num_shown=pictures_shown, seed=seed)
    for failure in found.unreadable:
        print(f"{failure.path}\n    cannot be read: {failure.error}", file=sys.stderr)
    if found.unreadable:
        print(f"{len(found.unreadable)} of {len(files)} pictures cannot be read.", file=sys.stderr)
    print(write_understanding(found, out, label=label))
    return 1 if found.unreadable else 0
