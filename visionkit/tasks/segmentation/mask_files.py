"""The files that masks are written into: PNG images, and volumes in the format of their source."""

import gzip
import io
from collections.abc import Collection
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

from visionkit.data.arrays.files import has_suffix
from visionkit.files import check_file
from visionkit.viz.annotate import color_of
from visionkit.viz.labels import encode_png


def index_png(mask: np.ndarray, *, background: Collection[int] = ()) -> bytes:
    """A mask ``(H, W)`` as a PNG of class numbers, whose palette has the colors of the classes; the background is black."""
    image = Image.fromarray(mask)
    image.putpalette([part for number in range(256) for part in ((0, 0, 0) if number in background else color_of(number))])
    return encode_png(image)


def numbers_png(labels: np.ndarray) -> bytes:
    """Numbers of instances ``(H, W)``, below 65,536, as a 16-bit PNG."""
    return encode_png(Image.fromarray(labels.astype(np.uint16)))


def volume_suffix(source: str | Path) -> str:
    """The suffix of the file of a volume's mask."""
    return ".nii.gz" if has_suffix(source, (".nii", ".nii.gz")) else ".npy" if has_suffix(source, (".npy",)) else ".tif"


def stem_of_volume(source: str | Path) -> str:
    """The name of a volume's file without its suffix, which may be ``.nii.gz``."""
    name = Path(source).name
    return name[: -len(".nii.gz")] if name.lower().endswith(".nii.gz") else Path(name).stem


def volume_file(mask: np.ndarray, source: str | Path) -> bytes:
    """A mask in the format of its volume's file: NIfTI (in the space of the volume), .npy, or TIFF pages."""
    suffix = volume_suffix(source)
    if suffix == ".nii.gz":
        check_file(source)
        volume = nibabel.as_closest_canonical(nibabel.load(source))  # as read_array turns it
        return gzip.compress(nibabel.Nifti1Image(mask, volume.affine).to_bytes(), mtime=0)
    buffer = io.BytesIO()
    if suffix == ".npy":
        np.save(buffer, mask)
    else:
        first, *others = (Image.fromarray(page) for page in mask)
        first.save(buffer, format="TIFF", save_all=True, append_images=others)
    return buffer.getvalue()
