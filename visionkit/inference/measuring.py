"""What the measuring of all tasks shares: the options of ``visionkit evaluate``, the data that was opened, and the result."""

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from visionkit.bundle_files import find_bundle, read_metadata
from visionkit.data.images.decode import ImageError
from visionkit.data.index import Skipped, SkippedFiles
from visionkit.errors import UserError
from visionkit.inference.predictor import Predictor

MOST_TIMED, MOST_SECONDS = 16, 5.0  # images that are timed one after another, and for how long
AnyPredictor = TypeVar("AnyPredictor", bound=Predictor)


class EvaluateOptions(NamedTuple):
    """The options of ``visionkit evaluate``; see its ``--help``.

    Attributes:
        scratch: a folder for files that are not kept, such as masks that are drawn from outlines.
    """

    split: str = "auto"
    mask_values: tuple[str, ...] = ()
    trust: bool = False
    allow_outside: bool = False
    scratch: Path = Path("unused")


@dataclass(frozen=True, eq=False)
class Opened:
    """Data to measure models on.

    Attributes:
        source: what was opened.
        split: the name of the split, or "all".
        part: the images, as the task needs them; ``skipped`` of an index takes those that cannot be read.
        sentence: how the data was understood, and what is measured.
        notes: further sentences on the data.
        more: what else the task needs to know.
    """

    source: str
    split: str
    part: Any
    sentence: str
    notes: tuple[str, ...] = ()
    more: Any = None

    def for_one_model(self) -> "Opened":
        """The same data with a list of skipped files of its own: what one model cannot use, another may."""
        skipped = getattr(self.part, "skipped", None)
        if not isinstance(skipped, SkippedFiles):
            return self
        return replace(self, part=replace(self.part, skipped=SkippedFiles(skipped.list())))


@dataclass(frozen=True, eq=False)
class Measured:
    """A model, measured on data.

    Attributes:
        metrics: name -> number, by the names of ``metrics.json``; nan where nothing was measured.
        evaluation: the ``Evaluation`` of the task, for the report.
        labels: the classes of the metrics, in the order of the evaluation.
        images: how many images, signals or volumes were measured.
        skipped: the files that could not be used.
        notes: sentences on classes, and on what was left out.
        seconds_an_image: how long the model takes for one image, reading included; nan where that was not measured.
        more: what else the report of the task shows.
    """

    metrics: dict[str, float]
    evaluation: Any
    labels: tuple[str, ...]
    images: int
    skipped: Sequence[Skipped]
    notes: tuple[str, ...]
    seconds_an_image: float
    more: Any = None


def opened_model(kind: type[AnyPredictor], bundle: str | Path | Predictor, *, trust: bool = False) -> AnyPredictor:
    """The predictor of a bundle; one that is in memory already is returned as it is.

    Args:
        kind: the predictor of the bundle's task.
        bundle: a bundle, its run folder, or such a predictor.
        trust: see ``visionkit.load``.

    Raises:
        UserError: there is no bundle, or it is damaged, or it is for another task.
    """
    folder, metadata = _described(bundle)
    if metadata.get("task") != kind.TASK:
        raise UserError(f"{folder} does {metadata.get('task')!r}; expected a model for {kind.TASK}.")
    return bundle if isinstance(bundle, Predictor) else kind.open(folder, metadata, trust=trust)


def _described(bundle: str | Path | Predictor) -> tuple[Path, dict[str, Any]]:
    if isinstance(bundle, Predictor):
        return bundle.folder, bundle.metadata
    folder = find_bundle(bundle)
    return folder, read_metadata(folder)


def task_of(bundle: str | Path | Predictor) -> str:
    """The task that a bundle names, or a predictor's.

    Raises:
        UserError: there is no bundle, or it is damaged.
    """
    return _described(bundle)[1].get("task", "")


def seconds_an_image(model: Predictor, images: Iterable[Any], *, most: int = MOST_TIMED) -> float:
    """The median time of one prediction, one after another, with reading; nan where no image can be read.

    Args:
        model: has predicted before, so that its functions are ready.
        images: what ``model.predict`` takes; the first are timed.
        most: how many at most.
    """
    times: list[float] = []
    for image, _ in zip(images, range(most), strict=False):
        began = time.perf_counter()
        try:
            model.predict(image)
        except (ImageError, UserError, OSError):
            continue
        times.append(time.perf_counter() - began)
        if sum(times) > MOST_SECONDS:
            break
    return statistics.median(times) if times else float("nan")
