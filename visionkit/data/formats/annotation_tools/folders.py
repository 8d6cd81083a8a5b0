"""What lies in a folder, found without listing all of a large tree."""

from collections.abc import Iterator
from pathlib import Path

from visionkit.data.images.listing import files_in
from visionkit.data.split_names import SPLITS, split_name

NUM_FOLDERS = 20


def levels(folder: Path, depth: int) -> Iterator[tuple[Path, list[str], list[str]]]:
    """A folder and those in it down to ``depth``, each with the names of its images and of its other files.

    The highest come first. Of many folders on one level only ``NUM_FOLDERS`` are listed: where each class or person has a
    folder, one is as good as another.
    """
    places = [Path(folder)]
    for _ in range(depth + 1):
        below = []
        for place in places:
            images, others, folders = files_in(place)
            yield place, images, others
            below += [place / name for name in folders]
        below.sort(key=lambda place: split_name(place.name) not in SPLITS)
        places = below[:NUM_FOLDERS]
