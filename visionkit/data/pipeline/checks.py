"""What batches need: images that were opened, something to learn, and numbers that make sense."""

import numpy as np

from visionkit.data.index import Index
from visionkit.errors import UserError


def refuse_unscanned(index: Index) -> None:
    """Raise ``ValueError`` where the images have not been opened."""
    if len(index.infos) != len(index):
        raise ValueError("The index has not been scanned; call visionkit.data.scan(index) first.")


def check_numbers(size: int, batch_size: int) -> None:
    """Raise ``UserError`` where a number is not a whole one, or below 1."""
    for name, value in (("size", size), ("batch_size", batch_size)):
        if not isinstance(value, int | np.integer) or value < 1:
            raise UserError(f"{name}={value!r}: expected a whole number from 1 on.")


def refuse_unlabelled(index: Index) -> None:
    """Raise ``UserError`` where an image has nothing that could be learnt."""
    if not index.annotations and index.label_sets is None and (index.labels < 0).any():
        raise UserError(
            f"{int((index.labels < 0).sum())} of {len(index)} images have no label, and there are no boxes or masks: nothing "
            "can be learnt from them. Put each image into a folder named after its class, or annotate them."
        )
