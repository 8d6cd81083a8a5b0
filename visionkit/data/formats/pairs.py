"""Pairs of images of people, the same or different ones: LFW's ``pairs.txt``, or drawn from labels."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import brief, find_by_stem, image_finder, object_problem
from visionkit.data.images.contents import read_text
from visionkit.data.index import DataError, Index, Problem, natural_order, places_by_person

NOWHERE = -1  # no fold, as metrics.verification has it
MOST = 20_000  # pairs of each kind that are drawn
NUM_FOLDS = 10  # as LFW has
MOST_FOLDS = 20  # more blocks of same and different pairs than that are no folds, but pairs in any order
LAYOUT = 'Expected lines "name 1 2" (one person) and "name 1 other 2" (two), after a first line such as "10 300".'

Image = tuple[str, int]  # whose, and which


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of samples of an index.

    Attributes:
        first: int64 ``(N,)``, positions in the index.
        second: int64 ``(N,)``.
        same: bool ``(N,)``: of one person.
        folds: int64 ``(N,)``, from 0: the threshold for one is chosen on the others; ``NOWHERE`` where a pair is in none, and
            counts in the curve alone (``metrics.verification.measure``).
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    folds: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def among(self, places: np.ndarray) -> "Pairs":
        """The pairs of which both are among ``places`` in the index, numbered by their order there."""
        count = 1 + max(int(part.max(initial=-1)) for part in (self.first, self.second, np.asarray(places)))
        number = np.full(count, -1)
        number[places] = np.arange(len(places))
        first, second = number[self.first], number[self.second]
        kept = (first >= 0) & (second >= 0)
        return Pairs(first[kept], second[kept], self.same[kept], self.folds[kept])

    @property
    def num_folds(self) -> int:
        """How many folds there are; with one there is nowhere to choose a threshold."""
        return len(np.unique(self.folds[self.folds != NOWHERE]))


@dataclass(frozen=True, eq=False)
class LfwPairs:
    """What a file of pairs holds.

    Attributes:
        index: the images that pairs are of, each once; the label is the person.
        pairs: those whose images are both there.
        notes: sentences on what a reader should know.
        problems: images that are not there, and lines that cannot be understood.
    """

    index: Index
    pairs: Pairs
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    number: int  # in the file
    rank: int  # from 0, of those that are not blank and no header
    first: Image
    second: Image

    @property
    def same(self) -> bool:
        return self.first[0] == self.second[0]


def read_lfw_pairs(file: str | Path, folder: str | Path) -> LfwPairs:
    """Read pairs in the format of LFW's ``pairs.txt`` (Huang et al. 2007, http://vis-www.cs.umass.edu/lfw).

    A first line "10 300" says that there are 10 folds, each of 300 pairs of one person and 300 of two; "1100" alone, that there
    is one. Where it is missing, or the file has another number of lines, a pair of one person after one of two begins a fold.

    Args:
        file: lines "name 1 2": two images of one person; "name 1 other 2": of two; parted by tabs or spaces.
        folder: image 1 of a person is ``FOLDER/name/name_0001.jpg``; other suffixes will do.

    Raises:
        DataError: the file cannot be read, or no pair is left.
    """
    file, folder = Path(file), Path(folder)
    lines, problems, header, count = _read_lines(file)
    found = _find_images(lines, folder)
    lost = Counter(image for line in lines for image in {line.first, line.second} if found[image] is None)
    at = {image: line.number for line in reversed(lines) for image in (line.first, line.second)}
    for image in sorted(lost, key=at.__getitem__):
        detail = f"named in {file.name}, line {at[image]}; there is no such image: pairs left out: {lost[image]}"
        problems.append(Problem("missing partner", f"{_place(folder, image)}.jpg", detail))
    is_kept = [found[line.first] is not None and found[line.second] is not None for line in lines]
    kept = [line for line, keep in zip(lines, is_kept, strict=True) if keep]
    if not kept:
        first = f" First of all: {problems[0].path}: {problems[0].detail}." if problems else ""
        raise DataError(f"{file}: none of {count} pairs can be used with the images in {folder}. {LAYOUT}{first}")
    names = sorted({name for line in kept for name, _ in (line.first, line.second)}, key=natural_order)
    images = sorted(
        {image for line in kept for image in (line.first, line.second)}, key=lambda each: (natural_order(each[0]), each[1])
    )
    position, label = ({each: i for i, each in enumerate(all_of)} for all_of in (images, names))
    pairs = Pairs(
        np.array([position[line.first] for line in kept], np.int64),
        np.array([position[line.second] for line in kept], np.int64),
        np.array([line.same for line in kept]),
        _folds_of_lines(lines, header, count)[is_kept],
    )
    index = Index(
        tuple(names), tuple(found[image] for image in images), np.array([label[name] for name, _ in images], np.int32)
    )
    notes = [f"{file.name}: {len(pairs)} pairs of {len(images)} images of {len(names)} people, folds: {pairs.num_folds}"]
    if len(pairs) < count:
        notes.append(f"{count - len(pairs)} of {count} pairs are left out: images not there: {len(lost)}")
    return LfwPairs(index, pairs, tuple(notes), tuple(problems))


def generated_pairs(labels: np.ndarray, *, seed: int, most: int = MOST, num_folds: int = NUM_FOLDS) -> Pairs:
    """Pairs of images of labelled people: in folds, split by person, as many different as same ones, and more for the curve.

    Same pairs are all there are; where these are more than ``most``, as evenly over people as can be. The different ones inside
    of a fold are as many as its same ones, drawn evenly over pairs of people. All other different pairs, up to ``most`` in all,
    are in no fold: without them small false accept rates could not be told.

    Args:
        labels: int ``(N,)``, of the samples of an index; a negative one is nobody's.
        seed: draws folds and pairs.
        most: pairs of each kind.
        num_folds: people of one are in no other. There are fewer where people are too few: two to a fold, one of them with two
            images.
    """
    labels = np.asarray(labels)
    rng = np.random.default_rng([seed, len(labels)])
    groups = places_by_person(labels)
    fold_of = _folds_of_people(groups, num_folds, rng)
    places, person = _same_pairs(groups, most, rng)
    kinds = [(places, True, fold_of[person])]
    for fold in np.unique(fold_of):
        inside = [group for group, its in zip(groups, fold_of, strict=True) if its == fold]
        drawn = _different_pairs(inside, int((fold_of[person] == fold).sum()), rng)
        kinds.append((drawn, False, np.full(len(drawn), fold)))
    inside = np.concatenate([np.zeros((0, 2), np.int64), *(drawn for drawn, same, _ in kinds if not same)])
    more = _different_pairs(groups, most, rng)
    is_new = ~np.isin(more @ [len(labels), 1], inside @ [len(labels), 1])
    more = more[is_new][: max(most - len(inside), 0)]
    kinds.append((more, False, np.full(len(more), NOWHERE)))
    places = np.concatenate([each for each, _, _ in kinds])
    same = np.concatenate([np.full(len(each), is_same) for each, is_same, _ in kinds])
    folds = np.concatenate([each for _, _, each in kinds]).astype(np.int64)
    order = np.lexsort((places[:, 1], places[:, 0], ~same, np.where(folds == NOWHERE, len(labels), folds)))
    return Pairs(places[order, 0], places[order, 1], same[order], folds[order])


def _read_lines(file: Path) -> tuple[list[_Line], list[Problem], tuple[int, int] | None, int]:
    """The lines that can be understood, the others, the header, and how many lines there are besides it."""
    try:
        texts = [(number, text) for number, text in enumerate(read_text(file).splitlines(), 1) if text.strip()]
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error}). {LAYOUT}") from error
    header = _header(texts[0][1]) if texts else None
    texts = texts if header is None else texts[1:]
    lines, problems = [], []
    for rank, (number, text) in enumerate(texts):
        line = _line(number, rank, [part.strip() for part in text.strip().split("\t" if "\t" in text.strip() else None)])
        if isinstance(line, _Line):
            lines.append(line)
        else:
            problems.append(object_problem(file, f"line {number}", f"{brief(text.strip())}: {line}"))
    return lines, problems, header, len(texts)


def _header(text: str) -> tuple[int, int] | None:
    """Folds, and pairs of each kind in one."""
    parts = text.split()
    if len(parts) > 2 or not all(_is_number(part) for part in parts):
        return None
    return (1, int(parts[0])) if len(parts) == 1 else (int(parts[0]), int(parts[1]))


def _line(number: int, rank: int, parts: list[str]) -> _Line | str:
    """A pair, or what is wrong with the line."""
    if len(parts) == 3:
        parts = [parts[0], parts[1], parts[0], parts[2]]
    elif len(parts) == 4 and parts[0] == parts[2]:
        return "two people are expected, and this is one"
    if len(parts) != 4 or not (_is_number(parts[1]) and _is_number(parts[3])):
        return 'expected "name 1 2" or "name 1 other 2"'
    if not all(_is_name(name) for name in (parts[0], parts[2])):
        return "a person's name is the name of a folder, without a path"
    line = _Line(number, rank, (parts[0], int(parts[1])), (parts[2], int(parts[3])))
    return "an image and itself are no pair" if line.first == line.second else line


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _is_name(text: str) -> bool:
    return bool(text) and text not in (".", "..") and not any(sign in text for sign in "/\\:\0")


def _place(folder: Path, image: Image) -> Path:
    """The image's file, but for its suffix."""
    name, number = image
    return folder / name / f"{name}_{number:04d}"


