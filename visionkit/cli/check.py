"""``visionkit check``. Heavy modules are imported when the command runs."""

import math
import sys
from pathlib import Path
from typing import Literal

import tyro

from visionkit.cli.arguments import AllowOutside, AsJson, MaskValues
from visionkit.cli.output import say, to_json
from visionkit.outputs import PAGES, check_output

LONGEST_SEARCH = 60.0  # seconds for duplicates by features, if nobody asked for them


def check(
    data: tyro.conf.Positional[str],
    as_json: AsJson = False,
    html: Path | None = None,
    fix: Path | None = None,
    mask_values: MaskValues = (),
    duplicates: Literal["auto", "pixels", "features"] = "auto",
    allow_outside: AllowOutside = False,
) -> int:
    """Check a data set for problems. Every file is opened once.

    Args:
        data: Class folders, VOC, COCO, YOLO, images and masks, lists, tables, or tfds:NAME.
        as_json: Print one JSON object a line, and nothing else: the problems, and last a summary.
        html: Write a page that shows the problems with images.
        fix: Write an index of the images and annotations without problems into this new folder; images stay where they are.
        mask_values: What the values of masks mean: 0=background 128=cell 255=ignore other=ignore, or #ff0000=road.
        duplicates: How copies of an image are searched: by their pixels, which finds those that were resized or saved again; or
            also by features, which finds those with a caption, a border, cut or mirrored. auto takes features where the search
            takes less than a minute.
        allow_outside: Also read images outside of the data set's folder that its lists or annotations name.

    Returns:
        the exit status: 1 if there are problems.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.cli.features import photograph_features
    from visionkit.data.quality.check import check
    from visionkit.data.quality.fix import check_folder, write_fixed
    from visionkit.viz.check_page import write_check_page
    from visionkit.viz.check_table import check_lines, fixed_lines

    if html is not None:
        html = check_output(html, "--html", suffixes=PAGES)
    if fix is not None:
        check_folder(fix)
    extract = None if duplicates == "pixels" else photograph_features
    seconds = LONGEST_SEARCH if duplicates == "auto" else math.inf
    checked = check(data, mask_values=mask_values, extract=extract, seconds=seconds, allow_outside=allow_outside)
    extra = []
    if html is not None:
        extra.append(f"page: {write_check_page(checked, html, title=f'Check of {data}')}")
    if fix is not None:
        extra += fixed_lines(write_fixed(checked, fix), fix)
    if as_json:
        say(*extra, file=sys.stderr)
        print(*(to_json(finding.to_plain()) for finding in checked.findings), to_json({"summary": checked.summary}), sep="\n")
    else:
        *lines, verdict = check_lines(checked)
        say(*lines, *extra, verdict)
    return 1 if checked.findings else 0
