"""Finds what is wrong with a data set before training does: every file is opened once, on all cores.

What can only be a mistake is a finding; what may be intended (classes of unequal size, tiny objects, grey images) is a note.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionkit.data import sources
from visionkit.data.images.bit_depth import ALL_BITS, unused_bits
from visionkit.data.images.decode import ImageError
from visionkit.data.images.inside import Boundary
from visionkit.data.index import PROBLEM_KINDS, DataError, Index, Objects
from visionkit.data.quality.duplicates import THUMBNAIL_SIDE, Duplicate, find_duplicates
from visionkit.data.quality.feature_duplicates import Extract, Pair, find_pairs, seconds_needed
from visionkit.data.quality.findings import Finding, Opened, label_of, rotation_findings, sample_findings
from visionkit.data.quality.inspect import InspectedImage, inspect_image, inspect_mask
from visionkit.data.quality.measurable import unmeasurable
from visionkit.data.quality.notes import note_on_links, notes_on
from visionkit.data.quality.summary import summarize
from visionkit.data.splits import DataSet
from visionkit.ops.np_boxes import pairwise_iou
from visionkit.progress import bar

PREFERENCE = {"test": 0, "val": 2, "train": 3}  # the lowest of several copies is kept, the one that measures; others are 1
BOXES_AT_ONCE = 256  # that are compared with all boxes of a copy of the image
SAME_OBJECT = 0.9  # intersection over union from which boxes on two copies of an image agree: how well people agree


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        data: the data set.
        opened: the inspected images and masks.
        findings: what is wrong, in the order of ``PROBLEM_KINDS``.
        notes: sentences on what may be intended.
        summary: the numbers of the data set, as plain values for JSON.
    """

    data: DataSet
    opened: Opened
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    summary: dict[str, Any]


def check(
    data: str | Path | DataSet,
    *,
    mask_values: Sequence[str] = (),
    extract: Extract | None = None,
    seconds: float = math.inf,
    allow_outside: bool = False,
) -> Checked:
    """Open all files of a data set and report what is wrong with it.

    Args:
        data: anything that ``sources.read`` reads, or a data set that it returned.
        mask_values: see ``sources.read``.
        allow_outside: see ``sources.read``.
        extract: features by which photographs with a caption, a border, mirrored or cut are found; None does not search them.
        seconds: the search is left out, with a note, if it would take longer.

    Raises:
        DataError: the data does not exist, has no known layout, or is empty.
    """
    data_set = data if isinstance(data, DataSet) else sources.read(data, mask_values=mask_values, allow_outside=allow_outside)
    if len(data_set) == 0 and not data_set.problems:
        raise DataError(f"{'The data set' if data_set is data else data}: no images in it. {sources.EXPECTED}")
    opened = open_all(data_set)
    data_set, rotations = rotation_findings(data_set, opened)
    duplicates, _ = duplicate_findings(data_set, opened)
    opened, more_notes = (opened, ()) if extract is None else _with_pairs(data_set, opened, duplicates, extract, seconds)
    if opened.pairs:
        duplicates, _ = duplicate_findings(data_set, opened)
    order = {kind: number for number, kind in enumerate(PROBLEM_KINDS)}
    summary = summarize(data_set, opened)
    findings = [*sample_findings(data_set, opened), *rotations, *depth_findings(opened), *duplicates]
    findings += _unmeasurable(data_set, summary)
    findings.sort(key=lambda finding: order.get(finding.kind, len(order)))
    notes = notes_on(data_set, opened, summary) + more_notes
    if not isinstance(data, DataSet):
        notes += tuple(note_on_links(data_set, Boundary.of(data)))
    counts = Counter(finding.kind for finding in findings)
    return Checked(data_set, opened, tuple(findings), notes, summary | {"problems": dict(counts), "notes": notes})


def _unmeasurable(data: DataSet, summary: dict[str, Any]) -> list[Finding]:
    """What the splits cannot measure; of masks, the pixels of each class were counted."""
    pixels = None
    if summary["counted"] == "pixels":
        pixels = {name: np.array([counts[name] for counts in summary["classes"].values()], int) for name in data.splits}
    people = data.format.startswith("one folder per person")
    return [Finding(*problem) for problem in unmeasurable(data.splits, pixels, people=people)]


