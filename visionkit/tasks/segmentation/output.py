"""What ``visionkit predict`` does with a mask: it is written as a file, drawn on its image, and its things are counted."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.inference.output import OutputLine, PredictOptions, unreadable
from visionkit.inference.predictor import Predictor, Unreadable
from visionkit.metrics.segmentation import background_of
from visionkit.tasks.segmentation.draw_instances import draw_instances
from visionkit.tasks.segmentation.instances import find_instances
from visionkit.tasks.segmentation.mask_files import (
    index_png,
    numbers_png,
    shares_in_words,
    stem_of_volume,
    volume_file,
    volume_suffix,
)
from visionkit.tasks.segmentation.predict import SegmentationResult, Segmenter, VolumeSegmenter
from visionkit.viz.annotate import draw_mask, uncolored
from visionkit.viz.arrays import slices
from visionkit.viz.labels import image_png

if TYPE_CHECKING:
    pass
from typing import TYPE_CHECKING

from visionkit.inference.output import PREDICTIONS

if TYPE_CHECKING:
    pass


class MaskNames(NamedTuple):
    """The files that are made of one image or volume: drawn on it, its mask, the numbers of its things."""

    overlay: str
    mask: str
    instances: str


def mask_names(model: Segmenter, sources: Sequence[str]) -> list[MaskNames]:
    """Names for each source file, after its own; a number follows where two would share one."""
    names, taken = [], set()
    for source in sources:
        is_volume = isinstance(model, VolumeSegmenter)
        suffix = volume_suffix(source) if is_volume else ".png"
        stem = stem_of_volume(source) if is_volume else Path(source).stem
        stems = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
        candidates = (MaskNames(f"{each}.png", f"{each}_mask{suffix}", f"{each}_instances.png") for each in stems)
        names.append(next(each for each in candidates if taken.isdisjoint(name.lower() for name in each)))
        taken.update(name.lower() for name in names[-1])
    return names


def segmented(
    model: Segmenter, answer: SegmentationResult, names: MaskNames, folder: Path, options: PredictOptions
) -> OutputLine:
    """Write what there is to write, and say it."""
    plain_classes = uncolored(model.labels)
    of_volume = isinstance(model, VolumeSegmenter)
    contents = volume_file(answer.mask, answer.path) if of_volume else index_png(answer.mask, background=plain_classes)
    write_atomically(folder / names.mask, contents)
    plain = {"path": answer.path, "mask": str(folder / names.mask)}
    lines = [answer.path, *shares_in_words(answer.shares, options.top), f"    {folder / names.mask}"]
    things = None
    if options.instances is not None:
        try:
            around = background_of(model.labels)
            things = find_instances(answer.mask, model.labels, split=options.instances, background=around)
        except UserError as error:  # too many, in this one image
            return OutputLine(plain | {"error": str(error)}, "\n".join([*lines, f"    {error}"]), is_error=True)
        file = folder / names.instances
        write_atomically(file, numbers_png(things.labels))
        plain |= {"instances": [thing.to_plain() for thing in things.things], "instance_mask": str(file)}
        counts = Counter(thing.label for thing in things.things).most_common()
        lines.append(f"    {', '.join(f'{count} x {label}' for label, count in counts) or 'no things'}: {file}")
    if options.draw is not None:
        pixels, mask = _as_image(model, answer)
        drawn = draw_mask(pixels, mask, background=plain_classes) if things is None else draw_instances(pixels, things)
        write_atomically(options.draw / names.overlay, image_png(drawn))
    return OutputLine(plain, "\n".join(lines))


def _as_image(model: Segmenter, answer: SegmentationResult) -> tuple[np.ndarray, np.ndarray]:
    """What is drawn on, uint8 ``(H, W, 3)``, and the mask of it: of a volume slices through both."""
    if not isinstance(model, VolumeSegmenter):
        return model.show(answer.path), answer.mask
    canvas, (mask,) = slices(model.values(answer.path), answer.mask)
    return canvas, mask


def of_masks(model: Predictor, named: "Sequence[tuple[str, MaskNames]]", options: PredictOptions) -> Iterator[OutputLine]:
    """Of all files in order; their masks are written."""
    folder = options.draw or PREDICTIONS
    folder.mkdir(parents=True, exist_ok=True)
    for answer, (_, names) in zip(model.predict_many(file for file, _ in named), named, strict=True):
        yield unreadable(answer) if isinstance(answer, Unreadable) else segmented(model, answer, names, folder, options)
