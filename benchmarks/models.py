"""Images a second of ResNet-50, MobileNetV2 and EfficientNet-B0, in training and in inference: ours and two peers'.

    pip install torch torchvision      # a peer; left out, with a sentence, where it is not installed
    python benchmarks/models.py

The same work: batches of random pixels in memory, 1000 classes. Training: cross-entropy, SGD with momentum, one step per
call. Inference: ours as recipes predict (``runtime.frozen``); keras.applications by ``predict_on_batch`` and, for comparison,
frozen as ours; torchvision in ``inference_mode``, in both memory layouts. Each contender has a process of its own; they take
turns. Medians over the rounds, and the range of our ratio to each peer within a round.
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import tyro
from turns import Contender, NotStartedError, in_turns, print_ratio, print_speeds

OURS = "visionkit"


@dataclass(frozen=True)
class Options:
    """What is measured."""

    networks: tuple[Literal["resnet50", "mobilenet_v2", "efficientnet_b0"], ...] = (
        "resnet50",
        "mobilenet_v2",
        "efficientnet_b0",
    )
    """Which networks."""
    work: tuple[Literal["training", "inference"], ...] = ("training", "inference")
    """Training, inference or both."""
    size: int = 128
    """Side of the images."""
    batch: int = 16
    """Images a step."""
    rounds: int = 5
    """Turns of each contender."""
    seconds: float = 6.0
    """Length of a turn."""


def compare(network: str, work: str, options: Options) -> None:
    """Measure one network at one kind of work, and print its table."""
    common = {"network": network, "work": work, "size": options.size, "batch": options.batch, "seconds": options.seconds}
    ways = {
        OURS: ("keras_network", {"source": "visionkit"}),
        "keras.applications": ("keras_network", {"source": "keras"}),
        "torchvision": ("torchvision_network", {"layout": "contiguous_format"}),
        "torchvision, channels last": ("torchvision_network", {"layout": "channels_last"}),
    }
    if work == "inference":
        ways["keras.applications, frozen as ours"] = ("keras_network", {"source": "keras frozen"})
    with ExitStack() as stack:
        contenders = []
        for name, (loader, own) in ways.items():
            try:
                contenders.append(stack.enter_context(Contender(name, f"model_steps.{loader}", **common, **own)))
            except NotStartedError as error:
                print(error)
        turns = in_turns(contenders, options.rounds)
    print_speeds(turns)
    for name in turns:
        if name != OURS:
            print_ratio(turns, OURS, name)


def main(options: Options) -> None:
    """Go through all networks and kinds of work."""
    print(
        f"{os.cpu_count()} cores; {options.size} px, batches of {options.batch}, {options.rounds} rounds of {options.seconds} s"
    )
    for network in options.networks:
        for work in options.work:
            print(f"\n== {network}, {work}")
            compare(network, work, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
