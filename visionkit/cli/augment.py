"""``visionkit augment``. Heavy modules are imported when the command runs."""

import sys
from pathlib import Path
from typing import Literal

import tyro

from visionkit.cli.arguments import AllowOutside, check_between
from visionkit.cli.output import MOST_NAMED, say
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
    allow_outside: AllowOutside = False,
) -> int:
    """Draw augmented images of a data set: a row for each image, first as the exported model sees it.

    Args:
        data: Class folders, VOC, COCO, YOLO, images and masks, lists, tables, or tfds:NAME.
        out: The image to write: .png, .jpg, .webp, ...
        preset: light, medium or strong, for the data's task; a full name (detection-strong); or a .json or .yaml file
            written by albumentations.save.
        flip: Use horizontal flips. Turn this off if a mirror image has another meaning.
        mix: How to mix images with each other. Default: set by the preset.
        rows: Number of images, spread over the classes of the data set.
        columns: Number of views of each image.
        size: Side of the network's input in pixels.
        seed: Seed of the choice of images and of the augmentation.
        allow_outside: Also read images outside of the data set's folder that its lists or annotations name.

    Returns:
        the exit status.
    """
    for option, value, most in (("rows", rows, 40), ("columns", columns, 24), ("size", size, 2048)):
        check_between(option, value, 1, most)
    if seed < 0:
        raise UserError(f"--seed {seed}: expected 0 or more.")
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.augmentation.preset_files import find_augmentation
    from visionkit.data.sources import read
    from visionkit.viz.augmentation_grid import augmentation_grid, check_target, save, task_of, with_mixing
    from visionkit.viz.sample_choice import choose, training_split

    out = check_target(out, [data])
    index = training_split(read(data, allow_outside=allow_outside))
    augmentation = find_augmentation(preset, task=task_of(index), flip=flip)
    augmentation = with_mixing(augmentation, mix, index)
    try:
        chosen = choose(index, rows, seed=seed)
        grid = augmentation_grid(chosen, augmentation, size=size, columns=columns, seed=seed)
    finally:
        for file in index.skipped.list()[:MOST_NAMED]:
            say(f"skipped: {file.path}: {file.reason}", file=sys.stderr)
    save(grid, out)
    say(f"{augmentation.name}: {len(chosen)} of {len(index)} images, {columns} views of each: {out}")
    return 0
