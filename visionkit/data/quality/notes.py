"""What is worth knowing of a data set, though it may be meant so."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from visionkit.data.quality.findings import Opened, doubled_boxes, samples, values_to_ignore
from visionkit.data.quality.inspect import InspectedImage, InspectedMask, other_suffix
from visionkit.data.splits import DataSet

IMBALANCE = 10  # times as many of the most frequent class as of the rarest
LONG_AND_THIN = 4  # times as long as wide, or more
SMALL = 32  # pixels a side: the receptive field of networks that reduce 32 times
NAMED = 3  # examples in a sentence


def notes_on(data: DataSet, opened: Opened, summary: dict[str, Any]) -> tuple[str, ...]:
    """All notes, the reader's first."""
    return (
        *data.notes,
        *_on_splits(summary),
        *_on_classes(summary),
        *_on_images(data, opened),
        *_on_objects(data, summary),
        *_on_masks(opened),
    )


def imbalance(classes: dict[str, dict[str, int]]) -> float:
    """How many times as frequent the most frequent class is as the rarest of those that occur; 1 without classes."""
    totals = [sum(counts.values()) for counts in classes.values() if sum(counts.values())]
    return max(totals) / min(totals) if totals else 1.0


def _on_splits(summary: dict[str, Any]) -> Iterator[str]:
    if not {"val", "test"} & set(summary["splits"]):
        yield "no validation split: recipes hold a part out"
    empty = [name for name, count in summary["splits"].items() if count == 0]
    if empty:
        yield f"no images in {_listed(empty)}"


def _on_classes(summary: dict[str, Any]) -> Iterator[str]:
    classes, counted = summary["classes"], summary["counted"]
    if (times := imbalance(classes)) > IMBALANCE:
        totals = {name: sum(counts.values()) for name, counts in classes.items() if sum(counts.values())}
        most, least = max(totals, key=totals.get), min(totals, key=totals.get)
        yield f"imbalance: {times:,.0f} times as many {counted} of {most} as of {least}"
    for split, count in summary["splits"].items():
        absent = [name for name, counts in classes.items() if counts[split] == 0]
        if absent and count and len(absent) < len(classes):
            yield f"{split} has no {_listed(absent)}"


def _on_images(data: DataSet, opened: Opened) -> Iterator[str]:
    looks = {path: look for path, look in opened.images.items() if isinstance(look, InspectedImage)}
    misnamed = [f"{Path(path).name} ({look.format})" for path, look in looks.items() if other_suffix(path, look)]
    if misnamed:
        yield f"{_files(misnamed)} of another format than the name says (read all the same): {_listed(misnamed)}"
    grey = sum(look.grey for look in looks.values())
    if grey:
        yield f"all {grey} images are grey" if grey == len(looks) else f"{grey} of {len(looks)} images are grey"
    thin = [path for path, look in looks.items() if _sides(look)[1] >= LONG_AND_THIN * _sides(look)[0]]
    if thin:
        yield f"{_files(thin)} {LONG_AND_THIN} times as long as wide, or more, such as {Path(thin[0]).name}"
    small = [path for path, look in looks.items() if _sides(look)[0] < SMALL]
    if small:
        yield f"{_files(small)} smaller than {SMALL} pixels, such as {Path(small[0]).name}"
    turned = sum(look.stored_size != (look.height, look.width) for look in looks.values())
    if turned:
        yield f"{turned} images are turned upright as their EXIF headers ask"


def _on_objects(data: DataSet, summary: dict[str, Any]) -> Iterator[str]:
    if "objects" not in summary:
        return
    if empty := summary["images_without_objects"]:
        yield f"{empty} images have no objects: they teach what is background"
    doubled = {}
    for _, index, position in samples(data):
        objects = index.annotations[position].objects if index.annotations else None
        if objects is not None and (count := doubled_boxes(objects.boxes, objects.classes)):
            doubled[Path(index.paths[position]).name] = count
    if doubled:
        yield f"{sum(doubled.values())} objects are boxed twice, in {len(doubled)} images: {_listed(list(doubled))}"


def _on_masks(opened: Opened) -> Iterator[str]:
    looks = [look for look in opened.masks.values() if isinstance(look, InspectedMask)]
    for value, count in values_to_ignore(opened).items():
        pixels = sum(look.nameless.get(value, 0) for look in looks)
        share = pixels / sum(look.height * look.width for look in looks)
        masks = f"{count} of {len(opened.masks)} masks"
        yield f"the mask value {value}, in {masks}, has no class and is ignored ({share:.1%} of pixels)"


def _sides(look: InspectedImage) -> tuple[int, int]:
    return min(look.height, look.width), max(look.height, look.width)


def _files(files: Sequence[str]) -> str:
    return "1 file is" if len(files) == 1 else f"{len(files)} files are"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
