"""The input pipeline against named peers with the same work: speed, memory, and both against the number of threads.

    pip install torch torchvision ultralytics      # the peers; one that is not installed is left out, with a sentence
    python benchmarks/input_pipeline.py --data hymenoptera/ --boxes bccd/

Without --data and --boxes the images are cut from built-in photographs, and objects are drawn onto them. The sections:

photographs  a random window (0.08 to 1 of the area) to 224 px, mirrored, with shifted brightness, contrast, saturation and hue
large        the same of JPEGs of 12 megapixels
boxes        four images in one of 416 px, scaled, turned, sheared, mirrored, with shifted colors, and their boxes
masks        the same with a mask
memory       of visionkit's process, over ten epochs
threads      speed and memory with 1, 2 and 4 threads or workers; draws a figure

Each contender has a process of its own, and as many threads or workers as there are cores. All are measured in turns, after a
warm-up; a table gives medians and ranges, and ratios of the medians with the range of the ratios within each round.
"""

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

import psutil
import tyro
from input_figures import draw_threads
from input_images import PHOTOGRAPH, cut_photographs, draw_scenes, enlarge
from turns import (
    Contender,
    NotStartedError,
    Turn,
    in_turns,
    peak_bytes,
    print_ratio,
    print_speeds,
    proportional_bytes,
    resident_bytes,
)

CORES = os.cpu_count()
COLOR = 0.2  # brightness, contrast and saturation are shifted by at most this share
HUE = 0.02  # of a whole turn of the color circle: what visionkit turns it by
CROP = {"size": 224, "area": (0.08, 1.0), "color": COLOR, "batch": 32}
MOSAIC = {"size": 416, "rotate": 8.0, "shear": 5.0, "color": COLOR, "batch": 16}
ZOOM = (0.5, 1.5)  # scales of mosaics
LARGE_SHARE, MOSAIC_SHARE = 1 / 24, 1 / 4  # of --images: large images and mosaics take longer
NUM_LARGE = 60  # files
EPOCHS = 10  # of the section on memory
COUNTS = (1, 2, 4)  # threads or workers
MEGABYTE = 1e6
BUSY = 5  # percent of the processors: what others take is then worth a word
OURS, TORCH = "visionkit", "torch DataLoader + albumentations"
CACHED = f"{OURS}, pixels cached in memory"
PEERS = ("tensorflow", "albumentations", "torch", "torchvision", "ultralytics")

Section = Literal["photographs", "large", "boxes", "masks", "memory", "threads"]
SECTIONS: tuple[Section, ...] = ("photographs", "large", "boxes", "masks", "memory", "threads")


@dataclass(frozen=True)
class Options:
    """What is measured."""

    data: Path | None = None
    """Folder of JPEGs, at any depth. Default: 400 JPEGs of 492 x 393, cut from built-in photographs."""
    boxes: Path | None = None
    """Data set with boxes, of any kind that visionkit reads. Default: 400 JPEGs of 640 x 480 with objects drawn onto them."""
    images: int = 4800
    """Number of images of a measurement; files are repeated. Large images and mosaics are fewer."""
    rounds: int = 5
    """Measurements of each contender."""
    sections: tuple[Section, ...] = SECTIONS
    """Which sections."""
    figures: Path = Path(__file__).parents[1] / "docs" / "images"
    """Folder for the figure."""


class Work(NamedTuple):
    """What all sections share.

    Attributes:
        options: the command line's.
        folder: the folder of files that are made for the benchmark.
        paths: the photographs.
    """

    options: Options
    folder: Path
    paths: list[str]


def started(stack: ExitStack, name: str, loader: str, **options) -> list[Contender]:
    """A contender that ends with the stack; none, and a sentence, where its library is missing."""
    try:
        return [stack.enter_context(Contender(name, loader, **options))]
    except NotStartedError as error:
        if name.startswith(OURS):
            raise
        print(error)
        return []


def compare(contenders: list[Contender], rounds: int, ours: list[str]) -> None:
    """Measure in turns and print: speeds, then each of ours against each of the others."""
    turns = in_turns(contenders, rounds)
    print_speeds(turns)
    for our_name in ours:
        for peer in (name for name in turns if name not in ours):
            print_ratio(turns, our_name, peer)


