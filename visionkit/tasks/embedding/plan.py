"""What is decided before an embedder is trained: whose pictures, how large, how long."""

from pathlib import Path

import numpy as np

from visionkit.data.images.scan import scan
from visionkit.data.index import Index, SkippedFiles
from visionkit.data.splits import Splits
from visionkit.errors import UserError
from visionkit.training.dataset import Usable, tell_left_out
from visionkit.training.recipe import Story

SIZES = (64, 96, 128, 160)  # sides of the input in pixels
STEPS = 60  # of an epoch, at least: few people would make it end before it began
SHOWN, EPOCHS = 40_000, (8, 60)  # pictures in all; bounds
SMOKE_PEOPLE, SMOKE_PICTURES = {"training": 8, "validation": 4}, 4


def usable(splits: Splits, source: str | Path, skipped: SkippedFiles, story: Story) -> Usable:
    """Open each picture once, leave out what cannot be read, and say so.

    Args:
        splits: people, other ones in validation; or as the plan of a resumed run has them.
        source: where they are from.
        skipped: takes the files that cannot be read.

    Raises:
        UserError: too few people, or nobody with two pictures.
    """
    if (splits.train.labels < 0).any() or splits.train.has_objects or splits.train.has_masks:
        raise UserError(
            f"{source} has no people: expected one folder of pictures a person, or train/ and val/ of such folders."
        )
    scanned = splits.map(lambda index, name: scan(index, skipped, description=f"checking {name} pictures"))
    for index, name in ((scanned.train, "training"), (scanned.val, "validation")):
        counts = _of_people(index)
        if len(counts) < 2 or counts.max() < 2:
            raise UserError(
                f"{source}: {len(counts)} {name} people with up to {counts.max(initial=0)} readable pictures; expected at "
                "least two people, one of them with two pictures. Validation takes other people than training, a fifth of them."
            )
    train, val = scanned.train, scanned.val
    story.tell(
        f"{len(train)} training pictures of {len(_of_people(train))} people, and {len(val)} validation pictures of "
        f"{len(_of_people(val))} others, in {source}."
    )
    tell_left_out(scanned.notes, scanned.problems, skipped, story)
    return Usable(scanned, splits)


def few(splits: Splits) -> Splits:
    """The first pictures of the first people, for a smoke run."""

    def first(index: Index, name: str) -> Index:
        people = np.unique(index.labels)[: SMOKE_PEOPLE[name]]
        return index.take(np.concatenate([np.flatnonzero(index.labels == person)[:SMOKE_PICTURES] for person in people]))

    return splits.map(first)


def choose_size(index: Index) -> tuple[int, str]:
    """The side of the input, and the reason."""
    side = int(np.median(index.shapes.max(axis=1)))
    size = next((size for size in SIZES if size >= 0.8 * side), SIZES[-1])
    return size, f"half of the pictures are no larger than {side}"


def choose_epochs(num_steps: int, batch: int) -> tuple[int, str]:
    """How long to train, and the reason."""
    epochs = int(np.clip(round(SHOWN / (num_steps * batch)), *EPOCHS))
    return epochs, f"about {epochs * num_steps * batch:,} pictures are shown"


def steps_of(index: Index, batch: int) -> int:
    """Batches of an epoch."""
    return max(STEPS, -(-len(index) // batch))


def _of_people(index: Index) -> np.ndarray:
    """Pictures of each person who has any."""
    return np.unique(index.labels, return_counts=True)[1]
