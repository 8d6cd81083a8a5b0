"""Finds images that occur twice: byte for byte, or resized, saved again or a little brighter.

The fingerprint of an image has two parts. Its **hash** (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash
Functions") holds the signs of its low frequencies: 63 bits, quick to compare with those of every other image. Its
**thumbnail** confirms what the hash suggests. Both were chosen on 2,202 images (flowers, insects, blood cells, street scenes,
faces) and five changed copies of each, and by inspecting the reported pairs; the reasons stand next to the two thresholds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

HASH_SIDE = 32  # side in pixels to which an image is reduced before its frequencies are computed
LOW_FREQUENCIES = 8
THUMBNAIL_SIDE = 16

# Copies at half the size, at JPEG quality 50, 10 % brighter, darker, or all of that at once differ in 0 to 6 bits, 99 % of them
# in at most 4. Unrelated images differ in about 30 bits, and rarely in fewer than 14.
MAX_BITS = 6
# Such copies correlate by 0.993 or more: all at half the size, at quality 50 or darker, and all but 6 of 2,202 brighter ones
# (overexposed, they lost their highlights). Two photographs of one face or of one slide reach 0.992. Frames of a video a
# fraction of a second apart reach more, and are rightly reported, because they teach a model nothing new.
MIN_CORRELATION = 0.993
# An image with less spread of its levels is practically blank: its hash is noise, and its thumbnail resembles every other.
MIN_SPREAD = 3.0
CHUNK = 2048  # thumbnails compared at once, so that memory stays bounded


class Duplicate(NamedTuple):
    """An image that resembles an earlier one.

    Attributes:
        row: row of the image.
        other: an earlier row that looks like it, if possible of another split, else if possible one that is kept.
        exact: whether the two files have the same bytes.
        redundant: whether the image looks like one that is kept, so that it may be left out.
    """

    row: int
    other: int
    exact: bool
    redundant: bool


def fingerprint(pixels: np.ndarray) -> tuple[int, np.ndarray]:
    """Hash and thumbnail of an image.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Returns:
        the hash, an integer of 64 bits, and the thumbnail, uint8 ``(16, 16, 3)``.
    """
    small = cv2.resize(pixels, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    frequencies = cv2.dct(grey)[:LOW_FREQUENCIES, :LOW_FREQUENCIES].ravel()[1:]  # without the mean brightness
    bits = np.append(frequencies > np.median(frequencies), False)
    thumbnail = cv2.resize(small, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), thumbnail


def find_duplicates(
    digests: Sequence[str], hashes: np.ndarray, thumbnails: np.ndarray, splits: Sequence[int]
) -> list[Duplicate]:
    """Compare every image with every other; 100,000 of them take seconds.

    Args:
        digests: digests of the files. Rows are in order of preference: of two that look alike, the earlier one is kept.
        hashes: uint64 ``(N,)``.
        thumbnails: uint8 ``(N, 16, 16, 3)``.
        splits: the split of each row, as a number.

    Returns:
        one entry for each row that looks like an earlier one, ordered by row.
    """
    splits = np.asarray(splits)
    first_rows: dict[str, int] = {}
    firsts = [first_rows.setdefault(digest, row) for row, digest in enumerate(digests)]
    unique = np.array(sorted(first_rows.values()), dtype=int)
    unique = unique[[_spread(thumbnails[row]) >= MIN_SPREAD for row in unique]] if len(unique) else unique
    others, keepers = _resembling(hashes, thumbnails, splits, unique)
    duplicates = []
    for row, first in enumerate(firsts):
        if row != first:
            duplicates.append(Duplicate(row, first, exact=True, redundant=True))
        elif others[row] >= 0:
            duplicates.append(Duplicate(row, int(others[row]), exact=False, redundant=bool(keepers[row] >= 0)))
    return duplicates


def _resembling(
    hashes: np.ndarray, thumbnails: np.ndarray, splits: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each row an earlier one that it resembles, and the first such one that is kept; -1 if there is none.

    Each row is compared with all later ones at once, without a list of all pairs, which a video would let grow without bounds.
    A row is kept if it resembles no kept row before it. A chain (each frame like the last) thus keeps one image of every kind,
    and no two kept images look alike.
    """
    others, keepers, foreign = (np.full(len(hashes), -1) for _ in range(3))
    codes = hashes[rows]
    for position, row in enumerate(rows):
        near = np.flatnonzero(np.bitwise_count(codes[position + 1 :] ^ codes[position]) <= MAX_BITS)
        if len(near) == 0:
            continue
        later = rows[position + 1 + near]
        is_kept = keepers[row] < 0
        is_foreign = splits[later] != splits[row]
        is_open = (others[later] < 0) | (is_kept & (keepers[later] < 0)) | (is_foreign & (foreign[later] < 0))
        later = later[is_open]
        later = later[_look_alike(thumbnails[row], thumbnails, later)]
        others[later[others[later] < 0]] = row
        foreign[later[(foreign[later] < 0) & (splits[later] != splits[row])]] = row
        if is_kept:
            keepers[later[keepers[later] < 0]] = row
    return np.where(foreign >= 0, foreign, np.where(keepers >= 0, keepers, others)), keepers


def _look_alike(thumbnail: np.ndarray, thumbnails: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Whether the thumbnail of each row correlates with ``thumbnail``, whatever brightness and contrast: bool ``(K,)``."""
    one = _centred(thumbnail[None])[0]
    alike = [np.zeros(0, bool)]
    for start in range(0, len(rows), CHUNK):
        many = _centred(thumbnails[rows[start : start + CHUNK]])
        alike.append(many @ one >= MIN_CORRELATION * np.linalg.norm(many, axis=1) * np.linalg.norm(one))
    return np.concatenate(alike)


def _centred(thumbnails: np.ndarray) -> np.ndarray:
    """Thumbnails minus the mean of each channel, as rows of float32; otherwise all slides of one tint would correlate."""
    values = thumbnails.astype(np.float32)
    return (values - values.mean(axis=(1, 2), keepdims=True)).reshape(len(values), -1)


def _spread(thumbnail: np.ndarray) -> float:
    return float(thumbnail.std(axis=(0, 1)).max())
