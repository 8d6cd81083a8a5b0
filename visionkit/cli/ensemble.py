"""``visionkit ensemble``. Heavy modules are imported when the command runs."""

import time
from pathlib import Path
from typing import Literal

import tyro

from visionkit.cli.arguments import AllowOutside, Trust
from visionkit.cli.output import say, say_duration


def ensemble(
    models: tyro.conf.Positional[tuple[Path, ...]],
    out: Path,
    views: Literal["one", "flips", "ten_crop", "multi_crop"] = "one",
    data: str | None = None,
    seed: int = 0,
    trust: Trust = False,
    allow_outside: AllowOutside = False,
) -> int:
    """Combine classifiers, or several views of an image, into one model that predicts the mean of their probabilities.

    Args:
        models: 1 to 15 run folders or exported models with the same classes.
        out: Folder of the new model.
        views: Views of an image for each model: the image, also its mirror image, 10 crops, or 144 crops of several sizes.
        data: Images with labels (a folder, a table, tfds:NAME), digits or fashion-mnist: the validation split measures.
        seed: Seed of the validation split, where the folder has none.
        trust: Load models even if their graphs do more than compute, such as read files. Only if you trust their makers.
        allow_outside: Also read images outside of the data set's folder that its lists or annotations name.

    Returns:
        the exit status.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.formats.small_sets import find_small
    from visionkit.data.sources import read_classified
    from visionkit.export.bundle import update_metadata
    from visionkit.tasks.classification.ensemble import export_ensemble
    from visionkit.tasks.classification.evaluate import accuracy_of

    val = None if data is None else (find_small(data) or read_classified(data, seed=seed, allow_outside=allow_outside)).val
    began = time.monotonic()
    bundle = export_ensemble(models, out, views=views, trust=trust)
    if val is not None:
        for model in models:
            say(f"{accuracy_of(model, val, trust=trust):.4f}  {model}")
        accuracy = accuracy_of(bundle, val, trust=trust)
        update_metadata(bundle, metrics={"accuracy": accuracy})
        say(f"{accuracy:.4f}  {bundle}: the mean, of {len(val)} validation images")
    say_duration(f"{len(models)} models combined", began)
    say(f"model    {bundle}")
    return 0
