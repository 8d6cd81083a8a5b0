"""Pairs of images of the same person or of two people: read from LFW's ``pairs.txt``, or drawn from labels."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from visionkit.data.formats.annotation_files import brief, object_problem
from visionkit.data.images.contents import read_text
from visionkit.data.images.finder import find_by_stem, image_finder
from visionkit.data.images.inside import Boundary
from visionkit.data.index import DataError, Index, Problem, natural_order, positions_by_person

NOWHERE = -1  # the pair is in no fold, as in metrics.verification
MOST = 20_000  # pairs of each kind that are drawn
NUM_FOLDS = 10  # as in LFW
MOST_FOLDS = 20  # with more alternating blocks of same and different pairs, the order is arbitrary and shows no folds
LAYOUT = 'Expected lines "name 1 2" (one person) and "name 1 other 2" (two people), after a first line such as "10 300".'

Image = tuple[str, int]  # the name of the person, and the number of the image


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of samples of an index.

    Attributes:
        first: int64 ``(N,)``, positions of the first images in the index.
        second: int64 ``(N,)``, positions of the second images.
        same: bool ``(N,)``, whether both images show the same person.
        folds: int64 ``(N,)``, from 0: the threshold for one fold is chosen on the others. ``NOWHERE`` marks pairs without a
            fold, which count in the curve alone (``metrics.verification_metrics``).
    """

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    folds: np.ndarray

    def __len__(self) -> int:
        return len(self.first)

    def among(self, places: np.ndarray) -> "Pairs":
        """The pairs whose images are both at ``places`` of the index, renumbered to positions in ``places``."""
        count = 1 + max(int(part.max(initial=-1)) for part in (self.first, self.second, np.asarray(places)))
        number = np.full(count, -1)
        number[places] = np.arange(len(places))
        first, second = number[self.first], number[self.second]
        is_in = (first >= 0) & (second >= 0)
        return Pairs(first[is_in], second[is_in], self.same[is_in], self.folds[is_in])

    @property
    def num_folds(self) -> int:
        """The number of folds; with a single fold there is no other one to choose a threshold on."""
        return len(np.unique(self.folds[self.folds != NOWHERE]))


@dataclass(frozen=True, eq=False)
class LfwPairs:
    """The contents of a file of pairs.

    Attributes:
        index: the images of all pairs, each once; the label is the person.
        pairs: the pairs whose images both exist.
        notes: sentences on how the file was understood.
        problems: images that do not exist, and lines that cannot be understood.
    """

    index: Index
    pairs: Pairs
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


class _Line(NamedTuple):
    number: int  # in the file
    rank: int  # from 0, without blank lines and the header
    first: Image
    second: Image

    @property
    def same(self) -> bool:
        return self.first[0] == self.second[0]


def read_lfw_pairs(file: str | Path, folder: str | Path) -> LfwPairs:
    """Read pairs in the format of LFW's ``pairs.txt`` (Huang et al. 2007, http://vis-www.cs.umass.edu/lfw).

    A first line "10 300" declares 10 folds, each with 300 pairs of one person and 300 of two people; "1100" alone declares one
    fold. If that line is missing, or the file has another number of lines, each same pair after a different pair begins a fold.

    Args:
        file: file with lines "name 1 2" (two images of one person) and "name 1 other 2" (of two people), separated by tabs or
            spaces.
        folder: folder of the images; image 1 of a person is ``FOLDER/name/name_0001.jpg``, or has another image suffix.

    Raises:
        DataError: the file cannot be read, or no pair can be used.
    """
    file, folder = Path(file), Path(folder)
    lines, problems, header, count = _read_lines(file)
    paths = _find_images(lines, folder)
    missing = Counter(image for line in lines for image in {line.first, line.second} if paths[image] is None)
    first_line = {image: line.number for line in reversed(lines) for image in (line.first, line.second)}
    for image in sorted(missing, key=first_line.__getitem__):
        detail = f"named in {file.name}, line {first_line[image]}, but there is no such image; pairs left out: {missing[image]}"
        problems.append(Problem("missing partner", f"{_place(folder, image)}.jpg", detail))
    is_usable = [paths[line.first] is not None and paths[line.second] is not None for line in lines]
    usable = [line for line, both_exist in zip(lines, is_usable, strict=True) if both_exist]
    if not usable:
        first = f" The first problem is {problems[0].path}: {problems[0].detail}." if problems else ""
        raise DataError(f"{file}: none of {count} pairs can be used with the images in {folder}. {LAYOUT}{first}")
    names = sorted({name for line in usable for name, _ in (line.first, line.second)}, key=natural_order)
    images = sorted(
        {image for line in usable for image in (line.first, line.second)}, key=lambda each: (natural_order(each[0]), each[1])
    )
    position, label = ({key: i for i, key in enumerate(keys)} for keys in (images, names))
    pairs = Pairs(
        np.array([position[line.first] for line in usable], np.int64),
        np.array([position[line.second] for line in usable], np.int64),
        np.array([line.same for line in usable]),
        _folds_of_lines(lines, header, count)[is_usable],
    )
    index = Index(
        tuple(names), tuple(paths[image] for image in images), np.array([label[name] for name, _ in images], np.int32)
    )
    notes = [f"{file.name}: {len(pairs)} pairs of {len(images)} images of {len(names)} people, folds: {pairs.num_folds}"]
    if len(pairs) < count:
        notes.append(f"{count - len(pairs)} of {count} pairs are left out; {len(missing)} images do not exist")
    return LfwPairs(index, pairs, tuple(notes), tuple(problems))