def open_all(data: DataSet) -> Opened:
    """Inspect each image and each mask of a data set once; no pixels are kept."""
    jobs: dict[tuple[str, Index | None], None] = {}
    masks: dict[str, Index] = {}
    for index in data.splits.values():
        jobs.update(((path, None), None) for path in index.paths)
        masks.update((annotation.mask, index) for annotation in index.annotations if annotation.mask is not None)
    jobs.update(((path, index), None) for path, index in masks.items())

    def inspect(job):
        path, index = job
        try:
            return inspect_image(path) if index is None else inspect_mask(path, index)
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(bar(pool.map(inspect, jobs), "opening files", total=len(jobs), unit=" files"))
    opened = Opened({}, {})
    for (path, index), result in zip(jobs, results, strict=True):
        (opened.images if index is None else opened.masks)[path] = result
    return opened


def depth_findings(opened: Opened) -> list[Finding]:
    """One finding on all images that use fewer bits than they hold, at the first of them; none if there are no such images."""
    depths = {path: image.depth for path, image in opened.images.items() if isinstance(image, InspectedImage)}
    sentence = unused_bits(depths.values())
    if sentence is None:
        return []
    first = next(path for path, depth in depths.items() if depth is not None and 0 < depth.used < ALL_BITS)
    return [Finding("bit depth", first, sentence)]


def duplicate_findings(data: DataSet, opened: Opened) -> tuple[list[Finding], frozenset[tuple[str, int]]]:
    """One finding for each image that resembles a preferred one, and the samples that resemble one that is kept."""
    names = sorted(data.splits, key=lambda name: PREFERENCE.get(name, 1))  # stable
    rows = [(name, position) for name in names for position in range(len(data.splits[name]))]
    rows = [(name, position) for name, position in rows if opened.sound_image(data.splits[name].paths[position])]
    if not rows:
        return [], frozenset()
    images = [opened.images[data.splits[name].paths[position]] for name, position in rows]
    pixels = np.frombuffer(b"".join(image.thumbnail for image in images), np.uint8)
    duplicates = find_duplicates(
        [image.digest for image in images],
        np.array([image.hash for image in images], np.uint64),
        pixels.reshape(len(rows), THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3),
        [names.index(name) for name, _ in rows],
    )
    pairs = _by_rows(opened.pairs, [data.splits[name].paths[position] for name, position in rows])
    found = {duplicate.row: duplicate for duplicate in duplicates}
    redundant = {duplicate.row for duplicate in duplicates if duplicate.redundant}
    for row, other in sorted(pairs):
        if row not in found:
            found[row] = Duplicate(row, other, exact=False, redundant=other not in redundant)
            redundant |= {row} if other not in redundant else set()
    findings = [_duplicate_finding(data, opened, found[row], rows, pairs.get((row, found[row].other))) for row in sorted(found)]
    return findings, frozenset(rows[row] for row in redundant)


def _by_rows(pairs: Iterable[Pair], paths: Sequence[str]) -> dict[tuple[int, int], Pair]:
    """Pairs by the first rows of their files, the later row first; files that are no longer there are left out."""
    row_of: dict[str, int] = {}
    for row, path in enumerate(paths):
        row_of.setdefault(path, row)
    placed = ((row_of[pair.path], row_of[pair.other], pair) for pair in pairs if pair.path in row_of and pair.other in row_of)
    return {(max(row, other), min(row, other)): pair for row, other, pair in placed}


