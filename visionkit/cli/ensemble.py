"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

from pathlib import Path
from typing import Literal

import tyro


def ensemble(
    models: tyro.conf.Positional[tuple[Path, ...]],
    out: Path,
    views: Literal["one", "flips", "ten_crop", "multi_crop"] = "one",
    data: str | None = None,
    seed: int = 0,
) -> int:
    """Make one model of several classifiers, or of one that looks several times: it answers with their mean.

    Args:
        models: 1 to 15 run folders, or models that recipes exported, of the same classes.
        out: Folder of the new model.
        views: What each of them sees of an image: one view, its mirror image too, 10 crops, or 144 crops of several sizes.
        data: Folder of images on whose validation split all of them are measured; or digits, or fashion-mnist.
        seed: Draws the images that are held out, where the folder has no validation split.

    Returns:
        the exit status.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.formats.class_folders import read_class_folders
    from visionkit.data.formats.small_sets import find_small
    from visionkit.export.bundle import update_metadata
    from visionkit.tasks.classification.ensemble import export_ensemble
    from visionkit.tasks.classification.evaluate import accuracy_of

    val = None if data is None else (find_small(data) or read_class_folders(data, seed=seed)).val
    made = export_ensemble(models, out, views=views)
    if val is not None:
        for model in models:
            print(f"{accuracy_of(model, val):.4f}  {model}")
        accuracy = accuracy_of(made, val)
        update_metadata(made, metrics={"accuracy": accuracy})
        print(f"{accuracy:.4f}  {made}: the mean, of {len(val)} validation images")
    print(f"model    {made}")
    return 0
