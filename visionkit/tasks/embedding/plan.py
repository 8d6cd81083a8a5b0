"""What is decided before an embedder is trained: whose images, how large, how long."""

from pathlib import Path

import numpy as np

from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.training.dataset import Usable, note_skipped
from visionkit.training.recipe import Story

SIZES = (64, 96, 128, 160)  # sides of the input in pixels
STEPS = 60  # of an epoch, at least: few people would make it end before it began
SHOWN, EPOCHS = 40_000, (8, 60)  # images in all; bounds
SMOKE_PEOPLE, SMOKE_IMAGES = {"training": 8, "validation": 4}, 4


def usable(splits: Splits, source: str | Path, skipped: SkippedFiles, story: Story) -> Usable:
    """Open each image once, leave out what cannot be read, and say so.

    Args:
        splits: people, other ones in validation; or as the plan of a resumed run has them.
        source: where they are from.
        skipped: takes the files that cannot be read.

    Raises:
        UserError: too few people, or nobody with two images.
    """
    if (splits.train.labels < 0).any() or splits.train.has_objects or splits.train.has_masks:
        raise UserError(f"{source} has no people: expected one folder of images a person, or train/ and val/ of such folders.")
    scanned = splits.map(lambda index, name: scan(index, skipped, description=f"checking {name} images"))
    for index, name in ((scanned.train, "training"), (scanned.val, "validation")):
        counts = _of_people(index)
        if len(counts) < 2 or counts.max() < 2:
            raise UserError(
                f"{source}: {len(counts)} {name} people with up to {counts.max(initial=0)} readable images; expected at "
                "least two people, one of them with two images. Validation takes other people than training, a fifth of them."
            )
    train, val = scanned.train, scanned.val
    story.tell(
        f"{len(train)} training images of {len(_of_people(train))} people, and {len(val)} validation images of "
        f"{len(_of_people(val))} others, in {source}."
    )
    note_skipped(scanned.notes, scanned.problems, skipped, story)
    return Usable(scanned, splits)


def few(splits: Splits) -> Splits:
    """The first images of the first people, for a smoke run."""

    def first(index: Index, name: str) -> Index:
        people = np.unique(index.labels)[: SMOKE_PEOPLE[name]]
        return index.take(np.concatenate([np.flatnonzero(index.labels == person)[:SMOKE_IMAGES] for person in people]))

    return splits.map(first)


def choose_size(index: Index) -> tuple[int, str]:
    """The side of the input, and the reason."""
    side = int(np.median(index.shapes.max(axis=1)))
    size = next((size for size in SIZES if size >= 0.8 * side), SIZES[-1])
    return size, f"half of the images are no larger than {side}"


def choose_epochs(steps_per_epoch: int, batch: int) -> tuple[int, str]:
    """How long to train, and the reason."""
    epochs = int(np.clip(round(SHOWN / (steps_per_epoch * batch)), *EPOCHS))
    return epochs, f"about {epochs * steps_per_epoch * batch:,} images are shown"


def steps_of(index: Index, batch: int) -> int:
    """Batches of an epoch."""
    return max(STEPS, -(-len(index) // batch))


def _of_people(index: Index) -> np.ndarray:
    """Images of each person who has any."""
    return np.unique(index.labels, return_counts=True)[1]
