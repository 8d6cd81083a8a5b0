"""Decides what the values of masks mean: once for a whole data set, from all of its masks, never from one of them.

The first rule that fits counts:

values or colors are named     they mean that (``--mask-values``, "128 cell" in classes.txt, colors.csv); others are unknown
names without values           values are positions in the list, and 255 is ignored; or, where as many values occur as there
                               are names (0, 128, 255), the values in ascending order
colors                         each is a class
0 and 1, or 0 and 255          background and foreground, also if some masks hold 1 and others 255; so is 0 and another value
JPEG, soft edges               the levels that areas have are the classes; other values count as the nearest of them
few values far apart           0, 128, 255: each is a class, whatever its share
values that number objects     many values, each of them one region, and another number of them in each mask: foreground
0 and neighbouring high values 0, 254, 255: background and foreground
0, 255 and a few single pixels background and foreground
class numbers                  each value is a class; 255 is ignored unless it makes up a quarter of all pixels, or the others
                               are grey levels (76, 90, 150) and it makes up 2% or more

Where two readings are possible, the one above is chosen and a problem of the kind "mask values" says how to choose the other.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from visionkit.data.images.masks.channels import BLACK, MAX_COLORS, Found, find_channel, named_greys
from visionkit.data.images.masks.histograms import Histogram, are_single_regions, open_masks, total_of
from visionkit.data.images.masks.levels import APART, MANY, NOISE, levels_of_jpeg, levels_of_soft_edges
from visionkit.data.images.masks.meaning import BINARY_NAMES, MaskClasses, Meaning, listed
from visionkit.data.images.masks.named import by_names, by_values, ignored_values
from visionkit.data.images.masks.names import NamedClasses
from visionkit.data.images.masks.read import MAX_CLASSES
from visionkit.data.images.masks.union import SOFT
from visionkit.data.index import IGNORE, DataError

FULL_SCALE = (1, 255, 65535)  # how files write "foreground"
FEW_LEVELS = 16
FAR_APART, BRIGHT = 24, 64  # of grey levels: the least distance, and what the brightest but 255 reaches
IGNORED_SHARE = 0.25  # share of all pixels up to which 255 means "ignore"
BORDER_SHARE = 0.02  # share of all pixels below which 255 means "ignore" beside grey levels, too
MAIN_SHARE = 0.5  # share of the pixels that are not 0 from which 255 is more likely the foreground
STRAY_SHARE = 0.02  # share of the pixels that are not 0 up to which single pixels of other values than 255 are strays
MIXED_SHARE = 0.1  # share of the masks from which those of 0 and 255 alone are too many, even if 255 marks borders in others
FEWEST_OBJECTS = 4
LEAST_PIXELS = 9  # that an object usually has; the colors of a photograph have one or two
MANY_OBJECTS = 12  # more than the parts of a heart or the layers of a retina, which have the same numbers in all masks
SINGLE = 0.95  # share of the numbers of objects that are one region
FEWEST_SIZES, MOSTLY_SINGLE = 3, 0.75  # less evidence for numbers of objects, which is only reported
REMEDY = "--mask-values"
IS_IGNORED = f"it is ignored. If it is a class, pass {REMEDY} 255=NAME and so on for all values"


def find_classes(masks: Sequence[str | Path], named: NamedClasses | None = None) -> MaskClasses:
    """Decide what the values of masks mean; all masks are opened, and broken ones left to be reported when they are read.

    Args:
        masks: all masks of all splits.
        named: what a file or an option says of the classes (see ``masks.names``).

    Raises:
        DataError: no mask can be read, or their values are no classes.
    """
    files = open_masks(masks)
    named = named_greys(files, named)
    found = find_channel(files, named)
    extent = f"all {len(masks)} masks" if len(masks) > 1 else "1 mask"
    if len(files) < len(masks):
        extent = f"{len(files)} of {len(masks)} masks, the others cannot be read"
    in_color = found.channel == "color" and not found.are_levels
    total = total_of(found.histograms)
    if named is not None and not in_color and (ignored := ignored_values(named)):
        found = found._replace(histograms=[_without(each, ignored) for each in found.histograms])
        meaning = _of_levels(found, total_of(found.histograms), extent).also_ignoring(ignored)
    elif named is not None and named.has_meaning and (in_color or named.values is not None):
        meaning = by_values(named, total, found)
    elif named is not None and not in_color:
        meaning = by_names(named, total, found, is_binary=_are_binary(found.histograms))
    elif in_color:
        meaning = _of_colors(found, total, extent, named)
    else:
        meaning = _of_levels(found, total, extent)
    if named is not None and named.note:
        meaning = meaning._replace(notes=(*meaning.notes, named.note))
    by_habit = named is not None and not in_color and IGNORE not in (named.values or ()) and not meaning.details
    if by_habit and meaning.classes.get(IGNORE) == IGNORE:
        meaning = meaning._replace(details=_only_foreground(found))
    if len(total.values) == 1 and len(files) > 1:
        value = f"#{int(total.values[0]):06x}" if in_color else int(total.values[0])
        detail = f"{extent} hold nothing but {value}: there is nothing to learn from them; look whether they were saved rightly"
        meaning = meaning._replace(details=(*meaning.details, detail))
    return meaning.to_classes(found, total)


def _without(histogram: Histogram, values: Sequence[int]) -> Histogram:
    rest = ~np.isin(histogram.values, values)
    return Histogram(histogram.values[rest], histogram.counts[rest], histogram.solid[rest])


def _of_colors(found: Found, total: Histogram, extent: str, named: NamedClasses | None) -> Meaning:
    sizes = np.concatenate([each.counts[each.values != BLACK] for each in found.histograms])
    are_areas = len(sizes) > 0 and np.median(sizes) >= LEAST_PIXELS
    if are_areas and len(total.values) >= FEWEST_OBJECTS and _number_objects(found, background=BLACK):
        return _objects(found, total, extent)
    blurred = any(file.blurred for file in found.files)
    if blurred or len(total.values) > MAX_COLORS:
        raise DataError(
            f"The masks have colors, but there is no list of them: {len(total.values)} colors in {extent}"
            f"{', which JPEG has blurred' if blurred else ''}; expected at most {MAX_COLORS}. "
            "Write the classes to colors.csv next to the folder of masks: name,r,g,b; or, if these are photographs with masks "
            "drawn on them, give the masks alone."
        )
    names = tuple(f"#{color:06x}" for color in total.values.tolist())
    note = f"no colors.csv: {len(names)} classes are named by the colors of masks ({extent})"
    details = ()
    if named is not None:
        detail = f"{named.source} names classes, but not their colors, so its names are not used: write {names[-1]}=NAME ..."
        details = (f"{detail} after {REMEDY}, or colors.csv: name,r,g,b",)
    return Meaning(names, dict(zip(total.values.tolist(), range(len(names)), strict=True)), notes=(note,), details=details)


def _of_levels(found: Found, total: Histogram, extent: str) -> Meaning:
    """The classes of grey masks without names."""
    values = total.values.tolist()
    if any(file.blurred for file in found.files):
        return _of_jpeg(found, extent)
    if values and values[0] < 0:
        raise DataError(f"The masks hold values {listed(values)}; expected class numbers from 0 on.")
    if _are_binary(found.histograms):
        return _binary(values, extent)
    if len(values) <= 2:
        return _two_values(values, extent)
    if levels := levels_of_soft_edges(total):
        return _levels(levels, extent, "have soft edges", nearest=True)
    if len(values) > MANY and total.solid.sum() < 0.5 * total.counts.sum():
        raise DataError(
            f"The masks have {len(values)} values and hardly any area of one value; expected classes, no photographs."
        )
    if _are_strays(total):
        return _with_strays(total, extent)
    if _are_one_foreground(values):
        return _one_foreground(values, extent)
    if _are_far_apart(values):
        return _levels(values, extent)
    if len(values) > FEWEST_OBJECTS and _number_objects(found, background=0):
        return _objects(found, total, extent)
    if len(values) - (IGNORE in values) > MAX_CLASSES:
        raise DataError(
            f"The masks hold {len(values)} values, {listed(values)} ({extent}); expected at most {MAX_CLASSES} classes. If "
            f"they number objects, pass {REMEDY} 0=background other=foreground."
        )
    return _class_numbers(found, total, extent)


def _are_binary(histograms: Sequence[Histogram]) -> bool:
    """Whether each mask holds nothing but 0 and one way to write foreground."""
    sets = [set(each.values.tolist()) - {0} for each in histograms]
    return all(len(one) <= 1 and one <= set(FULL_SCALE) for one in sets)


def _binary(values: list[int], extent: str) -> Meaning:
    foreground = [value for value in values if value != 0] or [255]
    meaning = {0: 0} | dict.fromkeys(foreground, 1)
    are = "are" if len(foreground) > 1 else "is"
    mixed = "; some masks use one, some the other" if len(foreground) > 1 else ""
    shown = " and ".join(map(str, foreground))
    return Meaning(BINARY_NAMES, meaning, notes=(f"mask values: 0 is background, {shown} {are} foreground ({extent}){mixed}",))


def _two_values(values: list[int], extent: str) -> Meaning:
    names = BINARY_NAMES if values[0] == 0 else tuple(map(str, values))
    shown = " and ".join(f"{value} is {name}" for value, name in zip(values, names, strict=True) if str(value) != name)
    shown = shown or f"{' and '.join(map(str, values))}, named by their values"
    return Meaning(names, dict(zip(values, range(len(values)), strict=True)), notes=(f"mask values: {shown} ({extent})",))


def _levels(levels: Sequence[int], extent: str, why: str = "", *, nearest: bool = False) -> Meaning:
    is_binary = len(levels) == 2 and levels[0] == 0
    names = BINARY_NAMES if is_binary else tuple(map(str, levels))
    meaning = dict(zip(levels, range(len(levels)), strict=True))
    are = "are background and foreground" if is_binary else f"are {len(levels)} classes, named by their values"
    shown = f"mask values {listed(levels)} {are} ({extent})"
    if nearest and tuple(levels) == (0, 255):
        shown = f"masks {why}: values from 128 on are foreground ({extent})"
    elif nearest:
        shown = f"{shown}; masks {why}: other values count as the nearest of these"
    if not is_binary:
        shown += f"; name them in classes.txt or with {REMEDY}"
    return Meaning(names, meaning, nearest=nearest, notes=(shown,))


def _of_jpeg(found: Found, extent: str) -> Meaning:
    pairs = list(zip(found.files, found.histograms, strict=True))
    exact = set(total_of([each for file, each in pairs if not file.blurred]).values.tolist())
    levels = levels_of_jpeg(total_of([each for file, each in pairs if file.blurred]))
    if not levels or min(np.diff(levels)) < APART:
        raise DataError(
            f"The masks are JPEG, which blurs class numbers (or lossy WebP), and their values do not gather at levels "
            f"({extent}). Save them as PNG, or say what they mean: {REMEDY} 0=background 255=foreground."
        )
    if not exact <= set(levels):
        raise DataError(
            f"Some masks are JPEG, with the values {listed(levels)}; the others hold {listed(sorted(exact))}. Save all as "
            "PNG with the same values."
        )
    return _levels(levels, extent, "are JPEG", nearest=True)


def _are_far_apart(values: list[int]) -> bool:
    """Whether values are grey levels rather than class numbers."""
    if len(values) > FEW_LEVELS or min(np.diff(values)) < FAR_APART:
        return False
    return values[-1] <= 255 and max(value for value in values if value != 255) >= BRIGHT


def _are_strays(total: Histogram) -> bool:
    """Whether masks hold 0, 255, and hardly any other pixels, none of them in an area."""
    others, foreground = ~np.isin(total.values, (0, IGNORE)), total.values != 0
    if others.sum() != len(total.values) - 2 or total.solid[others].any():
        return False
    return int(total.counts[others].sum()) <= STRAY_SHARE * int(total.counts[foreground].sum())


def _with_strays(total: Histogram, extent: str) -> Meaning:
    strays = [value for value in total.values.tolist() if value not in (0, IGNORE)]
    count = int(total.counts[np.isin(total.values, strays)].sum())
    detail = (
        f"{count:,} single pixels have the value {listed(strays)} beside 0 and 255: they count as the nearer of the two. If "
        f"they are a class, pass {REMEDY} VALUE=NAME ..."
    )
    note = f"mask values: 0 is background, 255 is foreground ({extent})"
    return Meaning(BINARY_NAMES, {0: 0, IGNORE: 1}, nearest=True, notes=(note,), details=(detail,))


def _are_one_foreground(values: list[int]) -> bool:
    """Whether the values beside 0 are neighbours at the bright end, such as 254 and 255."""
    return values[0] == 0 and values[1] >= SOFT and IGNORE - NOISE <= values[-1] <= IGNORE and values[-1] - values[1] < APART


def _one_foreground(values: list[int], extent: str) -> Meaning:
    shown = listed(values[1:])
    detail = (
        f"the masks hold 0 and the neighbouring values {shown}, which are all read as foreground. If these are classes, or 255 "
        f"marks pixels to ignore, pass {REMEDY} 0=background {values[1]}=NAME ..."
    )
    note = f"mask values: 0 is background, {shown} are foreground ({extent})"
    return Meaning(BINARY_NAMES, {0: 0} | dict.fromkeys(values[1:], 1), notes=(note,), details=(detail,))


def _class_numbers(found: Found, total: Histogram, extent: str) -> Meaning:
    values, numbers = total.values.tolist(), [value for value in total.values.tolist() if value != IGNORE]
    share = int(total.counts[total.values == IGNORE].sum()) / max(1, int(total.counts.sum()))
    dense = numbers[-1] < MAX_CLASSES and 2 * len(numbers) > numbers[-1]
    classes = list(range(numbers[-1] + 1)) if dense else list(numbers)
    are_levels = not dense and numbers[-1] >= BRIGHT and len(numbers) <= FEW_LEVELS
    is_class = IGNORE in values and (share >= IGNORED_SHARE or (are_levels and share >= BORDER_SHARE))
    problems = _mixed_codes(found, numbers)
    if _may_number_objects(found):
        problems += (
            f"each mask holds the values 1, 2 and so on without a gap, up to {numbers[-1]}, and most of them are one connected "
            f"region: they are read as classes, but may number objects. If so, pass {REMEDY} 0=background other=foreground",
        )
    if is_class and IGNORE not in classes:
        classes.append(IGNORE)
        detail = (
            f"255 makes up {share:.0%} of all pixels beside the values {listed(numbers)}: it is read as a class. If it marks "
            f'pixels to ignore, pass {REMEDY} 255=ignore, or write "255 ignore" to classes.txt'
        )
        problems += (detail,)
    elif IGNORE in values and not is_class:
        problems += _foreground_ignored(found, total)
    names = BINARY_NAMES if classes == [0, 1] else tuple(map(str, classes))
    what = "are background and foreground" if classes == [0, 1] else "are classes, named by their values"
    note = f"mask values {listed(values if is_class else numbers)} {what} ({extent})"
    if classes != [0, 1]:
        note += f"; no classes.txt and no {REMEDY} names them"
    meaning = {value: place for place, value in enumerate(classes)} | ({} if is_class else {IGNORE: IGNORE})
    return Meaning(names, meaning, notes=(note,), details=problems)


def _foreground_ignored(found: Found, total: Histogram) -> tuple[str, ...]:
    """A problem where 255 may be the foreground of all masks, or of some."""
    if details := _only_foreground(found):
        return details
    foreground, high = (int(total.counts[mask].sum()) for mask in (total.values != 0, total.values == IGNORE))
    if high > MAIN_SHARE * foreground:
        return (f"255 makes up {high / foreground:.0%} of the pixels that are not 0: {IS_IGNORED}",)
    return ()


def _only_foreground(found: Found) -> tuple[str, ...]:
    """A problem where some masks hold 255 alone beside 0, and others class numbers, with which 255 marks no borders."""
    sets = [set(each.values.tolist()) - {0} for each in found.histograms]
    alone = sum(one == {IGNORE} for one in sets)
    are_borders = any(IGNORE in one and len(one) > 1 for one in sets)  # so that a mask may hold nothing else
    if alone > (max(1, MIXED_SHARE * sum(map(bool, sets))) if are_borders else 0):
        masks = "1 mask holds" if alone == 1 else f"{alone} masks hold"
        return (f"{masks} 255 alone beside 0, others class numbers: {IS_IGNORED}",)
    return ()


def _mixed_codes(found: Found, numbers: list[int]) -> tuple[str, ...]:
    """A problem where some masks hold class numbers, and the others grey levels: 1 and 2, or 127 and 255."""
    sets = [set(each.values.tolist()) - {0} for each in found.histograms]
    low = [one for one in sets if one and max(one) < FAR_APART]
    high = [one for one in sets if one and min(one) >= BRIGHT]
    bright = [one for one in high if one - {IGNORE}]
    if not bright or len(low) + len(high) < sum(map(bool, sets)):
        return ()
    return (
        (
            f"{len(low)} masks hold the values {listed(sorted(set.union(*low)))}, {len(high)} others "
            f"{listed(sorted(set.union(*high)))}: each value is read as a class. If they mean the same, pass {REMEDY} "
            "with one name for both: 1=cell 127=cell",
        )
        if low
        else ()
    )


def _number_objects(found: Found, background: int) -> bool:
    """Whether values number the objects of each mask; that each is one region is only looked at where the values allow it."""
    sets = [frozenset(each.values.tolist()) - {background} for each in found.histograms]
    sets = [one for one in sets if one]
    distinct = frozenset().union(*sets)
    if len(distinct) < FEWEST_OBJECTS:
        return False
    in_order = sum(max(one) == len(one) for one in sets)  # 1, 2, ..., n
    usual = Counter(sets).most_common(1)[0][1]
    differ = usual < 0.75 * len(sets) or len(distinct) >= MANY_OBJECTS
    per_value = sum(map(len, sets)) / len(distinct)
    hardly_recur = len(distinct) >= MANY_OBJECTS and per_value <= max(2, 0.02 * len(sets)) and len(sets) > 1
    if not hardly_recur and not (in_order >= 0.9 * len(sets) and differ):
        return False
    return are_single_regions([file.path for file in found.files], found.channel, background, SINGLE)


def _may_number_objects(found: Found) -> bool:
    """Whether the values of each mask are 1, 2, ..., n, with three different n or more, and most are one region."""
    sets = [one for each in found.histograms if (one := set(each.values.tolist()) - {0, IGNORE})]
    if len({len(one) for one in sets}) < FEWEST_SIZES or any(max(one) != len(one) for one in sets):
        return False
    return are_single_regions([file.path for file in found.files], found.channel, 0, MOSTLY_SINGLE)


def _objects(found: Found, total: Histogram, extent: str) -> Meaning:
    numbers = total.values[total.values != 0].tolist()
    in_color = found.channel == "color" and not found.are_levels
    what = f"{len(numbers)} colors" if in_color else f"values {numbers[0]} to {numbers[-1]}"
    zero = "#000000" if in_color else "0"
    names = f"{zero}=background ..."
    detail = (
        f"{what} number objects rather than classes, since each is one connected region and masks differ in them: they are "
        f"read as background and foreground. If that is right, pass {REMEDY} {zero}=background other=foreground; if they are "
        f"classes, name them in {'colors.csv' if in_color else 'classes.txt'} or pass {REMEDY} {names}"
    )
    note = f"mask values: 0 is background, all others are foreground ({extent})"
    return Meaning(BINARY_NAMES, {0: 0}, rest=1, notes=(note,), details=(detail,))
