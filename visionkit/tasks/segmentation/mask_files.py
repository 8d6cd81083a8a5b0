"""Use an exported segmenter from Python:

import visionkit
model = visionkit.load("runs/unet_segmentation/model")
answer = model.predict("street.jpg")
print(answer.mask.shape, answer.shares)
"""

import gzip
import io
from collections.abc import Collection, Sequence
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from visionkit.data.arrays.files import has_suffix
from visionkit.viz.annotate import color_of


def index_png(mask: np.ndarray, *, background: Collection[int] = ()) -> bytes:
    """A mask ``(H, W)`` as a PNG of class numbers, seen in the colors that classes are drawn in; background is black."""
    image = Image.fromarray(mask)
    image.putpalette([part for number in range(256) for part in ((0, 0, 0) if number in background else color_of(number))])
    return _encoded(image)


def numbers_png(labels: np.ndarray) -> bytes:
    """Numbers of things ``(H, W)``, below 65,536, as a 16-bit PNG."""
    return _encoded(Image.fromarray(labels.astype(np.uint16)))


def _encoded(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def volume_suffix(source: str | Path) -> str:
    """How the mask of a volume's file ends."""
    return ".nii.gz" if has_suffix(source, (".nii", ".nii.gz")) else ".npy" if has_suffix(source, (".npy",)) else ".tif"


def stem_of_volume(source: str | Path) -> str:
    """The name of a volume's file without its suffix, of which NIfTI has two."""
    name = Path(source).name
    return name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else Path(name).stem


def volume_file(mask: np.ndarray, source: str | Path) -> bytes:
    """The mask of a volume in the format of the file that the volume is from: NIfTI (in its space), .npy, or TIFF pages."""
    suffix = volume_suffix(source)
    if suffix == ".nii.gz":
        seen = nibabel.as_closest_canonical(nibabel.load(source))  # as read_array turns it
        return gzip.compress(nibabel.Nifti1Image(mask, seen.affine).to_bytes(), mtime=0)
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, mask)
    else:
        first, *others = (Image.fromarray(page) for page in mask)
        first.save(buffer, format="TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


def shares_in_words(shares: Sequence[tuple[str, float]], most: int) -> list[str]:
    """Lines for people: the largest shares."""
    return [f"    {share:6.1%}  {label}" for label, share in shares[:most]]