def compare_photographs(work: Work) -> None:
    ways = {OURS: {}, f"{OURS}, flip and colors left to the device": {"augment_on": "device"}}
    ways[CACHED] = {"cached": True}
    options = {"paths": work.paths, "num_images": work.options.images, **CROP}
    with ExitStack() as stack:
        contenders = []
        for name, way in ways.items():
            contenders += started(stack, name, "input_ours.photographs", **way, **options)
        contenders += photograph_peers(stack, **options)
        compare(contenders, work.options.rounds, list(ways))


def compare_large(work: Work) -> None:
    large = enlarge(work.paths, work.folder / "large", NUM_LARGE)
    with ExitStack() as stack:
        options = {"paths": large, "num_images": round(work.options.images * LARGE_SHARE), **CROP, "batch": 8}
        ways = {OURS: False, CACHED: True}
        contenders = [
            one
            for name, cached in ways.items()
            for one in started(stack, name, "input_ours.photographs", cached=cached, **options)
        ]
        compare(contenders + photograph_peers(stack, **options), work.options.rounds, list(ways))


def photograph_peers(stack: ExitStack, **options) -> list[Contender]:
    """The peers of the first two sections; of torchvision's two ways, the faster one."""
    theirs = {**options, "hue": HUE, "workers": CORES}
    peers = started(stack, TORCH, "input_peers.albumentations_photographs", **theirs)
    ways = {"own": "torch DataLoader + torchvision v2, decode_jpeg", "pil": "torch DataLoader + torchvision v2, Pillow"}
    both = [
        one
        for decoder, name in ways.items()
        for one in started(stack, name, "input_peers.torchvision_photographs", decoder=decoder, **theirs)
    ]
    if both:
        rates = {one: (one.turn(), one.turn())[1].rate for one in both}  # the first warms up
        fastest = max(both, key=rates.get)
        peers.append(fastest)
        print(", ".join(f"{one.name}: {rate:.0f} images a second" for one, rate in rates.items()) + ": the faster one is taken")
        for slower in set(both) - {fastest}:
            slower.close()
    decoded = {key: options[key] for key in ("paths", "num_images")}
    return peers + started(stack, "decoding whole images alone (tf.data)", "input_ours.decoding", **decoded)


def compare_boxes(work: Work) -> None:
    data = work.options.boxes or scenes(work) / "boxes"
    with ExitStack() as stack:
        yolo = work.folder / "yolo"
        paths, split, num_classes = as_yolo(data, yolo)
        print(f"{len(paths)} images with boxes")
        number = round(work.options.images * MOSAIC_SHARE)
        contenders = started(
            stack, OURS, "input_ours.mosaics", data=str(yolo), split=split, num_images=number, zoom=ZOOM, **MOSAIC
        )
        theirs = {"paths": paths, "num_images": number, "hue": HUE, "workers": CORES, **MOSAIC}
        contenders += started(stack, TORCH, "input_peers.albumentations_mosaics", zoom=ZOOM, **theirs)
        contenders += started(
            stack,
            "ultralytics' training loader",
            "input_peers.ultralytics_mosaics",
            scale=ZOOM[1] - 1,
            num_classes=num_classes,
            folder=str(work.folder),
            **theirs,
        )
        compare(contenders, work.options.rounds, [OURS])


def as_yolo(data: Path, folder: Path) -> tuple[list[str], str, int]:
    """A data set copied in YOLO's format: the images of a split, its name, the number of classes."""
    import visionkit

    visionkit.quiet_tensorflow()
    from visionkit.data import convert, sources

    convert.convert(data, folder, to="yolo")
    splits = sources.read(folder).splits
    split = "train" if "train" in splits else next(iter(splits))
    return list(splits[split].paths), split, len(splits[split].class_names)


def compare_masks(work: Work) -> None:
    data = scenes(work) / "masks"
    number = round(work.options.images * MOSAIC_SHARE)
    paths = sorted(map(str, (data / "images").iterdir()))
    masks = sorted(map(str, (data / "masks").iterdir()))
    with ExitStack() as stack:
        contenders = started(stack, OURS, "input_ours.mosaics", data=str(data), num_images=number, zoom=ZOOM, **MOSAIC)
        theirs = {"num_images": number, "hue": HUE, "workers": CORES, **MOSAIC}
        contenders += started(stack, TORCH, "input_peers.albumentations_mosaics", paths=paths, masks=masks, zoom=ZOOM, **theirs)
        compare(contenders, work.options.rounds, [OURS])


