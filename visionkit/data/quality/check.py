"""What is wrong with a data set, before a day is lost to it: every file is opened once, on all cores.

What can only be wrong is a finding; what may be meant (classes of unequal size, tiny objects, grey images) is a note.
"""

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from visionkit.data import sources
from visionkit.data.images.decode import ImageError
from visionkit.data.index import PROBLEM_KINDS, DataError, Index, Objects
from visionkit.data.quality.duplicates import THUMBNAIL_SIDE, Duplicate, find_duplicates
from visionkit.data.quality.findings import Finding, Opened, label_of, overlaps, sample_findings
from visionkit.data.quality.inspect import inspect_image, inspect_mask
from visionkit.data.quality.notes import notes_on
from visionkit.data.quality.summary import summarize
from visionkit.data.splits import DataSet

PREFERENCE = {"test": 0, "val": 2, "train": 3}  # of copies in several splits, the one is kept that measures; others are 1
SAME_OBJECT = 0.9  # intersection over union from which boxes on two copies of an image agree; that is how well people do


@dataclass(frozen=True)
class Checked:
    """What a check found out.

    Attributes:
        data: the data set.
        opened: what its files held.
        findings: what is wrong, in the order of ``PROBLEM_KINDS``.
        notes: sentences on what may be meant.
        summary: numbers, as plain values for JSON.
    """

    data: DataSet
    opened: Opened
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    summary: dict[str, Any]


def check(data: str | Path | DataSet) -> Checked:
    """Open all files of a data set and say what is wrong with it.

    Args:
        data: what ``sources.read`` reads, or what it returned.

    Raises:
        DataError: no such data, no layout that is known, or nothing in it.
    """
    found = data if isinstance(data, DataSet) else sources.read(data)
    if len(found) == 0 and not found.problems:
        raise DataError(f"{'The data set' if found is data else data}: no images in it. {sources.EXPECTED}")
    opened = open_all(found)
    duplicates, _ = duplicate_findings(found, opened)
    order = {kind: number for number, kind in enumerate(PROBLEM_KINDS)}
    findings = sorted(sample_findings(found, opened) + duplicates, key=lambda finding: order.get(finding.kind, len(order)))
    summary = summarize(found, opened)
    notes = notes_on(found, opened, summary)
    counts = Counter(finding.kind for finding in findings)
    return Checked(found, opened, tuple(findings), notes, summary | {"problems": dict(counts), "notes": notes})


def open_all(data: DataSet) -> Opened:
    """Open each image and each mask of a data set once; what is kept of them is small."""
    jobs: dict[tuple[str, Index | None], None] = {}
    masks: dict[str, Index] = {}
    for index in data.splits.values():
        jobs.update(((path, None), None) for path in index.paths)
        masks.update((annotation.mask, index) for annotation in index.annotations if annotation.mask is not None)
    jobs.update(((path, index), None) for path, index in masks.items())

    def look(job):
        path, index = job
        try:
            return inspect_image(path) if index is None else inspect_mask(path, index)
        except ImageError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looks = list(tqdm(pool.map(look, jobs), "opening files", total=len(jobs), unit=" files", leave=False))
    opened = Opened({}, {})
    for (path, index), found in zip(jobs, looks, strict=True):
        (opened.images if index is None else opened.masks)[path] = found
    return opened


def duplicate_findings(data: DataSet, opened: Opened) -> tuple[list[Finding], frozenset[tuple[str, int]]]:
    """One finding for each image that resembles one to be preferred; and which samples resemble one that is kept."""
    names = sorted(data.splits, key=lambda name: PREFERENCE.get(name, 1))  # stable
    rows = [(name, position) for name in names for position in range(len(data.splits[name]))]
    rows = [(name, position) for name, position in rows if opened.sound_image(data.splits[name].paths[position])]
    if not rows:
        return [], frozenset()
    looks = [opened.images[data.splits[name].paths[position]] for name, position in rows]
    pixels = np.frombuffer(b"".join(look.thumbnail for look in looks), np.uint8)
    duplicates = find_duplicates(
        [look.digest for look in looks],
        np.array([look.hash for look in looks], np.uint64),
        pixels.reshape(len(rows), THUMBNAIL_SIDE, THUMBNAIL_SIDE, 3),
        [names.index(name) for name, _ in rows],
    )
    findings = [_duplicate_finding(data, opened, duplicate, rows) for duplicate in duplicates]
    return findings, frozenset(rows[duplicate.row] for duplicate in duplicates if duplicate.redundant)


def _duplicate_finding(data: DataSet, opened: Opened, duplicate: Duplicate, rows: list[tuple[str, int]]) -> Finding:
    (split, position), (other_split, other_position) = rows[duplicate.row], rows[duplicate.other]
    index, other_index = data.splits[split], data.splits[other_split]
    path, other = index.paths[position], other_index.paths[other_position]
    kind = "leakage" if split != other_split else "exact duplicate" if duplicate.exact else "near duplicate"
    likeness = "the same file as" if path == other else "the same bytes as" if duplicate.exact else "looks like"
    place = f"an image of {other_split}" if split != other_split else "another image"
    if path == other:
        place = f"one of {other_split}" if split != other_split else "another sample: it is listed twice"
    difference = _difference(opened, (index, position), (other_index, other_position), same_bytes=duplicate.exact)
    detail = f"{likeness} {place}" + (f", but {difference}" if difference else "")
    return Finding(kind, path, detail, split, position, other, label=label_of(index, position))


def _difference(opened: Opened, one: tuple[Index, int], other: tuple[Index, int], *, same_bytes: bool) -> str:
    """How two copies of an image are annotated differently; "" if they are not, or nothing is known."""
    labels = label_of(*one), label_of(*other)
    if labels[0] != labels[1]:
        return f"labelled {labels[0]}, the other {labels[1]}"
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
        return f"annotated with {len(objects)} objects, the other with {len(others)}"
    shared = overlaps(objects.boxes, others.boxes)
    worst = min(shared.max(axis=axis, initial=0).min(initial=1) for axis in (0, 1))
    if worst < SAME_OBJECT:
        return f"boxed differently (an object overlaps its nearest by {worst:.0%})"
    same = (shared >= SAME_OBJECT) & (objects.classes[:, None] == others.classes[None])
    return "" if same.any(axis=1).all() and same.any(axis=0).all() else "an object has another class"