def _find_images(lines: list[_Line], folder: Path) -> dict[Image, str | None]:
    find = image_finder()
    return {image: _find(find, _place(folder, image)) for line in lines for image in (line.first, line.second)}


def _find(find: Callable, place: Path) -> str | None:
    return find((place.parent,), f"{place.name}.jpg") or find_by_stem(find, (place.parent,), place.name)


def _folds_of_lines(lines: list[_Line], header: tuple[int, int] | None, count: int) -> np.ndarray:
    """The fold of each line, int64; by the header where it tells the truth."""
    if header is not None and count == 2 * header[0] * header[1]:
        return np.array([line.rank // (2 * header[1]) for line in lines], np.int64)
    same = np.array([line.same for line in lines])
    folds = np.concatenate([[0], np.cumsum(same[1:] & ~same[:-1])]).astype(np.int64)
    return folds if folds[-1] < MOST_FOLDS else np.zeros_like(folds)


def _folds_of_people(groups: list[np.ndarray], num_folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each person, int64: dealt out, first those with several images."""
    several = np.array([len(group) > 1 for group in groups], bool)
    number = max(1, min(num_folds, int(several.sum()), len(groups) // 2))
    order = np.concatenate([rng.permutation(np.flatnonzero(several)), rng.permutation(np.flatnonzero(~several))])
    folds = np.zeros(len(groups), np.int64)
    folds[order] = np.arange(len(groups)) % number
    return folds


def _same_pairs(groups: list[np.ndarray], most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions int64 ``(N, 2)``, the smaller first, and the number of the person of each."""
    available = np.array([len(group) * (len(group) - 1) // 2 for group in groups], np.int64)
    quotas = _shared_out(most, available, rng)
    drawn = [group[_corner(_drawn(rng, *each))] for group, *each in zip(groups, available, quotas, strict=True)]
    return np.concatenate([np.zeros((0, 2), np.int64), *drawn]), np.repeat(np.arange(len(groups)), quotas)


def _different_pairs(groups: list[np.ndarray], most: int, rng: np.random.Generator) -> np.ndarray:
    """Positions int64 ``(N, 2)``, the smaller first, spread evenly over pairs of people."""
    sizes = np.array([len(group) for group in groups], np.int64)
    num_pairs = len(groups) * (len(groups) - 1) // 2
    if num_pairs >= most:  # one of each pair of people that is drawn
        people = _corner(_drawn(rng, num_pairs, most))
        chosen = rng.integers(0, sizes[people])
        starts = np.cumsum(sizes) - sizes
        pairs = np.concatenate([np.zeros(0, np.int64), *groups])[starts[people] + chosen]
    else:
        people = _corner(np.arange(num_pairs))
        available = sizes[people].prod(axis=1)
        parts = [np.zeros((0, 2), np.int64)]
        for (a, b), all_of, quota in zip(people, available, _shared_out(most, available, rng), strict=True):
            row, column = np.divmod(_drawn(rng, all_of, quota), sizes[b])
            parts.append(np.stack([groups[a][row], groups[b][column]], axis=1))
        pairs = np.concatenate(parts)
    return np.sort(pairs, axis=1)


def _drawn(rng: np.random.Generator, all_of: int, count: int) -> np.ndarray:
    """``count`` of the numbers below ``all_of``, each once."""
    return np.arange(all_of) if count >= all_of else rng.choice(all_of, count, replace=False)


def _corner(numbers: np.ndarray) -> np.ndarray:
    """Numbers 0, 1, 2, ... as pairs (0, 1), (0, 2), (1, 2), (0, 3), ...: int64 ``(N, 2)``."""
    column = ((1 + np.sqrt(1 + 8 * numbers.astype(float))) // 2).astype(np.int64)
    return np.stack([numbers - column * (column - 1) // 2, column], axis=1)


def _shared_out(most: int, available: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many to take of each, int64: at most ``available``, as evenly as can be, ``most`` in all or all there are."""
    quotas, left = np.zeros(len(available), np.int64), most
    order = rng.permutation(len(available))
    order = order[np.argsort(available[order], kind="stable")]
    for rank, place in enumerate(order):
        quotas[place] = min(available[place], left // (len(order) - rank))
        left -= quotas[place]
    return quotas
