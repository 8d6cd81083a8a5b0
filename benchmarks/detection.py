"""Detection: which boxes non-maximum suppression keeps, and how many images a second; ours and its peers.

    pip install torch torchvision ultralytics      # the peers; one that is not installed is left out, with a sentence
    python benchmarks/detection.py

Suppression: 8,400 boxes with 80 classes, one image per call, drawn by ``detection_nms.draw``; IoU 0.6, at most 300 detections.
Results are NumPy arrays. The boxes that the contenders keep are compared, too.
Training: a step of the recipe's yolo_nano, whose base is frozen up to stride 4 as by default, and of ultralytics' yolo11n.
Answering: raw pixels to boxes, through each library's own ``predict``.
Each contender has a process of its own; they take turns. Medians over the rounds, and the range of our ratio to each peer
within a round.
"""

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from detection_steps import SIZE
from turns import Contender, NotStartedError, in_turns, print_ratio, print_speeds

OURS = "visionkit"
PEERS = {
    "tf.image.combined_non_max_suppression": ("tensorflow", {"source": "tensorflow"}),
    "torchvision.ops.batched_nms": ("torchvision", {}),
    "ultralytics non_max_suppression": ("ultralytics", {}),
}
CROWDS = {
    "60 objects of 10 boxes": {"objects": 60, "boxes_each": 10},
    "200 objects of 20 boxes": {"objects": 200, "boxes_each": 20},
}


@dataclass(frozen=True)
class Options:
    """What is measured."""

    work: tuple[Literal["suppression", "training", "inference"], ...] = ("suppression", "training", "inference")
    """Which sections."""
    thresholds: tuple[float, ...] = (0.25, 0.001)
    """Scores from which suppression starts: as for drawing, and as for mean average precision."""
    rounds: int = 5
    """Turns of each contender."""
    seconds: float = 2.0
    """Length of a turn; of one in training twice as much."""
    batch: int = 16
    """Images a training step."""


def compare(ways: dict[str, tuple[str, dict[str, Any]]], rounds: int, **common: Any) -> list[str]:
    """Measure contenders, print their table and the ratio of ours to each peer; the names of those that took part."""
    with ExitStack() as stack:
        contenders = []
        for name, (loader, own) in ways.items():
            try:
                contenders.append(stack.enter_context(Contender(name, loader, **common, **own)))
            except NotStartedError as error:
                print(error)
        turns = in_turns(contenders, rounds)
    print_speeds(turns)
    for peer in turns:
        if peer != OURS:
            print_ratio(turns, OURS, peer)
    return list(turns)


def suppression(options: Options) -> None:
    """Both crowds at all thresholds."""
    for crowd, drawing in CROWDS.items():
        for threshold in options.thresholds:
            print(f"\n== suppression, {crowd}, scores above {threshold}")
            with tempfile.TemporaryDirectory() as folder:
                kept = {name: str(Path(folder, f"{i}.npz")) for i, name in enumerate((OURS, *PEERS))}
                ways = {OURS: ("tensorflow", {"source": "visionkit"})} | PEERS
                ways = {name: (f"detection_nms.{loader}", more | {"kept": kept[name]}) for name, (loader, more) in ways.items()}
                common = {"threshold": threshold, "seconds": options.seconds} | drawing
                names = compare(ways, options.rounds, **common)
                print_agreement({name: kept[name] for name in names})


def training(options: Options) -> None:
    """Images a second in training."""
    print(f"\n== training, {SIZE} pixels, batches of {options.batch}")
    ways = {
        OURS: ("detection_steps.our_training", {"frozen_stride": 4}),
        "visionkit, all of the base trained": ("detection_steps.our_training", {"frozen_stride": None}),
        "ultralytics yolo11n": ("detection_steps.ultralytics_training", {}),
    }
    compare(ways, options.rounds, batch=options.batch, seconds=2 * options.seconds)


def inference(options: Options) -> None:
    """Raw images a second, one a call."""
    print(f"\n== inference, an image of 640 x 480 at {SIZE} pixels, one a call")
    ways = {OURS: ("detection_steps.our_answer", {}), "ultralytics yolo11n": ("detection_steps.ultralytics_answer", {})}
    compare(ways, options.rounds, seconds=options.seconds)


def print_agreement(kept: dict[str, str]) -> None:
    """How many of the boxes that ours keeps each peer keeps, too, with the same scores and classes."""
    sets = {}
    for name, file in kept.items():
        with np.load(file, allow_pickle=False) as parts:
            images = range(len(parts.files) // 2)
            sets[name] = {(i, s, c) for i in images for s, c in zip(parts[f"s{i}"], parts[f"c{i}"].astype(int), strict=True)}
    for name, boxes in sets.items():
        if name != OURS:
            print(f"{name} keeps {len(boxes & sets[OURS])} of our {len(sets[OURS])}, and {len(boxes - sets[OURS])} others")


def main(options: Options) -> None:
    """Go through the sections."""
    print(f"{os.cpu_count()} cores; {options.rounds} rounds of {options.seconds} s")
    sections = {"suppression": suppression, "training": training, "inference": inference}
    for work in options.work:
        sections[work](options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
