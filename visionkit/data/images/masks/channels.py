"""Decides where in the files of a data set the values of masks are: in grey values, in palette numbers, colors, or alpha.

alpha     every file has an alpha channel, and the colors below it say nothing: one color a mask, or a photograph
color     a list of colors fits the colors; or masks have colors; or they have palettes that contradict each other
grey      all others, also the numbers of palettes; a color whose channels are equal is a grey value
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from visionkit.data.images.masks.histograms import Histogram, MaskFile, total_of
from visionkit.data.images.masks.levels import NOISE
from visionkit.data.images.masks.names import OPTION, NamedClasses
from visionkit.data.images.masks.read import packed_colors
from visionkit.data.index import IGNORE, DataError, Problem

MAX_COLORS = 64  # more colors are not classes, but a photograph or soft edges
GREY = 0x010101  # times a grey value is its packed color
BLACK, WHITE = 0, 0xFFFFFF


class Found(NamedTuple):
    """The values of masks in one channel.

    Attributes:
        channel: as in ``MaskCode``.
        files: the masks that have such values.
        histograms: of each.
        are_levels: whether the values are grey levels, although the channel is "color".
        notes, problems: on the choice.
    """

    channel: str
    files: list[MaskFile]
    histograms: list[Histogram]
    are_levels: bool = False
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def find_channel(files: list[MaskFile], named: NamedClasses | None) -> Found:
    """Decide for all masks of a data set.

    Raises:
        DataError: the masks have colors, but names for grey values are given.
    """
    found = _choose_channel(files, named)
    lost = [file for file in files if found.channel != "alpha" and _is_drawn_in_alpha(file)]
    if not lost:
        return found
    detail = (
        f"{len(lost)} of {len(files)} masks, such as this one, have one color everywhere, and their objects are in the alpha "
        "channel, which is not read, since other masks are not drawn there; save all masks in one way"
    )
    return found._replace(problems=(*found.problems, Problem("mask values", lost[0].path, detail)))


def _is_drawn_in_alpha(file: MaskFile) -> bool:
    return file.alpha is not None and len(file.alpha.values) > 1 and len(file.in_color.values) == 1


def _choose_channel(files: list[MaskFile], named: NamedClasses | None) -> Found:
    has_colors = named is not None and named.colors is not None
    if not has_colors and (found := _in_alpha(files)) is not None:
        return found
    if has_colors and (named.source == OPTION or _fit_colors(files, named)):
        return _in_color(files)
    colored = [file for file in files if file.grey is None]
    plain = [file for file in files if file.grey is not None]
    if not colored:
        found = _in_grey_or_palette(files)
        numbers_are_named = named is not None and named.values is not None and not found.are_levels
        return _in_grey(files) if numbers_are_named else found
    if named is not None and named.values is not None:
        if not plain:
            raise DataError(
                f"{named.source} names grey values, but the masks have colors, such as {colored[0].path}. Name colors instead: "
                "#ff0000=road."
            )
        return _in_grey(plain)
    known = {BLACK, WHITE, *total_of([file.colors for file in colored]).values.tolist()}
    others = [file for file in plain if file.colors is None and not set(file.in_color.values.tolist()) <= known]
    if len(colored) < len(others):  # reading the colored ones will say that they have colors
        return _in_grey(plain)
    if not others:
        return _in_color(files)
    detail = (
        f"{len(others)} of {len(files)} masks hold grey values, such as this one, but {len(colored)} have colors: colors are "
        "taken for the classes, and other grey values are ignored; save all masks in one way"
    )
    found = _in_color([file for file in files if file not in others])
    return found._replace(problems=(Problem("mask values", others[0].path, detail),))


def named_greys(files: Sequence[MaskFile], named: NamedClasses | None) -> NamedClasses | None:
    """A list of colors as one of grey values, where all its colors are grey and these fit grey masks.

    Black and white name background and foreground also where the masks write white as 1.
    """
    if named is None or named.colors is None or named.source == OPTION or len(named.names) < 2:
        return named
    values = named.colors[:, 0].tolist()
    if not _are_grey(packed_colors(named.colors)) or len(set(values)) < len(values):
        return named
    if any(file.grey is None or file.colors is not None or file.alpha is not None for file in files):
        return named
    total = total_of([file.grey for file in files])
    if len(values) == 2 and 0 in values and set(total.values.tolist()) <= {0, 1}:
        return named._replace(names=tuple(name for _, name in sorted(zip(values, named.names, strict=True))), colors=None)
    near = NOISE if any(file.blurred for file in files) else 0
    by_color = int(total.counts[np.isin(total.values, np.add.outer(values, np.arange(-near, near + 1)))].sum())
    by_number = int(total.counts[(total.values < len(values)) | (total.values == IGNORE)].sum())
    return named._replace(colors=None, values=tuple(values)) if by_color >= max(by_number, 1) else named


def _in_grey(files: list[MaskFile]) -> Found:
    return Found("grey", files, [file.grey for file in files])


def _in_color(files: list[MaskFile]) -> Found:
    return Found("color", files, [file.in_color for file in files])


def _in_alpha(files: list[MaskFile]) -> Found | None:
    if any(file.alpha is None for file in files):
        return None
    alpha = [file.alpha for file in files]
    if len(total_of(alpha).values) < 2:
        return None
    colors = total_of([file.in_color for file in files]).values
    is_uniform = all(len(file.in_color.values) == 1 for file in files)
    if not is_uniform and len(colors) <= MAX_COLORS:
        return None
    note = "the masks are in the alpha channel of the files: " + ("their colors say nothing" if is_uniform else "cut-outs")
    problems = ()
    if is_uniform and len(colors) > 1:
        detail = (
            f"the alpha channel is taken for the mask, but masks also have different colors, such as #{colors[0]:06x} and "
            f"#{colors[1]:06x}; if the colors are classes, list them in colors.csv"
        )
        problems = (Problem("mask values", files[0].path, detail),)
    return Found("alpha", files, alpha, notes=(note,), problems=problems)


def _in_grey_or_palette(files: list[MaskFile]) -> Found:
    """Palette numbers are the values, unless palettes contradict each other: the same number then has two colors."""
    palettes = [file for file in files if file.colors is not None]
    pairs = [pair for file in palettes for pair in zip(file.grey.values.tolist(), file.colors.values.tolist(), strict=True)]
    color_of = dict(pairs)
    colors = np.array([color_of[number] for number in sorted(color_of)], np.int64)
    distinct = {color for _, color in pairs}
    if len(set(pairs)) == len(color_of):
        is_turned = len(distinct) == len(colors) and _are_grey(colors) and (np.diff(colors) < 0).any()  # white before black
        return _in_palette_colors(files) if is_turned else _in_grey(files)
    if len(pairs) >= 2 * len(distinct):  # colors recur, as classes do
        return _in_palette_colors(files)
    detail = "the palettes of the masks differ: palette numbers are taken for the classes, not colors; save all in one way"
    return _in_grey(files)._replace(problems=(Problem("mask values", palettes[0].path, detail),))


def _in_palette_colors(files: list[MaskFile]) -> Found:
    found = _in_color(files)
    note = "the palettes of the masks differ, or do not ascend, so that colors are taken for the classes, not palette numbers"
    if not _are_grey(total_of(found.histograms).values):
        return found._replace(notes=(note,))
    levels = [_sorted(Histogram(each.values & 255, each.counts, each.solid)) for each in found.histograms]
    return Found("color", files, levels, are_levels=True, notes=(note.replace("colors", "grey levels", 1),))


def _sorted(histogram: Histogram) -> Histogram:
    return total_of([histogram])


def _are_grey(colors: np.ndarray) -> bool:
    return bool((colors == (colors & 255) * GREY).all())


def _fit_colors(files: Sequence[MaskFile], named: NamedClasses) -> bool:
    """Whether a list of colors, rather than the order of its names, gives the classes of most pixels."""
    if any(file.grey is None for file in files):
        return True
    colors, grey = total_of([file.in_color for file in files]), total_of([file.grey for file in files])
    by_color = int(colors.counts[np.isin(colors.values, packed_colors(named.colors))].sum())
    by_number = int(grey.counts[(grey.values < len(named.names)) | (grey.values == IGNORE)].sum())
    has_palettes = any(file.colors is not None for file in files)
    return by_color > by_number or (by_color == by_number and has_palettes)
