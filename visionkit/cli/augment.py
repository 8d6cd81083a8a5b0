"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import sys
from pathlib import Path
from typing import Literal

import tyro

from visionkit.cli.output import MOST_NAMED
from visionkit.errors import UserError


def augment(
    data: tyro.conf.Positional[str],
    out: Path,
    preset: str = "medium",
    flip: bool = True,
    mix: Literal["none", "mixup", "cutmix", "mosaic"] | None = None,
    rows: int = 6,
    columns: int = 8,
    size: int = 224,
    seed: int = 0,
) -> int:
    """Draw what augmentation makes of a data set's images: a row an image, first as the model will see it when it serves.

    Args:
        data: Class folders, VOC, COCO, YOLO, images and masks, lists, tables, or tfds:NAME.
        out: The image to write: .png, .jpg, .webp, ...
        preset: light, medium or strong, as the data's task needs it; a full name (detection-strong); or a .json or .yaml file
            that albumentations.save wrote.
        flip: Whether a mirror image shows the same.
        mix: How images are mixed with each other. Default: as the preset says.
        rows: How many images of the data set, spread over its classes.
        columns: How many views of each.
        size: Side of the network's input in pixels.
        seed: Draws the images and what is done to them.

    Returns:
        the exit status.
    """
    for name, value, most in (("rows", rows, 40), ("columns", columns, 24), ("size", size, 2048)):
        if not 1 <= value <= most:
            raise UserError(f"--{name} {value}: expected 1 to {most}.")
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.augmentation.preset_files import find_augmentation
    from visionkit.data.index import SkippedFiles
    from visionkit.data.sources import read
    from visionkit.viz.augmentation_grid import augmentation_grid, check_target, save, task_of, with_mixing
    from visionkit.viz.sample_choice import choose, training_split

    check_target(out)
    index, skipped = training_split(read(data)), SkippedFiles()
    augmentation = find_augmentation(preset, task=task_of(index), flip=flip)
    augmentation = with_mixing(augmentation, mix, index)
    try:
        chosen = choose(index, rows, seed=seed, skipped=skipped)
        grid = augmentation_grid(chosen, augmentation, size=size, columns=columns, seed=seed, skipped=skipped)
    finally:
        for file in skipped.list()[:MOST_NAMED]:
            print(f"skipped: {file.path}: {file.reason}", file=sys.stderr)
    save(grid, out)
    print(f"{augmentation.name}: {len(chosen)} of {len(index)} images, {columns} views of each: {out}")
    return 0