def _with_pairs(
    data: DataSet, opened: Opened, duplicates: list[Finding], extract: Extract, seconds: float
) -> tuple[Opened, tuple[str, ...]]:
    """Search photographs that occur twice among the images that are no duplicates yet; or a note that they were not."""
    known = {finding.path for finding in duplicates}
    split_of: dict[str, int] = {}
    for number, name in enumerate(sorted(data.splits, key=lambda name: PREFERENCE.get(name, 1))):
        for path in data.splits[name].paths:
            if path not in known and opened.sound_image(path):
                split_of.setdefault(path, number)
    paths, numbers = list(split_of), list(split_of.values())
    if seconds < math.inf and (needed := seconds_needed(paths, numbers, extract)) > seconds:
        minutes = math.ceil(needed / 60)
        return opened, (
            f"copies with a caption, a border, cut or mirrored were not searched, which would take about {minutes} minutes: "
            "--duplicates features searches them",
        )
    return opened._replace(pairs=tuple(find_pairs(paths, numbers, extract))), ()


def _duplicate_finding(
    data: DataSet, opened: Opened, duplicate: Duplicate, rows: list[tuple[str, int]], pair: Pair | None
) -> Finding:
    (split, position), (other_split, other_position) = rows[duplicate.row], rows[duplicate.other]
    index, other_index = data.splits[split], data.splits[other_split]
    path, other = index.paths[position], other_index.paths[other_position]
    kind = "leakage" if split != other_split else "exact duplicate" if duplicate.exact else "near duplicate"
    likeness = "is the same file as" if path == other else "has the same bytes as" if duplicate.exact else "looks like"
    if pair is not None:
        how = ", mirrored" if pair.mirrored else ""
        likeness = f"shows the same photograph{how} (features agree to {pair.agreement:.2f}) as"
    place = f"an image of {other_split}" if split != other_split else "another image"
    if path == other:
        place = f"one of {other_split}" if split != other_split else "another sample: it is listed twice"
    difference = _difference(opened, (index, position), (other_index, other_position), same_bytes=duplicate.exact)
    detail = f"{likeness} {place}" + (f", but {difference}" if difference else "")
    return Finding(kind, path, detail, split, position, other, label=label_of(index, position))


def _difference(opened: Opened, one: tuple[Index, int], other: tuple[Index, int], *, same_bytes: bool) -> str:
    """How the annotations of two copies of an image differ; "" if they do not, or if nothing is known."""
    labels = label_of(*one), label_of(*other)
    if labels[0] != labels[1]:
        return f"it is labelled {labels[0]}, the other {labels[1]}"
    annotations = [index.annotations[position] for index, position in (one, other) if index.annotations]
    if len(annotations) < 2:
        return ""
    objects = [annotation.objects for annotation in annotations]
    if None not in objects and (difference := _difference_of_objects(*objects)):
        return difference
    masks = [opened.sound_mask(annotation.mask) for annotation in annotations]
    if same_bytes and None not in masks and masks[0].digest != masks[1].digest:  # frames of a video have masks of their own
        return "their masks differ"
    return ""


def _difference_of_objects(objects: Objects, others: Objects) -> str:
    if len(objects) != len(others):
        return f"it is annotated with {len(objects)} objects, the other with {len(others)}"
    if np.array_equal(objects.boxes, others.boxes) and np.array_equal(objects.classes, others.classes):
        return ""
    nearest, nearest_of_others = np.zeros(len(objects)), np.zeros(len(others))
    found, found_of_others = np.zeros(len(objects), bool), np.zeros(len(others), bool)
    for start in range(0, len(objects), BOXES_AT_ONCE):  # all pairs of 20,000 boxes would take 3 GB for each number
        rows = slice(start, start + BOXES_AT_ONCE)
        overlaps = pairwise_iou(objects.boxes[rows], others.boxes)
        nearest[rows] = overlaps.max(axis=1, initial=0)
        np.maximum(nearest_of_others, overlaps.max(axis=0, initial=0), out=nearest_of_others)
        same = (overlaps >= SAME_OBJECT) & (objects.classes[rows, None] == others.classes[None])
        found[rows] = same.any(axis=1)
        found_of_others |= same.any(axis=0)
    worst = min(nearest.min(initial=1), nearest_of_others.min(initial=1))
    if worst < SAME_OBJECT:
        return f"the boxes differ (one overlaps its nearest by only {worst:.0%})"
    return "" if found.all() and found_of_others.all() else "an object has another class"