def scenes(work: Work) -> Path:
    """Built-in images with boxes and masks, made once."""
    folder = work.folder / "scenes"
    if not folder.exists():
        draw_scenes(folder / "boxes", folder / "masks")
    return folder


def measure_memory(work: Work) -> None:
    for cached in (False, True):
        options = {"paths": work.paths, "num_images": work.options.images, "cached": cached, **CROP}
        with Contender(OURS, "input_ours.photographs", **options) as contender:
            before = resident_bytes(contender)
            peaks, threads = [], []
            for _ in range(EPOCHS):
                peaks.append(peak_bytes(contender, resident_bytes, every=0.02) / MEGABYTE)
                threads.append(contender.tree.num_threads())
        how = "pixels cached in memory" if cached else "no cache"
        print(f"{OURS}, {how}: {before / MEGABYTE:.0f} MB before the first epoch")
        print(f"  peak of each epoch in MB: {', '.join(f'{peak:.0f}' for peak in peaks)}")
        print(f"  the last of {EPOCHS} epochs peaks {peaks[-1] - peaks[2]:+.0f} MB above the third")
        print(f"  threads after each epoch: {', '.join(map(str, threads))}")


def compare_threads(work: Work) -> None:
    common = {"paths": work.paths, "num_images": work.options.images, **CROP}
    ways = {}
    theirs = "input_peers.albumentations_photographs"
    for count in COUNTS:
        ways[OURS, count] = (f"{OURS}, threads: {count}", "input_ours.photographs", {"threads": count})
        ways[TORCH, count] = (f"{TORCH}, workers: {count}", theirs, {"workers": count, "hue": HUE})
    memory: dict[tuple[str, int], float] = {}
    for way, (name, loader, options) in ways.items():  # one at a time: what it shared with others would count in part only
        with ExitStack() as stack:
            for contender in started(stack, name, loader, **options, **common):
                contender.turn()
                memory[way] = peak_bytes(contender, proportional_bytes, every=0.1) / MEGABYTE
    with ExitStack() as stack:
        contenders = []
        for name, loader, options in (ways[way] for way in memory):
            contenders += started(stack, name, loader, **options, **common)
        turns = in_turns(contenders, work.options.rounds)
    print_speeds(turns)
    for count in (count for count in COUNTS if (TORCH, count) in memory):
        print_ratio(turns, ways[OURS, count][0], ways[TORCH, count][0])
    for way, megabytes in memory.items():
        print(f"{ways[way][0]:52} {megabytes:.0f} MB at its peak, with its workers")
    measured = list(dict.fromkeys(name for name, _ in memory))
    rates = {name: [median_rate(turns[ways[name, count][0]]) for count in COUNTS] for name in measured}
    path = work.options.figures / "input_threads.png"
    draw_threads(path, COUNTS, rates, {name: [memory[name, count] for count in COUNTS] for name in measured}, CORES)
    print(path)


def median_rate(turns: list[Turn]) -> float:
    return statistics.median(turn.rate for turn in turns)


MEASUREMENTS: dict[Section, Callable[[Work], None]] = {
    "photographs": compare_photographs,
    "large": compare_large,
    "boxes": compare_boxes,
    "masks": compare_masks,
    "memory": measure_memory,
    "threads": compare_threads,
}


def versions() -> str:
    """The versions of the peers that are installed."""
    installed = []
    for name in PEERS:
        try:
            installed.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(installed)


def main(options: Options) -> None:
    folder = Path(tempfile.mkdtemp(prefix="input-pipeline-"))
    try:
        if options.data is None:
            paths = cut_photographs(folder / "photographs", PHOTOGRAPH)
        else:
            paths = sorted(str(path) for path in options.data.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
        work = Work(options, folder, paths)
        print(f"{CORES} cores; {versions()}; {len(paths)} photographs; {options.rounds} rounds")
        for section in options.sections:
            busy = psutil.cpu_percent(interval=1.0)
            print(f"\n== {section}" + (f" (others keep the processors {busy:.0f} % busy)" if busy > BUSY else ""))
            MEASUREMENTS[section](work)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
