"""The ``visionkit`` command. Heavy modules are imported by the subcommand that needs them."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from visionkit.cli.output import to_json


def check(
    data: tyro.conf.Positional[str],
    as_json: Annotated[bool, tyro.conf.arg(name="json"), tyro.conf.FlagCreatePairsOff] = False,
    html: Path | None = None,
    fix: Path | None = None,
) -> int:
    """Say what is wrong with a data set, before a day is lost to it: every file is opened once.

    Args:
        data: Class folders, VOC, COCO, YOLO, images and masks, lists, tables, or tfds:NAME.
        as_json: Print one JSON object a line, and nothing else: what is wrong, and last a summary.
        html: Write a page with images of what is wrong.
        fix: Write an index of what is sound into this new folder; images stay where they are.

    Returns:
        the exit status: 1 if something is wrong.
    """
    from visionkit import quiet_tensorflow

    quiet_tensorflow()
    from visionkit.data.quality.check import check
    from visionkit.data.quality.fix import check_folder, write_fixed
    from visionkit.viz.check_page import write_check_page
    from visionkit.viz.check_table import check_lines, fixed_lines

    if fix is not None:
        check_folder(fix)
    checked = check(data)
    more = []
    if html is not None:
        more.append(f"page: {write_check_page(checked, html, title=f'Check of {data}')}")
    if fix is not None:
        more += fixed_lines(write_fixed(checked, fix), fix)
    if as_json:
        print(*more, sep="\n", end="\n" if more else "", file=sys.stderr)
        print(*(to_json(finding.to_plain()) for finding in checked.findings), to_json({"summary": checked.summary}), sep="\n")
    else:
        *lines, verdict = check_lines(checked)
        print(*lines, *more, verdict, sep="\n")
    return 1 if checked.findings else 0
