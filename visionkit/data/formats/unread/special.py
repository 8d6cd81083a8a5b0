"""What readers pass over: folders that cannot be listed; pipes, sockets and devices named like an image or annotations."""

import os
from collections.abc import Collection

from visionkit.data.formats.unread.kinds import BY_SUFFIX, BY_SUFFIX_AND_WORD, TEXTS
from visionkit.data.formats.unread.walk import Place
from visionkit.data.index import Problem
from visionkit.files import kind_of_file

SUFFIXES = frozenset([*TEXTS, *BY_SUFFIX, *BY_SUFFIX_AND_WORD, ".data", ".names", ".nii", ".gz"])  # of annotations


def special_files(places: list[Place], reported: Collection[str]) -> list[Problem]:
    """A problem for each.

    Args:
        places: what ``walk`` found.
        reported: paths that other problems name, or the scan will.
    """
    problems = []
    for place in places:
        if place.reason:
            detail = f"the folder cannot be listed ({place.reason}): what it holds was not read"
            problems.append(Problem("broken image", place.parent, detail))
        annotations = [name for name in place.others if os.path.splitext(name)[1].lower() in SUFFIXES]  # noqa: PTH122 - fast
        for problem, names in (("broken image", place.images), ("unread annotations", annotations)):
            paths = (os.path.join(place.parent, name) for name in names)  # noqa: PTH118
            found = ((path, kind_of_file(path)) for path in paths if path not in reported)
            problems += [Problem(problem, path, f"{kind}, not a file: it was not read") for path, kind in found if kind]
    return problems
