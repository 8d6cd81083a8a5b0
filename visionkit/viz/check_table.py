"""The result of a data check as text for a terminal."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from visionkit.data.index import PROBLEM_KINDS
from visionkit.data.quality.check import Checked
from visionkit.data.quality.findings import Finding
from visionkit.data.quality.fix import Fixed
from visionkit.data.quality.summary import LONGER_SIDE, TINY

SHOWN = 10  # findings of a kind
CLASSES_SHOWN = 40


def check_lines(checked: Checked) -> list[str]:
    """The summary, the notes, the problems by kind, and a verdict."""
    lines = [*_summary_lines(checked.summary), *_note_lines(checked.notes), *_problem_lines(checked.findings)]
    return [*lines, "", verdict(checked)]


def by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Group findings by kind."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    return kinds


def verdict(checked: Checked) -> str:
    """One sentence: whether anything is wrong, and the number of findings of each kind."""
    kinds = ", ".join(f"{kind} ({len(group):,})" for kind, group in by_kind(checked.findings).items())
    return f"{headline(checked)}: {kinds}." if kinds else f"{headline(checked)}."


def headline(checked: Checked) -> str:
    """The verdict without its numbers."""
    if not checked.findings:
        return f"Nothing is wrong with these {checked.summary['images']:,} images"
    files = len({finding.path for finding in checked.findings})
    return f"Something is wrong with {files:,} {'file' if files == 1 else 'files'}"


def shown_tiny(summary: dict[str, Any]) -> str:
    """Number of tiny objects, and the limit that makes them tiny."""
    count, share = summary["tiny_objects"], summary["tiny_objects"] / max(1, summary["objects"])
    return f"{count:,} objects ({share:.1%}) have a side below {TINY} pixels in images resized to {LONGER_SIDE}"


def shown_spread(spread: Sequence[float] | None) -> str:
    """Smallest, median and largest value, or a dash where nothing was counted."""
    if spread is None:
        return "-"
    low, median, high = (f"{value:,.4g}" if value < 10_000 else f"{value:,.0f}" for value in spread)
    return low if low == high else f"{low} to {high}, median {median}"


def _summary_lines(summary: dict[str, Any]) -> Iterator[str]:
    yield f"read as {summary['format']}"
    splits = list(summary["splits"].items())
    parts = ", ".join(f"{count:,} {name}" for name, count in splits)
    yield f"{summary['images']:,} images" + (f": {parts}" if len(splits) > 1 else "")
    yield f"width   {shown_spread(summary['sizes']['width'])} pixels"
    yield f"height  {shown_spread(summary['sizes']['height'])} pixels"
    if "objects" in summary:
        yield f"objects {summary['objects']:,}; an image has {shown_spread(summary['objects_per_image'])}"
        yield f"tiny    {shown_tiny(summary)}"
    if not summary["classes"]:
        return
    yield ""
    rows = [(summary["counted"], *(name for name, _ in splits))]
    rows += [(name, *(f"{counts[split]:,}" for split, _ in splits)) for name, counts in summary["classes"].items()]
    rows = rows[: CLASSES_SHOWN + 1]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *counts in rows:
        yield name.ljust(widths[0]) + "".join(
            f"  {count.rjust(width)}" for count, width in zip(counts, widths[1:], strict=True)
        )
    if len(summary["classes"]) > CLASSES_SHOWN:
        yield f"... and {len(summary['classes']) - CLASSES_SHOWN} more classes"
    if ignored := summary.get("ignored_pixels"):
        pixels = ignored + sum(sum(counts.values()) for counts in summary["classes"].values())
        yield f"ignored: {ignored:,} pixels of masks ({ignored / pixels:.1%})"


def _note_lines(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield ""
        yield from (f"note: {note}" for note in notes)


def _problem_lines(findings: Sequence[Finding]) -> Iterator[str]:
    for kind, group in by_kind(findings).items():
        yield ""
        yield f"{kind} ({len(group):,}): {PROBLEM_KINDS.get(kind, '')}"
        for finding in group[:SHOWN]:
            yield f"  {finding.path}"
            yield f"      {_detail(finding)}"
        if len(group) > SHOWN:
            yield f"  ... and {len(group) - SHOWN:,} more"


def _detail(finding: Finding) -> str:
    """Description of a finding without its path."""
    parts = [f"object {finding.box}"] if finding.box is not None else []
    parts += [finding.label] if finding.box is not None and finding.label is not None else []
    text = f"{', '.join(parts)}: {finding.detail}" if parts else finding.detail
    return f"{text}: {finding.other}" if finding.other not in (None, finding.path) else text


def fixed_lines(fixed: Fixed, folder: Path) -> list[str]:
    """Describe what a cleaned index leaves out and corrects, and how to use it."""
    kinds = Counter(problem.kind for problem in fixed.left_out)
    changes = [
        f"{fixed.num_clipped:,} boxes clipped to their images" if fixed.num_clipped else "",
        f"{fixed.num_dropped:,} boxes left out: empty, inverted, outside or without a class" if fixed.num_dropped else "",
        f"{fixed.num_resized:,} declared sizes corrected" if fixed.num_resized else "",
    ]
    left_out = ", ".join(f"{kind} ({count:,})" for kind, count in kinds.items()) or "none"
    return [
        "",
        f"cleaned index of {len(fixed.data):,} images: {folder}",
        f"  images left out: {left_out}",
        *(f"  {change}" for change in changes if change),
        f"  use it: --data {shlex.quote(str(folder))} --allow-outside",  # the images are where they were
    ]