def generated_pairs(labels: np.ndarray, *, seed: int, most: int = MOST, num_folds: int = NUM_FOLDS) -> Pairs:
    """Draw pairs from the images of labelled people.

    All pairs of the same person are used, or, if there are more than ``most``, a selection that is as even over people as
    possible. Folds are split by person; each has as many different pairs as same ones, drawn evenly over pairs of people.
    Further different pairs, up to ``most`` in all, are in no fold: they are needed to estimate small false accept rates.

    Args:
        labels: int ``(N,)``, labels of the samples of an index; a negative label means nobody.
        seed: seed that draws folds and pairs.
        most: maximum number of pairs of each kind.
        num_folds: number of folds, which share no person. There are fewer folds if there are too few people: a fold needs two
            people, one of them with two images.
    """
    labels = np.asarray(labels)
    rng = np.random.default_rng([seed, len(labels)])
    groups = positions_by_person(labels)
    fold_of = _folds_of_people(groups, num_folds, rng)
    places, person = _same_pairs(groups, most, rng)
    kinds = [(places, True, fold_of[person])]
    for fold in np.unique(fold_of):
        members = [group for group, group_fold in zip(groups, fold_of, strict=True) if group_fold == fold]
        different = _different_pairs(members, int((fold_of[person] == fold).sum()), rng)
        kinds.append((different, False, np.full(len(different), fold)))
    inside = np.concatenate([np.zeros((0, 2), np.int64), *(pairs for pairs, same, _ in kinds if not same)])
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
    """The lines that can be understood, problems with the others, the header, and the number of lines without it."""
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
    """The number of folds, and of pairs of each kind in a fold; None if the line is not a header."""
    parts = text.split()
    if len(parts) > 2 or not all(_is_number(part) for part in parts):
        return None
    return (1, int(parts[0])) if len(parts) == 1 else (int(parts[0]), int(parts[1]))


def _line(number: int, rank: int, parts: list[str]) -> _Line | str:
    """The pair in a line, or a message on what is wrong with the line."""
    if len(parts) == 3:
        parts = [parts[0], parts[1], parts[0], parts[2]]
    elif len(parts) == 4 and parts[0] == parts[2]:
        return "expected two people, but both names are the same"
    if len(parts) != 4 or not (_is_number(parts[1]) and _is_number(parts[3])):
        return 'expected "name 1 2" or "name 1 other 2"'
    if not all(_is_name(name) for name in (parts[0], parts[2])):
        return "a person's name must be the name of a folder, without a path"
    line = _Line(number, rank, (parts[0], int(parts[1])), (parts[2], int(parts[3])))
    return "both images of the pair are the same" if line.first == line.second else line


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _is_name(text: str) -> bool:
    return bool(text) and text not in (".", "..") and not any(sign in text for sign in "/\\:\0")


def _place(folder: Path, image: Image) -> Path:
    """The path of an image without its suffix."""
    name, number = image
    return folder / name / f"{name}_{number:04d}"


