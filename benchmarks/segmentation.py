"""Segmentation: how many images a second U-Nets train on and predict, ours and those of PyTorch.

    pip install torch segmentation_models_pytorch      # the peers; one that is not installed is left out, with a sentence
    python benchmarks/segmentation.py

unet: the paper's, with padding and BatchNorm, against the same network written in PyTorch. resnet34 and efficientnet_lite0:
over these, untrained, with the decoder widths 256 to 16 on both sides. The networks differ: segmentation_models_pytorch repeats
pixels and then convolves all channels, ours has U-Net's transposed convolutions. So the parameters are printed, too.
Training: a step of the recipe, with cross-entropy and Dice and all weights. "base as pretrained" is the recipe's own default:
BatchNorm of a pretrained base runs in inference mode. Answering: float pixels to probabilities, by a bundle's tile function and
by the network in a ``tf.function``.
Each contender has a process of its own; they take turns. Medians over the rounds, and the range of our ratio to each peer
within a round.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from detection import OURS, compare

Network = Literal["unet", "resnet34", "efficientnet_lite0"]
BATCHES = {"unet": 2, "resnet34": 8, "efficientnet_lite0": 8}  # of training: the paper's U-Net takes seconds an image
PYTORCH = {"unet": "PyTorch", "resnet34": "segmentation_models_pytorch", "efficientnet_lite0": "segmentation_models_pytorch"}


@dataclass(frozen=True)
class Options:
    """What is measured."""

    networks: tuple[Network, ...] = ("unet", "resnet34", "efficientnet_lite0")
    """Which U-Nets."""
    work: tuple[Literal["training", "inference"], ...] = ("training", "inference")
    """Whether they train, or predict (inference)."""
    answered: tuple[int, ...] = (1, 8)
    """Images a call in prediction."""
    size: int = 256
    """Side of the images."""
    rounds: int = 5
    """Turns of each contender."""
    seconds: float = 4.0
    """Length of a turn, which has at least one step."""


def measure(network: Network, ways: dict[str, tuple[str, dict[str, Any]]], batch: int, options: Options) -> None:
    """Measure contenders and print their table, with the trained parameters of each."""
    with tempfile.TemporaryDirectory() as folder:
        counts = {name: Path(folder, str(number)) for number, name in enumerate(ways)}
        ways = {
            name: (f"segmentation_steps.{loader}", own | {"parameters": str(counts[name])})
            for name, (loader, own) in ways.items()
        }
        common = {"network": network, "size": options.size, "batch": batch, "seconds": options.seconds}
        for name in compare(ways, options.rounds, **common):
            print(f"{name}: {int(counts[name].read_text()):,} parameters")


def training(network: Network, options: Options) -> None:
    """Images a second in training."""
    batch = BATCHES[network]
    print(f"\n== training, {network}, {options.size} pixels, batches of {batch}")
    ways = {OURS: ("our_training", {})}
    if network != "unet":
        ways["visionkit, base as pretrained"] = ("our_training", {"frozen_statistics": True})
    ways[PYTORCH[network]] = ("torch_training", {"layout": "contiguous_format"})
    ways[f"{PYTORCH[network]}, channels last"] = ("torch_training", {"layout": "channels_last"})
    measure(network, ways, batch, options)


def inference(network: Network, options: Options) -> None:
    """Images a second in inference."""
    for batch in options.answered:
        print(f"\n== inference, {network}, {options.size} pixels, {batch} a call")
        peer, last = PYTORCH[network], {"layout": "channels_last"}
        ways = {
            OURS: ("our_answer", {}),
            "visionkit, no bundle": ("our_answer", {"bundled": False}),
            peer: ("torch_answer", {"layout": "contiguous_format"}),
            f"{peer}, channels last": ("torch_answer", last),
            f"{peer}, channels last, compiled": ("torch_answer", last | {"compiled": True}),
        }
        measure(network, ways, batch, options)


def main(options: Options) -> None:
    """Go through all networks and kinds of work."""
    print(f"{os.cpu_count()} cores; {options.rounds} rounds of {options.seconds} s")
    sections = {"training": training, "inference": inference}
    for network in options.networks:
        for work in options.work:
            sections[work](network, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
