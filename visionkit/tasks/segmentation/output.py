"""What ``visionkit predict`` prints and writes for a segmenter: masks, drawings, and counts of things."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from visionkit.errors import UserError
from visionkit.files import write_atomically
from visionkit.inference.output import PREDICTIONS, OutputLine, PredictOptions, lines_of, refuse_overwriting, unreadable
from visionkit.inference.predictor import Unreadable
from visionkit.tasks.segmentation.mask_files import numbers_png
from visionkit.viz.labels import encode_png

if TYPE_CHECKING:
    from visionkit.tasks.segmentation.predict import SegmentationResult, Segmenter


class OutputNames(NamedTuple):
    """The names of the files that are written for one image or volume."""

    drawing: str
    mask: str
    instances: str


def mask_outputs(predictor: "Segmenter", files: Sequence[str], options: PredictOptions) -> Iterator[OutputLine]:
    """See ``Predictor.outputs``; masks are written into the folder of the drawings, or into ``PREDICTIONS``."""
    folder, named = options.draw or PREDICTIONS, output_names(files, predictor.name_parts)
    kinds = ["mask", *["drawing"] * (options.draw is not None), *["instances"] * (options.instances is not None)]
    refuse_overwriting(files, (folder / getattr(names, kind) for names in named for kind in kinds))
    folder.mkdir(parents=True, exist_ok=True)
    for result, names in zip(predictor.predict_many(files), named, strict=True):
        yield unreadable(result) if isinstance(result, Unreadable) else _output(predictor, result, names, folder, options)


def output_names(sources: Sequence[str], name_parts: Callable[[str], tuple[str, str]]) -> list[OutputNames]:
    """Names after each source file; a number is appended where two files would share a name.

    Args:
        sources: the files.
        name_parts: see ``Segmenter.name_parts``.
    """
    named, taken = [], set()
    for source in sources:
        stem, suffix = name_parts(source)
        stems = itertools.chain([stem], (f"{stem}_{number}" for number in itertools.count(2)))
        candidates = (OutputNames(f"{each}.png", f"{each}_mask{suffix}", f"{each}_instances.png") for each in stems)
        named.append(next(each for each in candidates if taken.isdisjoint(name.lower() for name in each)))
        taken.update(name.lower() for name in named[-1])
    return named


def share_lines(shares: Sequence[tuple[str, float]], most: int) -> list[str]:
    """Lines for people: the largest shares, at most ``most``."""
    return [f"    {share:6.1%}  {label}" for label, share in shares[:most]]


def _output(
    predictor: "Segmenter", result: "SegmentationResult", names: OutputNames, folder: Path, options: PredictOptions
) -> OutputLine:
    """Write the files of one image or volume; the line that names them."""
    line, mask_file, instances = predictor.line(result, options), folder / names.mask, None
    write_atomically(mask_file, predictor.encode_mask(result))
    record, text = line.record | {"mask": str(mask_file)}, [line.text, lines_of(f"    {mask_file}")]
    if options.instances is not None:
        try:
            instances = result.instances(options.instances)
        except UserError as error:  # too many in this image
            return OutputLine(record | {"error": str(error)}, "\n".join([*text, lines_of(f"    {error}")]), is_error=True)
        file = folder / names.instances
        write_atomically(file, numbers_png(instances.labels))
        record |= {"instances": [thing.to_dict() for thing in instances.things], "instance_mask": str(file)}
        counts = Counter(thing.label for thing in instances.things).most_common()
        text.append(lines_of(f"    {', '.join(f'{count} x {label}' for label, count in counts) or 'no things'}: {file}"))
    if options.draw is not None:
        write_atomically(folder / names.drawing, encode_png(result.plot(instances=instances)))
    return OutputLine(record, "\n".join(text))
