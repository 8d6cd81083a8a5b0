"""Notes on a data set: what is worth knowing, although it may be intended."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from visionkit.data.images.bit_depth import how_floats_are_scaled
from visionkit.data.images.contents import file_of
from visionkit.data.images.inside import Boundary, number_of_links_out
from visionkit.data.images.stacks import note_on_pages
from visionkit.data.index import counted
from visionkit.data.quality.findings import Opened, doubled_boxes, objects_of, samples, values_to_ignore
from visionkit.data.quality.inspect import InspectedImage, InspectedMask, other_suffix
from visionkit.data.splits import DataSet
from visionkit.printable import some

IMBALANCE = 10  # ratio of the most frequent to the rarest class
LONG_AND_THIN = 4  # ratio of the longer to the shorter side
SMALL = 32  # side in pixels: one cell of the last feature map of networks with stride 32
NUM_EXAMPLES = 3  # names in a sentence


def notes_on(data: DataSet, opened: Opened, summary: dict[str, Any]) -> tuple[str, ...]:
    """All notes on a data set; those of its reader come first."""
    return (
        *data.notes,
        *_on_splits(summary),
        *_on_classes(summary),
        *_on_images(data, opened),
        *_on_objects(data, summary),
        *_on_masks(opened),
    )


def note_on_links(data: DataSet, boundary: Boundary) -> Iterator[str]:
    """A sentence on the images that links in the folder of the data set lead to, and that lie elsewhere."""
    paths = dict.fromkeys(file_of(path) for index in data.splits.values() for path in index.paths)
    count = number_of_links_out(paths, boundary)
    if count:
        one, several = "image is read through a link that leads", "images are read through links that lead"
        yield f"{counted(count, one, several)} out of the data set's folder"


def imbalance(classes: dict[str, dict[str, int]]) -> float:
    """Ratio of the most frequent class to the rarest one that occurs; 1 without classes."""
    totals = [sum(counts.values()) for counts in classes.values() if sum(counts.values())]
    return max(totals) / min(totals) if totals else 1.0


def _on_splits(summary: dict[str, Any]) -> Iterator[str]:
    if not {"val", "test"} & set(summary["splits"]):
        yield "there is no validation split: recipes hold out a part of the data"


def _on_classes(summary: dict[str, Any]) -> Iterator[str]:
    classes, unit = summary["classes"], summary["counted"]
    if (times := imbalance(classes)) > IMBALANCE:
        totals = {name: sum(counts.values()) for name, counts in classes.items() if sum(counts.values())}
        most, least = max(totals, key=totals.get), min(totals, key=totals.get)
        yield f"imbalance: there are {times:,.0f} times as many {unit} of {most} as of {least}"
    absent = [name for name, counts in classes.items() if sum(counts.values()) == 0]
    if absent and len(absent) < len(classes):
        yield f"there are no {unit} of {some(absent, NUM_EXAMPLES)}"


def _on_images(data: DataSet, opened: Opened) -> Iterator[str]:
    images = {path: image for path, image in opened.images.items() if isinstance(image, InspectedImage)}
    misnamed = [f"{Path(path).name} ({image.format})" for path, image in images.items() if other_suffix(path, image)]
    if misnamed:
        yield f"{_files(misnamed)} of another format than the suffix says, but can be read: {some(misnamed, NUM_EXAMPLES)}"
    yield from note_on_pages([path for path, image in images.items() if image.has_more_pages])
    grey = sum(image.grey for image in images.values())
    if grey:
        yield f"all {grey} images are grey" if grey == len(images) > 1 else f"{grey} of {len(images)} images are grey"
    thin = [path for path, image in images.items() if _sides(image)[1] >= LONG_AND_THIN * _sides(image)[0]]
    if thin:
        yield f"{_files(thin)} at least {LONG_AND_THIN} times as long as wide, such as {Path(thin[0]).name}"
    small = [path for path, image in images.items() if _sides(image)[0] < SMALL]
    if small:
        yield f"{_files(small)} smaller than {SMALL} pixels, such as {Path(small[0]).name}"
    turned = sum(image.stored_size != (image.height, image.width) for image in images.values())
    if turned:
        yield f"{counted(turned, 'image is', 'images are')} turned upright according to their EXIF headers"
    if sentence := how_floats_are_scaled(image.depth for image in images.values()):
        yield sentence


def _on_objects(data: DataSet, summary: dict[str, Any]) -> Iterator[str]:
    if "objects" not in summary:
        return
    if empty := summary["images_without_objects"]:
        serve = counted(empty, "image has no objects and serves", "images have no objects and serve")
        yield f"{serve} as background"
    doubled = {}
    for _, index, position in samples(data):
        objects = objects_of(index, position)
        if objects is not None and (count := doubled_boxes(objects.boxes, objects.classes)):
            doubled[Path(index.paths[position]).name] = count
    if doubled:
        twice = counted(sum(doubled.values()), "object is", "objects are")
        yield f"{twice} boxed twice, in {counted(len(doubled), 'image')}: {some(list(doubled), NUM_EXAMPLES)}"


def _on_masks(opened: Opened) -> Iterator[str]:
    masks = [mask for mask in opened.masks.values() if isinstance(mask, InspectedMask)]
    values = values_to_ignore(opened)
    area = sum(mask.height * mask.width for mask in masks)
    if len(values) > NUM_EXAMPLES:
        extent = sum(not values.keys().isdisjoint(mask.nameless) for mask in masks)
        share = sum(mask.nameless.get(value, 0) for mask in masks for value in values) / area
        shown = ", ".join(list(map(str, values))[:NUM_EXAMPLES])
        yield (
            f"{len(values)} mask values, such as {shown}, in {extent} of {len(opened.masks)} masks, have no class and are "
            f"ignored ({share:.1%} of pixels)"
        )
        return
    for value, count in values.items():
        share = sum(mask.nameless.get(value, 0) for mask in masks) / area
        extent = f"{count} of {len(opened.masks)} masks"
        yield f"the mask value {value}, in {extent}, has no class and is ignored ({share:.1%} of pixels)"


def _sides(image: InspectedImage) -> tuple[int, int]:
    return min(image.height, image.width), max(image.height, image.width)


def _files(files: Sequence[str]) -> str:
    return "1 file is" if len(files) == 1 else f"{len(files)} files are"
