"""Files of a data set that no reader used, although they look like annotations; and images that are in no split.

A file is known by its contents, as far as a few lines show them. Of many files with one suffix in one folder a few are opened.
Files with the names of the images belong to them, whatever they hold.
"""

import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from visionkit.data.formats.mask_layouts.folders import RANKS
from visionkit.data.formats.mask_layouts.tree import is_named_like_masks
from visionkit.data.formats.unread.kinds import LIST, TABLE_SUFFIXES, kind_of
from visionkit.data.formats.unread.owners import Owners
from visionkit.data.formats.unread.repeats import Repeats
from visionkit.data.formats.unread.special import special_files
from visionkit.data.formats.unread.walk import Place, walk
from visionkit.data.images.contents import file_of
from visionkit.data.images.masks import union
from visionkit.data.index import DataError, Problem, counted
from visionkit.data.splits import DataSet

PROBED_FILES = 3  # of each suffix in a folder
MOST_LISTS = 50  # tables or lists in a folder that are compared with what was read
MANY = 10  # folders with files of one kind from which they are one problem
NO_ANNOTATIONS = re.compile(
    r"readme.*|licen[cs]e.*|requirements.*|sample_?submission.*|notes?|changelog.*|credits?|attributions?|copyright"
    r"|(check|md5|sha\d*)_?sums?|.*\.aux",
    re.IGNORECASE,
)
# Files that may have the names of photos: side-cars of cameras and editors, raw images, films, point clouds, ...
NO_ANNOTATION_SUFFIXES = frozenset(
    [
        *(".xmp", ".aae", ".pp3", ".dop", ".cos", ".thm", ".lrv", ".md5", ".sha1", ".sha256", ".sfv", ".crc", ".par2", ".log"),
        *(".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw"),
        *(".mov", ".mp4", ".avi", ".m4v", ".mkv", ".webm", ".wav", ".mp3", ".m4a", ".psd", ".xcf", ".kra", ".ai", ".eps"),
        *(".pdf", ".html", ".htm", ".doc", ".docx", ".odt", ".bak", ".tmp", ".part", ".cache", ".lock", ".ini", ".url"),
        *(".py", ".pyc", ".ipynb", ".sh", ".bat", ".m", ".r", ".md", ".rst", ".js", ".css", ".c", ".cpp", ".h", ".lnk"),
        *(".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".prj"),
        *(".dcm", ".hdr", ".pcd", ".ply", ".las", ".laz", ".bin"),
        *(".tfw", ".tifw", ".jgw", ".jpgw", ".pgw", ".pngw", ".wld", ".ovr", ".rpb", ".rpc", ".imd"),
    ]
)


def unread_files(places: list[Place], data_set: DataSet, repeated: list[str] | None = None) -> list[Problem]:
    """Files that look like annotations, but were not used: one problem for each kind in each folder, or one for many folders.

    Args:
        places: what ``walk`` found in the folder that the data set was read from.
        data_set: its ``annotation_files`` are the files that were used, and its problems name further ones.
        repeated: list that receives the tables and lists that are no problem, since they only repeat what was read.
    """
    repeated = [] if repeated is None else repeated
    repeats = Repeats(data_set)
    image_sets = _image_sets(data_set)
    names = _image_names(data_set)
    used = _spots((*data_set.annotation_files, *(problem.path for problem in data_set.problems)))
    owners = Owners(places, data_set)
    # Tools write the same masks as arrays, too, and trainers of detectors keep decoded images next to the files.
    has_copies = any(index.has_masks or index.has_objects for index in data_set.splits.values())
    found: dict[tuple[str, str], list[Problem]] = {}
    for place, suffix, files in _groups(places, used):
        if suffix in NO_ANNOTATION_SUFFIXES or (suffix == ".npy" and has_copies):
            continue
        if suffix == ".txt" and any(Path(place.parent).is_relative_to(folder) for folder in image_sets):
            continue
        if suffix in (*TABLE_SUFFIXES, ".txt") and len(files) <= MOST_LISTS:
            same = [name for name in files if repeats.are_all_in(Path(place.parent, name))]
            repeated += [str(Path(place.parent, name)) for name in same]
            files = [name for name in files if name not in same]
        first, kind = _kind_of_group(place, suffix, files, names, owners)
        if kind:
            named = [f"more {suffix} {file}" if suffix else f"more {file} without a suffix" for file in ("file", "files")]
            more = f" ({counted(len(files) - 1, *named)} in this folder)" if len(files) > 1 else ""
            problem = Problem("unread annotations", str(Path(place.parent, first)), f"{kind}: it was not read{more}")
            found.setdefault((kind, suffix), []).append(problem)
    problems: list[Problem] = []
    for group in found.values():
        more = f"; there are more in {counted(len(group) - 1, 'other folder')}"
        problems += [group[0]._replace(detail=group[0].detail + more)] if len(group) > MANY else group
    reported = {problem.path for problem in (*data_set.problems, *problems)}.union(_files_of(data_set))
    return sorted([*problems, *special_files(places, reported)], key=lambda problem: problem.path)


def _groups(places: list[Place], used: Collection[str]) -> Iterator[tuple[Place, str, list[str]]]:
    """The files of each suffix in each folder that were not used, and may be annotations by their names."""
    for place in places:
        groups: dict[str, list[str]] = {}
        for name in place.others:
            stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a Path costs more
            if not NO_ANNOTATIONS.fullmatch(stem) and not _is_one_of(name, place, used):
                suffix = ".nii.gz" if name.lower().endswith(".nii.gz") else suffix.lower()
                groups.setdefault(suffix, []).append(name)
        yield from ((place, suffix, files) for suffix, files in sorted(groups.items()))


def _image_sets(data_set: DataSet) -> set[Path]:
    """The folders ImageSets/ of Pascal VOC of which a list was read: the others there name the same images."""
    files = [Path(file) for file in data_set.annotation_files if "imagesets" in file.lower()]
    return {folder for file in files for folder in file.parents if folder.name.lower() == "imagesets"}


def _kind_of_group(place: Place, suffix: str, files: list[str], names: Collection[str], owners: Owners) -> tuple[str, str]:
    """One of the files of a folder that have a suffix, and what it looks like; "" if none looks like annotations."""
    for name in files[:PROBED_FILES]:
        kind = kind_of(Path(place.parent, name), suffix, names)
        if kind is None:
            return "", ""
        if kind == LIST and owners.are_all_in(Path(place.parent, name)):
            return "", ""
        if not kind and suffix in TABLE_SUFFIXES and owners.are_numbered_in(Path(place.parent, name)):
            kind = "a table that names images by their numbers"
        if kind:
            return name, kind
    return (files[0], "a file named after an image") if owners.have_named(files) else ("", "")


def seen(folder: Path) -> str:
    """A sentence that names the annotation files in a folder that were not read; "" if there are none."""
    problems = unread_files(walk(folder), DataSet({}))
    named = [f"{problem.path} ({problem.detail.partition(': it was not read')[0]})" for problem in problems]
    more = f" and {len(named) - 3} more kinds or folders" if len(named) > 3 else ""
    return f" It holds annotations that were not read: {', '.join(named[:3])}{more}." if named else ""


def naming_unlisted(error: DataError | OSError, folder: Path) -> Exception:
    """The error of a reader; it names a folder that cannot be listed, if there is one, since that may be the reason."""
    first = next((place for place in walk(folder) if place.reason), None)
    if first is None:
        return error
    text = error if isinstance(error, DataError) else f"{folder}: it cannot be read as a data set."
    return DataError(f"{text} {first.parent} cannot be listed ({first.reason}).")


def unused_images(places: list[Place], data_set: DataSet) -> str:
    """The images that are in no split, as "4 in test1/, 1 in the folder itself"; "" if there are none.

    Folders are those in the folder that holds all images. Masks, and files that are named after an image beside them, such as
    a second mask, are no images.
    """
    used = _spots(map(file_of, _files_of(data_set)))
    has_masks = any(index.has_masks or index.has_objects for index in data_set.splits.values())
    holding = [place.parent for place in places if place.images]
    shared = Path(os.path.commonpath(holding)) if holding else None
    counts: Counter[str] = Counter()
    for place in places:
        unused = [name for name in place.images if not _is_one_of(name, place, used)]
        if has_masks and unused:
            unused = _without_masks(unused, place, used, Path(places[0].parent))
        if unused:
            relative = Path(place.parent).relative_to(shared)
            itself = "the folder itself" if place is places[0] else f"{shared.name}/"
            counts[f"{relative.parts[0]}/" if relative.parts else itself] += len(unused)
    shown = [f"{count:,} in {name}" for name, count in counts.most_common(3)]
    more = [f"{sum(counts.values()) - sum(count for _, count in counts.most_common(3)):,} elsewhere"] if len(counts) > 3 else []
    return ", ".join(shown + more)


def _without_masks(unused: list[str], place: Place, used: Collection[str], root: Path) -> list[str]:
    """The files that are not named after a used image beside them, if their folders are not named like those of masks."""
    folders = Path(place.parent).relative_to(root).parts
    if any(is_named_like_masks(name) or name.lower() in RANKS for name in folders):
        return []
    stems = {os.path.splitext(name)[0] for name in place.images if _is_one_of(name, place, used)}  # noqa: PTH122
    return [name for name in unused if not any(name[: end.start()] in stems for end in re.finditer(r"[-_ .]", name))]


def _spots(files: Iterable[str]) -> set[str]:
    """The files, by paths without links; a file that is a link, and what it leads to. Each folder is resolved once."""
    parents: dict[str, str] = {}
    spots = set()
    for file in files:
        parent, name = os.path.split(file)
        if parent not in parents:
            parents[parent] = os.path.realpath(parent)
        spots.add(f"{parents[parent]}/{name}")
        if os.path.islink(file):  # noqa: PTH114 - fast
            spots.add(os.path.realpath(file))
    return spots


def _is_one_of(name: str, place: Place, spots: Collection[str]) -> bool:
    path = f"{place.real}/{name}"
    return path in spots or (os.path.islink(path) and os.path.realpath(path) in spots)  # noqa: PTH114


def _files_of(data_set: DataSet) -> Iterator[str]:
    """The paths of all images and masks of a data set."""
    for index in data_set.splits.values():
        yield from index.paths
        for annotation in index.annotations:
            members = None if annotation.mask is None else union.parse_path(annotation.mask)
            if members is not None:
                yield from map(str, union.files_of(members))
            elif annotation.mask is not None:
                yield annotation.mask


def _image_names(data_set: DataSet) -> frozenset[str]:
    """The names of the images of a data set, with and without their suffixes; numbers alone could be anything."""
    names = {os.path.basename(path) for index in data_set.splits.values() for path in index.paths}  # noqa: PTH119
    stems = {os.path.splitext(name)[0] for name in names}  # noqa: PTH122
    return frozenset(names | {stem for stem in stems if not stem.isdecimal()})
