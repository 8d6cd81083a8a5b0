"""Which reader a data set needs: what ``--data`` may be."""

from pathlib import Path

from visionkit.data.sample import DataError
from visionkit.data.splits import DataSet

EXPECTED = (
    "Expected a folder of one of these layouts: class folders; VOC (Annotations/*.xml, JPEGImages/); COCO (a .json with images "
    "and annotations); YOLO (data.yaml, or images/ and labels/); images/ and masks/; or a .json, .yaml or .csv file of these "
    "kinds; or tfds:NAME."
)


def read(data: str | Path) -> DataSet:
    """Index a data set of any kind that visionkit knows; no picture is opened.

    Args:
        data: a folder, a file or ``tfds:NAME[/config][:split]``.

    Raises:
        DataError: no such data, or no layout that is known.
    """
    path = Path(data)
    if not path.exists():
        raise DataError(f"{data}: no such file or folder. {EXPECTED}")
    raise DataError(f"{data}: no layout that is known. {EXPECTED}")