def _find_images(lines: list[_Line], folder: Path) -> dict[Image, str | None]:
    find = image_finder(Boundary(folder))
    return {image: _find(find, _place(folder, image)) for line in lines for image in (line.first, line.second)}


def _find(find: Callable, place: Path) -> str | None:
    return find((place.parent,), f"{place.name}.jpg") or find_by_stem(find, (place.parent,), place.name)


def _folds_of_lines(lines: list[_Line], header: tuple[int, int] | None, count: int) -> np.ndarray:
    """The fold of each line, int64; follows the header if that agrees with the number of lines."""
    if header is not None and count == 2 * header[0] * header[1]:
        return np.array([line.rank // (2 * header[1]) for line in lines], np.int64)
    same = np.array([line.same for line in lines])
    folds = np.concatenate([[0], np.cumsum(same[1:] & ~same[:-1])]).astype(np.int64)
    return folds if folds[-1] < MOST_FOLDS else np.zeros_like(folds)


def _folds_of_people(groups: list[np.ndarray], num_folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold of each person, int64. People are dealt out in turn, first those with several images."""
    several = np.array([len(group) > 1 for group in groups], bool)
    number = max(1, min(num_folds, int(several.sum()), len(groups) // 2))
    order = np.concatenate([rng.permutation(np.flatnonzero(several)), rng.permutation(np.flatnonzero(~several))])
    folds = np.zeros(len(groups), np.int64)
    folds[order] = np.arange(len(groups)) % number
    return folds


def _same_pairs(groups: list[np.ndarray], most: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positions int64 ``(N, 2)``, the smaller first, and the number of the person in each pair."""
    available = np.array([len(group) * (len(group) - 1) // 2 for group in groups], np.int64)
    quotas = _quotas(most, available, rng)
    pairs = [group[_number_pairs(_draw(rng, *counts))] for group, *counts in zip(groups, available, quotas, strict=True)]
    return np.concatenate([np.zeros((0, 2), np.int64), *pairs]), np.repeat(np.arange(len(groups)), quotas)


def _different_pairs(groups: list[np.ndarray], most: int, rng: np.random.Generator) -> np.ndarray:
    """Positions int64 ``(N, 2)``, the smaller first, spread evenly over pairs of people."""
    sizes = np.array([len(group) for group in groups], np.int64)
    num_pairs = len(groups) * (len(groups) - 1) // 2
    if num_pairs >= most:  # one pair of images of each drawn pair of people
        people = _number_pairs(_draw(rng, num_pairs, most))
        chosen = rng.integers(0, sizes[people])
        starts = np.cumsum(sizes) - sizes
        pairs = np.concatenate([np.zeros(0, np.int64), *groups])[starts[people] + chosen]
    else:
        people = _number_pairs(np.arange(num_pairs))
        available = sizes[people].prod(axis=1)
        parts = [np.zeros((0, 2), np.int64)]
        for (a, b), total, quota in zip(people, available, _quotas(most, available, rng), strict=True):
            row, column = np.divmod(_draw(rng, total, quota), sizes[b])
            parts.append(np.stack([groups[a][row], groups[b][column]], axis=1))
        pairs = np.concatenate(parts)
    return np.sort(pairs, axis=1)


def _draw(rng: np.random.Generator, total: int, count: int) -> np.ndarray:
    """Draw ``count`` of the numbers below ``total`` without replacement."""
    return np.arange(total) if count >= total else rng.choice(total, count, replace=False)


def _number_pairs(numbers: np.ndarray) -> np.ndarray:
    """Map numbers 0, 1, 2, ... to pairs (0, 1), (0, 2), (1, 2), (0, 3), ...: int64 ``(N, 2)``."""
    column = ((1 + np.sqrt(1 + 8 * numbers.astype(float))) // 2).astype(np.int64)
    return np.stack([numbers - column * (column - 1) // 2, column], axis=1)


def _quotas(most: int, available: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many to draw from each, int64: at most ``available`` of each, as evenly as possible, and at most ``most`` in all."""
    quotas, left = np.zeros(len(available), np.int64), most
    order = rng.permutation(len(available))
    order = order[np.argsort(available[order], kind="stable")]
    for rank, place in enumerate(order):
        quotas[place] = min(available[place], left // (len(order) - rank))
        left -= quotas[place]
    return quotas
