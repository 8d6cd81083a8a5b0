"""Images that occur twice: byte for byte, or resized, saved anew, a little brighter.

An image's fingerprint has two parts. Its **hash** (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash
Functions") holds the signs of its low frequencies: 63 bits, quick to compare with every other image's. Its **thumbnail**
confirms what the hash suggests. Both were chosen on 2,202 images (flowers, insects, blood cells, street scenes, faces) and
five changed copies of each, and by looking at the pairs that they report; the reasons stand beside the two thresholds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

HASH_SIDE = 32  # pixels a side, to which an image is reduced before its frequencies are taken
LOW_FREQUENCIES = 8
THUMBNAIL_SIDE = 16

# Copies at half the size, at JPEG quality 50, 10 % brighter, darker, or all of that at once differ in 0 to 6 bits; 4 or fewer
# in 99 %. Images that do not belong together differ in 30, and rarely in fewer than 14.
MAX_BITS = 6
# Such copies correlate by 0.993 or more: all at half the size, at quality 50 or darker, and all but 6 of 2,202 brighter ones
# (overexposed, they lost their highlights). Two photographs of one face or of one slide reach 0.992; frames of a video a
# fraction of a second apart reach more, and are rightly reported: they are no news to a model.
MIN_CORRELATION = 0.993
# Below this spread of grey levels an image is as good as blank: its hash is noise and its thumbnail resembles every other.
MIN_SPREAD = 3.0
CHUNK = 2048  # thumbnails compared at once, so that memory stays bounded


class Duplicate(NamedTuple):
    """An image that another one stands for.

    Attributes:
        row: of the image.
        other: an earlier row that looks like it: of another split if there is such a one, else one that is kept if there is.
        exact: whether the two files have the same bytes.
        redundant: whether it looks like an image that is kept, so that it may be left out.
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
        a number of 64 bits, and uint8 ``(16, 16, 3)``.
    """
    small = cv2.resize(pixels, (HASH_SIDE, HASH_SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    frequencies = cv2.dct(grey)[:LOW_FREQUENCIES, :LOW_FREQUENCIES].ravel()[1:]  # the first is the brightness
    bits = np.append(frequencies > np.median(frequencies), False)
    thumbnail = cv2.resize(small, (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(bits).tobytes(), "big"), thumbnail


def find_duplicates(
    digests: Sequence[str], hashes: np.ndarray, thumbnails: np.ndarray, splits: Sequence[int]
) -> list[Duplicate]:
    """Compare every image with every other; 100,000 of them take seconds.

    Args:
        digests: of the files' contents. Rows are in order of preference: of two that look alike, the earlier is kept.
        hashes: uint64 ``(N,)``.
        thumbnails: uint8 ``(N, 16, 16, 3)``.
        splits: the split of each row, as a number.

    Returns:
        one entry for each row that looks like an earlier one, by row.
    """
    splits = np.asarray(splits)
    first_rows: dict[str, int] = {}
    firsts = [first_rows.setdefault(digest, row) for row, digest in enumerate(digests)]
    unique = np.array(sorted(first_rows.values()), dtype=int)
    unique = unique[[_spread(thumbnails[row]) >= MIN_SPREAD for row in unique]] if len(unique) else unique
    others, keepers = _resembling(hashes, thumbnails, splits, unique)
    found = []
    for row, first in enumerate(firsts):
        if row != first:
            found.append(Duplicate(row, first, exact=True, redundant=True))
        elif others[row] >= 0:
            found.append(Duplicate(row, int(others[row]), exact=False, redundant=bool(keepers[row] >= 0)))
    return found


def _resembling(
    hashes: np.ndarray, thumbnails: np.ndarray, splits: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """For each row the earlier one that it resembles, and the first such one that is kept; -1 where there is none.

    One pass over the rows, each compared with all later ones at once: no list of pairs is ever made, which a video would let
    grow without bounds. A row is kept if it resembles no kept one before it. Chains (each frame like the last) thus keep an
    image for every look, and what is kept has no two alike.
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
        is_news = (others[later] < 0) | (is_kept & (keepers[later] < 0)) | (is_foreign & (foreign[later] < 0))
        later = later[is_news]
        later = later[_look_alike(thumbnails[row], thumbnails, later)]
        others[later[others[later] < 0]] = row
        foreign[later[(foreign[later] < 0) & (splits[later] != splits[row])]] = row
        if is_kept:
            keepers[later[keepers[later] < 0]] = row
    return np.where(foreign >= 0, foreign, np.where(keepers >= 0, keepers, others)), keepers


def _look_alike(thumbnail: np.ndarray, thumbnails: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Which of the rows' thumbnails correlate with one: bool ``(K,)``. Brightness and contrast do not count."""
    one = _centred(thumbnail[None])[0]
    alike = [np.zeros(0, bool)]
    for start in range(0, len(rows), CHUNK):
        many = _centred(thumbnails[rows[start : start + CHUNK]])
        alike.append(many @ one >= MIN_CORRELATION * np.linalg.norm(many, axis=1) * np.linalg.norm(one))
    return np.concatenate(alike)


def _centred(thumbnails: np.ndarray) -> np.ndarray:
    """Thumbnails without the mean of each channel, as rows of float32: else all slides of one tint would correlate."""
    values = thumbnails.astype(np.float32)
    return (values - values.mean(axis=(1, 2), keepdims=True)).reshape(len(values), -1)


def _spread(thumbnail: np.ndarray) -> float:
    return float(thumbnail.std(axis=(0, 1)).max())
