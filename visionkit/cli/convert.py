"""``visionkit convert``. Heavy modules are imported when the command runs."""

from pathlib import Path
from typing import Literal

import tyro

from visionkit.cli.arguments import AllowOutside, MaskValues
from visionkit.cli.output import MOST_NAMED, say


def convert(
    source: tyro.conf.Positional[str],
    target: tyro.conf.Positional[Path],
    to: Literal["voc", "coco", "yolo"] | None = None,
    images: Literal["copy", "link"] = "copy",
    mask_values: MaskValues = (),
    allow_outside: AllowOutside = False,
) -> int:
    """Convert annotated images to another format: VOC, COCO or YOLO.

    Args:
        source: Class folders, VOC, COCO, YOLO, images and masks, tables, or tfds:NAME.
        target: A new folder; or a new .json file (COCO), which leaves the images where they are.
        to: The format. Default: chosen by the target's name (voc, coco, yolo, .json, .yaml), else COCO.
        images: Whether to copy the images into the target, or link to them.
        mask_values: What the values of masks mean: 0=background 128=cell 255=ignore other=ignore, or #ff0000=road.
        allow_outside: Also read and copy files outside of the source that its lists or annotations name: images kept elsewhere.

    Returns:
        the exit status.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.convert import convert

    conversion = convert(str(source), target, to=to, images=images, mask_values=mask_values, allow_outside=allow_outside)
    for note in conversion.notes:
        say(f"note: {note}")
    for problem in conversion.problems[:MOST_NAMED]:
        say(f"left out: {problem.path}: {problem.kind}: {problem.detail}")
    if len(conversion.problems) > MOST_NAMED:
        say(f"left out: {len(conversion.problems) - MOST_NAMED} more; visionkit check lists all of them")
    for loss in conversion.lost:
        say(f"lost: {loss}")
    counts = ", ".join(
        f"{name} {n} images, {conversion.num_objects[name]} objects" for name, n in conversion.num_images.items()
    )
    say(f"{conversion.format}: {counts}", *conversion.paths)
    return 0
