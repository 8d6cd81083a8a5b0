"""What the values of masks mean where a file or an option names the classes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visionkit.data.images.masks.channels import BLACK, WHITE, Found
from visionkit.data.images.masks.histograms import Histogram
from visionkit.data.images.masks.levels import APART, levels_of_jpeg, levels_of_soft_edges
from visionkit.data.images.masks.meaning import Meaning, listed
from visionkit.data.images.masks.names import IGNORED_NAMES, OPTION, NamedClasses
from visionkit.data.images.masks.read import packed_colors
from visionkit.data.images.name_lists import BACKGROUNDS, is_header
from visionkit.data.index import IGNORE, DataError

MOST_SHOWN = 3  # values without a name
PLURAL = ("make", "them", "they are", "they are classes")
BACKGROUND = "background"
TRACE = 0.001  # share of all pixels up to which a value without a name may be noise, if it is in one mask alone
MUCH = 0.25  # share of all pixels from which it is a mistake that a value has no name


def ignored_values(named: NamedClasses) -> tuple[int, ...]:
    """The grey values to ignore, if a file or an option names no others: ``255=ignore``."""
    if named.values is None or named.rest is not None or not all(map(_means_ignore, named.names)):
        return ()
    return named.values


def by_values(named: NamedClasses, total: Histogram, found: Found) -> Meaning:
    """The classes where each name has a color or a grey value; names that mean "ignore" are no classes.

    Raises:
        DataError: JPEG has blurred values that are too close to each other.
    """
    in_color = named.colors is not None
    values = packed_colors(named.colors).tolist() if in_color else list(named.values)
    all_names = named.names + (() if named.rest is None else (named.rest,))
    if in_color and len(values) == 1 and values[0] != BLACK and named.rest is None and not _means_ignore(named.names[0]):
        values, all_names = [BLACK, *values], (BACKGROUND, *all_names)  # like a list of a single name
    names = tuple(dict.fromkeys(name for name in all_names if not _means_ignore(name)))
    if not names:
        raise DataError(f"{named.source} names no class, only values to ignore.")
    places = {name: place for place, name in enumerate(names)}
    classes = {value: places.get(name, IGNORE) for value, name in zip(values, all_names, strict=False)}
    notes = () if len(values) == len(set(all_names[: len(values)])) else ("values of the same name are one class",)
    shown = [
        f"#{value:06x} is {name}" if in_color else f"{value} is {name}" for value, name in zip(values, all_names, strict=False)
    ]
    shown += [] if named.rest is None else [f"others are {'ignored' if _means_ignore(named.rest) else named.rest}"]
    notes += (f"mask values as {Path(named.source).name} names them: {listed(shown)}",)
    present = total.values.tolist()
    if named.rest is not None and _means_ignore(named.rest):
        classes |= {value: IGNORE for value in present if value not in classes}
    rest = IGNORE if named.rest is None else places.get(named.rest, IGNORE)
    nearest = not in_color and rest == IGNORE and _scatter_around(sorted(classes), total, found, named)
    by_habit = (BLACK, WHITE) if in_color else (IGNORE,)
    details = ()
    if rest == IGNORE and not nearest:
        unnamed = [value for value in by_habit if value not in classes]
        details = _much_without_name(unnamed, total, named, in_color=in_color)
        others = _common([value for value in present if value not in classes and value not in by_habit], total, found)
        details += _without_name(others, total, named, in_color=in_color)
        classes |= dict.fromkeys(unnamed, IGNORE)
    return Meaning(names, classes, nearest, rest, notes, details)


def _scatter_around(values: list[int], total: Histogram, found: Found, named: NamedClasses) -> bool:
    """Whether masks hold other values because of JPEG or of soft edges, so that the nearest counts."""
    if any(file.blurred for file in found.files):
        if len(values) > 1 and min(np.diff(values)) < APART:
            raise DataError(
                f"The masks are JPEG, which blurs the values {listed(values)} of {named.source}: they are too close to each "
                "other. Save the masks as PNG."
            )
        return True
    if set(total.values.tolist()) <= {*values, IGNORE}:
        return False
    levels = levels_of_soft_edges(total)
    return len(levels) > 1 and all(min(abs(level - value) for value in values) <= APART // 2 for level in levels)


def by_names(named: NamedClasses, total: Histogram, found: Found, *, is_binary: bool) -> Meaning:
    """The classes where a file has names alone; a last name that means "ignore" is no class.

    Args:
        named: the names, in order.
        total: the values of all masks.
        found: the masks.
        is_binary: whether each mask holds nothing but 0 and one way to write foreground: 1, 255 or 65535.

    Raises:
        DataError: JPEG has blurred the values.
    """
    names = named.names if len(named.names) > 1 else (BACKGROUND, *named.names)
    values, count = total.values.tolist(), len(names)
    notes: tuple[str, ...] = ()
    if any(file.blurred for file in found.files):
        levels = levels_of_jpeg(total)
        if len(levels) != count:
            raise DataError(
                f"The masks of {count} classes are JPEG, which blurs class numbers. Save them as PNG, or say what their values "
                f"mean: {OPTION} 0={names[0]} 255={names[1]}."
            )
        return _ascending(names, levels, "masks are JPEG", nearest=True)
    if is_binary and count == 2:
        meaning = {0: 0} | dict.fromkeys([value for value in values if value] or [255], 1)
        foreground = listed([value for value in meaning if value])
        return _without_ignored(
            names, Meaning(names, meaning, notes=(f"mask values: 0 is {names[0]}, {foreground} is {names[1]}",))
        )
    levels = levels_of_soft_edges(total)
    if len(levels) == count:
        return _ascending(names, levels, "masks have soft edges", nearest=True)
    numbers = [value for value in values if value != IGNORE]
    unnamed = [value for value in numbers if value >= count or value < 0]
    is_position = any(0 < value < count for value in values)
    if unnamed and len(values) == count and (not is_position or values == list(range(1, count + 1))):
        return _ascending(names, values, "")
    details = _much_without_name([IGNORE], total, named, in_color=False) if count <= IGNORE else ()
    if unnamed:
        notes = (f"values without a name are ignored: {listed(unnamed)}",)
        details += _names_do_not_fit(names, numbers, unnamed, total, named) if _common(unnamed, total, found) else ()
    elif numbers == [0] and IGNORE in values:
        details = details or (f"255 is the only value beside 0, but no name of {named.source} stands for it: it is ignored",)
    if is_header(names[0]) and count - 1 not in values:
        details += (
            f"the first name in {named.source} is {names[0]!r}, and no mask holds {count - 1}, {names[-1]!r}: if the first "
            "line is a header, remove it, since all names are one line too late",
        )
    meaning = {value: value for value in range(count)} | ({IGNORE: IGNORE} if count <= IGNORE else {})
    notes += (f"mask values 0 to {count - 1} are the {count} names of {Path(named.source).name}, in order",)
    return _without_ignored(names, Meaning(names, meaning, notes=notes, details=details))


def _ascending(names: tuple[str, ...], levels: Sequence[int], why: str, *, nearest: bool = False) -> Meaning:
    shown = ", ".join(f"{value} is {name}" for value, name in zip(levels, names, strict=True))
    note = f"mask values in ascending order are the names: {shown}"
    if nearest:
        note = f"{why}, and the nearest value counts: {shown}"
        if tuple(levels) == (0, 255):
            note = f"{why}: values from 128 on are {names[1]}"
    meaning = dict(zip(levels, range(len(levels)), strict=True))
    return _without_ignored(names, Meaning(names, meaning, nearest, notes=(note,)))


def _without_ignored(names: tuple[str, ...], meaning: Meaning) -> Meaning:
    if not _means_ignore(names[-1]) or len(names) == 1:
        return meaning
    last = len(names) - 1
    classes = {value: IGNORE if place == last else place for value, place in meaning.classes.items()}
    notes = (*meaning.notes, f"pixels of {names[-1]} are ignored")
    return meaning._replace(names=names[:-1], classes=classes, notes=notes)


def _much_without_name(values: Sequence[int], total: Histogram, named: NamedClasses, *, in_color: bool) -> tuple[str, ...]:
    """A problem for each value that makes up so much of the masks that it must mean something."""
    return tuple(
        detail
        for value in values
        if _share([value], total) >= MUCH
        for detail in _without_name([value], total, named, in_color=in_color)
    )


def _without_name(values: Sequence[int], total: Histogram, named: NamedClasses, *, in_color: bool) -> tuple[str, ...]:
    """The problem that values have no name, in one sentence however many they are."""
    if not values:
        return ()
    shown = [f"#{value:06x}" if in_color else str(value) for value in values[:MOST_SHOWN]]
    what = listed(shown)
    if len(values) > MOST_SHOWN:
        what = f"{len(values)} other {'colors' if in_color else 'values'}, such as {what},"
    makes, them, they_are, they = ("makes", "it", "it is", "it is a class") if len(values) == 1 else PLURAL
    return (
        f"{what} {makes} up {_percent(values, total)} of all pixels, but {named.source} has no name for {them}: {they_are} "
        f"ignored. If {they}, name {them} there, or all values with {OPTION} {shown[0]}=NAME ...",
    )


def _common(values: Sequence[int], total: Histogram, found: Found) -> list[int]:
    """Those of the values that are no noise: each is more than a trace of all pixels, or in several masks."""
    masks = Counter(value for each in found.histograms for value in each.values.tolist())
    pixels, trace = dict(zip(total.values.tolist(), total.counts.tolist(), strict=True)), TRACE * int(total.counts.sum())
    return [value for value in values if masks[value] > 1 or pixels.get(value, 0) > trace]


def _share(values: Sequence[int], total: Histogram) -> float:
    return int(total.counts[np.isin(total.values, values)].sum()) / max(1, int(total.counts.sum()))


def _percent(values: Sequence[int], total: Histogram) -> str:
    share = _share(values, total)
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _names_do_not_fit(
    names: tuple[str, ...], numbers: list[int], unnamed: list[int], total: Histogram, named: NamedClasses
) -> tuple[str, ...]:
    one_more = numbers[-1] == len(names) and names[0].lower() not in BACKGROUNDS
    hint = f" If 0 is the background, write {BACKGROUND} before the other names, or" if one_more else " If not,"
    ignored = f"the others are ignored ({_percent(unnamed, total)} of all pixels)"
    return (
        f"the masks hold the values {listed(numbers)}, but {named.source} names {len(names)} classes, which stand for 0 to "
        f"{len(names) - 1}; {ignored}.{hint} pass {OPTION} VALUE=NAME ...",
    )


def _means_ignore(name: str) -> bool:
    return name.strip().lower() in IGNORED_NAMES
