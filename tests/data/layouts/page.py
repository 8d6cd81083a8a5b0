"""Writes the page "Bring your data" from the table of layouts: ``python -m tests.data.layouts.page``."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.data.layouts import LAYOUTS
from tests.data.layouts.layout import Layout
from visionkit.data.quality.summary import describe
from visionkit.data.sources import read

PAGE = Path(__file__).parents[3] / "docs" / "bring_your_data.md"
TASKS = {
    "Labels": "Train with `visionkit train classification` (pretrained) or `visionkit train from-scratch`.",
    "Boxes": "Train with `visionkit train detection`.",
    "Masks": "Train with `visionkit train segmentation`.",
    "People": "Train with `visionkit train verification`.",
}
SHOWN = 3  # entries of a folder with one suffix, before the rest is counted
INTRODUCTION = """# Bring your data

Every layout below is read as it is: give its folder to `--data`, to `visionkit check` or to `visionkit convert`.
`visionkit check DATA` begins with one line on how the data was understood. It ends with exit status 1 if something is wrong,
if a file that looks like annotations was not read, or if the data could be understood in two ways.

Each tree shows a small example that the tests write and read; the line below it is what `visionkit check` prints for it.
This page is written by `python -m tests.data.layouts.page`.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [INTRODUCTION]
    for task, sentence in TASKS.items():
        parts.append(f"## {task}\n\n{sentence}\n")
        parts += [_section(layout) for layout in LAYOUTS if layout.task == task]
    return "\n".join(parts)


def _section(layout: Layout) -> str:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "data")
        folder.mkdir()
        layout.build(folder)
        shown = "\n".join(_tree(folder, 0))
        understood = describe(read(folder)).replace(str(folder), "data")
    return f"### {layout.name}\n\n{layout.sentence}\n\n```text\n{shown}\n```\n\nRead as {understood}.\n"


def _tree(folder: Path, depth: int) -> Iterator[str]:
    """The folder and what is in it, indented; of many entries of a kind the first are shown."""
    yield f"{'  ' * depth}{folder.name}/"
    kinds: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        kinds.setdefault("folder" if path.is_dir() else path.suffix.lower(), []).append(path)
    for kind, paths in sorted(kinds.items(), key=lambda item: (item[0] != "folder", item[0])):
        for path in paths[:SHOWN]:
            if path.is_dir():
                yield from _tree(path, depth + 1)
            else:
                yield f"{'  ' * (depth + 1)}{path.name}"
        if len(paths) > SHOWN:
            more = len(paths) - SHOWN
            what = "folders" if kind == "folder" else f"{kind} files"
            yield f"{'  ' * (depth + 1)}... {more} more {what if more > 1 else what[:-1]}"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
