"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

from pathlib import Path
from typing import Literal

import tyro

from visionkit.cli.output import MOST_NAMED


def convert(
    source: tyro.conf.Positional[str],
    target: tyro.conf.Positional[Path],
    to: Literal["voc", "coco", "yolo"] | None = None,
    images: Literal["copy", "link"] = "copy",
) -> int:
    """Write annotated images in another format: VOC, COCO or YOLO.

    Args:
        source: What to read: class folders, VOC, COCO, YOLO, images and masks, tables, or tfds:NAME.
        target: A new folder; or a new .json file (COCO), beside which images stay where they are.
        to: The format. Default: by the target's name (voc, coco, yolo, .json, .yaml), else COCO.
        images: Copy the images into the target, or link to them.

    Returns:
        the exit status.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.convert import convert

    done = convert(str(source), target, to=to, images=images)
    for note in done.notes:
        print(f"note: {note}")
    for problem in done.problems[:MOST_NAMED]:
        print(f"left out: {problem.path}: {problem.kind}: {problem.detail}")
    if len(done.problems) > MOST_NAMED:
        print(f"left out: {len(done.problems) - MOST_NAMED} more; visionkit check names all")
    for loss in done.lost:
        print(f"lost: {loss}")
    counts = ", ".join(f"{name} {n} images, {done.num_objects[name]} objects" for name, n in done.num_images.items())
    print(f"{done.format}: {counts}", *done.paths, sep="\n")
    return 0
